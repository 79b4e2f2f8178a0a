//! Scores: what the search has to know of which pair, and what it does once it knows.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::ask::{Ask, ModelError, Response, Score};
use super::engine::{ChunkBeamSearch, Typed};
use super::entry::Entry;
use super::error::SearchError;
use super::history::{Node, Round};
use super::hypothesis::Hypothesis;
use super::ids::HypothesisId;
use super::score::{LogRatio, PairId};
use super::select::Ranker;
use super::work::Work;

impl ChunkBeamSearch {
    /// What is needed to do what was asked of the search already, without going on: scores of
    /// complete chunks, of a cut to be made again, of a pair that came in use. `None` when all
    /// of it is done.
    pub fn settle(&mut self) -> Option<Ask> {
        loop {
            if let Some(score) = self.next_score() {
                return Some(Ask::Score(score));
            }
            if !self.record() {
                return None;
            }
        }
    }

    /// Scores that have come are of no use any more, nor is an end that was to be scored: whether
    /// the beam ends is decided anew.
    pub(super) fn forget_fresh(&mut self) {
        self.fresh.clear();
        self.stopping = None;
    }

    /// Whether another pair is wanted than the one in use, or than the one whose scores order the
    /// beam at the head or the candidates that follow it. Chunks that grow go on first.
    fn changes_pair(&self) -> bool {
        let (here, open) = (self.history.here(), self.history.open());
        let in_use = [
            self.history.pair(),
            here.pair(),
            open.map(|round| &round.pair),
        ];
        let is_wanted = |pair: &PairId| *pair == self.pair;
        !in_use.into_iter().flatten().all(is_wanted) && !self.is_growing()
    }

    /// What is compared from here on, where the pair changes.
    fn compared(&self) -> Vec<Arc<Hypothesis>> {
        let open = self.history.open().map(|round| round.candidate_ids());
        let mut ranked = self.history.beam();
        ranked.extend(self.history.all(&open.unwrap_or_default()));
        self.with_parents(ranked, self.history.pool())
    }

    /// The same of a round that is cut again.
    fn compared_again(&self) -> Vec<Arc<Hypothesis>> {
        let Some(round) = self.round_again() else {
            return Vec::new();
        };
        let pool = self.history.node(round.after).map_or(&[][..], Node::pool);
        let ranked = self.history.all(&round.candidate_ids());
        self.with_parents(ranked, self.history.all(pool))
    }

    /// Each once, behind what the ranked ones continue: what a chunk adds is told from its
    /// parent's score.
    fn with_parents(
        &self,
        ranked: Vec<Arc<Hypothesis>>,
        pool: Vec<Arc<Hypothesis>>,
    ) -> Vec<Arc<Hypothesis>> {
        let parents: Vec<_> = ranked.iter().filter_map(|h| self.parent(h)).collect();
        each_once(parents.into_iter().chain(ranked).chain(pool))
    }

    /// Everything that is to have a score of the wanted pair now, parents before children.
    fn wanted(&self) -> Vec<Arc<Hypothesis>> {
        let mut wanted = Vec::new();
        if self.changes_pair() {
            wanted.extend(self.compared());
        }
        wanted.extend(self.compared_again());
        for typed in self.typed.iter().filter(|typed| self.has_place(typed)) {
            wanted.extend(self.parent(&typed.candidate));
            wanted.push(Arc::clone(&typed.candidate));
        }
        if let Some(work) = self.work.as_ref().filter(|work| work.is_complete()) {
            wanted.extend(self.complete(work));
        }
        wanted.extend(self.stopping.iter().flatten().cloned());
        each_once(wanted)
    }

    /// The candidates of a round whose chunks are complete, with the scores that they have.
    fn complete(&self, work: &Work) -> Vec<Arc<Hypothesis>> {
        let mut candidates = work.candidates();
        for candidate in &mut candidates {
            if let Some(known) = self.history.hypothesis(candidate.id) {
                *candidate = Arc::clone(known);
            }
        }
        candidates
    }

    fn parent(&self, hypothesis: &Hypothesis) -> Option<Arc<Hypothesis>> {
        self.history.hypothesis(hypothesis.parent?).cloned()
    }

    fn round_again(&self) -> Option<&Arc<Round>> {
        self.history.node(self.again.as_ref()?.node)?.round()
    }

    /// What is to be scored next, by the first of the wanted pairs that has not scored all.
    fn next_score(&self) -> Option<Score> {
        let wanted = self.wanted();
        let rules = self.params.rules();
        let of = |(pair, _): (PairId, f64)| {
            let missing = wanted.iter().filter(|h| self.told(h, &pair).is_none());
            let responses: Arc<[Response]> = missing.map(|h| Response::of(h, rules)).collect();
            (!responses.is_empty()).then_some(Score { pair, responses })
        };
        self.pair.members().into_iter().find_map(of)
    }

    /// A pair's score, if it has come.
    fn told<'a>(&'a self, hypothesis: &'a Hypothesis, pair: &PairId) -> Option<&'a LogRatio> {
        let fresh = self.fresh.get(&hypothesis.id).and_then(|f| f.by(pair));
        fresh.or_else(|| hypothesis.scores.by(pair))
    }

    /// The wanted score, once all that it is made of has come.
    fn score_of(&self, hypothesis: &Hypothesis) -> Option<LogRatio> {
        if !self.pair.is_panel() {
            return self.told(hypothesis, &self.pair).cloned();
        }
        let is_fresh = self.fresh.contains_key(&hypothesis.id);
        let known = hypothesis.scores.by(&self.pair);
        if let Some(known) = known.filter(|_| !is_fresh) {
            return Some(known.clone());
        }
        let part = |(pair, weight): (PairId, f64)| {
            let told = self.told(hypothesis, &pair)?;
            Some((weight, told.clone()))
        };
        let parts = self.pair.members().into_iter().map(part);
        let parts = parts.collect::<Option<Vec<(f64, LogRatio)>>>()?;
        let parent = self.parent(hypothesis);
        let before = parent.as_ref().and_then(|p| p.scores.by(&self.pair));
        Some(LogRatio::mixed(&parts, &hypothesis.text, before))
    }

    pub(super) fn take_scores(
        &mut self,
        pair: &PairId,
        scores: Vec<(HypothesisId, LogRatio)>,
    ) -> Result<(), SearchError> {
        let Some(wanted) = self.next_score().filter(|score| score.pair == *pair) else {
            return Ok(()); // another one is wanted by now
        };
        let is_missing = |id: &HypothesisId| wanted.responses.iter().any(|r| r.id == *id);
        let asked: Vec<_> = scores
            .into_iter()
            .filter(|(id, _)| is_missing(id))
            .collect();
        if asked.iter().any(|(_, score)| !score.value().is_finite()) {
            let who = format!("the weak pair {pair}");
            return Err(ModelError::NotFinite { who }.into());
        }
        for (id, score) in asked {
            self.fresh.entry(id).or_default().add(pair.clone(), score);
        }
        Ok(())
    }

    /// A hypothesis with the wanted score as the last; of a panel after those of its pairs.
    fn scored(&self, hypothesis: &Arc<Hypothesis>) -> Arc<Hypothesis> {
        let is_scored = hypothesis.scored_by() == Some(&self.pair);
        let score = match is_scored {
            true => None,
            false => self.score_of(hypothesis),
        };
        let Some(score) = score else {
            return Arc::clone(hypothesis);
        };
        let parent = self.parent(hypothesis);
        let mut scored = Hypothesis::clone(hypothesis);
        for (pair, score) in self.fresh_of_members(hypothesis.id) {
            let base = parent.as_ref().and_then(|parent| self.told(parent, pair));
            scored.score_by(pair, score.clone(), base);
        }
        let base = parent.and_then(|parent| self.score_of(&parent));
        scored.score_by(&self.pair, score, base.as_ref());
        Arc::new(scored)
    }

    /// What the pairs of a panel have said of a hypothesis that is not in the history yet.
    fn fresh_of_members(&self, id: HypothesisId) -> impl Iterator<Item = (&PairId, &LogRatio)> {
        let fresh = self.fresh.get(&id).filter(|_| self.pair.is_panel());
        fresh.into_iter().flat_map(|fresh| fresh.iter())
    }

    /// The same of several, pair by pair.
    fn fresh_by_member(
        &self,
        ids: &[HypothesisId],
    ) -> Vec<(PairId, Vec<(HypothesisId, LogRatio)>)> {
        let mut all: Vec<(PairId, Vec<(HypothesisId, LogRatio)>)> = Vec::new();
        for id in ids {
            for (pair, score) in self.fresh_of_members(*id) {
                let own = (*id, score.clone());
                match all.iter_mut().find(|(known, _)| known == pair) {
                    Some((_, scores)) => scores.push(own),
                    None => all.push((pair.clone(), vec![own])),
                }
            }
        }
        all
    }

    /// Everything that was wanted is scored: writes the first of it down. False when there was
    /// nothing.
    fn record(&mut self) -> bool {
        if self.changes_pair() {
            self.rescore();
            return true;
        }
        self.keep_fresh();
        if let Some(again) = self.again.take() {
            self.cut_again(&again);
        } else if let Some(i) = self.typed.iter().position(|typed| self.has_place(typed)) {
            let typed = self.typed.remove(i);
            self.record_typed(typed);
        } else if let Some(work) = self.work.take_if(|work| work.is_complete()) {
            self.record_scored(&work);
        } else if let Some(beam) = self.stopping.take() {
            let beam = beam.iter().map(|h| self.scored(h)).collect();
            self.stop_at(beam);
        } else {
            self.fresh.clear();
            return false;
        }
        true
    }

    fn record_scored(&mut self, work: &Work) {
        let candidates = self.complete(work);
        let candidates = candidates.iter().map(|c| self.scored(c)).collect();
        self.tell(Entry::Scored {
            round: work.round,
            pair: self.pair.clone(),
            candidates,
        });
    }

    /// The wanted pair comes in use: its scores of the beam, best first, of all that may be
    /// compared with it, and of what those continue.
    fn rescore(&mut self) {
        let pair = self.pair.clone();
        let ranker = Ranker {
            params: &self.params,
            pair: &pair,
        };
        let beam = self.beam().iter().map(|h| self.scored(h)).collect();
        let beam = ranker.ranked(beam);
        let all = each_once(beam.into_iter().chain(self.compared()));
        self.tell_rescored(&all);
        if self.is_finished() {
            self.tell_finished();
        }
    }

    /// The wanted pair speaks last of what is cut again, and of all else that it has scored; not
    /// while chunks grow under another one.
    fn keep_fresh(&mut self) {
        if self.history.pair() != Some(&self.pair) {
            return;
        }
        let mut ids: BTreeSet<HypothesisId> = self.fresh.keys().copied().collect();
        ids.extend(self.compared_again().iter().map(|h| h.id));
        let known = ids.into_iter().filter_map(|id| self.history.hypothesis(id));
        let stale = known.filter(|known| known.scored_by() != Some(&self.pair));
        let stale: Vec<_> = stale
            .filter(|h| self.score_of(h).is_some())
            .cloned()
            .collect();
        if stale.is_empty() {
            return;
        }
        let fresh = self.fresh.clone();
        self.tell_rescored(&stale);
        // Candidates that are not in the history yet take them along.
        self.fresh = fresh;
    }

    /// The wanted scores of these, as far as they have come, are in the history from here on.
    fn tell_rescored(&mut self, all: &[Arc<Hypothesis>]) {
        let score = |h: &Arc<Hypothesis>| Some((h.id, self.score_of(h)?));
        let scores: Vec<_> = all.iter().filter_map(score).collect();
        let ids: Vec<HypothesisId> = scores.iter().map(|(id, _)| *id).collect();
        let members = self.fresh_by_member(&ids);
        for id in &ids {
            self.fresh.remove(id);
        }
        self.tell(Entry::Rescored {
            pair: self.pair.clone(),
            members,
            scores,
        });
    }

    /// A round that waits for its cut takes a candidate in while the head is before it.
    fn has_place(&self, typed: &Typed) -> bool {
        typed.late.is_some() || typed.after == self.history.head()
    }

    fn record_typed(&mut self, typed: Typed) {
        let candidate = self.scored(&typed.candidate);
        self.tell(Entry::Added {
            round: candidate.round,
            late: typed.late,
            candidate,
        });
    }
}

/// The first of each.
fn each_once(all: impl IntoIterator<Item = Arc<Hypothesis>>) -> Vec<Arc<Hypothesis>> {
    let mut seen = HashSet::new();
    let all = all.into_iter();
    all.filter(|hypothesis| seen.insert(hypothesis.id))
        .collect()
}

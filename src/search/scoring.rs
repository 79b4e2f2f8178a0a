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
use super::layout::Place;
use super::score::{LogRatio, PairId};
use super::select::{Ranker, rank_by};
use super::work::Work;

impl ChunkBeamSearch {
    /// What is needed to do what was asked of the search already, without going on: scores of
    /// complete chunks, of a cut to be made again, of a pair that came in use. `None` when all
    /// of it is done.
    pub fn settle(&mut self) -> Option<Ask> {
        loop {
            let missing = self.missing();
            if !missing.is_empty() {
                return Some(Ask::Score(self.score(&missing)));
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

    /// What of it the wanted pair has not scored.
    fn missing(&self) -> Vec<Arc<Hypothesis>> {
        let mut wanted = self.wanted();
        wanted.retain(|hypothesis| self.score_of(hypothesis).is_none());
        wanted
    }

    fn score(&self, missing: &[Arc<Hypothesis>]) -> Score {
        let rules = self.params.rules();
        Score {
            pair: self.pair.clone(),
            responses: missing.iter().map(|h| Response::of(h, rules)).collect(),
        }
    }

    /// The wanted pair's score, if it has come.
    fn score_of<'a>(&'a self, hypothesis: &'a Hypothesis) -> Option<&'a LogRatio> {
        let fresh = self.fresh.get(&hypothesis.id);
        fresh.or_else(|| hypothesis.scores.by(&self.pair))
    }

    pub(super) fn take_scores(
        &mut self,
        pair: &PairId,
        scores: Vec<(HypothesisId, LogRatio)>,
    ) -> Result<(), SearchError> {
        if *pair != self.pair {
            return Ok(()); // another one is wanted by now
        }
        let missing = self.missing();
        let is_missing = |id: &HypothesisId| missing.iter().any(|h| h.id == *id);
        let asked: Vec<_> = scores
            .into_iter()
            .filter(|(id, _)| is_missing(id))
            .collect();
        if asked.iter().any(|(_, score)| !score.value().is_finite()) {
            let who = format!("the weak pair {pair}");
            return Err(ModelError::NotFinite { who }.into());
        }
        self.fresh.extend(asked);
        Ok(())
    }

    /// A hypothesis with the wanted pair's score as the last.
    fn scored(&self, hypothesis: &Arc<Hypothesis>) -> Arc<Hypothesis> {
        let is_scored = hypothesis.scored_by() == Some(&self.pair);
        let score = self.score_of(hypothesis).filter(|_| !is_scored);
        let Some(score) = score.cloned() else {
            return Arc::clone(hypothesis);
        };
        let parent = self.parent(hypothesis);
        let base = parent.as_ref().and_then(|parent| self.score_of(parent));
        let mut scored = Hypothesis::clone(hypothesis);
        scored.score_by(&self.pair, score, base);
        Arc::new(scored)
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
        let beam = rank_by(beam, |h| ranker.key(h));
        let all = each_once(beam.into_iter().chain(self.compared()));
        let score = |h: &Arc<Hypothesis>| Some((h.id, self.score_of(h)?.clone()));
        let scores: Vec<_> = all.iter().filter_map(score).collect();
        for (id, _) in &scores {
            self.fresh.remove(id);
        }
        self.tell(Entry::Rescored { pair, scores });
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
        let score = |h: &Arc<Hypothesis>| Some((h.id, self.score_of(h)?.clone()));
        let scores: Vec<_> = stale.filter_map(score).collect();
        if !scores.is_empty() {
            let pair = self.pair.clone();
            self.tell(Entry::Rescored { pair, scores });
        }
    }

    /// A round that waits for its cut takes a candidate in while the head is before it.
    fn has_place(&self, typed: &Typed) -> bool {
        typed.late.is_some() || typed.after == self.history.head()
    }

    fn record_typed(&mut self, typed: Typed) {
        let candidate = self.scored(&typed.candidate);
        if let Some(work) = self.work.as_mut().filter(|_| typed.late.is_none()) {
            work.join(Place::Whole(Arc::clone(&candidate)));
        }
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

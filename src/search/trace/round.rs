//! One round and one candidate, as far as they are known.

use std::collections::HashMap;
use std::sync::Arc;

use crate::search::event::{CandidateSlot, Mark, Partial};
use crate::search::hypothesis::{Hypothesis, HypothesisId};
use crate::search::params::SearchParams;
use crate::search::select::{boost_of, rank_key};

/// What is known of a candidate, from its slot on.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidateTrace {
    pub slot: CandidateSlot,
    /// The round that sampled it, from 1.
    pub round: usize,
    /// The whole response so far.
    pub text: String,
    /// Strong tokens of the whole response so far.
    pub n_tokens: usize,
    /// The log-ratio of the response so far, under the pair in use.
    pub score: Option<f64>,
    /// Complete with its per-token terms, once it is scored.
    pub hypothesis: Option<Arc<Hypothesis>>,
}

impl CandidateTrace {
    /// A candidate about to grow from `parent`'s response, or from the bare prompt.
    pub(super) fn new(slot: CandidateSlot, round: usize, parent: Option<&Self>) -> Self {
        Self {
            slot,
            round,
            text: parent.map_or_else(String::new, |parent| parent.text.clone()),
            n_tokens: parent.map_or(0, |parent| parent.n_tokens),
            score: None,
            hypothesis: None,
        }
    }

    pub(super) fn whole(hypothesis: &Arc<Hypothesis>) -> Self {
        Self {
            slot: slot_of(hypothesis),
            round: hypothesis.round,
            text: hypothesis.text.clone(),
            n_tokens: hypothesis.tokens.len(),
            score: Some(hypothesis.score.value()),
            hypothesis: Some(Arc::clone(hypothesis)),
        }
    }

    pub(super) fn grow(&mut self, partial: &Partial) {
        self.text.clone_from(&partial.text);
        self.score = partial.score.or(self.score);
        self.n_tokens = partial.n_tokens;
    }

    /// Whether its response is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.hypothesis.as_ref().is_some_and(|h| h.is_finished())
    }
}

pub(super) fn slot_of(hypothesis: &Hypothesis) -> CandidateSlot {
    CandidateSlot {
        id: hypothesis.id,
        parent: hypothesis.parent,
        successor: hypothesis.successor,
    }
}

/// What became of a candidate in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its chunk still grows.
    Growing,
    /// Complete and scored; the cut is still to come, or was over when the user wrote it.
    Scored,
    Kept,
    Pruned,
}

/// The selection of a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Best first.
    pub kept: Vec<HypothesisId>,
    /// Best first.
    pub pruned: Vec<HypothesisId>,
    /// What the best pruned candidate was ranked by, killed ones aside; `None` when there is
    /// none.
    pub line: Option<f64>,
    /// The user's hand in it.
    pub marks: HashMap<HypothesisId, Mark>,
    /// The user's own candidates that came after it: neither kept nor pruned.
    pub late: Vec<HypothesisId>,
}

/// A round: what it set out to sample, what that scored, what was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundTrace {
    /// From 1.
    pub number: usize,
    pub params: SearchParams,
    /// The hypotheses it set out from, best first; none when it follows the bare prompt.
    pub beam: Vec<HypothesisId>,
    /// The new candidates of the round.
    pub slots: Vec<CandidateSlot>,
    /// Finished hypotheses that compete as they are.
    pub standing: Vec<HypothesisId>,
    /// The most tokens that a chunk of this round has so far.
    pub grown: usize,
    /// All candidates as they were scored in this round; empty until then.
    pub candidates: Vec<Arc<Hypothesis>>,
    /// Their scores, added up once.
    scores: HashMap<HypothesisId, f64>,
    /// What they are ranked by, marks aside.
    keys: HashMap<HypothesisId, f64>,
    pub cut: Option<Cut>,
    /// The scores of the hypotheses that it set out from, under the pair of this round.
    pub base: HashMap<HypothesisId, f64>,
    /// The same under the pair before, where the pair changed just before this round.
    pub before: HashMap<HypothesisId, f64>,
    /// How many times the pair had changed: scores of different eras do not compare.
    pub era: usize,
}

impl RoundTrace {
    pub(super) fn new(
        number: usize,
        params: SearchParams,
        slots: &[CandidateSlot],
        standing: &[HypothesisId],
    ) -> Self {
        Self {
            number,
            params,
            beam: Vec::new(),
            slots: slots.to_vec(),
            standing: standing.to_vec(),
            grown: 0,
            candidates: Vec::new(),
            scores: HashMap::new(),
            keys: HashMap::new(),
            cut: None,
            base: HashMap::new(),
            before: HashMap::new(),
            era: 0,
        }
    }

    pub(super) fn score(&mut self, candidates: &[Arc<Hypothesis>]) {
        let scores = candidates.iter().map(|h| (h.id, h.score.value()));
        self.scores = scores.collect();
        let keys = candidates.iter().map(|h| (h.id, rank_key(&self.params, h)));
        self.keys = keys.collect();
        self.candidates = candidates.to_vec();
    }

    /// A candidate of the user's own takes its place beside its siblings.
    pub(super) fn add(&mut self, candidate: &Arc<Hypothesis>) {
        self.slots.push(slot_of(candidate));
        self.scores.insert(candidate.id, candidate.score.value());
        let key = rank_key(&self.params, candidate);
        self.keys.insert(candidate.id, key);
        self.candidates.push(Arc::clone(candidate));
        if let Some(cut) = &mut self.cut {
            cut.late.push(candidate.id);
        }
    }

    pub(super) fn select(
        &mut self,
        kept: &[HypothesisId],
        pruned: &[HypothesisId],
        marks: &[(HypothesisId, Mark)],
    ) {
        let marks: HashMap<_, _> = marks.iter().copied().collect();
        let mut lost = pruned.iter();
        let best = lost.find(|id| marks.get(id) != Some(&Mark::Kill));
        self.cut = Some(Cut {
            line: best.and_then(|id| self.key_of(*id, marks.get(id).copied())),
            kept: kept.to_vec(),
            pruned: pruned.to_vec(),
            marks,
            late: Vec::new(),
        });
    }

    /// What a candidate is ranked by, under a mark; none until all are scored.
    #[must_use]
    pub fn key_of(&self, id: HypothesisId, mark: Option<Mark>) -> Option<f64> {
        Some(self.keys.get(&id)? + boost_of(mark))
    }

    /// Whether a candidate had its chance at the cut and can be taken after it.
    #[must_use]
    pub fn can_be_taken(&self, id: HypothesisId) -> bool {
        let cut = self.cut.as_ref();
        cut.is_some_and(|cut| cut.pruned.contains(&id) || cut.late.contains(&id))
    }

    /// Best first; none until the cut.
    #[must_use]
    pub fn kept(&self) -> &[HypothesisId] {
        self.cut.as_ref().map_or(&[], |cut| &cut.kept)
    }

    /// Best first; none until the cut.
    #[must_use]
    pub fn pruned(&self) -> &[HypothesisId] {
        self.cut.as_ref().map_or(&[], |cut| &cut.pruned)
    }

    /// Every candidate, standing ones first.
    pub fn ids(&self) -> impl Iterator<Item = HypothesisId> {
        let slots = self.slots.iter().map(|slot| slot.id);
        self.standing.iter().copied().chain(slots)
    }

    /// Whether all chunks are complete and scored.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        !self.scores.is_empty()
    }

    /// Every candidate's score as it was in this round; none until all are scored.
    pub fn scores(&self) -> impl Iterator<Item = (HypothesisId, f64)> {
        self.scores.iter().map(|(id, score)| (*id, *score))
    }

    /// A candidate's score as it was in this round.
    #[must_use]
    pub fn score_of(&self, id: HypothesisId) -> Option<f64> {
        self.scores.get(&id).copied()
    }

    #[must_use]
    pub fn fate(&self, id: HypothesisId) -> Fate {
        match &self.cut {
            Some(cut) if cut.kept.contains(&id) => Fate::Kept,
            Some(cut) if cut.late.contains(&id) => Fate::Scored,
            Some(_) => Fate::Pruned,
            None if self.is_scored() => Fate::Scored,
            None => Fate::Growing,
        }
    }

    /// The log-ratio at the cut: the best pruned candidate's; `None` before the cut and when
    /// nothing was pruned.
    #[must_use]
    pub fn cut_score(&self) -> Option<f64> {
        self.score_of(*self.pruned().first()?)
    }

    /// Best, mean and worst score of the kept, once the round is cut.
    #[must_use]
    pub fn kept_range(&self) -> Option<(f64, f64, f64)> {
        let kept = self.kept().iter();
        let scores: Vec<f64> = kept.filter_map(|id| self.score_of(*id)).collect();
        // Not the first and the last: something else than the sum may have been ranked.
        let best = scores.iter().copied().reduce(f64::max)?;
        let worst = scores.iter().copied().reduce(f64::min)?;
        Some((best, mean(&scores)?, worst))
    }

    /// The standard deviation of all candidates' scores, once they are scored.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        let scores: Vec<f64> = self.scores.values().copied().collect();
        let centre = mean(&scores)?;
        let squares: Vec<f64> = scores.iter().map(|s| (s - centre).powi(2)).collect();
        mean(&squares).map(f64::sqrt)
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

//! One round: what it set out to sample, what that scored, what was kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::figures::Figures;
use crate::search::draw::Deal;
use crate::search::entry::{CandidateSlot, Mark, NodeId};
use crate::search::hypothesis::Hypothesis;
use crate::search::ids::{ById, HypothesisId};
use crate::search::panel::{Conflict, ScoreTable};
use crate::search::params::SearchParams;
use crate::search::score::PairId;
use crate::search::select::{Keys, Marks, Ranker, boost_of};

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
    /// The node that it made.
    pub node: NodeId,
    /// Best first.
    pub kept: Vec<HypothesisId>,
    /// Best first.
    pub pruned: Vec<HypothesisId>,
    /// What the best pruned candidate was ranked by, killed ones aside; `None` when there is
    /// none, and when the method does not cut by rank.
    pub line: Option<f64>,
    /// The user's own candidates that came after it: neither kept nor pruned.
    pub late: Vec<HypothesisId>,
}

/// A round, from its start on.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// From 1.
    pub number: usize,
    /// The node it set out from.
    pub after: NodeId,
    pub params: SearchParams,
    /// The pair whose scores these are.
    pub pair: PairId,
    /// The hypotheses it set out from, best first; none when it follows the bare prompt.
    pub beam: Vec<HypothesisId>,
    /// The new candidates of the round.
    pub slots: Vec<CandidateSlot>,
    /// Finished hypotheses that compete as they are.
    pub standing: Vec<HypothesisId>,
    /// Successors beyond K that the user spent on hypotheses of the beam.
    pub extra: BTreeMap<HypothesisId, usize>,
    /// How often the rounds after the same node had been drawn anew.
    pub draws: u64,
    /// The user's hand on its candidates.
    pub marks: Marks,
    /// All candidates as they were scored in this round; empty until then. Some are missing
    /// while successors grow that the user wants beside them.
    pub candidates: Vec<Arc<Hypothesis>>,
    /// Their scores, added up once.
    scores: ById<f64>,
    /// What they are ranked by, marks aside.
    keys: Keys,
    /// What they come to.
    figures: Figures,
    /// The new candidates, the best first.
    order: Vec<CandidateSlot>,
    pub cut: Option<Cut>,
    /// The scores of the hypotheses that it set out from, under the pair of this round.
    pub base: HashMap<HypothesisId, f64>,
    /// The same under the pair before, where the pair changed just before this round.
    pub before: HashMap<HypothesisId, f64>,
}

impl Round {
    pub(super) fn new(number: usize, after: NodeId, params: SearchParams, pair: PairId) -> Self {
        Self {
            number,
            after,
            params,
            pair,
            beam: Vec::new(),
            slots: Vec::new(),
            standing: Vec::new(),
            extra: BTreeMap::new(),
            draws: 0,
            marks: Marks::new(),
            candidates: Vec::new(),
            scores: ById::default(),
            keys: Keys::default(),
            figures: Figures::default(),
            order: Vec::new(),
            cut: None,
            base: HashMap::new(),
            before: HashMap::new(),
        }
    }

    /// What its draws depend on.
    pub(in crate::search) fn deal(&self) -> Deal {
        Deal {
            round: self.number,
            draws: self.draws,
        }
    }

    /// What its candidates are compared by.
    #[must_use]
    pub fn ranker(&self) -> Ranker<'_> {
        Ranker {
            params: &self.params,
            pair: &self.pair,
        }
    }

    /// What each pair of a panel says of those candidates that all of them have scored, and of
    /// whom; `None` for a pair by itself, and before there are any.
    #[must_use]
    pub fn table(&self) -> Option<(Vec<HypothesisId>, ScoreTable)> {
        match self.pair.is_panel() {
            true => self.ranker().table(&self.candidates),
            false => None,
        }
    }

    /// How far the pairs of a panel disagree on its candidates.
    #[must_use]
    pub fn conflict(&self) -> Option<Conflict> {
        self.table()?.1.conflict()
    }

    /// Takes in all candidates with their scores under `pair`.
    pub(super) fn score(&mut self, pair: &PairId, candidates: Vec<Arc<Hypothesis>>) {
        self.pair = pair.clone();
        self.scores.clear();
        self.keys.clear();
        self.candidates.clear();
        candidates.into_iter().for_each(|c| self.admit(c));
        self.keys = self.ranker().keys(&self.candidates);
        self.add_up();
    }

    fn add_up(&mut self) {
        self.figures = Figures::of(&self.candidates, &self.standing, &self.pair);
        self.order.clone_from(&self.slots);
        let score = |slot: &CandidateSlot| self.scores.get(&slot.id);
        let score = |slot: &CandidateSlot| score(slot).copied().unwrap_or(f64::NEG_INFINITY);
        self.order.sort_by(|a, b| score(b).total_cmp(&score(a)));
    }

    fn admit(&mut self, candidate: Arc<Hypothesis>) {
        let score = candidate.scores.by(&self.pair);
        let score = score.map(|score| score.value());
        self.scores.extend(score.map(|score| (candidate.id, score)));
        self.candidates.push(candidate);
    }

    /// A candidate of the user's own takes its place beside its siblings.
    pub(super) fn add(&mut self, candidate: &Arc<Hypothesis>) {
        self.slots.push(slot_of(candidate));
        self.admit(Arc::clone(candidate));
        self.add_up();
        let keys = self.ranker().keys(&self.candidates);
        match &mut self.cut {
            None => self.keys = keys,
            // What was ranked at the cut stays.
            Some(cut) => {
                cut.late.push(candidate.id);
                let own = keys.get(&candidate.id);
                self.keys.extend(own.map(|key| (candidate.id, *key)));
            }
        }
    }

    /// The cut has been made.
    pub(super) fn select(
        &mut self,
        node: NodeId,
        kept: &[HypothesisId],
        pruned: &[HypothesisId],
        marks: &[(HypothesisId, Mark)],
    ) {
        self.marks = marks.iter().copied().collect();
        let mut lost = pruned.iter();
        let best = lost.find(|id| self.marks.get(id) != Some(&Mark::Kill));
        self.cut = Some(Cut {
            node,
            line: best
                .filter(|_| self.params.method().cuts_by_rank())
                .and_then(|id| self.key_of(*id)),
            kept: kept.to_vec(),
            pruned: pruned.to_vec(),
            late: Vec::new(),
        });
    }

    /// What a candidate is ranked by, the user's hand included; none until it is scored.
    #[must_use]
    pub fn key_of(&self, id: HypothesisId) -> Option<f64> {
        Some(self.keys.get(&id)? + boost_of(self.mark_of(id)))
    }

    /// The user's hand on a candidate.
    #[must_use]
    pub fn mark_of(&self, id: HypothesisId) -> Option<Mark> {
        self.marks.get(&id).copied()
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

    /// Those that are complete and scored, in the order of their places.
    #[must_use]
    pub fn candidate_ids(&self) -> Vec<HypothesisId> {
        self.candidates.iter().map(|c| c.id).collect()
    }

    /// Whether this is one of its candidates.
    #[must_use]
    pub fn holds(&self, id: HypothesisId) -> bool {
        self.ids().any(|other| other == id)
    }

    /// Whether all chunks are complete and scored.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        self.candidates.len() == self.standing.len() + self.slots.len()
    }

    /// Every candidate's score as it was in this round; none until it is scored.
    pub fn scores(&self) -> impl Iterator<Item = (HypothesisId, f64)> {
        self.scores.iter().map(|(id, score)| (*id, *score))
    }

    /// A candidate's score as it was in this round; none until it is scored.
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
            None if self.keys.contains_key(&id) => Fate::Scored,
            None => Fate::Growing,
        }
    }

    /// The log-ratio at the cut: the best pruned candidate's; `None` before the cut and when
    /// nothing was pruned.
    #[must_use]
    pub fn cut_score(&self) -> Option<f64> {
        self.score_of(*self.pruned().first()?)
    }

    /// The best score that it set out from, under the pair before and under its own, where the
    /// pair changed just before it.
    #[must_use]
    pub fn change(&self) -> Option<(f64, f64)> {
        let both = |(id, old): (&HypothesisId, &f64)| Some((*old, *self.base.get(id)?));
        let scores = self.before.iter().filter_map(both);
        scores.reduce(|best, next| (best.0.max(next.0), best.1.max(next.1)))
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

    /// The new candidates, the best first; those that are not scored yet in the order of their
    /// places, after the others.
    #[must_use]
    pub fn by_score(&self) -> Vec<CandidateSlot> {
        let known = self.order.len();
        let more = self.slots.get(known..).unwrap_or_default();
        self.order.iter().chain(more).copied().collect()
    }

    /// What its scores come to.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}

pub(in crate::search) fn slot_of(hypothesis: &Hypothesis) -> CandidateSlot {
    CandidateSlot {
        id: hypothesis.id,
        parent: hypothesis.parent,
        successor: hypothesis.successor,
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

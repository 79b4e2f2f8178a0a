//! A node of the tree: a round that made its cut, and what may follow it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::round::Round;
use crate::search::entry::{EndReason, Mark, NodeId, Share};
use crate::search::hypothesis::Hypothesis;
use crate::search::ids::HypothesisId;
use crate::search::params::Rules;
use crate::search::score::{LogRatio, PairId};

/// How many finished responses are remembered. More than one, since another weak pair may
/// prefer another of them.
const POOL_SIZE: usize = 32;

/// How a search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    pub best: Arc<Hypothesis>,
    pub reason: EndReason,
}

/// A round with its cut, or the bare prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// `None` at the bare prompt.
    round: Option<Arc<Round>>,
    children: Vec<NodeId>,
    /// The round after it that has not made its cut.
    open: Option<Arc<Round>>,
    /// Kept, best first under `pair`.
    beam: Vec<HypothesisId>,
    /// The pair by whose scores the beam is ordered.
    pair: Option<PairId>,
    /// The best finished responses on the way here, but for killed ones. Stays empty under
    /// [`Rules::Reference`], which has none.
    pool: Vec<HypothesisId>,
    /// The beam as lowered settings ended it.
    stopped: Option<Vec<Arc<Hypothesis>>>,
    ending: Option<Ending>,
    /// For the round after it: so many successors more.
    extra: BTreeMap<HypothesisId, usize>,
    /// How often the rounds after it have been drawn anew.
    draws: u64,
    /// What the kept ones have of the next round, where the method says so.
    shares: Vec<Share>,
}

impl Node {
    pub(super) fn root() -> Self {
        Self {
            round: None,
            children: Vec::new(),
            open: None,
            beam: Vec::new(),
            pair: None,
            pool: Vec::new(),
            stopped: None,
            ending: None,
            extra: BTreeMap::new(),
            draws: 0,
            shares: Vec::new(),
        }
    }

    /// The node of a round with its cut; `pool` is what the way here has finished.
    pub(super) fn of(
        round: Round,
        pool: Vec<Arc<Hypothesis>>,
        candidates: &[Arc<Hypothesis>],
    ) -> Self {
        let pool = pooled(&round, pool, candidates);
        Self {
            beam: round.kept().to_vec(),
            pair: Some(round.pair.clone()),
            pool,
            round: Some(Arc::new(round)),
            ..Self::root()
        }
    }

    /// Its round; `None` at the bare prompt.
    #[must_use]
    pub fn round(&self) -> Option<&Arc<Round>> {
        self.round.as_ref()
    }

    /// The nodes that follow, in the order of their cuts.
    #[must_use]
    pub fn children(&self) -> &[NodeId] {
        &self.children
    }

    /// The round after it that has not made its cut.
    #[must_use]
    pub fn open(&self) -> Option<&Arc<Round>> {
        self.open.as_ref()
    }

    /// The hypotheses kept, best first.
    #[must_use]
    pub fn beam(&self) -> &[HypothesisId] {
        &self.beam
    }

    /// By whose scores the beam is ordered.
    #[must_use]
    pub fn pair(&self) -> Option<&PairId> {
        self.pair.as_ref()
    }

    #[must_use]
    pub fn pool(&self) -> &[HypothesisId] {
        &self.pool
    }

    /// The beam as lowered settings ended it.
    #[must_use]
    pub fn stopped(&self) -> Option<&[Arc<Hypothesis>]> {
        self.stopped.as_deref()
    }

    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    #[must_use]
    pub fn extra(&self) -> &BTreeMap<HypothesisId, usize> {
        &self.extra
    }

    /// How often the rounds after it have been drawn anew.
    #[must_use]
    pub fn draws(&self) -> u64 {
        self.draws
    }

    /// What the kept ones have of the next round; empty where all are alike.
    #[must_use]
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    pub(super) fn set_shares(&mut self, shares: &[Share]) {
        self.shares = shares.to_vec();
    }

    pub(super) fn set_draws(&mut self, draws: u64) {
        self.draws = draws;
    }

    pub(super) fn bear(&mut self, child: NodeId) {
        self.children.push(child);
    }

    pub(super) fn set_open(&mut self, round: Option<Arc<Round>>) -> Option<Arc<Round>> {
        std::mem::replace(&mut self.open, round)
    }

    pub(super) fn extra_mut(&mut self) -> &mut BTreeMap<HypothesisId, usize> {
        &mut self.extra
    }

    pub(super) fn change_round(&mut self, change: impl FnOnce(&mut Round)) {
        if let Some(round) = &mut self.round {
            change(Arc::make_mut(round));
        }
    }

    pub(super) fn stop(&mut self, beam: &[Arc<Hypothesis>]) {
        self.beam = beam.iter().map(|h| h.id).collect();
        self.stopped = Some(beam.to_vec());
    }

    pub(super) fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// The beam in the order in which `scores` name it, where another pair's ordered it before;
    /// `stopped` is the beam as it ended, with its scores.
    pub(super) fn reorder(
        &mut self,
        pair: &PairId,
        scores: &[(HypothesisId, LogRatio)],
        stopped: Option<Vec<Arc<Hypothesis>>>,
    ) {
        if self.pair.as_ref() == Some(pair) {
            return;
        }
        self.pair = Some(pair.clone());
        let rank = |id: &HypothesisId| scores.iter().position(|(other, _)| other == id);
        self.beam.sort_by_key(|id| rank(id).unwrap_or(usize::MAX));
        self.stopped = stopped;
        if let Some(stopped) = &mut self.stopped {
            stopped.sort_by_key(|h| rank(&h.id).unwrap_or(usize::MAX));
        }
    }
}

/// The finished responses to remember after `round`: those of the way here and its own, but for
/// killed ones, the best first.
fn pooled(
    round: &Round,
    pool: Vec<Arc<Hypothesis>>,
    candidates: &[Arc<Hypothesis>],
) -> Vec<HypothesisId> {
    if round.params.rules() == Rules::Reference {
        return Vec::new();
    }
    let mut all = pool;
    for candidate in candidates.iter().filter(|c| c.is_finished()) {
        // A finished hypothesis that stands in the beam comes by in every round.
        if all.iter().all(|known| known.id != candidate.id) {
            all.push(Arc::clone(candidate));
        }
    }
    all.retain(|h| round.mark_of(h.id) != Some(Mark::Kill));
    let ranked = round.ranker().answers(all);
    let ids = ranked.iter().map(|h| h.id);
    ids.take(POOL_SIZE).collect()
}

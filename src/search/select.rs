//! The cut: which candidates a round keeps, and which finished response is the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::Mark;
use super::hypothesis::Hypothesis;
use super::ids::HypothesisId;
use super::params::{Ranking, SearchParams};
use super::score::{LogRatio, PairId};

/// What candidates are compared by: settings, and the pair whose scores count. Scores of
/// different pairs never meet in one ranking.
#[derive(Debug, Clone, Copy)]
pub struct Ranker<'a> {
    pub params: &'a SearchParams,
    pub pair: &'a PairId,
}

impl Ranker<'_> {
    /// What the cut ranks by: the part of the log-ratio that the settings name, times the weight
    /// of the pair. What the pair has not scored comes last.
    #[must_use]
    pub fn key(&self, candidate: &Hypothesis) -> f64 {
        let score = candidate.scores.by(self.pair);
        let ranked = match self.params.ranking() {
            Ranking::Sum => score.map(LogRatio::value),
            Ranking::PerToken => score.map(|score| score.value() / score.len().max(1) as f64),
            Ranking::Chunk => candidate.chunk_value(self.pair),
        };
        let weight = self.params.weight().get();
        ranked.map_or(f64::NEG_INFINITY, |ranked| weight * ranked)
    }

    /// What complete responses are compared by: as [`Self::key`], with the whole response in the
    /// place of a chunk.
    #[must_use]
    pub fn answer_key(&self, response: &Hypothesis) -> f64 {
        let ranking = match self.params.ranking() {
            Ranking::Chunk => Ranking::Sum,
            ranking => ranking,
        };
        let params = &self.params.with_ranking(ranking);
        Ranker { params, ..*self }.key(response)
    }

    /// The better one of two answers; of equals the older.
    #[must_use]
    pub fn better<'h>(
        &self,
        a: &'h Arc<Hypothesis>,
        b: &'h Arc<Hypothesis>,
    ) -> &'h Arc<Hypothesis> {
        let order = self.answer_key(b).total_cmp(&self.answer_key(a));
        match order.then(a.id.cmp(&b.id)).is_le() {
            true => a,
            false => b,
        }
    }
}

/// The candidates best first by `key` in the total order of f64, ties by id, lower first.
///
/// Global, with no quota per parent (paper Algorithm 1; `decoders/cbs.py` of the reference).
#[must_use]
pub fn rank_by(
    candidates: Vec<Arc<Hypothesis>>,
    key: impl Fn(&Hypothesis) -> f64,
) -> Vec<Arc<Hypothesis>> {
    let mut keyed: Vec<(f64, Arc<Hypothesis>)> =
        candidates.into_iter().map(|c| (key(&c), c)).collect();
    keyed.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.id.cmp(&y.id)));
    keyed.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Candidates by their ids.
pub type Marks = BTreeMap<HypothesisId, Mark>;

/// The order in which marks are served at the cut.
pub(super) fn precedence(mark: Option<Mark>) -> u8 {
    match mark {
        Some(Mark::Take) => 0,
        Some(Mark::Pin) => 1,
        None | Some(Mark::Boost(_)) => 2,
        Some(Mark::Kill) => 3,
    }
}

/// What a mark adds to the rank key.
#[must_use]
pub fn boost_of(mark: Option<Mark>) -> f64 {
    match mark {
        Some(Mark::Boost(nats)) => nats,
        _ => 0.0,
    }
}

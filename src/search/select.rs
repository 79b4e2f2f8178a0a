//! The cut: which candidates a round keeps, and which finished response is the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::Mark;
use super::hypothesis::{Hypothesis, HypothesisId};
use super::params::{Ranking, SearchParams};

/// How many finished responses are remembered. More than one, since another weak pair may
/// prefer another of them.
const POOL_SIZE: usize = 32;

/// The candidates best first by `key` in the total order of f64, ties by id, lower first.
///
/// Global, with no quota per parent (paper Algorithm 1; `decoders/cbs.py` of the reference).
#[must_use]
pub fn rank_by(
    candidates: Vec<Arc<Hypothesis>>,
    key: impl Fn(&Hypothesis) -> f64,
) -> Vec<Arc<Hypothesis>> {
    // A score is a sum over terms: taken once each, not once a comparison.
    let mut keyed: Vec<(f64, Arc<Hypothesis>)> =
        candidates.into_iter().map(|c| (key(&c), c)).collect();
    keyed.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.id.cmp(&y.id)));
    keyed.into_iter().map(|(_, candidate)| candidate).collect()
}

/// What the cut ranks by: the part of the log-ratio that `params.ranking` names, times the
/// weight of the pair.
#[must_use]
pub fn rank_key(params: &SearchParams, candidate: &Hypothesis) -> f64 {
    let ranked = match params.ranking {
        Ranking::Sum => candidate.score.value(),
        Ranking::PerToken => candidate.score.value() / candidate.score.terms.len().max(1) as f64,
        Ranking::Chunk => candidate.chunk_value(),
    };
    params.weight.get() * ranked
}

/// What complete responses are compared by: as [`rank_key`], with the whole response in the place
/// of a chunk.
#[must_use]
pub fn answer_key(params: &SearchParams, response: &Hypothesis) -> f64 {
    let ranking = match params.ranking {
        Ranking::Chunk => Ranking::Sum,
        ranking => ranking,
    };
    rank_key(&SearchParams { ranking, ..*params }, response)
}

/// The cut: which candidates are kept and which are pruned, each best first.
///
/// A pinned one is kept before all others, a killed one is pruned, a boost is added to the rank
/// key. Should all have been killed, the best one is kept all the same: a beam is never empty.
#[must_use]
pub fn cut(
    params: &SearchParams,
    marks: &BTreeMap<HypothesisId, Mark>,
    candidates: Vec<Arc<Hypothesis>>,
) -> (Vec<Arc<Hypothesis>>, Vec<Arc<Hypothesis>>) {
    let key = |c: &Hypothesis| rank_key(params, c) + boost_of(marks.get(&c.id).copied());
    let ranked = rank_by(candidates, key);
    let is = |mark: Mark| move |c: &Arc<Hypothesis>| marks.get(&c.id) == Some(&mark);
    let (pinned, rest): (Vec<_>, Vec<_>) = ranked.into_iter().partition(is(Mark::Pin));
    let (killed, open): (Vec<_>, Vec<_>) = rest.into_iter().partition(is(Mark::Kill));
    let n_alive = (pinned.len() + open.len()).max(1);
    let mut all: Vec<_> = pinned.into_iter().chain(open).chain(killed).collect();
    let n_kept = params.beam_width.get().min(n_alive).min(all.len());
    let pruned = all.split_off(n_kept);
    (rank_by(all, key), rank_by(pruned, key))
}

/// What a mark adds to the rank key.
#[must_use]
pub fn boost_of(mark: Option<Mark>) -> f64 {
    match mark {
        Some(Mark::Boost(nats)) => nats,
        _ => 0.0,
    }
}

/// The best finished responses ever seen, best first, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FinishedPool(Vec<Arc<Hypothesis>>);

impl FinishedPool {
    /// Adds what is finished among `candidates`, and forgets the worst beyond the pool's size.
    pub fn add(&mut self, params: &SearchParams, candidates: &[Arc<Hypothesis>]) {
        let mut all = std::mem::take(&mut self.0);
        for candidate in candidates.iter().filter(|c| c.is_finished()) {
            // A finished hypothesis that stands in the beam comes by in every round.
            if all.iter().all(|known| known.id != candidate.id) {
                all.push(Arc::clone(candidate));
            }
        }
        self.0 = rank_by(all, |h| answer_key(params, h));
        self.0.truncate(POOL_SIZE);
    }

    /// Puts rescored responses in the place of all that was known.
    pub fn replace(&mut self, params: &SearchParams, finished: Vec<Arc<Hypothesis>>) {
        self.0 = rank_by(finished, |h| answer_key(params, h));
    }

    #[must_use]
    pub fn all(&self) -> &[Arc<Hypothesis>] {
        &self.0
    }

    #[must_use]
    pub fn best(&self) -> Option<&Arc<Hypothesis>> {
        self.0.first()
    }
}

//! The cut: which candidates a round keeps, and which finished response is the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::Mark;
use super::hypothesis::Hypothesis;
use super::ids::{ById, HypothesisId};
use super::panel::ScoreTable;
use super::params::{Ranking, SearchParams};
use super::score::{LogRatio, PairId};

/// What candidates are compared by: settings, and who is heard. Scores of different pairs never
/// meet in one ranking, but as a panel.
#[derive(Debug, Clone, Copy)]
pub struct Ranker<'a> {
    pub params: &'a SearchParams,
    pub pair: &'a PairId,
}

/// What candidates that are compared with each other are ranked by.
pub type Keys = ById<f64>;

impl Ranker<'_> {
    /// The part of a pair's log-ratio that the settings name; `None` where the pair has not
    /// scored the candidate.
    #[must_use]
    pub fn part(&self, candidate: &Hypothesis, pair: &PairId) -> Option<f64> {
        let score = candidate.scores.by(pair);
        match self.params.ranking() {
            Ranking::Sum => score.map(LogRatio::value),
            Ranking::PerToken => score.map(|score| score.value() / score.len().max(1) as f64),
            Ranking::Chunk => candidate.chunk_value(pair),
        }
    }

    /// In nats: a pair's [`Self::part`], of a panel the sum of what its weights make of them, times
    /// the weight of the pair. What is not scored comes last.
    #[must_use]
    pub fn key(&self, candidate: &Hypothesis) -> f64 {
        let part = |pair: &PairId| self.part(candidate, pair);
        let ranked = match self.pair.is_panel() {
            false => part(self.pair),
            true => {
                let parts = self.pair.members().into_iter();
                parts.map(|(pair, w)| Some(w * part(&pair)?)).sum()
            }
        };
        ranked.map_or(f64::NEG_INFINITY, |ranked| self.weight() * ranked)
    }

    fn weight(&self) -> f64 {
        self.params.weight().get()
    }

    /// What the cut ranks these candidates by: nats, or the opinions of a panel, for which it
    /// matters who is compared with whom.
    #[must_use]
    pub fn keys(&self, candidates: &[Arc<Hypothesis>]) -> Keys {
        if !self.pair.is_panel() || self.params.panel().is_mixture() {
            return candidates.iter().map(|c| (c.id, self.key(c))).collect();
        }
        let mut keys: Keys = candidates
            .iter()
            .map(|c| (c.id, f64::NEG_INFINITY))
            .collect();
        if let Some((scored, table)) = self.table(candidates) {
            let of = table.keys(self.params.panel()).into_iter();
            let of = of.map(|key| self.weight() * key);
            keys.extend(scored.into_iter().zip(of));
        }
        keys
    }

    /// What each pair of a panel says of those candidates that all of them have scored; `None`
    /// where there are none.
    #[must_use]
    pub fn table(&self, candidates: &[Arc<Hypothesis>]) -> Option<(Vec<HypothesisId>, ScoreTable)> {
        let members = self.pair.members();
        let parts = |c: &Arc<Hypothesis>| -> Option<Vec<f64>> {
            members.iter().map(|(pair, _)| self.part(c, pair)).collect()
        };
        let scored = candidates.iter().filter_map(|c| Some((c.id, parts(c)?)));
        let (ids, by_candidate): (Vec<HypothesisId>, Vec<Vec<f64>>) = scored.unzip();
        let of = |m: usize| by_candidate.iter().map(|parts| parts[m]).collect();
        let scores = (0..members.len()).map(of).collect();
        let weights = members.iter().map(|(_, weight)| *weight).collect();
        Some((ids, ScoreTable::new(scores, Some(weights)).ok()?))
    }

    /// The candidates best first, ties by id.
    #[must_use]
    pub fn ranked(&self, candidates: Vec<Arc<Hypothesis>>) -> Vec<Arc<Hypothesis>> {
        let keys = self.keys(&candidates);
        rank_by(candidates, |c| key_in(&keys, c))
    }

    /// Complete responses best first: as candidates, with the whole response in the place of a
    /// chunk.
    #[must_use]
    pub fn answers(&self, responses: Vec<Arc<Hypothesis>>) -> Vec<Arc<Hypothesis>> {
        let params = &self.of_answers();
        Ranker { params, ..*self }.ranked(responses)
    }

    /// What a complete response is worth, in nats.
    #[must_use]
    pub fn answer_key(&self, response: &Hypothesis) -> f64 {
        let params = &self.of_answers();
        Ranker { params, ..*self }.key(response)
    }

    fn of_answers(&self) -> SearchParams {
        let ranking = match self.params.ranking() {
            Ranking::Chunk => Ranking::Sum,
            ranking => ranking,
        };
        self.params.with_ranking(ranking)
    }
}

/// A candidate's key; what is none of those compared comes last.
pub(super) fn key_in(keys: &Keys, candidate: &Hypothesis) -> f64 {
    keys.get(&candidate.id)
        .copied()
        .unwrap_or(f64::NEG_INFINITY)
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

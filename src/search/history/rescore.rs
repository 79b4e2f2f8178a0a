//! Scores that come when another pair is in use: of what is known already.

use std::collections::HashMap;
use std::sync::Arc;

use super::History;
use crate::search::hypothesis::Hypothesis;
use crate::search::ids::HypothesisId;
use crate::search::score::{LogRatio, PairId};

/// What one pair says of several candidates.
type PairScores = Vec<(HypothesisId, LogRatio)>;

impl History {
    /// The scores of these candidates under a pair.
    pub(super) fn values(&self, ids: &[HypothesisId], pair: &PairId) -> HashMap<HypothesisId, f64> {
        let value = |id: &HypothesisId| Some((*id, self.known.get(id)?.scores.by(pair)?.value()));
        ids.iter().filter_map(value).collect()
    }

    /// The beam's order changes with its scores; the cut that chose it stays as it was.
    pub(super) fn rescore(
        &mut self,
        pair: &PairId,
        members: &[(PairId, PairScores)],
        scores: &PairScores,
    ) {
        let beam = self.here().beam().to_vec();
        // A panel's own scores go with its weights.
        let before = self.pair.as_ref().map(|old| self.values(&beam, old));
        let own = members.iter().map(|(member, scores)| (member, scores));
        for (by, scores) in own.chain([(pair, scores)]) {
            for (id, score) in scores {
                self.rescore_one(*id, pair, by, score);
            }
            self.begin_chunks(pair, by, scores);
        }
        let stopped = self.rescored_end(pair, members, scores);
        self.here_mut().reorder(pair, scores, stopped);
        if self
            .pair
            .replace(pair.clone())
            .is_some_and(|old| old != *pair)
        {
            self.before = before.unwrap_or_default();
        }
        let Some(open) = self.open().filter(|open| open.pair != *pair).cloned() else {
            return;
        };
        let (base, before) = (self.values(&beam, pair), std::mem::take(&mut self.before));
        let candidates = self.all(&open.candidate_ids());
        self.change_open(|round| {
            (round.base, round.before) = (base, before);
            round.score(pair, candidates);
        });
    }

    /// On another branch, another pair may have spoken last of what is compared here.
    pub(super) fn give_word(&mut self) {
        let Some(pair) = self.pair.clone() else {
            return;
        };
        let open = self.open().map(|round| round.candidate_ids());
        let here = [self.here().beam(), self.here().pool()].concat();
        for id in here.into_iter().chain(open.unwrap_or_default()) {
            let own = self.known.get_mut(&id);
            let is_last = |own: &&mut Arc<Hypothesis>| own.scored_by() == Some(&pair);
            if let Some(own) = own.filter(|own| !is_last(own)) {
                Arc::make_mut(own).scores.give_word(&pair);
            }
        }
    }

    /// `pair` comes in use, and it or one of its pairs has given this score.
    fn rescore_one(&mut self, id: HypothesisId, pair: &PairId, by: &PairId, score: &LogRatio) {
        let own = self
            .known
            .get(&id)
            .filter(|own| !self.is_ended_by(own, pair));
        if let Some(own) = own.map(|own| self.rescored(own, by, score)) {
            self.known.insert(id, own);
        }
    }

    /// Whether a score that brings `pair` in use is not this hypothesis's but that of the
    /// response which lowered settings made of it at the head.
    fn is_ended_by(&self, own: &Hypothesis, pair: &PairId) -> bool {
        let comes_in_use = self.here().pair() != Some(pair);
        let mut ended = self.here().stopped().into_iter().flatten();
        comes_in_use && !own.is_finished() && ended.any(|h| h.id == own.id)
    }

    /// What a chunk adds is told from its parent's score, which may come after its own.
    fn begin_chunks(&mut self, pair: &PairId, by: &PairId, scores: &PairScores) {
        let is_parents = |id: &HypothesisId| {
            let own = self.known.get(id);
            own.is_some_and(|own| !self.is_ended_by(own, pair))
        };
        let parents = scores.iter().filter(|(id, _)| is_parents(id));
        let parents: HashMap<_, _> = parents.map(|(id, score)| (*id, score.len())).collect();
        for own in self.known.values_mut() {
            let kept = own.parent.and_then(|id| parents.get(&id));
            let kept = kept.filter(|_| own.scores.by(by).is_some());
            if let Some(kept) = kept {
                Arc::make_mut(own).begin_chunk(by, *kept);
            }
        }
    }

    /// The beam that lowered settings ended, with new scores.
    fn rescored_end(
        &self,
        pair: &PairId,
        members: &[(PairId, PairScores)],
        scores: &PairScores,
    ) -> Option<Vec<Arc<Hypothesis>>> {
        let by_all = || {
            let own = members.iter().map(|(member, scores)| (member, scores));
            own.chain([(pair, scores)])
        };
        let rescored = |own: &Arc<Hypothesis>| {
            by_all().fold(Arc::clone(own), |own, (by, scores)| {
                let score = scores.iter().find(|(id, _)| *id == own.id);
                score.map_or_else(
                    || Arc::clone(&own),
                    |(_, score)| self.rescored(&own, by, score),
                )
            })
        };
        Some(self.here().stopped()?.iter().map(rescored).collect())
    }

    fn rescored(&self, own: &Hypothesis, pair: &PairId, score: &LogRatio) -> Arc<Hypothesis> {
        let parent = own.parent.and_then(|id| self.known.get(&id));
        let base = parent.and_then(|parent| parent.scores.by(pair));
        let mut own = own.clone();
        own.score_by(pair, score.clone(), base);
        Arc::new(own)
    }
}

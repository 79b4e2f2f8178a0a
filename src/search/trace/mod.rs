//! What happened so far, folded from events: for reports and for the screen.

mod round;

use std::collections::HashMap;
use std::sync::Arc;

use super::event::{CandidateSlot, EndReason, Mark, Partial, SearchEvent};
use super::hypothesis::{Hypothesis, HypothesisId};
use super::params::SearchParams;
use super::score::LogRatio;

pub use round::{CandidateTrace, Cut, Fate, RoundTrace};

/// How a search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    pub best: Arc<Hypothesis>,
    pub reason: EndReason,
}

/// A search as the fold over its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchTrace {
    rounds: Vec<RoundTrace>,
    /// Every candidate ever begun, those of undone rounds included: they were paid for, and come
    /// again if the turn is taken back.
    candidates: HashMap<HypothesisId, CandidateTrace>,
    /// The hypotheses kept last, best first under the pair in use.
    beam: Vec<HypothesisId>,
    ending: Option<Ending>,
    /// The user's hand on candidates.
    marks: HashMap<HypothesisId, Mark>,
    /// Successors more than K that the user wants of hypotheses.
    extra: HashMap<HypothesisId, usize>,
    /// Since the pair changed and until the next round: the scores under the pair before.
    before: HashMap<HypothesisId, f64>,
    /// How many times the pair has changed.
    era: usize,
    /// The largest score by magnitude seen so far.
    reach: f64,
}

impl SearchTrace {
    /// Takes in one event; events arrive in the order in which they happened.
    pub fn apply(&mut self, event: &SearchEvent) {
        match event {
            SearchEvent::RoundStarted {
                round,
                params,
                slots,
                standing,
            } => self.start(*round, *params, slots, standing),
            SearchEvent::Grown { round, partials } => self.grow(*round, partials),
            SearchEvent::Scored { round, candidates } => self.score(*round, candidates),
            SearchEvent::Selected {
                round,
                kept,
                pruned,
                marks,
            } => {
                self.marks.extend(marks.iter().copied());
                self.before.clear();
                self.beam = kept.to_vec();
                self.with_round(*round, |r| r.select(kept, pruned, marks));
            }
            SearchEvent::Rescored { scores, .. } => self.rescore(scores),
            SearchEvent::Marked { id, mark } => self.mark(*id, *mark),
            SearchEvent::Spent { id, extra } => {
                self.extra.insert(*id, *extra);
            }
            SearchEvent::Added { round, candidate } => {
                self.admit(candidate);
                self.with_round(*round, |r| r.add(candidate));
            }
            SearchEvent::Rewound { round } => self.rewind(*round),
            SearchEvent::Finished { best, reason } => self.finish(best, *reason),
        }
    }

    /// Rounds in order, the last one possibly incomplete.
    #[must_use]
    pub fn rounds(&self) -> &[RoundTrace] {
        &self.rounds
    }

    /// The round with this number, from 1.
    #[must_use]
    pub fn round(&self, number: usize) -> Option<&RoundTrace> {
        self.rounds.iter().find(|round| round.number == number)
    }

    /// The round that runs or ran last.
    #[must_use]
    pub fn last_round(&self) -> Option<&RoundTrace> {
        self.rounds.last()
    }

    /// The hypotheses kept last, best first under the pair in use.
    #[must_use]
    pub fn beam(&self) -> &[HypothesisId] {
        &self.beam
    }

    /// A candidate of any round, with its latest score.
    #[must_use]
    pub fn candidate(&self, id: HypothesisId) -> Option<&CandidateTrace> {
        self.candidates.get(&id)
    }

    /// All candidates of all rounds, round by round.
    pub fn candidates(&self) -> impl Iterator<Item = &CandidateTrace> {
        let slots = self.rounds.iter().flat_map(|round| &round.slots);
        slots.filter_map(|slot| self.candidates.get(&slot.id))
    }

    /// The best response so far: the ending's, else the beam's.
    #[must_use]
    pub fn best(&self) -> Option<&CandidateTrace> {
        let ended = self.ending.as_ref().map(|ending| ending.best.id);
        self.candidate(ended.or(self.beam.first().copied())?)
    }

    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// The user's hand on a candidate.
    #[must_use]
    pub fn mark_of(&self, id: HypothesisId) -> Option<Mark> {
        self.marks.get(&id).copied()
    }

    /// How many successors more than K the user wants of a hypothesis in the next round.
    #[must_use]
    pub fn extra_of(&self, id: HypothesisId) -> usize {
        self.extra.get(&id).copied().unwrap_or(0)
    }

    /// The best score that `round` set out from, under the pair before and under its own, where
    /// the pair changed just before it.
    #[must_use]
    pub fn change(round: &RoundTrace) -> Option<(f64, f64)> {
        let ids = round.before.iter();
        let scores = ids.filter_map(|(id, old)| Some((*old, *round.base.get(id)?)));
        scores.reduce(|best, next| (best.0.max(next.0), best.1.max(next.1)))
    }

    /// The rounds whose scores are of the pair in use.
    pub fn comparable(&self) -> impl Iterator<Item = &RoundTrace> {
        let era = self.last_round().map_or(0, |round| round.era);
        self.rounds.iter().filter(move |round| round.era == era)
    }

    /// The largest score by magnitude seen so far, growing chunks included: it only grows, so
    /// that what is drawn to its scale does not jump.
    #[must_use]
    pub fn reach(&self) -> f64 {
        self.reach
    }

    /// How many tokens the strong model has sampled: what the search cost, undone rounds included.
    #[must_use]
    pub fn tokens_sampled(&self) -> usize {
        let own = |candidate: &CandidateTrace| {
            let before = self.parent(&candidate.slot).map_or(0, |p| p.n_tokens);
            candidate.n_tokens.saturating_sub(before)
        };
        self.candidates.values().map(own).sum()
    }

    /// Growing chunks. What is not of the round that runs is too old or too new, and dropped.
    pub fn grow(&mut self, round: usize, partials: &[Partial]) {
        let runs = |last: &&RoundTrace| last.number == round && !last.is_scored();
        if self.last_round().filter(runs).is_none() {
            return;
        }
        let mut grown = 0;
        for partial in partials {
            let Some(candidate) = self.candidates.get_mut(&partial.id) else {
                continue;
            };
            candidate.grow(partial);
            self.reach = self.reach.max(partial.score.map_or(0.0, f64::abs));
            let slot = candidate.slot;
            let before = self.parent(&slot).map_or(0, |parent| parent.n_tokens);
            grown = grown.max(partial.n_tokens.saturating_sub(before));
        }
        self.with_round(round, |r| r.grown = r.grown.max(grown));
    }

    fn parent(&self, slot: &CandidateSlot) -> Option<&CandidateTrace> {
        self.candidate(slot.parent?)
    }

    /// A round that starts anew (after it was cancelled) replaces itself.
    fn start(
        &mut self,
        number: usize,
        params: SearchParams,
        slots: &[CandidateSlot],
        standing: &[HypothesisId],
    ) {
        for slot in slots {
            let candidate = CandidateTrace::new(*slot, number, self.parent(slot));
            self.candidates.insert(slot.id, candidate);
        }
        self.extra.clear();
        self.rewind(number.saturating_sub(1));
        let mut round = RoundTrace::new(number, params, slots, standing);
        let score = |id: &HypothesisId| Some((*id, self.candidate(*id)?.score?));
        round.base = self.beam.iter().filter_map(score).collect();
        round.before = std::mem::take(&mut self.before);
        round.era = self.era;
        round.beam.clone_from(&self.beam);
        self.rounds.push(round);
    }

    fn score(&mut self, round: usize, candidates: &[Arc<Hypothesis>]) {
        candidates.iter().for_each(|h| self.admit(h));
        self.with_round(round, |r| r.score(candidates));
    }

    fn admit(&mut self, hypothesis: &Arc<Hypothesis>) {
        let candidate = CandidateTrace::whole(hypothesis);
        self.reach = self.reach.max(candidate.score.map_or(0.0, f64::abs));
        self.candidates.insert(hypothesis.id, candidate);
    }

    /// The beam under another pair. Its order changes with its scores; the cut that chose it
    /// stays as it was.
    fn rescore(&mut self, scores: &[(HypothesisId, LogRatio)]) {
        self.before.clear();
        self.era += 1;
        for (id, ratio) in scores {
            self.rescore_one(*id, ratio);
        }
        let rank = |id: &HypothesisId| scores.iter().position(|(other, _)| other == id);
        self.beam.sort_by_key(|id| rank(id).unwrap_or(usize::MAX));
    }

    fn rescore_one(&mut self, id: HypothesisId, ratio: &LogRatio) {
        let Some(candidate) = self.candidates.get_mut(&id) else {
            return;
        };
        let score = ratio.value();
        let old = candidate.score.replace(score);
        if let Some(hypothesis) = &mut candidate.hypothesis {
            Arc::make_mut(hypothesis).score = ratio.clone();
        }
        self.before.extend(old.map(|old| (id, old)));
        self.reach = self.reach.max(score.abs());
    }

    fn mark(&mut self, id: HypothesisId, mark: Option<Mark>) {
        match mark {
            Some(mark) => self.marks.insert(id, mark),
            None => self.marks.remove(&id),
        };
    }

    /// Forgets all rounds after `round`, and the end. The beam is as it was then, unless it is of
    /// that round anyway.
    fn rewind(&mut self, round: usize) {
        let chosen_by = self.last_cut();
        self.rounds.retain(|r| r.number <= round);
        if self.last_cut() != chosen_by {
            let last = self.rounds.iter().rev().find(|r| r.cut.is_some());
            self.beam = last.map_or_else(Vec::new, |r| r.kept().to_vec());
        }
        self.ending = None;
    }

    /// The number of the last round that made its cut.
    fn last_cut(&self) -> Option<usize> {
        let mut rounds = self.rounds.iter().rev();
        rounds.find(|r| r.cut.is_some()).map(|r| r.number)
    }

    fn finish(&mut self, best: &Arc<Hypothesis>, reason: EndReason) {
        self.admit(best);
        self.ending = Some(Ending {
            best: Arc::clone(best),
            reason,
        });
    }

    /// Rounds come in order, so the one an event speaks of is the last; a chunk of the user's own
    /// may come after that.
    fn with_round(&mut self, round: usize, change: impl FnOnce(&mut RoundTrace)) {
        if let Some(round) = self.rounds.iter_mut().rev().find(|r| r.number == round) {
            change(round);
        }
    }
}

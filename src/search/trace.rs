//! What a watcher knows of a search: its history, and chunks while they grow.

use std::sync::Arc;

use super::entry::{CandidateSlot, Entry, Mark, Partial};
use super::history::{Ending, History, Round, slot_of};
use super::hypothesis::Hypothesis;
use super::ids::{ById, HypothesisId};
use super::rope::Text;

/// What is known of a candidate, from its slot on.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidateTrace {
    pub slot: CandidateSlot,
    /// The round that sampled it, from 1.
    pub round: usize,
    /// The whole response so far.
    pub text: Text,
    /// Where its chunk's text leaves the parent's, in bytes.
    pub text_start: usize,
    /// Strong tokens of the whole response so far.
    pub n_tokens: usize,
    /// The log-ratio of the response so far, under the pair that spoke last.
    pub score: Option<f64>,
    /// While it grows under a panel: what each pair says of it.
    pub voices: Vec<f64>,
    /// Complete with its per-token terms, once it is scored.
    pub hypothesis: Option<Arc<Hypothesis>>,
}

impl CandidateTrace {
    /// A candidate about to grow from `parent`'s response, or from the bare prompt.
    fn new(slot: CandidateSlot, round: usize, parent: Option<&Self>) -> Self {
        let text = parent.map(|parent| parent.text.clone()).unwrap_or_default();
        Self {
            slot,
            round,
            text_start: text.len(),
            text,
            n_tokens: parent.map_or(0, |parent| parent.n_tokens),
            score: None,
            voices: Vec::new(),
            hypothesis: None,
        }
    }

    fn whole(hypothesis: &Arc<Hypothesis>) -> Self {
        Self {
            slot: slot_of(hypothesis),
            round: hypothesis.round,
            text: hypothesis.text.clone(),
            text_start: hypothesis.text_start,
            n_tokens: hypothesis.tokens.len(),
            score: hypothesis.scores.last().map(|(_, score)| score.value()),
            voices: Vec::new(),
            hypothesis: Some(Arc::clone(hypothesis)),
        }
    }

    fn grow(&mut self, partial: &Partial, parent: Option<&Text>) {
        let nothing = Text::default();
        let before = parent.unwrap_or(&nothing);
        self.text = before.extended(partial.text_start, &partial.chunk);
        self.text_start = partial.text_start;
        if partial.score.is_some() {
            self.score = partial.score;
            self.voices.clone_from(&partial.voices);
        }
        self.n_tokens = partial.n_tokens;
    }

    /// The text of its chunk.
    #[must_use]
    pub fn chunk(&self) -> String {
        self.text.since(self.text_start)
    }

    /// Whether its response is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.hypothesis.as_ref().is_some_and(|h| h.is_finished())
    }
}

/// A search as it is watched: the fold over its entries and what grows in between.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchTrace {
    history: History,
    /// Every candidate ever begun, those of rounds broken off included: they were paid for.
    candidates: ById<CandidateTrace>,
    /// The most tokens that a chunk of the round under way has so far.
    grown: usize,
    /// The largest score by magnitude seen so far.
    reach: f64,
    /// Tokens of all candidates' own.
    sampled: usize,
}

impl SearchTrace {
    /// Takes in one entry; entries arrive in the order in which they happened.
    pub fn apply(&mut self, entry: &Entry) {
        self.history.apply(entry);
        match entry {
            Entry::RoundStarted { round, slots, .. } => {
                self.grown = 0;
                self.begin(*round, slots);
            }
            Entry::Spent { slots, .. } => {
                let round = self.last_round().map_or(0, |round| round.number);
                self.begin(round, slots);
            }
            Entry::Scored { candidates, .. } => candidates.iter().for_each(|h| self.admit(h)),
            Entry::Added { candidate, .. } => self.admit(candidate),
            Entry::CutOff { beam } => beam.iter().for_each(|h| self.admit(h)),
            Entry::Finished { best, .. } => self.admit(best),
            Entry::Rescored { scores, .. } => {
                let known = scores
                    .iter()
                    .filter_map(|(id, _)| self.history.hypothesis(*id));
                let mut known: Vec<_> = known.cloned().collect();
                // A beam that lowered settings ended is not what other branches know.
                known.extend(self.history.beam());
                known.iter().for_each(|h| self.admit(h));
            }
            _ => {}
        }
    }

    /// The tree of rounds with its head.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The rounds that lead to the head, in order, the last one possibly incomplete.
    #[must_use]
    pub fn rounds(&self) -> &[Arc<Round>] {
        self.history.rounds()
    }

    /// The round with this number, from 1.
    #[must_use]
    pub fn round(&self, number: usize) -> Option<&Arc<Round>> {
        let round = self.rounds().get(number.checked_sub(1)?);
        round.filter(|round| round.number == number)
    }

    /// The round that runs or ran last.
    #[must_use]
    pub fn last_round(&self) -> Option<&Arc<Round>> {
        self.rounds().last()
    }

    /// The hypotheses kept last, best first under the pair in use.
    #[must_use]
    pub fn beam(&self) -> &[HypothesisId] {
        self.history.here().beam()
    }

    /// A candidate of any round, with its latest score.
    #[must_use]
    pub fn candidate(&self, id: HypothesisId) -> Option<&CandidateTrace> {
        self.candidates.get(&id)
    }

    /// All candidates of the rounds that lead to the head, round by round.
    pub fn candidates(&self) -> impl Iterator<Item = &CandidateTrace> {
        let slots = self.rounds().iter().flat_map(|round| &round.slots);
        slots.filter_map(|slot| self.candidates.get(&slot.id))
    }

    /// The best response so far: the ending's, else the beam's.
    #[must_use]
    pub fn best(&self) -> Option<&CandidateTrace> {
        let ended = self.ending().map(|ending| ending.best.id);
        self.candidate(ended.or(self.beam().first().copied())?)
    }

    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.history.ending()
    }

    /// The user's hand on a candidate of the round under way.
    #[must_use]
    pub fn mark_of(&self, id: HypothesisId) -> Option<Mark> {
        self.history.mark_of(id)
    }

    /// How many successors more than K the user wants of a hypothesis.
    #[must_use]
    pub fn extra_of(&self, id: HypothesisId) -> usize {
        self.history.extra_of(id)
    }

    /// The rounds whose scores are of the pair of the last one.
    pub fn comparable(&self) -> impl Iterator<Item = &Arc<Round>> {
        let pair = self.last_round().map(|round| &round.pair);
        let rounds = self.rounds().iter();
        rounds.filter(move |round| Some(&round.pair) == pair)
    }

    /// How many candidates are known, of all branches.
    #[must_use]
    pub fn n_candidates(&self) -> usize {
        self.candidates.len()
    }

    /// The most tokens that a chunk of the round under way has so far.
    #[must_use]
    pub fn grown(&self) -> usize {
        self.grown
    }

    /// The largest score by magnitude seen so far, growing chunks included: it only grows, so
    /// that what is drawn to its scale does not jump.
    #[must_use]
    pub fn reach(&self) -> f64 {
        self.reach
    }

    /// How many tokens the strong model has sampled: what the search cost, rounds that were left
    /// included.
    #[must_use]
    pub fn tokens_sampled(&self) -> usize {
        self.sampled
    }

    /// How many of a candidate's tokens are its own.
    fn own_tokens(&self, id: HypothesisId) -> usize {
        let Some(candidate) = self.candidate(id) else {
            return 0;
        };
        let before = self.parent(&candidate.slot).map_or(0, |p| p.n_tokens);
        candidate.n_tokens.saturating_sub(before)
    }

    /// Growing chunks. What is not of the round that runs is too old or too new, and dropped.
    pub fn grow(&mut self, round: usize, partials: &[Partial]) {
        let runs = |last: &&Arc<Round>| last.number == round && !last.is_scored();
        if self.last_round().filter(runs).is_none() {
            return;
        }
        for partial in partials {
            self.grow_one(partial);
        }
    }

    fn grow_one(&mut self, partial: &Partial) {
        let Some(slot) = self.candidate(partial.id).map(|candidate| candidate.slot) else {
            return;
        };
        let counted = self.own_tokens(partial.id);
        let parent = self.parent(&slot);
        let before = parent.map_or(0, |parent| parent.n_tokens);
        let text = parent.map(|parent| parent.text.clone());
        if let Some(candidate) = self.candidates.get_mut(&partial.id) {
            candidate.grow(partial, text.as_ref());
        }
        self.recount(partial.id, counted);
        self.reach = self.reach.max(partial.score.map_or(0.0, f64::abs));
        let grown = partial.n_tokens.saturating_sub(before);
        self.grown = self.grown.max(grown);
    }

    fn parent(&self, slot: &CandidateSlot) -> Option<&CandidateTrace> {
        self.candidate(slot.parent?)
    }

    fn begin(&mut self, round: usize, slots: &[CandidateSlot]) {
        for slot in slots {
            let candidate = CandidateTrace::new(*slot, round, self.parent(slot));
            self.insert(slot.id, candidate);
        }
    }

    fn admit(&mut self, hypothesis: &Arc<Hypothesis>) {
        let candidate = CandidateTrace::whole(hypothesis);
        self.reach = self.reach.max(candidate.score.map_or(0.0, f64::abs));
        self.insert(hypothesis.id, candidate);
    }

    /// A candidate in the place of what was known of it.
    fn insert(&mut self, id: HypothesisId, candidate: CandidateTrace) {
        let counted = self.own_tokens(id);
        self.candidates.insert(id, candidate);
        self.recount(id, counted);
    }

    /// A candidate had so many tokens of its own before it changed.
    fn recount(&mut self, id: HypothesisId, counted: usize) {
        self.sampled = (self.sampled + self.own_tokens(id)).saturating_sub(counted);
    }
}

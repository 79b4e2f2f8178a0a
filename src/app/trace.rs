//! The run so far: a fold over search events. All that the screen shows of a run is read here.

use std::collections::HashMap;
use std::sync::Arc;

use crate::search::{
    CandidateSlot, EndReason, Hypothesis, HypothesisId, LogRatio, Mark, Partial, SearchEvent,
    SearchParams,
};

/// What is known of a candidate, from its slot on.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub slot: CandidateSlot,
    /// The round that sampled it, from 1.
    pub round: usize,
    /// The whole response so far.
    pub text: String,
    pub n_tokens: usize,
    /// The log-ratio of the response so far.
    pub score: Option<f64>,
    /// The judge's reward of prompt + response.
    pub judge: Option<f64>,
    /// Complete with its per-token terms, once it is scored.
    pub hypothesis: Option<Arc<Hypothesis>>,
}

impl Candidate {
    fn new(slot: CandidateSlot, round: usize) -> Self {
        Self {
            slot,
            round,
            text: String::new(),
            n_tokens: 0,
            score: None,
            judge: None,
            hypothesis: None,
        }
    }

    /// Whether its response is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.hypothesis.as_ref().is_some_and(|h| h.is_finished())
    }
}

/// The selection of a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Best first.
    pub kept: Vec<HypothesisId>,
    /// Best first.
    pub pruned: Vec<HypothesisId>,
    /// The score of the best pruned candidate; `None` when all were kept.
    pub line: Option<f64>,
}

impl Cut {
    /// The place of a candidate, best first, from 0.
    #[must_use]
    pub fn rank(&self, id: HypothesisId) -> Option<usize> {
        let mut all = self.kept.iter().chain(&self.pruned);
        all.position(|other| *other == id)
    }
}

/// A round: what it set out to sample, what that scored, what was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// From 1.
    pub number: usize,
    pub params: SearchParams,
    /// The weak pair that scored it.
    pub pair: String,
    pub slots: Vec<CandidateSlot>,
    /// Finished hypotheses that compete as they are.
    pub standing: Vec<HypothesisId>,
    /// Scores as they were at the cut; empty until then.
    pub scores: HashMap<HypothesisId, f64>,
    pub cut: Option<Cut>,
    /// The most tokens that a chunk of this round has so far.
    pub grown: usize,
}

impl Round {
    /// Every candidate, standing ones first.
    pub fn ids(&self) -> impl Iterator<Item = HypothesisId> {
        let slots = self.slots.iter().map(|slot| slot.id);
        self.standing.iter().copied().chain(slots)
    }

    /// Best, mean and worst score of the kept, once the round is cut.
    #[must_use]
    pub fn kept_range(&self) -> Option<(f64, f64, f64)> {
        let kept = &self.cut.as_ref()?.kept;
        let scores: Vec<f64> = kept
            .iter()
            .filter_map(|id| self.scores.get(id))
            .copied()
            .collect();
        let best = *scores.first()?;
        let worst = *scores.last()?;
        Some((
            best,
            scores.iter().sum::<f64>() / scores.len() as f64,
            worst,
        ))
    }

    /// The standard deviation of all candidates' scores, once they are scored.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        let n = self.scores.len() as f64;
        if n < 1.0 {
            return None;
        }
        let mean = self.scores.values().sum::<f64>() / n;
        let variance = self
            .scores
            .values()
            .map(|s| (s - mean).powi(2))
            .sum::<f64>()
            / n;
        Some(variance.sqrt())
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub best: HypothesisId,
    pub reason: EndReason,
}

/// Everything known of one run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    rounds: Vec<Round>,
    candidates: HashMap<HypothesisId, Candidate>,
    outcome: Option<Outcome>,
    /// The user's hand on candidates.
    marks: HashMap<HypothesisId, Mark>,
    /// Successors more than K that the user wants of hypotheses.
    extra: HashMap<HypothesisId, usize>,
    /// The weak pair in use.
    pair: String,
    /// Since the pair changed and until the next cut: the scores under the pair before.
    before: HashMap<HypothesisId, f64>,
    /// The largest score by magnitude seen so far; only grows, so that bars do not jump.
    reach: f64,
}

impl Trace {
    /// A run that has not begun, to be scored by `pair`.
    #[must_use]
    pub fn new(pair: &str) -> Self {
        Self {
            pair: pair.to_owned(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// The round with this number, from 1.
    #[must_use]
    pub fn round(&self, number: usize) -> Option<&Round> {
        self.rounds.iter().find(|round| round.number == number)
    }

    /// The round that runs or ran last.
    #[must_use]
    pub fn last_round(&self) -> Option<&Round> {
        self.rounds.last()
    }

    #[must_use]
    pub fn candidate(&self, id: HypothesisId) -> Option<&Candidate> {
        self.candidates.get(&id)
    }

    /// All candidates of all rounds, round by round.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        let slots = self.rounds.iter().flat_map(|round| &round.slots);
        slots.filter_map(|slot| self.candidates.get(&slot.id))
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

    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The weak pair in use.
    #[must_use]
    pub fn pair(&self) -> &str {
        &self.pair
    }

    /// The score that a hypothesis had under the pair before, while the change is fresh.
    #[must_use]
    pub fn score_before(&self, id: HypothesisId) -> Option<f64> {
        self.before.get(&id).copied()
    }

    /// The best score that `round` set out from, under the pair before and under the one in use,
    /// while the change is fresh.
    #[must_use]
    pub fn change(&self, round: &Round) -> Option<(f64, f64)> {
        let parents = round.slots.iter().filter_map(|slot| slot.parent);
        let beam = parents.chain(round.standing.iter().copied());
        let scores =
            beam.filter_map(|id| Some((self.score_before(id)?, self.candidate(id)?.score?)));
        scores.reduce(|best, next| (best.0.max(next.0), best.1.max(next.1)))
    }

    /// The end of the bars' scale: a round number at or above every score seen.
    #[must_use]
    pub fn scale(&self) -> f64 {
        const STEPS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0];
        let fits = STEPS.into_iter().find(|step| *step >= self.reach);
        fits.unwrap_or(self.reach)
    }

    /// How many tokens the strong model has sampled: what the search cost, undone rounds included.
    #[must_use]
    pub fn tokens_sampled(&self) -> usize {
        let own = |candidate: &Candidate| {
            let parent = candidate.slot.parent.and_then(|id| self.candidate(id));
            let before = parent.map_or(0, |parent| parent.n_tokens);
            candidate.n_tokens.saturating_sub(before)
        };
        self.candidates.values().map(own).sum()
    }

    /// The best response so far: the outcome's, else the best kept at the last cut.
    #[must_use]
    pub fn best(&self) -> Option<&Candidate> {
        let kept = || {
            let cut = self
                .rounds
                .iter()
                .rev()
                .find_map(|round| round.cut.as_ref())?;
            cut.kept.first().copied()
        };
        let id = match &self.outcome {
            Some(outcome) => outcome.best,
            None => kept()?,
        };
        self.candidate(id)
    }

    /// The ids kept by the last cut before round `number`: that round's beam, best first.
    #[must_use]
    pub fn beam_before(&self, number: usize) -> &[HypothesisId] {
        let before = self.rounds.iter().rev().find(|r| r.number < number);
        before
            .and_then(|round| round.cut.as_ref())
            .map_or(&[], |cut| &cut.kept)
    }

    /// Takes in one event; events arrive in the order in which they happened.
    pub fn apply(&mut self, event: &SearchEvent) {
        match event {
            SearchEvent::RoundStarted {
                round,
                params,
                slots,
                standing,
            } => {
                self.start_round(*round, *params, slots, standing);
            }
            SearchEvent::Grown { round, partials } => self.grow(*round, partials),
            SearchEvent::Scored { round, candidates } => self.score(*round, candidates),
            SearchEvent::Selected {
                round,
                kept,
                pruned,
                marks,
            } => {
                self.marks.extend(marks.iter().copied());
                self.select(*round, kept, pruned);
            }
            SearchEvent::Rescored { scores, .. } => self.rescore(scores),
            SearchEvent::Marked { id, mark } => self.mark(*id, *mark),
            SearchEvent::Spent { id, extra } => {
                self.extra.insert(*id, *extra);
            }
            SearchEvent::Added { round, candidate } => self.add(*round, candidate),
            SearchEvent::Rewound { round } => self.rewind(*round),
            SearchEvent::Finished { best, reason } => self.finish(best, *reason),
        }
    }

    /// Growing chunks. What is not of the round that runs is too old or too new, and dropped.
    pub fn grow(&mut self, round: usize, partials: &[Partial]) {
        let Some(last) = self.rounds.last_mut().filter(|last| last.number == round) else {
            return;
        };
        if !last.scores.is_empty() {
            return;
        }
        for partial in partials {
            let Some(candidate) = self.candidates.get_mut(&partial.id) else {
                continue;
            };
            candidate.text.clone_from(&partial.text);
            candidate.score = partial.score.or(candidate.score);
            candidate.n_tokens = partial.n_tokens;
            self.reach = self.reach.max(partial.score.map_or(0.0, f64::abs));
        }
        let parents: HashMap<_, _> = last.slots.iter().map(|s| (s.id, s.parent)).collect();
        let start = |id: &HypothesisId| {
            let parent = parents.get(id).copied().flatten();
            parent
                .and_then(|parent| self.candidates.get(&parent))
                .map_or(0, |parent| parent.n_tokens)
        };
        let grown = partials
            .iter()
            .map(|p| p.n_tokens.saturating_sub(start(&p.id)));
        last.grown = grown.max().unwrap_or(0).max(last.grown);
    }

    /// The judge's rewards.
    pub fn judge(&mut self, scores: &[(HypothesisId, f64)]) {
        for (id, reward) in scores {
            if let Some(candidate) = self.candidates.get_mut(id) {
                candidate.judge = Some(*reward);
            }
        }
    }

    /// Another pair scores from here on.
    pub fn use_pair(&mut self, pair: &str) {
        pair.clone_into(&mut self.pair);
        if let Some(round) = self.rounds.last_mut().filter(|round| round.cut.is_none()) {
            pair.clone_into(&mut round.pair);
        }
    }

    fn start_round(
        &mut self,
        number: usize,
        params: SearchParams,
        slots: &[CandidateSlot],
        standing: &[HypothesisId],
    ) {
        for slot in slots {
            let mut candidate = Candidate::new(*slot, number);
            if let Some(parent) = slot.parent.and_then(|id| self.candidates.get(&id)) {
                candidate.text.clone_from(&parent.text);
                candidate.n_tokens = parent.n_tokens;
            }
            self.candidates.insert(slot.id, candidate);
        }
        self.extra.clear();
        self.rounds.push(Round {
            number,
            params,
            pair: self.pair.clone(),
            slots: slots.to_vec(),
            standing: standing.to_vec(),
            scores: HashMap::new(),
            cut: None,
            grown: 0,
        });
    }

    fn score(&mut self, round: usize, hypotheses: &[Arc<Hypothesis>]) {
        for hypothesis in hypotheses {
            self.admit(hypothesis);
        }
        if let Some(last) = self.rounds.last_mut().filter(|last| last.number == round) {
            let scores = hypotheses.iter().map(|h| (h.id, h.score.value()));
            last.scores = scores.collect();
        }
    }

    fn admit(&mut self, hypothesis: &Arc<Hypothesis>) {
        let slot = CandidateSlot {
            id: hypothesis.id,
            parent: hypothesis.parent,
            successor: hypothesis.successor,
        };
        let fresh = || Candidate::new(slot, hypothesis.round);
        let candidate = self.candidates.entry(hypothesis.id).or_insert_with(fresh);
        let score = hypothesis.score.value();
        candidate.text.clone_from(&hypothesis.text);
        candidate.n_tokens = hypothesis.tokens.len();
        candidate.score = Some(score);
        candidate.hypothesis = Some(Arc::clone(hypothesis));
        self.reach = self.reach.max(score.abs());
    }

    fn select(&mut self, round: usize, kept: &[HypothesisId], pruned: &[HypothesisId]) {
        let Some(last) = self.rounds.last_mut().filter(|last| last.number == round) else {
            return;
        };
        self.before.clear();
        let line = pruned.first().and_then(|id| last.scores.get(id)).copied();
        last.cut = Some(Cut {
            kept: kept.to_vec(),
            pruned: pruned.to_vec(),
            line,
        });
    }

    /// The beam under another pair. Its order changes with its scores.
    fn rescore(&mut self, scores: &[(HypothesisId, LogRatio)]) {
        self.before.clear();
        for (id, ratio) in scores {
            let Some(candidate) = self.candidates.get_mut(id) else {
                continue;
            };
            self.before.extend(candidate.score.map(|old| (*id, old)));
            candidate.score = Some(ratio.value());
            if let Some(hypothesis) = &mut candidate.hypothesis {
                Arc::make_mut(hypothesis).score = ratio.clone();
            }
            self.reach = self.reach.max(ratio.value().abs());
        }
        let cut = self.rounds.iter_mut().rev().find_map(|r| r.cut.as_mut());
        if let Some(cut) = cut {
            let rank = |id: &HypothesisId| scores.iter().position(|(other, _)| other == id);
            cut.kept.sort_by_key(|id| rank(id).unwrap_or(usize::MAX));
        }
    }

    fn mark(&mut self, id: HypothesisId, mark: Option<Mark>) {
        match mark {
            Some(mark) => self.marks.insert(id, mark),
            None => self.marks.remove(&id),
        };
    }

    /// A candidate of the user's own takes its place beside its siblings.
    fn add(&mut self, round: usize, candidate: &Arc<Hypothesis>) {
        self.admit(candidate);
        let slot = CandidateSlot {
            id: candidate.id,
            parent: candidate.parent,
            successor: candidate.successor,
        };
        if let Some(round) = self.rounds.iter_mut().find(|r| r.number == round) {
            round.slots.push(slot);
            round.scores.insert(candidate.id, candidate.score.value());
        }
    }

    /// Forgets all rounds after `round`, and the end. Their candidates stay known: they were
    /// paid for, and come again if the turn is taken back.
    fn rewind(&mut self, round: usize) {
        self.rounds.retain(|r| r.number <= round);
        self.outcome = None;
    }

    fn finish(&mut self, best: &Arc<Hypothesis>, reason: EndReason) {
        self.admit(best);
        self.outcome = Some(Outcome {
            best: best.id,
            reason,
        });
    }
}

//! What happened so far, folded from events: for reports and for the screen.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{CandidateSlot, EndReason, Partial, SearchEvent};
use super::hypothesis::{Hypothesis, HypothesisId};
use super::params::SearchParams;
use super::score::LogRatio;

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its round has not made its cut yet.
    Open,
    Kept,
    Pruned,
}

/// One round as it is known so far.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundTrace {
    /// From 1.
    pub round: usize,
    pub params: SearchParams,
    /// The new candidates of the round.
    pub slots: Vec<CandidateSlot>,
    /// Finished hypotheses that compete as they are.
    pub standing: Vec<HypothesisId>,
    /// Chunks as they grow; the last state once the chunks are complete.
    pub partials: Vec<Partial>,
    /// All candidates as they were scored in this round; empty until then.
    pub candidates: Vec<Arc<Hypothesis>>,
    /// Best first; empty until the cut.
    pub kept: Vec<HypothesisId>,
    /// Best first; empty until the cut.
    pub pruned: Vec<HypothesisId>,
}

impl RoundTrace {
    #[must_use]
    pub fn fate(&self, id: HypothesisId) -> Fate {
        if self.kept.contains(&id) {
            Fate::Kept
        } else if self.pruned.contains(&id) {
            Fate::Pruned
        } else {
            Fate::Open
        }
    }

    /// Whether the cut was made.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.kept.is_empty()
    }
}

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
    /// Every candidate that was ever scored, with its latest score.
    known: BTreeMap<HypothesisId, Arc<Hypothesis>>,
    /// The hypotheses kept last, best first.
    beam: Vec<HypothesisId>,
    ending: Option<Ending>,
}

impl SearchTrace {
    /// Folds one event in. A round that starts anew (after it was cancelled) replaces itself.
    pub fn apply(&mut self, event: &SearchEvent) {
        match event {
            SearchEvent::RoundStarted {
                round,
                params,
                slots,
                standing,
            } => self.start(*round, *params, slots, standing),
            SearchEvent::Grown { round, partials } => {
                self.with_round(*round, |r| r.partials.clone_from(partials));
            }
            SearchEvent::Scored { round, candidates } => self.score(*round, candidates),
            SearchEvent::Selected {
                round,
                kept,
                pruned,
                ..
            } => self.select(*round, kept, pruned),
            SearchEvent::Added { round, candidate } => self.add(*round, candidate),
            SearchEvent::Rewound { round } => self.forget_from(round + 1),
            SearchEvent::Marked { .. } | SearchEvent::Spent { .. } => {}
            SearchEvent::Rescored { scores, .. } => self.rescore(scores),
            SearchEvent::Finished { best, reason } => {
                self.known.insert(best.id, Arc::clone(best));
                self.ending = Some(Ending {
                    best: Arc::clone(best),
                    reason: *reason,
                });
            }
        }
    }

    /// Rounds in order, the last one possibly incomplete.
    #[must_use]
    pub fn rounds(&self) -> &[RoundTrace] {
        &self.rounds
    }

    /// The hypotheses kept last, best first.
    #[must_use]
    pub fn beam(&self) -> &[HypothesisId] {
        &self.beam
    }

    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// A scored candidate of any round, with its latest score.
    #[must_use]
    pub fn candidate(&self, id: HypothesisId) -> Option<&Arc<Hypothesis>> {
        self.known.get(&id)
    }

    /// The candidate and all it came from: its parent, its parent's parent, … up to round 1.
    pub fn ancestry(&self, id: HypothesisId) -> impl Iterator<Item = &Arc<Hypothesis>> {
        std::iter::successors(self.candidate(id), |h| {
            h.parent.and_then(|parent| self.candidate(parent))
        })
    }

    /// The scored candidates that continue `parent` (`None`: the prompt), in the order of ids.
    pub fn children(&self, parent: Option<HypothesisId>) -> impl Iterator<Item = &Arc<Hypothesis>> {
        self.known.values().filter(move |h| h.parent == parent)
    }

    fn start(
        &mut self,
        round: usize,
        params: SearchParams,
        slots: &[CandidateSlot],
        standing: &[HypothesisId],
    ) {
        self.forget_from(round);
        self.rounds.push(RoundTrace {
            round,
            params,
            slots: slots.to_vec(),
            standing: standing.to_vec(),
            partials: Vec::new(),
            candidates: Vec::new(),
            kept: Vec::new(),
            pruned: Vec::new(),
        });
    }

    fn forget_from(&mut self, round: usize) {
        self.rounds.retain(|r| r.round < round);
        self.known.retain(|_, h| h.round < round);
        self.ending = None;
        self.beam = self.rounds.last().map_or_else(Vec::new, |r| r.kept.clone());
    }

    fn score(&mut self, round: usize, candidates: &[Arc<Hypothesis>]) {
        for candidate in candidates {
            self.known.insert(candidate.id, Arc::clone(candidate));
        }
        self.with_round(round, |r| r.candidates = candidates.to_vec());
    }

    /// A candidate of the user's own; after the cut it stands among the pruned.
    fn add(&mut self, round: usize, candidate: &Arc<Hypothesis>) {
        self.known.insert(candidate.id, Arc::clone(candidate));
        self.with_round(round, |r| {
            r.candidates.push(Arc::clone(candidate));
            if r.is_complete() {
                r.pruned.push(candidate.id);
            }
        });
    }

    fn select(&mut self, round: usize, kept: &[HypothesisId], pruned: &[HypothesisId]) {
        self.beam = kept.to_vec();
        self.with_round(round, |r| {
            r.kept = kept.to_vec();
            r.pruned = pruned.to_vec();
        });
    }

    fn rescore(&mut self, scores: &[(HypothesisId, LogRatio)]) {
        self.beam = scores.iter().map(|(id, _)| *id).collect();
        for (id, score) in scores {
            if let Some(hypothesis) = self.known.get_mut(id) {
                Arc::make_mut(hypothesis).score = score.clone();
            }
        }
    }

    /// Rounds come in order, so the one an event speaks of is the last.
    fn with_round(&mut self, round: usize, change: impl FnOnce(&mut RoundTrace)) {
        if let Some(last) = self.rounds.last_mut().filter(|r| r.round == round) {
            change(last);
        }
    }
}

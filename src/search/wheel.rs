//! The user's hand on the wheel: marks before a cut, candidates of one's own, going back.
//!
//! Every cut leaves behind what it was made from, so a round can be cut again another way. Draws
//! are pure, so what follows an undone intervention is what it would have been without it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draw::Lineage;
use super::engine::{ChunkBeamSearch, OnEvent, OpenRound, State, Status};
use super::error::SearchError;
use super::event::{Mark, SearchEvent};
use super::hypothesis::{Finish, Hypothesis, HypothesisId};
use super::port::{Growth, Scorer};
use super::score::LogRatio;
use super::scoring::final_scores;

/// Successor numbers of the user's own chunks begin here, so that their lineages are their own.
const TYPED: usize = 1 << 20;

/// What the user wants, and what there is to go back to.
#[derive(Debug, Clone, Default)]
pub(super) struct Wheel {
    /// For the coming cut.
    pub marks: BTreeMap<HypothesisId, Mark>,
    /// For the coming round: so many successors more.
    pub extra: BTreeMap<HypothesisId, usize>,
    /// One for every complete round.
    pub past: Vec<PastRound>,
    /// The search before each intervention that undid rounds, the latest last.
    undo: Vec<Moment>,
}

/// A complete round, ready to be cut again.
#[derive(Debug, Clone)]
pub(super) struct PastRound {
    pub before: State,
    pub open: OpenRound,
    pub marks: BTreeMap<HypothesisId, Mark>,
    /// Best first.
    pub kept: Vec<HypothesisId>,
    /// Best first.
    pub pruned: Vec<HypothesisId>,
}

impl PastRound {
    /// What was told at its cut.
    pub fn selected(&self) -> SearchEvent {
        SearchEvent::Selected {
            round: self.before.round_idx + 1,
            kept: self.kept.clone(),
            pruned: self.pruned.clone(),
            marks: self.marks.iter().map(|(id, mark)| (*id, *mark)).collect(),
        }
    }
}

/// All that an undo restores.
#[derive(Debug, Clone)]
struct Moment {
    state: State,
    open: Option<OpenRound>,
    past: Vec<PastRound>,
    /// The first round that the intervention touched.
    round: usize,
}

impl ChunkBeamSearch {
    /// Marks a candidate for the cut of its round; `None` takes the mark away.
    pub fn mark(&mut self, id: HypothesisId, mark: Option<Mark>, on: OnEvent<'_>) {
        match mark {
            Some(mark) => self.wheel.marks.insert(id, mark),
            None => self.wheel.marks.remove(&id),
        };
        let _ = on(SearchEvent::Marked { id, mark });
    }

    /// `extra` successors more of a hypothesis of the beam, in the next round.
    pub fn spend(&mut self, id: HypothesisId, extra: usize, on: OnEvent<'_>) {
        self.wheel.extra.insert(id, extra);
        let _ = on(SearchEvent::Spent { id, extra });
    }

    /// Goes on from a candidate that was pruned, in whichever round: undoes all later rounds and
    /// cuts its own again with the candidate pinned. `false` when no cut has seen it.
    pub fn take(&mut self, id: HypothesisId, on: OnEvent<'_>) -> bool {
        let has = |past: &PastRound| past.open.candidates.iter().any(|c| c.id == id);
        let Some(at) = self.wheel.past.iter().rposition(has) else {
            return false;
        };
        self.remember(at + 1);
        let PastRound {
            before,
            open,
            marks,
            ..
        } = self.wheel.past[at].clone();
        self.wheel.past.truncate(at);
        self.wheel.marks = marks;
        self.wheel.marks.insert(id, Mark::Pin);
        self.state = before;
        self.open = None;
        let _ = on(SearchEvent::Rewound { round: at + 1 });
        let _: Status = self.select(open, on);
        true
    }

    /// Undoes all rounds after `round` and goes on from there.
    pub fn rewind(&mut self, round: usize, on: OnEvent<'_>) {
        if round >= self.state.round_idx && self.open.is_none() {
            return;
        }
        self.remember(round + 1);
        if let Some(past) = self.wheel.past.get(round) {
            self.state = past.before.clone();
        }
        self.wheel.past.truncate(round);
        self.open = None;
        let _ = on(SearchEvent::Rewound { round });
    }

    /// Takes the last [`Self::take`] or [`Self::rewind`] back: the run is as it was before it,
    /// and its rounds are told again. `false` when there is nothing to undo.
    pub fn undo(&mut self, on: OnEvent<'_>) -> bool {
        let Some(moment) = self.wheel.undo.pop() else {
            return false;
        };
        let round = moment.round - 1;
        self.state = moment.state;
        self.open = moment.open;
        self.wheel.past = moment.past;
        self.wheel.marks.clear();
        let _ = on(SearchEvent::Rewound { round });
        self.tell_again(round, on);
        true
    }

    /// A candidate of the user's own beside `sibling`, a candidate of the open round or of the
    /// last one: `chunk` is the whole response so far. It is scored, and stands for the cut or,
    /// after it, ready to be taken.
    ///
    /// # Errors
    /// [`SearchError`] when it cannot be scored; `None` when there is no such sibling.
    pub fn add(
        &mut self,
        sibling: HypothesisId,
        chunk: Growth,
        scorer: &mut dyn Scorer,
        on: OnEvent<'_>,
    ) -> Result<Option<HypothesisId>, SearchError> {
        let Some(sibling) = self
            .youngest()
            .and_then(|open| find(&open.candidates, sibling))
        else {
            return Ok(None);
        };
        let mut candidate = self.typed(&sibling, chunk);
        candidate.score = final_scores(self.params.rules, &[&candidate], scorer)?
            .pop()
            .unwrap_or_default();
        let candidate = Arc::new(candidate);
        if let Some(open) = self.youngest_mut() {
            open.candidates.push(Arc::clone(&candidate));
        }
        let (id, round) = (candidate.id, candidate.round);
        let _ = on(SearchEvent::Added { round, candidate });
        Ok(Some(id))
    }

    fn typed(&mut self, sibling: &Hypothesis, chunk: Growth) -> Hypothesis {
        let id = HypothesisId(self.next_id);
        self.next_id += 1;
        let successor = TYPED + id.0 as usize;
        let spent = chunk.tokens.len() >= self.params.max_new_tokens.get();
        Hypothesis {
            id,
            successor,
            lineage: Lineage::root(self.params.seed).successor(sibling.round, successor),
            tokens: chunk.tokens,
            text: chunk.text,
            log_probs: chunk.log_probs,
            finish: chunk.finish.or(spent.then_some(Finish::Length)),
            score: LogRatio::default(),
            ..sibling.clone()
        }
    }

    /// A candidate of any round that is still part of the run.
    #[must_use]
    pub fn candidate(&self, id: HypothesisId) -> Option<Arc<Hypothesis>> {
        let open = self
            .open
            .iter()
            .chain(self.wheel.past.iter().rev().map(|past| &past.open));
        open.into_iter().find_map(|open| find(&open.candidates, id))
    }

    /// The candidates beside `id` in its round, `id` included: the open round's or the last's.
    #[must_use]
    pub fn siblings(&self, id: HypothesisId) -> &[Arc<Hypothesis>] {
        let candidates = self.youngest().map_or(&[][..], |open| &open.candidates[..]);
        if candidates.iter().any(|c| c.id == id) {
            candidates
        } else {
            &[]
        }
    }

    /// The round that waits for its cut, or else the last one that had it.
    fn youngest(&self) -> Option<&OpenRound> {
        self.open
            .as_ref()
            .or(self.wheel.past.last().map(|past| &past.open))
    }

    fn youngest_mut(&mut self) -> Option<&mut OpenRound> {
        self.open
            .as_mut()
            .or(self.wheel.past.last_mut().map(|past| &mut past.open))
    }

    fn remember(&mut self, round: usize) {
        self.wheel.undo.push(Moment {
            state: self.state.clone(),
            open: self.open.clone(),
            past: self.wheel.past.clone(),
            round,
        });
    }

    /// Tells the rounds after `round` once more, as they were.
    fn tell_again(&self, round: usize, on: OnEvent<'_>) {
        for past in &self.wheel.past[round..] {
            tell_open(&past.open, past.before.round_idx + 1, on);
            let _ = on(past.selected());
        }
        if let Some(open) = &self.open {
            tell_open(open, self.state.round_idx + 1, on);
        }
        if self.state.ended {
            self.tell_finished(on);
        }
    }
}

fn tell_open(open: &OpenRound, round: usize, on: OnEvent<'_>) {
    let _ = on(open.started.clone());
    let _ = on(SearchEvent::Scored {
        round,
        candidates: open.candidates.clone(),
    });
}

fn find(candidates: &[Arc<Hypothesis>], id: HypothesisId) -> Option<Arc<Hypothesis>> {
    candidates.iter().find(|c| c.id == id).cloned()
}

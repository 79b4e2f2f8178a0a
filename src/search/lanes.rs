//! Many searches, one executor: what every loop does between two passes of a model.

use std::collections::BTreeMap;

use super::ask::{Answer, Ask, ModelError};
use super::engine::ChunkBeamSearch;
use super::entry::{Entry, Partial};
use super::error::SearchError;
use super::ids::HypothesisId;
use super::score::PairId;

/// Names a search among those that an executor serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u64);

/// What an executor has to say to a lane.
pub type Served = (LaneId, Result<Answer, ModelError>);

/// Answers asks: models, a tape, toys, a server.
pub trait Executor {
    /// What a lane needs now, in the place of what it needed before; `None` lets its chunks
    /// stand as they are. Chunks that are asked for again go on where they stood; chunks that a
    /// new [`Ask::Grow`] does not name are given up.
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>);

    /// A piece of work of at most one pass of a model, for as many lanes as it can serve at
    /// once. What is complete now; nothing while there is more to do.
    fn step(&mut self) -> Vec<Served>;

    /// The chunks of a lane as far as they have grown; scored by a pair at the cost of one pass,
    /// where one is named.
    ///
    /// # Errors
    /// As a model has it.
    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError>;

    /// Caches of a lane's other hypotheses may go. They are an optimisation only: what is
    /// missing is read again.
    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]);

    /// The lane is over.
    fn close(&mut self, lane: LaneId);
}

impl<E: Executor + ?Sized> Executor for Box<E> {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        (**self).post(lane, ask);
    }

    fn step(&mut self) -> Vec<Served> {
        (**self).step()
    }

    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        (**self).partials(lane, by)
    }

    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]) {
        (**self).retain(lane, ids);
    }

    fn close(&mut self, lane: LaneId) {
        (**self).close(lane);
    }
}

/// How far a lane may go by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Round after round.
    Runs,
    /// To the next cut, which it waits for.
    Holds,
    /// Only what was asked of it: scores of what the user did.
    Stands,
}

/// A search and how it moves.
#[derive(Debug)]
struct Lane {
    search: ChunkBeamSearch,
    motion: Motion,
}

/// What one step brought to a lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub lane: LaneId,
    pub entries: Vec<Entry>,
    /// Why the lane cannot go on as it is.
    pub error: Option<SearchError>,
}

/// The searches that are alive, and the executor that serves them.
#[derive(Debug)]
pub struct Lanes<E> {
    executor: E,
    lanes: BTreeMap<LaneId, Lane>,
}

impl<E: Executor> Lanes<E> {
    pub fn new(executor: E) -> Self {
        let lanes = BTreeMap::new();
        Self { executor, lanes }
    }

    pub fn executor(&mut self) -> &mut E {
        &mut self.executor
    }

    pub fn executor_ref(&self) -> &E {
        &self.executor
    }

    /// A search joins, and runs.
    pub fn open(&mut self, id: LaneId, search: ChunkBeamSearch) {
        let motion = Motion::Runs;
        self.lanes.insert(id, Lane { search, motion });
    }

    /// A search leaves.
    pub fn close(&mut self, id: LaneId) -> Option<ChunkBeamSearch> {
        let lane = self.lanes.remove(&id)?;
        self.executor.close(id);
        Some(lane.search)
    }

    #[must_use]
    pub fn search(&self, id: LaneId) -> Option<&ChunkBeamSearch> {
        self.lanes.get(&id).map(|lane| &lane.search)
    }

    pub fn search_mut(&mut self, id: LaneId) -> Option<&mut ChunkBeamSearch> {
        self.lanes.get_mut(&id).map(|lane| &mut lane.search)
    }

    pub fn set_motion(&mut self, id: LaneId, motion: Motion) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.motion = motion;
        }
    }

    pub fn ids(&self) -> impl Iterator<Item = LaneId> {
        self.lanes.keys().copied()
    }

    /// Whether a step would bring anything: a lane needs what the executor can give, has a cut to
    /// make, or has done something that nobody has heard of.
    pub fn is_busy(&mut self) -> bool {
        let needs = |lane: &mut Lane| match (lane.motion, lane.ask()) {
            (Motion::Runs, Some(Ask::Cut)) => true,
            (_, None | Some(Ask::Done | Ask::Cut)) => lane.search.has_news(),
            _ => true,
        };
        self.lanes.values_mut().any(needs)
    }

    /// Posts what the lanes need, has the executor do one piece of work, and takes the answers
    /// in. Lanes that may make their cut make it.
    pub fn step(&mut self) -> Vec<Progress> {
        let mut wants_work = false;
        for (id, lane) in &mut self.lanes {
            let ask = lane.ask_for_work();
            wants_work |= ask.is_some();
            self.executor.post(*id, ask.as_ref());
        }
        let answers = match wants_work {
            true => self.executor.step(),
            false => Vec::new(),
        };
        let mut errors = BTreeMap::new();
        for (id, answer) in answers {
            if let Some(Err(error)) = self.lanes.get_mut(&id).map(|lane| lane.take(answer)) {
                errors.insert(id, error);
            }
        }
        self.progress(errors)
    }

    fn progress(&mut self, mut errors: BTreeMap<LaneId, SearchError>) -> Vec<Progress> {
        let mut all = Vec::new();
        for (id, lane) in &mut self.lanes {
            let error = errors.remove(id);
            if error.is_none() {
                lane.settle();
            }
            let entries = lane.search.news();
            if entries
                .iter()
                .any(|entry| matches!(entry, Entry::Selected { .. }))
            {
                self.executor.retain(*id, &lane.search.alive());
            }
            if error.is_some() || !entries.is_empty() {
                all.push(Progress {
                    lane: *id,
                    entries,
                    error,
                });
            }
        }
        all
    }
}

impl Lane {
    fn ask(&mut self) -> Option<Ask> {
        match self.motion {
            Motion::Stands => self.search.settle(),
            Motion::Runs | Motion::Holds => Some(self.search.ask()),
        }
    }

    /// What the executor is to do for it. A cut is no work for an executor, and a step of its
    /// own: what comes after it depends on whether the lane may go on.
    fn ask_for_work(&mut self) -> Option<Ask> {
        match self.ask() {
            Some(Ask::Cut) if self.motion == Motion::Runs => {
                self.cut();
                None
            }
            Some(Ask::Cut | Ask::Done) | None => None,
            ask => ask,
        }
    }

    fn cut(&mut self) {
        // No error: a cut that nothing waits for is none.
        let _ = self.search.supply(Answer::Cut);
    }

    fn take(&mut self, answer: Result<Answer, ModelError>) -> Result<(), SearchError> {
        self.search.supply(answer?)
    }

    /// What has come is written down at once; a lane that runs makes its cut.
    fn settle(&mut self) {
        let is_settled = self.search.settle().is_none();
        if is_settled && self.motion == Motion::Runs && self.search.is_open() {
            self.cut();
        }
    }
}

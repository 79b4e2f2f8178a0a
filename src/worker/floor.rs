//! Where searches run: one strong model, the pairs that score for it, and what both have cached.

use crate::guide::ModelExecutor;
use crate::library::WeakPair;
use crate::message::{MOST_BESIDE, RunId};
use crate::models::ModelSpec;
use crate::search::{ChunkBeamSearch, Executor, LaneId, Lanes, ModelError, Motion, PairId};

/// How many ways go beside a guided search at most: the unguided one, and those asked for.
pub(super) const WAYS: usize = 1 + MOST_BESIDE;

/// The lanes of a run: the guided search, and the ways beside it. Not all of them need be open.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunLanes {
    pub guided: LaneId,
}

impl RunLanes {
    pub fn of(run: RunId) -> Self {
        let guided = LaneId((1 + WAYS as u64) * run.0);
        Self { guided }
    }

    /// Way number 0: the same strong model left alone.
    pub fn unguided(self) -> LaneId {
        self.way(0)
    }

    pub fn way(self, number: usize) -> LaneId {
        LaneId(self.guided.0 + 1 + number as u64)
    }

    /// All ways beside the guided search, by number.
    pub fn ways(self) -> impl Iterator<Item = (usize, LaneId)> {
        (0..WAYS).map(move |number| (number, self.way(number)))
    }

    /// The lanes whose settings and pair are the run's, changes included.
    pub fn followers(self) -> [LaneId; 2] {
        [self.guided, self.unguided()]
    }
}

#[derive(Debug)]
pub(super) struct Floor {
    /// The strong model it was made for.
    pub strong: ModelSpec,
    pub lanes: Lanes<ModelExecutor>,
}

impl Floor {
    pub fn new(strong: ModelSpec, executor: ModelExecutor) -> Self {
        let lanes = Lanes::new(executor);
        Self { strong, lanes }
    }

    pub fn executor(&mut self) -> &mut ModelExecutor {
        self.lanes.executor()
    }

    pub fn is_busy(&mut self) -> bool {
        self.lanes.is_busy()
    }

    /// Ends all searches; what was cached of their prompts stays.
    pub fn clear(&mut self) {
        let ids: Vec<LaneId> = self.lanes.ids().collect();
        for id in ids {
            self.lanes.close(id);
        }
    }

    /// A search joins for `prompt`, standing, if there is room for it beside all others.
    ///
    /// # Errors
    /// As [`ModelExecutor::open_beside`].
    pub fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        search: ChunkBeamSearch,
    ) -> Result<(), ModelError> {
        let (pair, params) = (search.pair().clone(), search.params());
        let others = self.others(lane);
        self.executor()
            .open_beside(&others, lane, prompt, &pair, &params)?;
        self.lanes.open(lane, search);
        self.lanes.set_motion(lane, Motion::Stands);
        Ok(())
    }

    /// What the strong model has read and drawn: more after each of its passes.
    pub fn n_strong_work(&mut self) -> u64 {
        self.executor().n_read() + self.executor().n_sampled()
    }

    /// All lanes but one.
    pub fn others(&self, lane: LaneId) -> Vec<LaneId> {
        self.lanes.ids().filter(|id| *id != lane).collect()
    }

    /// How many tokens the responses of a lane have, growing ones included.
    pub fn reach(&self, lane: LaneId) -> usize {
        let Some(search) = self.lanes.search(lane) else {
            return 0;
        };
        let kept = kept_len(search);
        match search.is_growing() {
            true => kept.max(self.lanes.executor_ref().n_grown(lane)),
            false => kept,
        }
    }

    /// The guided and the unguided search of a run are scored by another pair from their next cut
    /// on.
    ///
    /// # Errors
    /// A pair that does not go with the prompt or its budget: all is as it was.
    pub fn use_pair(
        &mut self,
        run: RunLanes,
        id: &PairId,
        pairs: Vec<(PairId, WeakPair)>,
    ) -> Result<(), ModelError> {
        for (id, pair) in pairs {
            self.executor().add_pair(id, pair);
        }
        for lane in run.followers() {
            if let Some(params) = self.lanes.search(lane).map(ChunkBeamSearch::params) {
                self.executor().check_tilt(id, &params)?;
                self.executor().admit_pair(lane, id)?;
            }
        }
        self.want_pair(run, id);
        Ok(())
    }

    /// The same with a pair that is admitted.
    pub fn want_pair(&mut self, run: RunLanes, id: &PairId) {
        for lane in run.followers() {
            if let Some(search) = self.lanes.search_mut(lane) {
                search.use_pair(id.clone());
            }
        }
    }

    pub fn guided(&mut self, run: RunLanes) -> Option<&mut ChunkBeamSearch> {
        self.lanes.search_mut(run.guided)
    }

    /// What has grown of a run's chunks, scored by the pair that is wanted where that is asked.
    ///
    /// # Errors
    /// As a model has it.
    pub fn partials(
        &mut self,
        run: RunLanes,
        scored: bool,
    ) -> Result<Vec<crate::search::Partial>, ModelError> {
        let pair = self.lanes.search(run.guided).map(|s| s.pair().clone());
        let by = pair.filter(|_| scored);
        self.executor().partials(run.guided, by.as_ref())
    }
}

/// Tokens of the longest response that a search has kept.
pub(super) fn kept_len(search: &ChunkBeamSearch) -> usize {
    let beam = search.beam();
    beam.iter().map(|h| h.tokens.len()).max().unwrap_or(0)
}

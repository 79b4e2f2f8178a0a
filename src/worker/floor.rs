//! Where searches run: one strong model, the pairs that score for it, and what both have cached.

use crate::guide::ModelExecutor;
use crate::library::WeakPair;
use crate::message::RunId;
use crate::models::ModelSpec;
use crate::search::{ChunkBeamSearch, Executor, LaneId, Lanes, ModelError, Motion, PairId};

/// The lanes of a run: the guided search, and the same strong model left alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pairing {
    pub guided: LaneId,
    pub unguided: LaneId,
}

impl Pairing {
    pub fn of(run: RunId) -> Self {
        Self {
            guided: LaneId(2 * run.0),
            unguided: LaneId(2 * run.0 + 1),
        }
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

    /// A search joins for `prompt`, standing.
    ///
    /// # Errors
    /// As [`ModelExecutor::open`].
    pub fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        search: ChunkBeamSearch,
    ) -> Result<(), ModelError> {
        let (pair, params) = (search.pair().clone(), search.params());
        self.executor().open(lane, prompt, &pair, &params)?;
        self.lanes.open(lane, search);
        self.lanes.set_motion(lane, Motion::Stands);
        Ok(())
    }

    /// Both searches of a run are scored by another pair from their next cut on.
    ///
    /// # Errors
    /// A pair that does not go with the prompt or its budget: all is as it was.
    pub fn use_pair(
        &mut self,
        pairing: Pairing,
        id: &PairId,
        pair: WeakPair,
    ) -> Result<(), ModelError> {
        self.executor().add_pair(id.clone(), pair);
        self.executor().admit_pair(pairing.guided, id)?;
        self.executor().admit_pair(pairing.unguided, id)?;
        for lane in [pairing.guided, pairing.unguided] {
            if let Some(search) = self.lanes.search_mut(lane) {
                search.use_pair(id.clone());
            }
        }
        Ok(())
    }

    pub fn guided(&mut self, pairing: Pairing) -> Option<&mut ChunkBeamSearch> {
        self.lanes.search_mut(pairing.guided)
    }

    /// What has grown of a run's chunks, scored by the pair that is wanted where that is asked.
    ///
    /// # Errors
    /// As a model has it.
    pub fn partials(
        &mut self,
        pairing: Pairing,
        scored: bool,
    ) -> Result<Vec<crate::search::Partial>, ModelError> {
        let pair = self.lanes.search(pairing.guided).map(|s| s.pair().clone());
        let by = pair.filter(|_| scored);
        self.executor().partials(pairing.guided, by.as_ref())
    }
}

//! The unguided twin of a run: the same strong model, seed and budget, W = K = 1, so that what
//! guidance changed can be seen. It advances a chunk after each guided round.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::guide::{PairScorer, Setting, StrongSampler};
use crate::measure::Judge;
use crate::message::{RunRequest, Update};
use crate::search::{
    BeamWidth, ChunkBeamSearch, Hypothesis, ModelError, SearchError, SearchParams, Successors,
};

pub(super) struct Twin {
    request: RunRequest,
    search: ChunkBeamSearch,
    sampler: StrongSampler,
    scorer: PairScorer,
}

impl Twin {
    pub(super) fn new(setting: &Setting, request: &RunRequest) -> Result<Self, ModelError> {
        let params = unguided(request.params)?;
        let mut search = ChunkBeamSearch::new(params);
        search.score_partials(None);
        Ok(Self {
            sampler: setting.sampler(&params)?,
            scorer: setting.scorer(&params)?,
            request: request.clone(),
            search,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.search.is_finished()
    }

    /// Follows the run's sampling, chunk length and budget.
    pub(super) fn retune(&mut self, params: SearchParams) {
        if let Ok(params) = unguided(params) {
            self.search.set_params(params);
        }
    }

    /// Scores what there is under another pair, and all that comes. `None` when there is nothing
    /// yet.
    pub(super) fn use_pair(
        &mut self,
        setting: &Setting,
        judge: &Judge,
    ) -> Result<Option<Update>, SearchError> {
        self.scorer = setting.scorer(&self.search.params())?;
        if self.search.best().is_none() {
            return Ok(None);
        }
        let ignore = &mut |_| ControlFlow::Continue(());
        self.search.rescore(&mut self.scorer, ignore)?;
        self.told(judge).map(Some)
    }

    /// Whether it has fewer chunks than the run it stands beside.
    pub(super) fn is_behind(&self, run: &ChunkBeamSearch) -> bool {
        !self.is_done() && (run.is_finished() || self.search.round_idx() < run.round_idx())
    }

    /// One chunk more.
    pub(super) fn advance(&mut self, judge: &Judge) -> Result<Update, SearchError> {
        let ignore = &mut |_| ControlFlow::Continue(());
        self.search
            .round(&mut self.sampler, &mut self.scorer, ignore)?;
        self.told(judge)
    }

    fn told(&self, judge: &Judge) -> Result<Update, SearchError> {
        let response = self.search.best().cloned();
        let response: Arc<Hypothesis> = response.ok_or(SearchError::Miscount {
            who: "the twin",
            got: 0,
            expected: 1,
        })?;
        Ok(Update::Unguided {
            run: self.request.run,
            judge: judge.score(&self.request.prompt, &response.text),
            response,
            done: self.is_done(),
        })
    }
}

fn unguided(params: SearchParams) -> Result<SearchParams, ModelError> {
    let one = |e: crate::search::ParamError| ModelError::Other(e.to_string());
    Ok(SearchParams {
        beam_width: BeamWidth::new(1).map_err(one)?,
        successors: Successors::new(1).map_err(one)?,
        ..params
    })
}

//! An evaluation beside the run: several ways over many prompts, with caches of its own over the
//! same weights. It has what passes the run leaves; while that searches at full speed, every
//! second one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Worker;
use super::outbox::Gone;
use super::ways::n_sampled;
use crate::examples::asked;
use crate::guide::{ModelExecutor, Prompts};
use crate::measure::Judge;
use crate::message::{CellId, Contender, EvaluationRequest, Measured, Update};
use crate::search::{ChunkBeamSearch, LaneId, Lanes, PairId, SearchError};

/// Candidates in one pass, together: few, so that a command waits for no long one.
const ROWS: usize = 32;

/// The searches of an evaluation.
pub(super) struct Evaluation {
    request: EvaluationRequest,
    lanes: Lanes<ModelExecutor>,
    left: VecDeque<CellId>,
    open: BTreeMap<LaneId, Open>,
    next_lane: u64,
}

struct Open {
    cell: CellId,
    n_rows: usize,
    sampled: usize,
}

/// A cell that is over.
type Told = (CellId, Result<Measured, String>);

impl Evaluation {
    fn new(request: EvaluationRequest, executor: ModelExecutor) -> Self {
        Self {
            left: request.cells.iter().copied().collect(),
            lanes: Lanes::new(executor),
            request,
            open: BTreeMap::new(),
            next_lane: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.left.is_empty() && self.open.is_empty()
    }

    /// One pass, and the cells that are over.
    fn step(&mut self, judge: &Judge) -> Vec<Told> {
        let mut told = self.fill();
        for progress in self.lanes.step() {
            if let Some(open) = self.open.get_mut(&progress.lane) {
                open.sampled += progress.entries.iter().map(n_sampled).sum::<usize>();
            }
            told.extend(progress.error.and_then(|e| self.fail(progress.lane, &e)));
        }
        let lanes = &self.lanes;
        let is_over = |lane: &LaneId| {
            lanes
                .search(*lane)
                .is_some_and(ChunkBeamSearch::is_finished)
        };
        let over: Vec<LaneId> = self.open.keys().copied().filter(is_over).collect();
        told.extend(over.into_iter().filter_map(|lane| self.finish(lane, judge)));
        told
    }

    /// As many searches as a pass has room for; those that cannot begin are over.
    fn fill(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(cell) = self.left.front().copied() {
            let n_rows = self.request.contenders[cell.way].way.params.n_candidates();
            let in_use: usize = self.open.values().map(|open| open.n_rows).sum();
            if !self.open.is_empty() && in_use + n_rows > ROWS {
                break;
            }
            self.left.pop_front();
            if let Err(why) = self.begin(cell, n_rows) {
                told.push((cell, Err(why)));
            }
        }
        told
    }

    fn begin(&mut self, cell: CellId, n_rows: usize) -> Result<(), String> {
        let request = &self.request;
        let Contender { way, n_examples } = &request.contenders[cell.way];
        let asked = asked(
            &request.prompts,
            cell.prompt,
            &request.examples,
            *n_examples,
        );
        let prompts = Prompts {
            strong: &asked,
            pair: &request.prompts[cell.prompt],
        };
        let (lane, pair) = (LaneId(self.next_lane), way.pair.clone());
        self.next_lane += 1;
        let executor = self.lanes.executor();
        let opened = executor.open_apart(lane, prompts, &pair, &way.params);
        opened.map_err(|error| error.to_string())?;
        self.lanes
            .open(lane, ChunkBeamSearch::new(way.params, pair));
        let sampled = 0;
        let open = Open {
            cell,
            n_rows,
            sampled,
        };
        self.open.insert(lane, open);
        Ok(())
    }

    fn fail(&mut self, lane: LaneId, why: &SearchError) -> Option<Told> {
        self.lanes.close(lane);
        let open = self.open.remove(&lane)?;
        Some((open.cell, Err(why.to_string())))
    }

    fn finish(&mut self, lane: LaneId, judge: &Judge) -> Option<Told> {
        let open = self.open.remove(&lane)?;
        let best = self.lanes.close(lane)?.best()?;
        let prompt = &self.request.prompts[open.cell.prompt];
        let response: Arc<str> = best.text.to_string().into();
        let measured = Measured {
            judge: judge.score(prompt, &response),
            log_ratio: best.score().value(),
            strong_log_prob: best.log_prob_per_token(),
            response,
            sampled: open.sampled,
        };
        Some((open.cell, Ok(measured)))
    }
}

impl Worker {
    /// An evaluation before it is given up.
    pub(super) fn evaluate(&mut self, request: EvaluationRequest) -> Result<(), Gone> {
        self.evaluation = None;
        let id = request.id;
        match self.prepare_evaluation(request) {
            Ok(evaluation) => {
                self.evaluation = Some(evaluation);
                Ok(())
            }
            Err(why) => self.out.send(Update::NotEvaluated { id, why }),
        }
    }

    fn prepare_evaluation(&mut self, request: EvaluationRequest) -> Result<Evaluation, String> {
        let pairs = request.contenders.iter().map(|own| own.way.pair.members());
        let pairs: Vec<PairId> = pairs.flatten().map(|(id, _)| id).collect();
        let executor = self.aside(&pairs)?;
        Ok(Evaluation::new(request, executor))
    }

    /// The models of the runs with caches of their own, for what goes on beside them.
    pub(super) fn aside(&mut self, pairs: &[PairId]) -> Result<ModelExecutor, String> {
        let wanted = self.startup.strong.clone();
        let strong = self.library.model(&wanted).map_err(|e| e.to_string())?;
        let mut executor = ModelExecutor::new(strong, self.library.templates().clone());
        for id in pairs {
            let pair = self.loaded_pair(id.as_str())?;
            executor.add_pair(id.clone(), pair);
        }
        Ok(executor)
    }

    /// One pass of the evaluation under way.
    pub(super) fn evaluate_on(&mut self) -> Result<(), Gone> {
        let Some(evaluation) = &mut self.evaluation else {
            return Ok(());
        };
        let id = evaluation.request.id;
        let told = evaluation.step(&self.judge);
        if evaluation.is_over() {
            self.evaluation = None;
        }
        for (cell, measured) in told {
            self.out.send(Update::Cell { id, cell, measured })?;
        }
        Ok(())
    }
}

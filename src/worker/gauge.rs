//! How much the strong model would gain on each pair's labels, found out beside the run: responses
//! to many prompts are sampled, scored by all pairs, judged, and read by the strong model once
//! more. It takes passes as an evaluation does.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Worker;
use super::outbox::Gone;
use crate::guide::ModelExecutor;
use crate::measure::{Gains, Judge, LEAST, Labelled};
use crate::message::{GaugeRequest, Update};
use crate::search::{ChunkBeamSearch, Hypothesis, LaneId, Lanes, ModelError, PairId};

/// Pairs that are gauged.
pub(super) struct Gauge {
    request: GaugeRequest,
    /// All pairs, as one panel.
    panel: PairId,
    lanes: Lanes<ModelExecutor>,
    /// The prompt that is sampled after, from 0; those before are done.
    at: usize,
    is_open: bool,
    /// Responses to it that the strong model has not read.
    unread: VecDeque<Arc<Hypothesis>>,
    labelled: Vec<Labelled>,
    /// Why a prompt could not be searched, the first that could not.
    fault: Option<String>,
}

impl Gauge {
    fn new(request: GaugeRequest, executor: ModelExecutor) -> Self {
        let panel = match &request.pairs[..] {
            [only] => only.clone(),
            pairs => PairId::of_panel(pairs.iter().map(|pair| (pair.clone(), 1.0)).collect()),
        };
        Self {
            request,
            panel,
            lanes: Lanes::new(executor),
            at: 0,
            is_open: false,
            unread: VecDeque::new(),
            labelled: Vec::new(),
            fault: None,
        }
    }

    fn lane(&self) -> LaneId {
        LaneId(self.at as u64)
    }

    fn is_over(&self) -> bool {
        self.at >= self.request.prompts.len()
    }

    /// One pass; whether a prompt is done by it.
    fn step(&mut self, judge: &Judge) -> bool {
        let stepped = match self.unread.pop_front() {
            Some(response) => self.read(&response, judge),
            None => self.sample(),
        };
        if let Err(why) = &stepped {
            self.fault.get_or_insert(why.clone());
            self.unread.clear();
        }
        let is_done = match stepped {
            Ok(is_sampled) => is_sampled && self.unread.is_empty(),
            Err(_) => true,
        };
        if is_done {
            self.lanes.close(self.lane());
            self.is_open = false;
            self.at += 1;
        }
        is_done
    }

    /// A pass of the search; whether it is over.
    fn sample(&mut self) -> Result<bool, String> {
        if !self.is_open {
            self.open().map_err(|error| error.to_string())?;
        }
        let brought = self.lanes.step();
        let failed = brought.into_iter().find_map(|progress| progress.error);
        if let Some(error) = failed {
            return Err(error.to_string());
        }
        let search = self.lanes.search(self.lane());
        let Some(search) = search.filter(|search| search.is_finished()) else {
            return Ok(false);
        };
        let rounds = search.history().rounds().iter();
        let all = rounds.flat_map(|round| round.candidates.iter().cloned());
        self.unread = all.collect();
        Ok(true)
    }

    fn open(&mut self) -> Result<(), ModelError> {
        let (lane, params) = (self.lane(), self.request.params);
        let prompt = &self.request.prompts[self.at];
        let executor = self.lanes.executor();
        executor.open(lane, prompt, &self.panel, &params)?;
        let search = ChunkBeamSearch::new(params, self.panel.clone());
        self.lanes.open(lane, search);
        self.is_open = true;
        Ok(())
    }

    /// What the strong model makes of a response, and the judge.
    fn read(&mut self, response: &Hypothesis, judge: &Judge) -> Result<bool, String> {
        let of = |pair: &PairId| Some(response.scores.by(pair)?.value());
        let scores: Option<Vec<f64>> = self.request.pairs.iter().map(of).collect();
        let Some(scores) = scores else {
            return Ok(true);
        };
        let lane = self.lane();
        let read = self.lanes.executor().mean_state(lane, response);
        let text = response.text.to_string();
        let prompt = &self.request.prompts[self.at];
        self.labelled.push(Labelled {
            group: self.at,
            scores,
            state: read.map_err(|error| error.to_string())?,
            verdicts: vec![Some(judge.score(prompt, &text))],
        });
        Ok(true)
    }

    /// What it has come to.
    fn gains(self) -> Result<Gains, String> {
        let pairs: Vec<String> = self.request.pairs.iter().map(PairId::to_string).collect();
        let judges = vec!["bundled".to_owned()];
        let gains = Gains::of(&pairs, judges, self.request.prompts.len(), self.labelled);
        gains.map_err(|got| match self.fault {
            Some(fault) => fault,
            None => format!("{got} responses are too few: it takes {LEAST} or more"),
        })
    }
}

impl Worker {
    /// Gauges pairs; what was gauged before is given up.
    pub(super) fn gauge(&mut self, request: GaugeRequest) -> Result<(), Gone> {
        self.gauge = None;
        let id = request.id;
        match self.aside(&request.pairs) {
            Ok(executor) => {
                self.gauge = Some(Gauge::new(request, executor));
                Ok(())
            }
            Err(why) => {
                let gains = Err(why);
                self.out.send(Update::Gains { id, gains })
            }
        }
    }

    /// One pass of it.
    pub(super) fn gauge_on(&mut self) -> Result<(), Gone> {
        let Some(gauge) = &mut self.gauge else {
            return Ok(());
        };
        let id = gauge.request.id;
        if gauge.step(&self.judge) {
            let done = gauge.at;
            self.out.send(Update::Gauged { id, done })?;
        }
        match self.gauge.take_if(|gauge| gauge.is_over()) {
            Some(gauge) => {
                let gains = gauge.gains();
                self.out.send(Update::Gains { id, gains })
            }
            None => Ok(()),
        }
    }
}

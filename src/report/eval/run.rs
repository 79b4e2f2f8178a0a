//! The searches of an evaluation, many at once, whatever their methods: their candidates share the
//! passes of the models, and a prompt is read once.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::cell::{CellResult, Gain, Measured, Outcome, Verdict, measured};
use super::ledger::Ledger;
use super::plan::{Cell, Plan};
use crate::judge::{Judge, Text};
use crate::report::error::ReportError;
use crate::report::json::Timing;
use crate::report::ports::PromptExecutor;
use crate::report::stop::Stop;
use crate::search::{
    ChunkBeamSearch, History, HypothesisId, LaneId, Lanes, ModelError, PairId, Response, Rules,
};

/// Candidates in one pass, together: more of them hardly make a pass better used.
const ROWS: usize = 192;

/// Searches under way, and those to come.
pub(super) struct Runner<'a> {
    plan: &'a Plan,
    lanes: Lanes<Box<dyn PromptExecutor>>,
    /// They score responses, and no search sees them.
    judges: Vec<Judge>,
    second: Option<PairId>,
    /// Whether pairs see the prompt of the next search.
    is_shuffled: bool,
    /// Every candidate, where they are asked for.
    samples: Option<Vec<Sample>>,
    left: VecDeque<Cell>,
    open: BTreeMap<LaneId, Open>,
    next_lane: u64,
    at_once: usize,
}

/// A candidate of a search of one round.
pub(super) struct Sample {
    pub prompt: usize,
    pub text: String,
    /// By pair of the panel, in nats.
    pub scores: Vec<f64>,
    /// The mean of the strong model's last hidden states.
    pub state: Vec<f32>,
}

struct Open {
    cell: Cell,
    n_rows: usize,
    spent: Duration,
}

/// What an evaluation is run with.
pub(super) struct Setup {
    pub executor: Box<dyn PromptExecutor>,
    pub judges: Vec<Judge>,
    pub second: Option<PairId>,
    pub is_shuffled: bool,
    pub in_flight: Option<usize>,
}

impl<'a> Runner<'a> {
    /// All cells of `plan` that `ledger` does not hold.
    pub fn new(plan: &'a Plan, setup: Setup, ledger: &Ledger) -> Self {
        let done: HashSet<(usize, u64, &str)> = ledger
            .results()
            .iter()
            .map(|r| (r.prompt, r.seed, r.method.as_str()))
            .collect();
        let is_left = |cell: &Cell| !done.contains(&key(plan, *cell));
        let params = plan.contenders.iter().map(|c| &c.params);
        let fits = params.map(|params| setup.executor.fits(params)).min();
        Self {
            plan,
            lanes: Lanes::new(setup.executor),
            judges: setup.judges,
            second: setup.second,
            is_shuffled: setup.is_shuffled,
            samples: None,
            left: plan.cells().into_iter().filter(is_left).collect(),
            open: BTreeMap::new(),
            next_lane: 0,
            at_once: setup
                .in_flight
                .unwrap_or(usize::MAX)
                .min(fits.unwrap_or(1))
                .max(1),
        }
    }

    /// Every candidate of every search is wanted, with what the strong model makes of it.
    pub fn collecting(self) -> Self {
        Self {
            samples: Some(Vec::new()),
            ..self
        }
    }

    /// What was collected.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        self.samples.take().unwrap_or_default()
    }

    fn collect(
        &mut self,
        cell: Cell,
        lane: LaneId,
        search: &ChunkBeamSearch,
    ) -> Result<(), ModelError> {
        if self.samples.is_none() {
            return Ok(());
        }
        let pairs = self.plan.contenders[cell.contender].pair.members();
        let rounds = search.history().rounds().iter();
        let candidates: Vec<_> = rounds.flat_map(|round| round.candidates.clone()).collect();
        for candidate in candidates {
            let of = |(pair, _): &(PairId, f64)| Some(candidate.scores.by(pair)?.value());
            let Some(scores) = pairs.iter().map(of).collect() else {
                continue;
            };
            let state = self.lanes.executor().mean_state(lane, &candidate)?;
            self.samples.get_or_insert_default().push(Sample {
                prompt: cell.prompt,
                text: candidate.text.to_string(),
                scores,
                state,
            });
        }
        Ok(())
    }

    /// The judges, to be asked elsewhere.
    pub fn into_judges(self) -> Vec<Judge> {
        self.judges
    }

    /// How many cells there are to do.
    pub fn n_left(&self) -> usize {
        self.left.len() + self.open.len()
    }

    /// Searches until all is done or a stop is wished for; whether all is done. `told` hears of
    /// every cell that is.
    ///
    /// # Errors
    /// Results that cannot be kept. What goes wrong within a cell is its result.
    pub fn run(
        &mut self,
        ledger: &mut Ledger,
        stop: &Stop,
        mut told: impl FnMut(&CellResult),
    ) -> Result<bool, ReportError> {
        while self.n_left() > 0 {
            if stop.is_set() {
                return Ok(false);
            }
            let mut over = self.fill();
            over.extend(self.step());
            for result in over {
                told(&result);
                ledger.add(result)?;
            }
        }
        Ok(true)
    }

    /// As many searches as there may be at once; those that cannot begin are over.
    fn fill(&mut self) -> Vec<CellResult> {
        let mut over = Vec::new();
        while let Some(cell) = self.left.front().copied() {
            let n_rows = self.plan.params(cell).n_candidates();
            let in_use: usize = self.open.values().map(|open| open.n_rows).sum();
            let has_room = self.open.is_empty() || in_use + n_rows <= ROWS;
            if !has_room || self.open.len() >= self.at_once {
                break;
            }
            self.left.pop_front();
            over.extend(self.begin(cell, n_rows).err());
        }
        over
    }

    fn begin(&mut self, cell: Cell, n_rows: usize) -> Result<(), CellResult> {
        let started = Instant::now();
        let (prompts, params) = (&self.plan.prompts, self.plan.params(cell));
        let lane = LaneId(self.next_lane);
        self.next_lane += 1;
        let shown = match self.is_shuffled {
            true => &prompts[(cell.prompt + 1) % prompts.len()],
            false => &prompts[cell.prompt],
        };
        let executor = self.lanes.executor();
        let opened = executor.open_apart(lane, &self.plan.asked(cell), shown, &params);
        opened.map_err(|error| self.failed(cell, started.elapsed(), &error))?;
        let pair = self.plan.contenders[cell.contender].pair.clone();
        let search = ChunkBeamSearch::new(params, pair);
        self.lanes.open(lane, search);
        let spent = started.elapsed();
        self.open.insert(
            lane,
            Open {
                cell,
                n_rows,
                spent,
            },
        );
        Ok(())
    }

    /// One step of the models; the searches that it ends.
    fn step(&mut self) -> Vec<CellResult> {
        let started = Instant::now();
        let brought = self.lanes.step();
        let share = started.elapsed() / self.open.len().max(1) as u32;
        self.open.values_mut().for_each(|open| open.spent += share);
        let errors = brought.into_iter().filter_map(|b| Some((b.lane, b.error?)));
        let mut over = Vec::new();
        for (lane, error) in errors {
            self.lanes.close(lane);
            if let Some(open) = self.open.remove(&lane) {
                over.push(self.failed(open.cell, open.spent, &error));
            }
        }
        let lanes = &self.lanes;
        let is_over = |lane: &LaneId| lanes.search(*lane).is_none_or(ChunkBeamSearch::is_finished);
        let done: Vec<LaneId> = self.open.keys().copied().filter(is_over).collect();
        let mut done: Vec<CellResult> = done
            .into_iter()
            .filter_map(|lane| self.finish(lane))
            .collect();
        self.judge(&mut done);
        over.extend(done);
        over
    }

    /// What every judge says of responses, together: some read texts of one length side by side.
    fn judge(&mut self, results: &mut [CellResult]) {
        let prompts = &self.plan.prompts;
        let mut done: Vec<(usize, &mut Measured)> = results
            .iter_mut()
            .filter_map(|result| match &mut result.outcome {
                Outcome::Done(measured) => Some((result.prompt, &mut **measured)),
                Outcome::Failed { .. } => None,
            })
            .collect();
        let text = |(prompt, measured): &(usize, &mut Measured)| {
            (prompts[*prompt].clone(), measured.response.clone())
        };
        let texts: Vec<(String, String)> = done.iter().map(text).collect();
        let texts: Vec<Text<'_>> = texts
            .iter()
            .map(|(prompt, response)| Text { prompt, response })
            .collect();
        for judge in &mut self.judges {
            for ((_, measured), said) in done.iter_mut().zip(judge.score_all(&texts)) {
                measured.judges.push(match said {
                    Ok(verdict) => Verdict::Score(verdict.score),
                    Err(error) => Verdict::Failed {
                        error: error.to_string(),
                    },
                });
            }
        }
    }

    fn failed(&self, cell: Cell, spent: Duration, why: &dyn std::fmt::Display) -> CellResult {
        let error = why.to_string();
        self.result(cell, spent, Outcome::Failed { error })
    }

    fn result(&self, cell: Cell, spent: Duration, outcome: Outcome) -> CellResult {
        let (prompt, seed, method) = key(self.plan, cell);
        CellResult {
            prompt,
            seed,
            method: method.to_owned(),
            outcome,
            seconds: spent.as_secs_f64(),
        }
    }

    fn finish(&mut self, lane: LaneId) -> Option<CellResult> {
        let mut open = self.open.remove(&lane)?;
        let search = self.lanes.search(lane)?.clone();
        let started = Instant::now();
        let collected = self.collect(open.cell, lane, &search);
        let outcome = match (self.measure(lane, &search), collected) {
            (Ok(measured), Ok(())) => Outcome::Done(Box::new(measured)),
            (Err(error), _) => Outcome::Failed { error },
            (_, Err(error)) => Outcome::Failed {
                error: error.to_string(),
            },
        };
        open.spent += started.elapsed();
        self.lanes.close(lane);
        Some(self.result(open.cell, open.spent, outcome))
    }

    fn measure(&mut self, lane: LaneId, search: &ChunkBeamSearch) -> Result<Measured, String> {
        let best = search.best().ok_or("the search came to nothing")?;
        let text = best.text.to_string();
        let timing = Timing::new(0.0, search.history());
        let meter = match self.second.clone() {
            Some(pair) => self.meter(lane, &pair, search.history()),
            None => Ok(Vec::new()),
        };
        Ok(Measured {
            strong_tokens: timing.strong_tokens,
            weak_tokens: timing.weak_tokens,
            meter: meter.map_err(|error| error.to_string())?,
            ..measured(&best, text)
        })
    }

    /// By round: what the chosen candidates are better than all, by who chose and by `pair`.
    fn meter(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        history: &History,
    ) -> Result<Vec<Gain>, ModelError> {
        let rounds = || {
            history
                .rounds()
                .iter()
                .filter(|round| !round.pruned().is_empty())
        };
        // What is finished stands in several rounds.
        let ids: BTreeSet<HypothesisId> = rounds().flat_map(|r| r.candidate_ids()).collect();
        let ids: Vec<HypothesisId> = ids.into_iter().collect();
        let all = history.all(&ids);
        let responses: Vec<Response> = all.iter().map(|h| Response::of(h, Rules::Fixed)).collect();
        let values = self.lanes.executor().second(lane, pair, &responses)?;
        let by_id: BTreeMap<HypothesisId, f64> = ids.into_iter().zip(values).collect();
        let gain = |round: &std::sync::Arc<crate::search::Round>| Gain {
            round: round.number,
            claimed: gained(&round.candidate_ids(), round.kept(), |id| {
                round.score_of(id)
            }),
            shown: gained(&round.candidate_ids(), round.kept(), |id| {
                by_id.get(&id).copied()
            }),
        };
        Ok(rounds().map(gain).collect())
    }
}

/// The mean over the kept ones minus the mean over all.
fn gained(
    all: &[HypothesisId],
    kept: &[HypothesisId],
    value: impl Fn(HypothesisId) -> Option<f64>,
) -> f64 {
    let mean = |ids: &[HypothesisId]| {
        let values: Vec<f64> = ids.iter().filter_map(|id| value(*id)).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    mean(kept) - mean(all)
}

/// What names a cell in a file.
fn key(plan: &Plan, cell: Cell) -> (usize, u64, &str) {
    let name = plan.contenders[cell.contender].name.as_str();
    (cell.prompt, plan.seeds[cell.seed], name)
}

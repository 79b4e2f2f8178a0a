//! Toy models behind the port that reports use, and a way to run a command line on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use clap::Parser;
use w2s::cli::Cli;
use w2s::report::{self, Detokenizer, Models, Outcome, PromptExecutor, ReportError, Session, Stop};
use w2s::search::{
    Ask, Executor, Hypothesis, HypothesisId, LaneId, LogRatio, ModelError, PairId, Panel, Partial,
    Response, Rules, SearchParams, Served, Slot, TokenId,
};

use crate::toy::{self, EOS, Tables, Toys, first_pair, letter, log_ratio};

/// Letters for tokens. The strong model `missing` does not exist.
#[derive(Default, Clone)]
pub struct ToyModels {
    /// Stop when the prompt of this number (from 1) begins.
    pub stop_at: Option<usize>,
    /// Stop within the step of this number (from 1).
    pub stop_in_step: Option<usize>,
    pub stop: Stop,
    /// How many searches memory holds, where it is little.
    pub fits: Option<usize>,
    pub seen: Rc<RefCell<Seen>>,
}

/// What the models were asked.
#[derive(Default)]
pub struct Seen {
    pub prompts: Vec<String>,
    /// The most searches at once.
    pub at_once: usize,
    pub steps: usize,
}

impl Models for ToyModels {
    fn executor(
        &mut self,
        strong: &str,
        _panel: &Panel,
        _second: Option<&str>,
    ) -> Result<Box<dyn PromptExecutor>, ModelError> {
        if strong == "missing" {
            return Err(ModelError::Other("missing: no such folder".to_owned()));
        }
        Ok(Box::new(ToyExecutor {
            models: self.clone(),
            lanes: BTreeMap::new(),
        }))
    }

    fn score(
        &mut self,
        _pair: &str,
        _prompt: &str,
        response: &str,
        ended: bool,
    ) -> Result<LogRatio, ModelError> {
        Ok(log_ratio(&first_pair(), response, ended))
    }

    fn detokenizer(&mut self, _strong: &str) -> Result<Box<dyn Detokenizer>, ModelError> {
        Ok(Box::new(Letters))
    }

    fn device(&self) -> String {
        "toy".to_owned()
    }
}

/// The toys of every search under way: each prompt has its own table.
struct ToyExecutor {
    models: ToyModels,
    lanes: BTreeMap<LaneId, Toys<OfPrompt>>,
}

/// All pairs are the same.
struct OfPrompt(Tables);

impl toy::Models for OfPrompt {
    fn token(&self, slot: &Slot, chunk: &[TokenId]) -> TokenId {
        self.0.token(slot, chunk)
    }

    fn score(&self, _pair: &PairId, response: &Response) -> Result<LogRatio, ModelError> {
        self.0.score(&first_pair(), response)
    }
}

impl PromptExecutor for ToyExecutor {
    /// How often each letter stands in it.
    fn mean_state(&mut self, _: LaneId, response: &Hypothesis) -> Result<Vec<f32>, ModelError> {
        let text = response.text.to_string();
        let count = |letter: char| text.chars().filter(|c| *c == letter).count() as f32;
        Ok(('a'..='z').map(count).collect())
    }

    fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        _params: &SearchParams,
    ) -> Result<(), ModelError> {
        if prompt.is_empty() {
            return Err(ModelError::Other("the prompt is empty".to_owned()));
        }
        let seed = prompt.bytes().fold(7, |seed: u64, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        let tables = Tables { seed, eos: 0.05 };
        self.lanes.insert(lane, Toys::new(OfPrompt(tables)));
        let mut seen = self.models.seen.borrow_mut();
        seen.prompts.push(prompt.to_owned());
        seen.at_once = seen.at_once.max(self.lanes.len());
        if self.models.stop_at == Some(seen.prompts.len()) {
            self.models.stop.set();
        }
        Ok(())
    }

    fn fits(&self, _params: &SearchParams) -> usize {
        self.models.fits.unwrap_or(usize::MAX)
    }
}

impl Executor for ToyExecutor {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        if let Some(toys) = self.lanes.get_mut(&lane) {
            toys.post(lane, ask);
        }
    }

    fn step(&mut self) -> Vec<Served> {
        let mut seen = self.models.seen.borrow_mut();
        seen.steps += 1;
        if self.models.stop_in_step == Some(seen.steps) {
            self.models.stop.set();
        }
        self.lanes.values_mut().flat_map(Executor::step).collect()
    }

    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        self.lanes
            .get_mut(&lane)
            .map_or(Ok(Vec::new()), |toys| toys.partials(lane, by))
    }

    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]) {
        if let Some(toys) = self.lanes.get_mut(&lane) {
            toys.retain(lane, ids);
        }
    }

    fn close(&mut self, lane: LaneId) {
        self.lanes.remove(&lane);
    }
}

struct Letters;

impl Detokenizer for Letters {
    fn decode(&self, ids: &[TokenId], _rules: Rules) -> String {
        ids.iter()
            .filter(|id| !self.is_eos(**id))
            .map(|id| letter(*id))
            .collect()
    }

    fn is_eos(&self, id: TokenId) -> bool {
        id == EOS
    }
}

/// Runs a command line (without the program's name) on `models`; returns what stdout got.
pub fn run_on(
    models: &mut dyn Models,
    stop: Stop,
    args: &[&str],
) -> (Result<Outcome, ReportError>, String) {
    let cli = Cli::try_parse_from([&["w2s"], args].concat()).unwrap();
    let mut out = Vec::new();
    let mut session = Session {
        models,
        out: &mut out,
        stop,
    };
    let outcome = report::execute(&cli.command.unwrap(), &mut session);
    (outcome, String::from_utf8(out).unwrap())
}

pub fn run(args: &[&str]) -> (Result<Outcome, ReportError>, String) {
    run_on(&mut ToyModels::default(), Stop::default(), args)
}

/// What stdout got, when all went well.
pub fn output(args: &[&str]) -> String {
    let (outcome, out) = run(args);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    out
}

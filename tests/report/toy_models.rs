//! Toy models behind the port that reports use, and a way to run a command line on them.

use clap::Parser;
use w2s::cli::Cli;
use w2s::message::CancelToken;
use w2s::report::{self, Detokenizer, Models, Outcome, ReportError, Session};
use w2s::search::{ChunkSampler, ModelError, Rules, Scorer, SearchParams, TokenId};

use crate::toy::{EOS, ToySampler, ToyScorer, letter};

/// Letters for tokens. The strong model `missing` does not exist.
#[derive(Default)]
pub struct ToyModels {
    pub n_prompts: u64,
    /// Stop when the prompt of this number (from 1) is asked for.
    pub stop_at: Option<u64>,
    pub stop: CancelToken,
}

impl Models for ToyModels {
    fn prepare(&mut self, strong: Option<&str>, _pair: &str) -> Result<(), ModelError> {
        match strong {
            Some("missing") => Err(ModelError::Other("missing: no such folder".to_owned())),
            _ => Ok(()),
        }
    }

    fn strong(
        &mut self,
        _strong: &str,
        prompt: &str,
        _params: &SearchParams,
    ) -> Result<Box<dyn ChunkSampler>, ModelError> {
        if prompt.is_empty() {
            return Err(ModelError::Other("the prompt is empty".to_owned()));
        }
        self.n_prompts += 1;
        if self.stop_at == Some(self.n_prompts) {
            self.stop.cancel();
        }
        Ok(Box::new(ToySampler::new(self.n_prompts, 0.05)))
    }

    fn weak_pair(
        &mut self,
        pair: &str,
        _strong: &str,
        prompt: &str,
        _params: &SearchParams,
    ) -> Result<Box<dyn Scorer>, ModelError> {
        self.text_scorer(pair, prompt)
    }

    fn text_scorer(&mut self, _pair: &str, _prompt: &str) -> Result<Box<dyn Scorer>, ModelError> {
        Ok(Box::new(ToyScorer::new(1, 2)))
    }

    fn detokenizer(&mut self, _strong: &str) -> Result<Box<dyn Detokenizer>, ModelError> {
        Ok(Box::new(Letters))
    }

    fn device(&self) -> String {
        "toy".to_owned()
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
    stop: CancelToken,
    args: &[&str],
) -> (Result<Outcome, ReportError>, String) {
    let cli = Cli::try_parse_from([&["w2s"], args].concat()).unwrap();
    let mut out = Vec::new();
    let mut session = Session {
        models,
        out: &mut out,
        stop: stop.into(),
    };
    let outcome = report::execute(&cli.command.unwrap(), &mut session);
    (outcome, String::from_utf8(out).unwrap())
}

pub fn run(args: &[&str]) -> (Result<Outcome, ReportError>, String) {
    run_on(&mut ToyModels::default(), CancelToken::default(), args)
}

/// What stdout got, when all went well.
pub fn output(args: &[&str]) -> String {
    let (outcome, out) = run(args);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    out
}

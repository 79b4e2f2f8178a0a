//! The same engine without a terminal: text, JSON or events on stdout, progress on stderr.

mod error;
mod input;
mod inspect;
mod json;
mod library;
mod models;
mod print;
mod progress;
mod run;
mod score;
mod stop;
mod tape;

use std::io::{IsTerminal, StdoutLock, Write};
use std::process::ExitCode;

pub use error::ReportError;
pub use models::bars;
pub use stop::Stop;
pub use tape::{RecordedRound, RecordedSearch, Recording};

use crate::cli::{Command, Print};
use crate::guide::{Position, Seams, Xray};
use crate::library::Checked;
use crate::line::{Visible, say};
use crate::models::ModelSpec;
use crate::search::{ChunkSampler, ModelError, Rules, Scorer, SearchParams, TokenId};

/// Where models come from: the model library, or toys in tests.
///
/// Weights are loaded once and stay; prompts are read anew by each call.
pub trait Models {
    /// Loads what is named, so that bad models are told before any work.
    ///
    /// # Errors
    /// In words for the user: an unknown SPEC, damaged weights, halves that do not fit.
    fn prepare(&mut self, strong: Option<&str>, pair: &str) -> Result<(), ModelError>;

    /// The strong model with `prompt` prefilled.
    ///
    /// # Errors
    /// As [`Models::prepare`]; a prompt that is empty without BOS or outgrows the context.
    fn strong(
        &mut self,
        strong: &str,
        prompt: &str,
        params: &SearchParams,
    ) -> Result<Box<dyn ChunkSampler>, ModelError>;

    /// The weak pair with `prompt` prefilled; it scores the ids of `strong` as they are where
    /// vocabularies and rules allow it, else their text.
    ///
    /// # Errors
    /// As [`Models::strong`].
    fn weak_pair(
        &mut self,
        pair: &str,
        strong: &str,
        prompt: &str,
        params: &SearchParams,
    ) -> Result<Box<dyn Scorer>, ModelError>;

    /// The weak pair for responses that are given as text.
    ///
    /// # Errors
    /// As [`Models::strong`].
    fn text_scorer(&mut self, pair: &str, prompt: &str) -> Result<Box<dyn Scorer>, ModelError>;

    /// The tokenizer of a strong model.
    ///
    /// # Errors
    /// As [`Models::prepare`].
    fn detokenizer(&mut self, strong: &str) -> Result<Box<dyn Detokenizer>, ModelError>;

    /// The raw logits of `model` after each of `ids`, the first `n` of each position.
    ///
    /// # Errors
    /// A model that cannot be loaded; ids that it does not have.
    fn positions(
        &mut self,
        model: &str,
        _ids: &[TokenId],
        _n: usize,
    ) -> Result<Vec<Position>, ModelError> {
        Err(cannot_be_inspected(model))
    }

    /// What the three models see of `prompt`, and of `response` after it.
    ///
    /// # Errors
    /// As [`Models::strong`].
    fn xray(
        &mut self,
        strong: &str,
        _pair: &str,
        _prompt: &str,
        _response: Option<&str>,
    ) -> Result<Xray, ModelError> {
        Err(cannot_be_inspected(strong))
    }

    /// How `response` holds together with `prompt`, and with a `chunk` after it.
    ///
    /// # Errors
    /// As [`Models::strong`].
    fn seams(
        &mut self,
        strong: &str,
        _pair: &str,
        _prompt: &str,
        _response: &str,
        _chunk: Option<&str>,
    ) -> Result<Seams, ModelError> {
        Err(cannot_be_inspected(strong))
    }

    /// Brings a model's files to this machine; where they are.
    ///
    /// # Errors
    /// What cannot be fetched.
    fn fetch(&mut self, model: &ModelSpec) -> Result<ModelSpec, ModelError> {
        Err(cannot_be_inspected(&model.to_string()))
    }

    /// Reads all of a model without keeping it.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn check(&mut self, model: &ModelSpec) -> Result<Checked, ModelError> {
        Err(cannot_be_inspected(&model.to_string()))
    }

    /// Where models run, in words.
    fn device(&self) -> String;
}

fn cannot_be_inspected(model: &str) -> ModelError {
    ModelError::Other(format!("{model} cannot be inspected: choose another model"))
}

/// Token ids back to text.
pub trait Detokenizer {
    /// The text of a response, special tokens left out. Under [`Rules::Fixed`] the bytes of an
    /// incomplete last character are held back.
    fn decode(&self, ids: &[TokenId], rules: Rules) -> String;

    /// Whether `id` ends a response.
    fn is_eos(&self, id: TokenId) -> bool;
}

/// What a command works with.
pub struct Session<'a> {
    pub models: &'a mut dyn Models,
    pub out: &'a mut dyn Write,
    /// Set by signals.
    pub stop: Stop,
}

/// How a command ended, when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Stopped before its end; what was done is printed.
    Stopped,
}

/// Runs a command of the headless twin.
///
/// # Errors
/// [`ReportError`], in one sentence.
pub fn execute(command: &Command, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let outcome = match command {
        Command::Run(args) => run::run(args, session)?,
        Command::Score(args) => score::score(args, session)?,
        Command::Inspect(args) => inspect::inspect(args, session)?,
        Command::Models(args) => models::models(args, session)?,
        Command::Print(what) => print::print(what, session.out)?,
    };
    session.out.flush()?;
    Ok(outcome)
}

/// The headless twin as a program: stdout, signals and the exit code.
pub fn main(command: &Command, models: &mut dyn Models) -> ExitCode {
    let stop = Stop::default();
    // Without a handler a signal ends the process at once, which is no reason not to start.
    let _ = stop.listen();
    let mut session = Session {
        models,
        out: &mut *stdout(),
        stop: stop.clone(),
    };
    exit_code(&execute(command, &mut session), &stop)
}

/// Stdout: into a pipe what is written goes as it is, on a terminal nothing of it is obeyed.
fn stdout() -> Box<dyn Write> {
    let stdout: StdoutLock<'static> = std::io::stdout().lock();
    match stdout.is_terminal() {
        true => Box::new(Visible::new(stdout)),
        false => Box::new(stdout),
    }
}

/// Prints what needs no models.
#[must_use]
pub fn print(what: &Print) -> ExitCode {
    exit_code(&print::print(what, &mut *stdout()), &Stop::default())
}

/// Tells an error in one sentence on stderr. A closed pipe (`w2s … | head`) is no error.
fn exit_code(result: &Result<Outcome, ReportError>, stop: &Stop) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Stopped) => ExitCode::from(stop.exit_code()),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// One sentence on stderr, exit code 2.
pub fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    say(error);
    ExitCode::from(2)
}

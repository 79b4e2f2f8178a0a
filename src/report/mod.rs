//! The same engine without a terminal: text, JSON or events on stdout, progress on stderr.

mod batch;
mod error;
mod eval;
mod in_flight;
mod input;
mod inspect;
mod json;
mod judge;
mod library;
mod models;
mod panel;
mod ports;
mod print;
mod printer;
mod progress;
mod recording;
mod run;
mod score;
mod session;
mod stop;
mod tape;
mod tune;

use std::io::{IsTerminal, StdoutLock, Write};
use std::process::ExitCode;

pub use error::ReportError;
pub use input::prompts;
pub use models::bars;
pub use ports::{Detokenizer, Models, PromptExecutor};
pub use recording::{RecordedRound, RecordedSearch, Recording};
pub use session::{Outcome, Session};
pub use stop::Stop;

use crate::cli::{Command, Print};
use crate::line::{Visible, say};

/// Runs a command of the headless twin.
///
/// # Errors
/// [`ReportError`], in one sentence.
pub fn execute(command: &Command, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let outcome = match command {
        Command::Run(args) => run::run(args, session)?,
        Command::Eval(args) => eval::eval(args, session)?,
        Command::Score(args) => score::score(args, session)?,
        Command::Judge(args) => judge::judge(args, session)?,
        Command::Tune(args) => tune::tune(args, session)?,
        Command::Panel(args) => panel::panel(args, session)?,
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
        Ok(Outcome::Partly) => ExitCode::from(1),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// One sentence on stderr, exit code 2.
pub fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    say(error);
    ExitCode::from(2)
}

//! `w2s run`: search for one prompt, many prompts, or along a tape.

use super::batch::{Batch, JobResult};
use super::error::ReportError;
use super::in_flight::in_flight;
use super::input::Work;
use super::json::Settings;
use super::ports::PromptExecutor;
use super::progress::Progress;
use super::tape::TapeExecutor;
use super::{Outcome, Session};
use crate::cli::RunArgs;
use crate::measure::Mean;
use crate::search::ModelError;

/// # Errors
/// Bad settings, files or models; output that cannot be written.
pub(super) fn run(args: &RunArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let mut work = Work::read(args)?;
    let progress = Progress::new(&work);
    progress.loading();
    let outcome = search(&mut work, &progress, session);
    progress.finish();
    outcome
}

fn search(
    work: &mut Work,
    progress: &Progress,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    let executor = executor(work, session)?;
    session.stop.heed();
    let fits = executor.fits(&work.params);
    let at_once = in_flight(work.in_flight, work.prompts.len(), &work.params, fits)?;
    let settings = Settings::new(work, session.models.device());
    let mut batch = Batch::new(work, &settings, progress, executor, at_once);
    let outcome = batch.run(session)?;
    progress.finish();
    if work.is_list {
        tell_means(batch.results());
    }
    Ok(outcome)
}

/// What serves the searches; recorded ones are given their tapes.
fn executor(
    work: &mut Work,
    session: &mut Session<'_>,
) -> Result<Box<dyn PromptExecutor>, ModelError> {
    let executor = session.models.executor(&work.strong, &work.pair, None)?;
    let Some(tapes) = work.tapes.take() else {
        return Ok(executor);
    };
    let detokenizer = session.models.detokenizer(&work.strong)?;
    Ok(Box::new(TapeExecutor::new(executor, detokenizer, tapes)))
}

fn tell_means<'a>(results: impl Iterator<Item = &'a JobResult> + Clone) {
    let mean = |value: fn(&JobResult) -> f64| {
        let all: Vec<f64> = results.clone().map(value).collect();
        Mean::of(&all)
    };
    if let (Some(judge), Some(score)) = (mean(|r| r.judge), mean(|r| r.score)) {
        let n = results.clone().count();
        let prompts = if n == 1 { "prompt" } else { "prompts" };
        eprintln!("mean over {n} {prompts} (95 % t-intervals): judge {judge}, log-ratio {score}");
    }
}

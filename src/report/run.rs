//! `w2s run`: search for one prompt, many prompts, or along a tape.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::error::ReportError;
use super::input::{Job, Work};
use super::json::{RoundReport, RunReport, Settings, Timing};
use super::progress::Progress;
use super::{Outcome, Session};
use crate::cli::{Format, RunArgs};
use crate::measure::{Judge, Mean};
use crate::search::{
    ChunkBeamSearch, ChunkSampler, Hypothesis, Scorer, SearchEvent, SearchTrace, Status,
};

/// # Errors
/// Bad settings, files or models; output that cannot be written.
pub(super) fn run(args: &RunArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let work = Work::read(args)?;
    let progress = Progress::new(&work);
    let mut batch = Batch::new(&work, &progress);
    let outcome = batch.run(session);
    progress.finish();
    if work.is_list && outcome.is_ok() {
        tell_means(&batch.results);
    }
    outcome
}

/// Prompts one after the other. Each result is printed as soon as it is there, so that a stop or
/// an error keeps what is done.
struct Batch<'a> {
    work: &'a Work,
    progress: &'a Progress,
    judge: Judge,
    printer: Printer,
    results: Vec<JobResult>,
}

/// Judge and log-ratio of a response.
struct JobResult {
    judge: f64,
    score: f64,
}

impl<'a> Batch<'a> {
    fn new(work: &'a Work, progress: &'a Progress) -> Self {
        Self {
            work,
            progress,
            judge: Judge::bundled(),
            printer: Printer::new(work),
            results: Vec::new(),
        }
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
        self.progress.loading();
        let (strong, pair) = (&self.work.strong, &self.work.pair);
        session.models.prepare(Some(strong), pair)?;
        session.stop.heed();
        let settings = Settings::new(self.work, session.models.device());
        let outcome = self.run_jobs(&settings, session);
        if outcome.is_ok() || !self.results.is_empty() {
            self.printer.close(session.out)?;
        }
        outcome
    }

    fn run_jobs(
        &mut self,
        settings: &Settings<'_>,
        session: &mut Session<'_>,
    ) -> Result<Outcome, ReportError> {
        let is_list = self.work.is_list;
        for (i, job) in self.work.jobs.iter().enumerate() {
            let outcome = self.run_job(job, i, settings, session);
            match outcome.map_err(|e| if is_list { e.in_prompt(i + 1) } else { e })? {
                Outcome::Done => self.progress.prompt_done(),
                Outcome::Stopped => return Ok(Outcome::Stopped),
            }
        }
        Ok(Outcome::Done)
    }

    fn run_job(
        &mut self,
        job: &Job,
        number: usize,
        settings: &Settings<'_>,
        session: &mut Session<'_>,
    ) -> Result<Outcome, ReportError> {
        let mut search = JobSearch::new(self.work, job, number, session)?;
        let outcome = search.run(session, self.progress)?;
        // A single search that was stopped is worth printing; in a list only complete ones are.
        let is_shown = outcome == Outcome::Done || !self.work.is_list;
        if let Some(best) = search.best().filter(|_| is_shown) {
            let report = search.report(&best, &self.judge, settings);
            self.printer.print(session.out, &report)?;
            self.results.push(JobResult {
                judge: report.judge,
                score: report.score,
            });
        }
        Ok(outcome)
    }
}

/// The search for one prompt.
struct JobSearch<'a> {
    job: &'a Job,
    number: usize,
    work: &'a Work,
    started: Instant,
    sampler: Box<dyn ChunkSampler>,
    scorer: Box<dyn Scorer>,
    engine: ChunkBeamSearch,
    trace: SearchTrace,
}

impl<'a> JobSearch<'a> {
    fn new(
        work: &'a Work,
        job: &'a Job,
        number: usize,
        session: &mut Session<'_>,
    ) -> Result<Self, ReportError> {
        let started = Instant::now();
        let models = &mut *session.models;
        let (strong, params) = (&work.strong, &work.params);
        let sampler = match &job.tape {
            Some(tape) => Box::new(tape.sampler(models.detokenizer(strong)?)),
            None => models.strong(strong, &job.prompt, params)?,
        };
        let scorer = models.weak_pair(&work.pair, strong, &job.prompt, params)?;
        let mut engine = ChunkBeamSearch::new(work.params);
        // Nobody sees partial scores but a reader of events; a chunk in one pass is cheaper.
        let is_read = work.format == Format::Jsonl;
        engine.score_partials(is_read.then_some(NonZeroUsize::MIN));
        Ok(Self {
            job,
            number,
            work,
            started,
            sampler,
            scorer,
            engine,
            trace: SearchTrace::default(),
        })
    }

    /// Searches to the end or until it is stopped.
    fn run(
        &mut self,
        session: &mut Session<'_>,
        progress: &Progress,
    ) -> Result<Outcome, ReportError> {
        let mut written = Ok(());
        let prompt = self.work.is_list.then_some(self.number);
        let is_told = self.work.format == Format::Jsonl;
        let mut on = |event: SearchEvent| {
            progress.watch(&event);
            if is_told {
                written = tell(session.out, prompt, &event);
            }
            if !matches!(event, SearchEvent::Grown { .. }) {
                self.trace.apply(&event);
            }
            match written.is_err() || session.stop.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let status = loop {
            let round = self
                .engine
                .round(&mut *self.sampler, &mut *self.scorer, &mut on)?;
            if round != Status::Running {
                break round;
            }
        };
        written?;
        Ok(match status {
            Status::Finished => Outcome::Done,
            Status::Running | Status::Cancelled => Outcome::Stopped,
        })
    }

    fn best(&self) -> Option<Arc<Hypothesis>> {
        self.engine.best().cloned()
    }

    fn report<'r>(
        &'r self,
        best: &'r Hypothesis,
        judge: &Judge,
        settings: &'r Settings<'r>,
    ) -> RunReport<'r> {
        RunReport {
            prompt: &self.job.prompt,
            response: &best.text,
            score: best.score.value(),
            judge: judge.score(&self.job.prompt, &best.text),
            finished: best.is_finished(),
            finish: best.finish,
            settings,
            rounds: RoundReport::all(&self.trace),
            timing: Timing::new(self.started.elapsed().as_secs_f64(), &self.trace),
        }
    }
}

/// One event as a line; in a list it says which prompt, from 0.
#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<usize>,
    #[serde(flatten)]
    event: &'a SearchEvent,
}

fn tell(out: &mut dyn Write, prompt: Option<usize>, event: &SearchEvent) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &EventLine { prompt, event })?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints results as they come: a list is opened with its first and closed with its last.
struct Printer {
    format: Format,
    is_list: bool,
    n_printed: usize,
}

impl Printer {
    fn new(work: &Work) -> Self {
        Self {
            format: work.format,
            is_list: work.is_list,
            n_printed: 0,
        }
    }

    fn print(&mut self, out: &mut dyn Write, report: &RunReport<'_>) -> Result<(), ReportError> {
        match self.format {
            Format::Text => writeln!(out, "{}", report.response)?,
            Format::Json => {
                let before = match (self.is_list, self.n_printed) {
                    (false, _) => "",
                    (true, 0) => "[\n",
                    (true, _) => ",\n",
                };
                out.write_all(before.as_bytes())?;
                serde_json::to_writer(&mut *out, report)?;
            }
            // All is told by the events.
            Format::Jsonl => {}
        }
        self.n_printed += 1;
        Ok(out.flush()?)
    }

    fn close(&self, out: &mut dyn Write) -> io::Result<()> {
        match (self.format, self.is_list, self.n_printed) {
            (Format::Json, true, 0) => out.write_all(b"[]\n"),
            (Format::Json, true, _) => out.write_all(b"\n]\n"),
            (Format::Json, false, 1..) => out.write_all(b"\n"),
            _ => Ok(()),
        }
    }
}

fn tell_means(results: &[JobResult]) {
    let mean = |value: fn(&JobResult) -> f64| {
        let all: Vec<f64> = results.iter().map(value).collect();
        Mean::of(&all)
    };
    if let (Some(judge), Some(score)) = (mean(|r| r.judge), mean(|r| r.score)) {
        let n = results.len();
        let prompts = if n == 1 { "prompt" } else { "prompts" };
        eprintln!("mean over {n} {prompts} (95 % t-intervals): judge {judge}, log-ratio {score}");
    }
}

//! The searches of `w2s run`, several at once: their candidates share the passes of the models.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::ReportError;
use super::input::Work;
use super::json::{RoundReport, RunReport, Settings, Timing};
use super::ports::PromptExecutor;
use super::printer::Printer;
use super::progress::Progress;
use super::{Outcome, Session};
use crate::cli::Format;
use crate::measure::Judge;
use crate::search::{ChunkBeamSearch, Entry, LaneId, Lanes, PairId, Partial, Progress as Brought};

/// All prompts, from the first to the last; a search has the number of its prompt.
pub(super) struct Batch<'a> {
    work: &'a Work,
    settings: &'a Settings<'a>,
    progress: &'a Progress,
    pair: PairId,
    judge: Judge,
    printer: Printer,
    lanes: Lanes<Box<dyn PromptExecutor>>,
    at_once: usize,
    /// The searches under way.
    open: BTreeMap<usize, Open>,
    /// The first prompt that has not begun, and where to end.
    next: usize,
    end: usize,
    error: Option<ReportError>,
    results: BTreeMap<usize, JobResult>,
}

/// What a search under way has beside its lane.
#[derive(Default)]
struct Open {
    spent: Duration,
    /// Its growing chunks as they were told last.
    told: Vec<Partial>,
}

/// Judge and log-ratio of a response.
pub(super) struct JobResult {
    pub judge: f64,
    pub score: f64,
}

impl<'a> Batch<'a> {
    pub fn new(
        work: &'a Work,
        settings: &'a Settings<'a>,
        progress: &'a Progress,
        executor: Box<dyn PromptExecutor>,
        at_once: usize,
    ) -> Self {
        Self {
            work,
            settings,
            progress,
            pair: work.pair.id(),
            judge: Judge::bundled(),
            printer: Printer::new(work),
            lanes: Lanes::new(executor),
            at_once,
            open: BTreeMap::new(),
            next: 0,
            end: work.prompts.len(),
            error: None,
            results: BTreeMap::new(),
        }
    }

    pub fn results(&self) -> impl Iterator<Item = &JobResult> + Clone {
        self.results.values()
    }

    /// Searches until all is done, one fails or a stop is wished for. What was done is printed
    /// in any case, the same whatever the number at once.
    ///
    /// # Errors
    /// Of the first prompt that fails; output that cannot be written.
    pub fn run(&mut self, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
        let mut outcome = Outcome::Done;
        while !self.is_over() {
            // Asked once a turn: a stop that comes later, even as the last search under way
            // ends, is seen at the next.
            if session.stop.is_set() {
                self.stop(session.out)?;
                outcome = Outcome::Stopped;
                break;
            }
            self.fill()?;
            self.step(session.out)?;
        }
        if self.error.is_none() || self.printer.has_printed() {
            self.printer.close(session.out)?;
        }
        self.error.take().map_or(Ok(outcome), Err)
    }

    /// Whether no search is under way and none is left to begin.
    fn is_over(&self) -> bool {
        self.open.is_empty() && self.next >= self.end
    }

    /// As many searches as there may be at once.
    fn fill(&mut self) -> Result<(), ReportError> {
        while self.open.len() < self.at_once && self.next < self.end {
            let number = self.next;
            self.next += 1;
            if let Err(error) = self.begin(number) {
                self.fail(number, error);
            }
            self.progress.in_flight(self.open.len());
        }
        Ok(())
    }

    fn begin(&mut self, number: usize) -> Result<(), ReportError> {
        let started = Instant::now();
        let (prompt, params) = (&self.work.prompts[number], &self.work.params);
        let executor = self.lanes.executor();
        executor.open(lane(number), prompt, params)?;
        let search = ChunkBeamSearch::new(*params, self.pair.clone());
        self.lanes.open(lane(number), search);
        let spent = started.elapsed();
        let told = Vec::new();
        self.open.insert(number, Open { spent, told });
        Ok(())
    }

    /// A prompt that fails ends the list before it: those after it would not have begun, one at
    /// a time.
    fn fail(&mut self, number: usize, error: ReportError) {
        self.end = number;
        self.error = Some(match self.work.is_list {
            true => error.in_prompt(number + 1),
            false => error,
        });
        for (number, _) in self.open.split_off(&number) {
            self.lanes.close(lane(number));
        }
    }

    /// One step of the models, for all searches under way.
    fn step(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let started = Instant::now();
        let brought = self.lanes.step();
        for Brought { lane, entries, .. } in &brought {
            self.tell(out, lane.0 as usize, entries)?;
        }
        let grown = self.tell_grown(out)?;
        self.share(started.elapsed());
        let errors = brought
            .into_iter()
            .filter_map(|b| Some((b.lane.0 as usize, b.error?.into())));
        // The first one comes last and counts.
        let errors: BTreeMap<usize, ReportError> = errors.chain(grown).collect();
        for (number, error) in errors.into_iter().rev() {
            self.fail(number, error);
        }
        self.finish(out)
    }

    fn share(&mut self, step: Duration) {
        let n = self.open.len().max(1) as u32;
        self.open
            .values_mut()
            .for_each(|open| open.spent += step / n);
    }

    /// The ends of searches: their results.
    fn finish(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let is_over = |number: &usize| {
            let search = self.lanes.search(lane(*number));
            search.is_none_or(ChunkBeamSearch::is_finished)
        };
        let over: Vec<usize> = self.open.keys().copied().filter(is_over).collect();
        for number in over {
            self.print(out, number)?;
            self.printer.done(out, number)?;
            self.progress.prompt_done();
        }
        Ok(())
    }

    /// Of a list, what is complete; a single search is worth printing as it is.
    fn stop(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        if !self.work.is_list {
            self.print(out, 0)?;
        }
        Ok(self.printer.give_up_waiting(out)?)
    }

    /// The result of a search, which is over.
    fn print(&mut self, out: &mut dyn Write, number: usize) -> Result<(), ReportError> {
        let open = self.open.remove(&number).unwrap_or_default();
        let search = self.lanes.close(lane(number));
        let Some((search, best)) = search.and_then(|s| s.best().map(|best| (s, best))) else {
            return Ok(());
        };
        let (prompt, text) = (&self.work.prompts[number], best.text.to_string());
        let report = RunReport {
            prompt,
            response: &best.text,
            score: best.score().value(),
            judge: self.judge.score(prompt, &text),
            finished: best.is_finished(),
            finish: best.finish,
            settings: self.settings,
            rounds: RoundReport::all(search.history()),
            timing: Timing::new(open.spent.as_secs_f64(), search.history()),
        };
        let (judge, score) = (report.judge, report.score);
        self.results.insert(number, JobResult { judge, score });
        match self.work.format {
            Format::Text => self
                .printer
                .print(out, number, format!("{text}\n").as_bytes())?,
            Format::Json => self
                .printer
                .print(out, number, &serde_json::to_vec(&report)?)?,
            // All is told by the events.
            Format::Jsonl => {}
        }
        Ok(())
    }

    fn tell(
        &mut self,
        out: &mut dyn Write,
        number: usize,
        entries: &[Entry],
    ) -> Result<(), ReportError> {
        for entry in entries {
            self.progress.watch(entry);
            if self.work.format == Format::Jsonl {
                self.line(out, number, entry)?;
            }
        }
        Ok(())
    }

    /// Chunks that have grown, scored as far as they are, for readers of the events; and which
    /// searches cannot score theirs.
    fn tell_grown(
        &mut self,
        out: &mut dyn Write,
    ) -> Result<Vec<(usize, ReportError)>, ReportError> {
        let mut errors = Vec::new();
        if self.work.format != Format::Jsonl {
            return Ok(errors);
        }
        let numbers: Vec<usize> = self.open.keys().copied().collect();
        for number in numbers {
            match self.grown(number) {
                Ok(Some(grown)) => self.line(out, number, &grown)?,
                Ok(None) => {}
                Err(error) => errors.push((number, error)),
            }
        }
        Ok(errors)
    }

    /// A search's growing chunks, if they have grown since they were told last.
    fn grown(&mut self, number: usize) -> Result<Option<Grown>, ReportError> {
        let search = self.lanes.search(lane(number));
        let Some(search) = search.filter(|search| search.is_growing()) else {
            return Ok(None);
        };
        let round = search.round_idx() + 1;
        let executor = self.lanes.executor();
        let partials = executor.partials(lane(number), None)?;
        let told = self.open.entry(number).or_default();
        if partials == told.told {
            return Ok(None);
        }
        told.told = partials;
        Ok(Some(Grown {
            event: "grown",
            round,
            partials: executor.partials(lane(number), Some(&self.pair))?,
        }))
    }

    fn line(
        &mut self,
        out: &mut dyn Write,
        number: usize,
        event: &impl Serialize,
    ) -> Result<(), ReportError> {
        let prompt = self.work.is_list.then_some(number);
        let mut line = serde_json::to_vec(&EventLine { prompt, event })?;
        line.push(b'\n');
        Ok(self.printer.print(out, number, &line)?)
    }
}

fn lane(number: usize) -> LaneId {
    LaneId(number as u64)
}

/// One event as a line; in a list it says which prompt, from 0.
#[derive(Serialize)]
struct EventLine<'a, E> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<usize>,
    #[serde(flatten)]
    event: &'a E,
}

/// Chunks while they grow: told beside the entries of the search. The last token of a chunk
/// comes with its score.
#[derive(Serialize)]
struct Grown {
    event: &'static str,
    round: usize,
    partials: Vec<Partial>,
}

//! A run: how far it is to go, at which pace, and what is told of it.

use std::time::{Duration, Instant};

use super::Worker;
use super::floor::{RunLanes, WAYS};
use super::outbox::Gone;
use crate::evidence::{PromptRead, Xray};
use crate::message::{Live, RunId, RunRequest, Speeds, Update};
use crate::search::{
    ChunkBeamSearch, Entry, Hypothesis, HypothesisId, Motion, PairId, Progress, SearchError,
};
use std::sync::Arc;

/// How far a run goes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drive {
    /// On and on.
    Free,
    /// To the end of the round.
    Round,
    /// To the next cut, and waits before it; a round that waits for its cut already gets it first.
    ToCut { cuts_first: bool },
    /// Nowhere: not even what grows goes on.
    Stand,
}

/// A search under way, or finished and still on screen.
#[derive(Debug)]
pub(super) struct Run {
    pub request: RunRequest,
    pub lanes: RunLanes,
    pub drive: Drive,
    /// Nothing is to be done before this.
    due: Instant,
    clock: Clock,
    /// Tokens that the chunks of the round have grown by.
    n_grown: usize,
    /// What the reader has been told: whether the run stands.
    pub told_standing: bool,
    told_read: Option<PromptRead>,
    /// The pair that was in use before the one that is wanted: to go back to.
    pub pair_before: Option<PairId>,
    /// What the models see of the prompt, under the pair last asked about.
    pub xray: Option<(PairId, Arc<Xray>)>,
    has_failed: bool,
    /// In this step the pair that was wanted has been given up.
    pub has_refused: bool,
    /// Tokens sampled so far, by way.
    pub sampled: [usize; WAYS],
}

/// Time spent computing, waits left out.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    /// Of all passes.
    busy: Duration,
    /// Of the round under way.
    now: Duration,
    /// Of the last complete round.
    round: Duration,
    /// What the models had done when the run began.
    from: (u64, u64),
}

/// A round that is over within two frames is seen complete or not at all.
const UNSEEN: Duration = Duration::from_millis(33);

impl Run {
    pub fn new(request: RunRequest, from: (u64, u64)) -> Self {
        Self {
            lanes: RunLanes::of(request.run),
            drive: match request.paused {
                true => Drive::Stand,
                false => Drive::Free,
            },
            due: Instant::now(),
            clock: Clock {
                from,
                ..Clock::default()
            },
            n_grown: 0,
            told_standing: request.paused,
            told_read: None,
            pair_before: None,
            xray: None,
            has_failed: false,
            has_refused: false,
            sampled: [0; WAYS],
            request,
        }
    }

    pub fn id(&self) -> RunId {
        self.request.run
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whatever was waited for, something has come that is to be done at once.
    pub fn hurry(&mut self) {
        self.due = Instant::now();
    }

    /// How the guided search moves.
    pub fn motion(&self) -> Motion {
        match self.drive {
            _ if self.has_failed => Motion::Stands,
            Drive::Free | Drive::Round | Drive::ToCut { cuts_first: true } => Motion::Runs,
            Drive::ToCut { cuts_first: false } => Motion::Holds,
            Drive::Stand => Motion::Stands,
        }
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// After how many tokens growing chunks are to be scored once more: after every token where
    /// there is time to spare, else as often as costs little, and not at all where nobody could
    /// see it.
    fn scores_every(&self, rhythm: usize) -> Option<usize> {
        let round = self.clock.round;
        let has_time = self.drive != Drive::Free || self.request.pace > round * 2;
        match has_time {
            true => Some(1),
            false if round > UNSEEN || round.is_zero() => Some(rhythm),
            false => None,
        }
    }

    /// The growth of one token takes so long: two thirds of the pace are for growth, one to read
    /// the cut.
    fn step(&self, search: &ChunkBeamSearch) -> Duration {
        let params = search.params();
        let n = params.chunk_len().within(params.max_new_tokens().get());
        self.request.pace * 2 / 3 / n.max(1) as u32
    }

    fn speeds(&self, done: (u64, u64)) -> Speeds {
        let seconds = self.clock.busy.as_secs_f64();
        let rate = |n: u64| match seconds > 0.0 {
            true => n as f64 / seconds,
            false => 0.0,
        };
        Speeds {
            strong_tokens_per_s: rate(done.0 - self.clock.from.0),
            weak_tokens_per_s: rate(done.1 - self.clock.from.1),
            round_s: self.clock.round.as_secs_f64(),
        }
    }

    /// What an entry of the guided search means for how the run goes on.
    fn follow(&mut self, entry: &Entry) {
        match entry {
            Entry::RoundStarted { .. } => {
                self.n_grown = 0;
                self.clock.now = Duration::ZERO;
            }
            Entry::Scored { .. } if self.drive == (Drive::ToCut { cuts_first: false }) => {
                self.drive = Drive::Stand;
            }
            Entry::Selected { again, .. } => {
                if again.is_none() {
                    self.clock.round = self.clock.now;
                }
                self.due = Instant::now() + self.request.pace / 3;
                self.drive = match self.drive {
                    Drive::Round => Drive::Stand,
                    Drive::ToCut { .. } => Drive::ToCut { cuts_first: false },
                    drive => drive,
                };
            }
            _ => {}
        }
    }
}

impl Worker {
    /// One pass of the searches, and what it brought.
    pub(super) fn search(&mut self) -> Result<(), Gone> {
        let began = Instant::now();
        let (Some(floor), Some(run)) = (&mut self.floor, &mut self.run) else {
            return Ok(());
        };
        run.has_refused = false;
        let before = floor.n_strong_work();
        let progress = floor.lanes.step();
        let has_grown = floor.n_strong_work() != before;
        let read = floor.executor().prompt_read(run.lanes.guided);
        let spent = began.elapsed();
        run.clock.busy += spent;
        run.clock.now += spent;
        for progress in progress {
            self.tell_progress(progress)?;
        }
        self.tell_read(read)?;
        // A pass that scored another way, or read a prompt, is no step of the growth that is
        // watched.
        if has_grown && read.is_none() {
            self.show_growth(began)?;
        }
        self.move_lanes();
        self.tell_standing()
    }

    /// Tells how far a long prompt is read, where that is news.
    fn tell_read(&mut self, read: Option<PromptRead>) -> Result<(), Gone> {
        let Some(run) = self.run.as_mut().filter(|run| run.told_read != read) else {
            return Ok(());
        };
        run.told_read = read;
        let run = run.id();
        self.out.send(Update::PromptRead { run, read })
    }

    fn tell_progress(&mut self, progress: Progress) -> Result<(), Gone> {
        let Some(run) = &self.run else { return Ok(()) };
        let Progress {
            lane,
            entries,
            error,
        } = progress;
        let way = run.lanes.ways().find(|(_, own)| *own == lane);
        if let Some((way, _)) = way {
            return self.tell_way(way, &entries, error);
        }
        self.tell_entries(entries)?;
        match error {
            Some(error) => self.fail(error),
            None => Ok(()),
        }
    }

    /// Passes entries of the guided search on, with the judge's word on candidates that come with
    /// them.
    pub(super) fn tell_entries(&mut self, entries: Vec<Entry>) -> Result<(), Gone> {
        for entry in entries {
            let Some(run) = &mut self.run else { break };
            run.follow(&entry);
            let judged: Vec<Arc<Hypothesis>> = match &entry {
                Entry::Scored { candidates, .. } => candidates.clone(),
                Entry::Added { candidate, .. } => vec![Arc::clone(candidate)],
                _ => Vec::new(),
            };
            let run = run.id();
            self.out.send(Update::Search { run, entry })?;
            if !judged.is_empty() {
                let scores = judged.iter().map(|h| self.judged(h)).collect();
                self.out.send(Update::Judged { run, scores })?;
                self.ask_bench(&judged);
            }
        }
        Ok(())
    }

    /// Their words come when they come.
    fn ask_bench(&self, candidates: &[Arc<Hypothesis>]) {
        if let Some(run) = &self.run {
            self.bench.ask(run.id(), &run.request.prompt, candidates);
        }
    }

    pub(super) fn judged(&self, candidate: &Hypothesis) -> (HypothesisId, f64) {
        let prompt = self.run.as_ref().map_or("", |run| &run.request.prompt);
        let score = self.judge.score(prompt, &candidate.text.to_string());
        (candidate.id, score)
    }

    /// Chunks that have grown in this pass, scored as often as there is time for.
    fn show_growth(&mut self, began: Instant) -> Result<(), Gone> {
        let (Some(floor), Some(run)) = (&mut self.floor, &mut self.run) else {
            return Ok(());
        };
        let search = floor.lanes.search(run.lanes.guided);
        let Some(search) = search.filter(|s| s.is_growing() && run.drive != Drive::Stand) else {
            return Ok(());
        };
        let (round, pair, step) = (
            search.round_idx() + 1,
            search.pair().clone(),
            run.step(search),
        );
        run.n_grown += 1;
        let rhythm = floor.executor().scoring_rhythm(&pair);
        let is_due = run
            .scores_every(rhythm)
            .is_some_and(|n| run.n_grown % n == 0);
        let scoring = Instant::now();
        let partials = floor.partials(run.lanes, is_due);
        run.clock.busy += scoring.elapsed();
        run.clock.now += scoring.elapsed();
        run.due = began + step.max(began.elapsed());
        match partials {
            Ok(partials) => {
                let done = (floor.executor().n_sampled(), floor.executor().n_scored());
                self.out.show(Live {
                    run: run.id(),
                    round,
                    partials,
                    speeds: run.speeds(done),
                });
                Ok(())
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// Tells whether the run stands, where that is news. A finished one does not stand: it is
    /// over.
    pub(super) fn tell_standing(&mut self) -> Result<(), Gone> {
        let (Some(floor), Some(run)) = (&self.floor, &mut self.run) else {
            return Ok(());
        };
        let search = floor.lanes.search(run.lanes.guided);
        let stands = run.drive == Drive::Stand;
        if run.told_standing == stands || search.is_none_or(ChunkBeamSearch::is_finished) {
            return Ok(());
        }
        run.told_standing = stands;
        let (run, paused) = (run.id(), stands);
        self.out.send(Update::Paused { run, paused })
    }

    /// The guided search cannot go on as it is: under the pair before, if another one is the
    /// reason, else not at all.
    fn fail(&mut self, error: SearchError) -> Result<(), Gone> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        if let Some(before) = run.pair_before.take() {
            run.has_refused = true;
            return self.refuse_pair(before, &error.to_string());
        }
        run.has_failed = true;
        self.out.send(Update::Failed {
            run: Some(run.id()),
            error: error.to_string(),
        })
    }
}

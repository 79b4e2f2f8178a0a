//! Watches one round: passes its events on, keeps its pace, reads commands while it waits.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::inspect::inspect;
use super::loader::Loader;
use super::{Gone, Outbox, Run};
use crate::guide::Setting;
use crate::measure::Judge;
use crate::message::{Act, CancelToken, Command, Live, RunId, Speeds, Update};
use crate::search::{Hypothesis, HypothesisId, Mark, Partial, SearchEvent, SearchParams};

/// How often a wait looks for a stop.
const GLANCE: Duration = Duration::from_millis(10);

/// Time spent computing, waits left out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    /// Of all rounds.
    pub busy: Duration,
    /// Of the last complete round.
    pub round: Duration,
}

pub(super) struct Watcher<'a> {
    inbox: &'a Receiver<Command>,
    out: &'a Outbox,
    loader: &'a Loader,
    judge: &'a Judge,
    run: RunId,
    prompt: String,
    cancel: CancelToken,
    speeds: Speeds,
    began: Instant,
    waited: Duration,
    /// How long the growth of one token is to take.
    step: Duration,
    setting: Setting,
    params: SearchParams,
    /// Paused in mid-round: nothing grows until a command says so.
    frozen: bool,
    /// The cut is made: the rest of the round is only time to read it, which any command ends.
    is_cut: bool,
    hurried: bool,
    gone: bool,
    marks: Vec<(HypothesisId, Option<Mark>)>,
    seen: Seen,
}

/// What a round left behind.
pub(super) struct Seen {
    pub clock: Clock,
    pub pace: Duration,
    pub rounds_left: Option<usize>,
    /// The round stops before its cut.
    pub holds: bool,
    /// Commands that take effect after the round.
    pub later: Vec<Command>,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(
        inbox: &'a Receiver<Command>,
        (out, loader): (&'a Outbox, &'a Loader),
        judge: &'a Judge,
        run: &Run,
    ) -> Self {
        Self {
            inbox,
            out,
            loader,
            judge,
            run: run.id(),
            prompt: run.request.prompt.clone(),
            cancel: run.request.cancel.clone(),
            speeds: run.speeds(),
            began: Instant::now(),
            waited: Duration::ZERO,
            step: Duration::ZERO,
            setting: run.setting.clone(),
            params: run.search.params(),
            frozen: false,
            is_cut: false,
            hurried: false,
            gone: false,
            marks: Vec::new(),
            seen: Seen {
                clock: run.clock,
                pace: run.request.pace,
                rounds_left: run.rounds_left,
                holds: run.holds,
                later: Vec::new(),
            },
        }
    }

    pub(super) fn done(self) -> Result<Seen, Gone> {
        if self.gone { Err(Gone) } else { Ok(self.seen) }
    }

    /// `Break` cancels the round.
    pub(super) fn see(&mut self, event: SearchEvent) -> ControlFlow<()> {
        match event {
            SearchEvent::Grown { round, partials } => self.grown(round, partials),
            event => self.told(event),
        }
    }

    fn grown(&mut self, round: usize, partials: Vec<Partial>) -> ControlFlow<()> {
        let (run, speeds) = (self.run, self.speeds);
        self.out.live.send_replace(Live {
            run,
            round,
            partials,
            speeds,
        });
        self.wait(self.step)
    }

    fn told(&mut self, event: SearchEvent) -> ControlFlow<()> {
        self.is_cut |= matches!(event, SearchEvent::Selected { .. });
        let is_last = self.is_cut && !matches!(event, SearchEvent::Finished { .. });
        let mut judged = None;
        match &event {
            SearchEvent::RoundStarted { params, .. } => self.round_started(params),
            SearchEvent::Scored { candidates, .. } => {
                judged = Some(candidates.iter().map(|c| (c.id, self.judged(c))).collect());
            }
            SearchEvent::Selected { .. } => self.round_ended(),
            _ => {}
        }
        let run = self.run;
        self.send(Update::Search { run, event })?;
        if let Some(scores) = judged {
            self.send(Update::Judged { run, scores })?;
        }
        self.wait(if is_last {
            self.seen.pace / 3
        } else {
            Duration::ZERO
        })
    }

    fn judged(&self, candidate: &Hypothesis) -> f64 {
        self.judge.score(&self.prompt, &candidate.text)
    }

    fn send(&mut self, update: Update) -> ControlFlow<()> {
        match self.out.send(update) {
            Ok(()) => ControlFlow::Continue(()),
            Err(Gone) => self.leave(),
        }
    }

    fn leave(&mut self) -> ControlFlow<()> {
        self.gone = true;
        ControlFlow::Break(())
    }

    fn round_started(&mut self, params: &SearchParams) {
        let n_tokens = params.chunk_len.within(params.max_new_tokens.get()).max(1);
        // Two thirds of the pace for growth, one to read the cut.
        self.step = self.seen.pace * 2 / 3 / n_tokens as u32;
    }

    fn round_ended(&mut self) {
        let round = self.began.elapsed().saturating_sub(self.waited);
        self.seen.clock.round = round;
        self.seen.clock.busy += round;
    }

    /// Waits `time`, or for as long as the run is paused, and reads commands meanwhile.
    fn wait(&mut self, time: Duration) -> ControlFlow<()> {
        let from = Instant::now();
        let result = self.wait_from(from, time);
        self.waited += from.elapsed();
        result
    }

    fn wait_from(&mut self, from: Instant, time: Duration) -> ControlFlow<()> {
        loop {
            if self.cancel.is_cancelled() {
                return ControlFlow::Break(());
            }
            let left = time.saturating_sub(from.elapsed());
            let glance = if self.frozen {
                GLANCE
            } else {
                left.min(GLANCE)
            };
            match self.next_command(glance) {
                Ok(Some(command)) => self.obey(command)?,
                Ok(None) if !self.frozen && (self.hurried || left <= GLANCE) => {
                    return ControlFlow::Continue(());
                }
                Ok(None) => {}
                Err(Gone) => return self.leave(),
            }
        }
    }

    fn next_command(&self, patience: Duration) -> Result<Option<Command>, Gone> {
        if patience.is_zero() {
            return match self.inbox.try_recv() {
                Ok(command) => Ok(Some(command)),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => Err(Gone),
            };
        }
        match self.inbox.recv_timeout(patience) {
            Ok(command) => Ok(Some(command)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Gone),
        }
    }

    fn obey(&mut self, command: Command) -> ControlFlow<()> {
        match command {
            Command::Shutdown => return self.leave(),
            Command::Start(_) => {
                self.seen.later.push(command);
                return ControlFlow::Break(());
            }
            Command::Pace { run, round } if run == self.run => self.seen.pace = round,
            Command::Inspect {
                run,
                candidate,
                parent,
            } if run == self.run => {
                let parent = parent.as_deref();
                let answer = inspect(run, &self.setting, &self.params, &candidate, parent);
                return self.send(answer);
            }
            Command::Load { id, part, spec } => self.loader.start(id, part, spec),
            later if self.is_cut => {
                self.hurried = true;
                self.seen.later.push(later);
            }
            Command::Steer { run, act } if run == self.run => return self.steer(run, act),
            Command::Pause(run) if run == self.run => self.freeze(true, Some(1)),
            Command::Resume(run) if run == self.run => self.freeze(false, None),
            Command::Step(run) if run == self.run => self.freeze(false, Some(1)),
            Command::ToCut(run) if run == self.run => {
                self.seen.holds = true;
                self.freeze(false, Some(1));
            }
            later => self.seen.later.push(later),
        }
        if self.gone {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Marks count at the cut to come, extra successors in the round after it; all else breaks
    /// the round off and is done next.
    fn steer(&mut self, run: RunId, act: Act) -> ControlFlow<()> {
        match act {
            Act::Mark { id, mark } => {
                self.marks.push((id, mark));
                let event = SearchEvent::Marked { id, mark };
                self.send(Update::Search { run, event })
            }
            Act::Spend { .. } => {
                self.seen.later.push(Command::Steer { run, act });
                ControlFlow::Continue(())
            }
            act => {
                self.seen.later.push(Command::Steer { run, act });
                if self.frozen {
                    self.seen.rounds_left = Some(0);
                }
                ControlFlow::Break(())
            }
        }
    }

    /// Whether the round is to stop before its cut.
    pub(super) fn holds(&self) -> bool {
        self.seen.holds
    }

    /// The marks made since the round began.
    pub(super) fn take_marks(&mut self) -> Vec<(HypothesisId, Option<Mark>)> {
        std::mem::take(&mut self.marks)
    }

    /// `rounds_left` counts the round under way.
    fn freeze(&mut self, frozen: bool, rounds_left: Option<usize>) {
        self.seen.rounds_left = rounds_left;
        if self.frozen != frozen {
            self.frozen = frozen;
            let update = Update::Paused {
                run: self.run,
                paused: frozen,
            };
            self.gone |= self.out.send(update).is_err();
        }
    }
}

//! The user's judges: each on a thread of its own, so that none holds up the search, the screen or
//! another judge.
//!
//! They run on the CPU, classifiers on one thread each. What they have not judged when another
//! run begins is dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::outbox::{Gone, Outbox};
use crate::judge::{Judge, JudgeSpec, Setup, Text};
use crate::message::{RunId, Update, Verdict};
use crate::models::{Stop, Watch};
use crate::search::{Hypothesis, HypothesisId};

/// As many texts are judged before the next word.
const AT_ONCE: usize = 8;

/// For how long the end waits for judges that are to end.
const PATIENCE: Duration = Duration::from_millis(200);

/// All of the user's judges.
pub(super) struct Bench {
    seats: Vec<Seat>,
    /// The run whose candidates are still of interest.
    run: Arc<AtomicU64>,
    /// Gives up loads and commands.
    stop: Stop,
}

struct Seat {
    asks: Sender<Ask>,
    thread: JoinHandle<()>,
}

/// Candidates of a run.
#[derive(Debug, Clone)]
struct Ask {
    run: RunId,
    prompt: String,
    texts: Vec<(HypothesisId, String)>,
}

/// What a judge's thread works with.
struct Work {
    /// Its number.
    judge: usize,
    spec: JudgeSpec,
    setup: Setup,
    asks: Receiver<Ask>,
    out: Outbox,
    run: Arc<AtomicU64>,
}

impl Bench {
    /// Starts a thread a judge; they begin to load at once.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(specs: &[JudgeSpec], out: &Outbox) -> io::Result<Self> {
        let mut bench = Self {
            seats: Vec::new(),
            run: Arc::default(),
            stop: Stop::default(),
        };
        for (judge, spec) in specs.iter().enumerate() {
            let seat = bench.seat(judge, spec, out)?;
            bench.seats.push(seat);
        }
        Ok(bench)
    }

    fn seat(&self, judge: usize, spec: &JudgeSpec, out: &Outbox) -> io::Result<Seat> {
        let (sender, asks) = channel();
        let work = Work {
            judge,
            spec: spec.clone(),
            setup: Setup {
                threads: Some(1),
                watch: Watch::default().until(self.stop.clone()),
                ..Setup::default()
            },
            asks,
            out: out.clone(),
            run: self.run.clone(),
        };
        let thread = Builder::new().name("w2s-judge".to_owned());
        Ok(Seat {
            asks: sender,
            // Err means that nobody listens any more: the judge is done.
            thread: thread.spawn(move || drop(work.sit()))?,
        })
    }

    /// What was asked about other runs is of no interest any more.
    pub fn turn_to(&self, run: RunId) {
        self.run.store(run.0, Ordering::Relaxed);
    }

    /// Asks all judges about candidates; never waits.
    pub fn ask(&self, run: RunId, prompt: &str, candidates: &[Arc<Hypothesis>]) {
        let text = |c: &Arc<Hypothesis>| (c.id, c.text.to_string());
        for seat in &self.seats {
            let ask = Ask {
                run,
                prompt: prompt.to_owned(),
                texts: candidates.iter().map(text).collect(),
            };
            // A judge whose thread has ended has told so.
            let _ = seat.asks.send(ask);
        }
    }
}

impl Drop for Bench {
    /// Commands that run are ended; a pass that is under way ends with the process.
    fn drop(&mut self) {
        self.stop.stop();
        let until = Instant::now() + PATIENCE;
        let seats = std::mem::take(&mut self.seats).into_iter();
        // Without their senders they wait for nothing any more.
        let threads: Vec<JoinHandle<()>> = seats.map(|seat| seat.thread).collect();
        while threads.iter().any(|t| !t.is_finished()) && Instant::now() < until {
            sleep(Duration::from_millis(2));
        }
    }
}

impl Work {
    /// Judges what is asked until nobody asks any more.
    fn sit(&self) -> Result<(), Gone> {
        let mut judge = Judge::open_or_fail(&self.spec, &self.setup);
        while let Ok(ask) = self.asks.recv() {
            for some in ask.texts.chunks(AT_ONCE) {
                if self.run.load(Ordering::Relaxed) != ask.run.0 {
                    break;
                }
                self.tell(&mut judge, &ask, some)?;
            }
        }
        Ok(())
    }

    fn tell(
        &self,
        judge: &mut Judge,
        ask: &Ask,
        some: &[(HypothesisId, String)],
    ) -> Result<(), Gone> {
        let prompt = &ask.prompt;
        let texts = some.iter().map(|(_, response)| Text { prompt, response });
        let verdicts = judge.score_all(&texts.collect::<Vec<_>>()).into_iter();
        let verdicts = verdicts.map(|said| -> Verdict {
            said.map(|verdict| verdict.score).map_err(|e| e.to_string())
        });
        self.out.send(Update::Verdicts {
            run: ask.run,
            judge: self.judge,
            said: some.iter().map(|(id, _)| *id).zip(verdicts).collect(),
        })
    }
}

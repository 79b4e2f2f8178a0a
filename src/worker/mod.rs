//! The thread that owns the models and the device. Commands in, updates out, as plain data.
//!
//! One loop: before every pass of a model all commands that have come are reduced, in one place
//! (`commands`), into what is wanted; then one pass is made for everything that is alive, the
//! guided search and all ways beside it (`ways`) in the same pass. So whatever runs, a command is
//! obeyed within one pass.
//!
//! - Structural updates go through a bounded channel: none is lost, and a stalled reader slows
//!   the worker down instead of filling memory.
//! - Growing text goes through a watch channel: only the latest state counts.
//! - Pace is the loop's: a run that is shown slowly waits between passes, where commands wake it.

mod bench;
mod commands;
mod evaluation;
mod evidence;
mod floor;
mod gauge;
mod loader;
mod offers;
mod outbox;
mod run;
mod trainings;
mod ways;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::decoder::{DeviceChoice, Placement, Sums};
use crate::judge::JudgeSpec;
use crate::library::{Library, Model};
use crate::measure::Judge;
use crate::message::{Command, Live, ModelInfo, ModelSet, PairInfo, Update};
use crate::models::{LoadError, ModelSpec, PairSpec};
use crate::template::Templates;
use bench::Bench;
use evaluation::Evaluation;
use evidence::Inquiry;
use floor::Floor;
use gauge::Gauge;
use loader::Loader;
use outbox::{Gone, Outbox};
use run::Run;
use trainings::Trainings;

/// How many structural updates may wait for a reader: a few rounds' worth.
const UPDATES: usize = 256;

/// What to load at the start.
#[derive(Debug, Clone)]
pub struct Startup {
    pub device: DeviceChoice,
    /// Of the weak pairs, where it is another one.
    pub pair_device: Option<DeviceChoice>,
    /// How quantised weights are multiplied on the CPU.
    pub sums: Sums,
    pub strong: ModelSpec,
    pub templates: Templates,
    /// The first is the default; each with a line about it.
    pub pairs: Vec<(PairSpec, String)>,
    /// Judges beside the bundled one.
    pub judges: Vec<JudgeSpec>,
}

impl Startup {
    fn library(&self) -> Result<Library, LoadError> {
        let library = Library::open(self.device)?;
        let library = match self.pair_device {
            Some(device) => library.with_pairs_on(Placement::pick(device)?),
            None => library,
        };
        Ok(library.with_sums(self.sums))
    }
}

/// The app's end of the worker.
#[derive(Debug)]
pub struct WorkerHandle {
    pub commands: Sender<Command>,
    pub updates: mpsc::Receiver<Update>,
    pub live: watch::Receiver<Live>,
    pub thread: WorkerThread,
}

/// The worker's thread. It ends once its channels are dropped.
#[derive(Debug)]
pub struct WorkerThread(JoinHandle<()>);

impl WorkerThread {
    /// Waits a moment for the thread to end; a load that still runs ends with the process.
    pub fn join(self) {
        let patience = Instant::now() + Duration::from_millis(500);
        while !self.0.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.0.is_finished() {
            // A panic was told by the hook, and the app saw its channels close.
            let _ = self.0.join();
        }
    }
}

/// Starts the worker thread; it begins to load at once.
///
/// # Errors
/// When the system has no thread to give.
pub fn spawn(startup: Startup) -> std::io::Result<WorkerHandle> {
    let (commands, inbox) = std::sync::mpsc::channel();
    let (outbox, updates) = mpsc::channel(UPDATES);
    let (live_out, live) = watch::channel(Live::default());
    let body = move || work(&startup, inbox, outbox, live_out);
    let thread = std::thread::Builder::new()
        .name("w2s-worker".to_owned())
        .spawn(body)?;
    Ok(WorkerHandle {
        commands,
        updates,
        live,
        thread: WorkerThread(thread),
    })
}

fn work(
    startup: &Startup,
    inbox: Receiver<Command>,
    outbox: mpsc::Sender<Update>,
    live: watch::Sender<Live>,
) {
    let out = Outbox::new(outbox, live);
    match Worker::load(startup, inbox, out.clone()) {
        // Err means that nobody listens any more: the worker is done.
        Ok(worker) => drop(worker.serve()),
        Err(error) => drop(out.send(Update::Failed { run: None, error })),
    }
}

struct Worker {
    library: Library,
    loader: Loader,
    startup: Startup,
    judge: Judge,
    /// The user's judges.
    bench: Bench,
    inbox: Receiver<Command>,
    out: Outbox,
    /// The strong model of the runs with all that is cached.
    floor: Option<Floor>,
    run: Option<Run>,
    /// What is asked about a candidate; only the newest question counts.
    inquiry: Option<Inquiry>,
    evaluation: Option<Evaluation>,
    gauge: Option<Gauge>,
    /// Whether a run had the last pass that it shares with what goes on beside it.
    is_aside_next: bool,
    /// Begun with the first question about them.
    trainings: Option<Trainings>,
}

/// Until when to wait for a command.
enum Wait {
    /// Not at all: there is work.
    No,
    Until(Instant),
    /// Nothing is to be done before one comes.
    Forever,
}

/// How often loads are looked after while nothing else happens.
const GLANCE: Duration = Duration::from_millis(20);

impl Worker {
    /// Loads what `startup` names, telling how far it is.
    fn load(startup: &Startup, inbox: Receiver<Command>, out: Outbox) -> Result<Self, String> {
        let library = startup.library().map_err(|e| e.to_string())?;
        let library = library.with_templates(startup.templates.clone());
        let library =
            library.watched(out.watch(|what, done, total| Update::Loading { what, done, total }));
        let mut worker = Self {
            loader: Loader::new(library.clone(), out.clone()),
            library,
            startup: startup.clone(),
            judge: Judge::bundled(),
            bench: Bench::start(&startup.judges, &out).map_err(|e| e.to_string())?,
            inbox,
            out,
            floor: None,
            run: None,
            inquiry: None,
            evaluation: None,
            gauge: None,
            is_aside_next: false,
            trainings: None,
        };
        let models = worker.load_all().map_err(|e| e.to_string())?;
        worker.loader.share(&worker.library);
        // A reader that is gone is noticed by `serve`.
        let _ = worker.out.send(Update::Loaded(models));
        Ok(worker)
    }

    fn load_all(&mut self) -> Result<ModelSet, LoadError> {
        let Startup { strong, pairs, .. } = self.startup.clone();
        let strong = self.library.model(&strong)?;
        let mut infos = Vec::new();
        for (spec, about) in &pairs {
            let pair = self.library.pair(spec)?;
            infos.push(PairInfo {
                name: spec.to_string(),
                about: about.clone(),
                n_params: pair.tuned.decoder.n_params() + pair.untuned.decoder.n_params(),
            });
        }
        Ok(ModelSet {
            strong: model_info(&strong),
            pairs: infos,
            offers: offers::offers(),
            device: self.library.device(),
        })
    }

    /// Obeys commands and makes passes until nobody listens any more.
    fn serve(mut self) -> Result<(), Gone> {
        loop {
            let wait = self.wait();
            for command in self.commands(&wait)? {
                if command == Command::Shutdown {
                    return Ok(());
                }
                self.obey(command)?;
            }
            self.take_loaded()?;
            self.pass()?;
        }
    }

    /// When something is to be done next.
    fn wait(&mut self) -> Wait {
        let is_busy = self.floor.as_mut().is_some_and(Floor::is_busy);
        let run = self.run.as_ref().filter(|_| is_busy);
        let due = run.map(Run::due);
        match due {
            _ if self.inquiry.is_some() || self.has_aside() => Wait::No,
            Some(due) if due <= Instant::now() => Wait::No,
            Some(due) => Wait::Until(due),
            None if self.loader.is_busy() => Wait::Until(Instant::now() + GLANCE),
            None => Wait::Forever,
        }
    }

    /// All commands that have come, after waiting for one.
    fn commands(&self, wait: &Wait) -> Result<Vec<Command>, Gone> {
        let first = match wait {
            Wait::No => None,
            Wait::Forever => Some(self.inbox.recv().map_err(|_| Gone)?),
            Wait::Until(due) => {
                let patience = due.saturating_duration_since(Instant::now());
                match self.inbox.recv_timeout(patience) {
                    Ok(command) => Some(command),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return Err(Gone),
                }
            }
        };
        let mut commands: Vec<Command> = first.into_iter().collect();
        loop {
            match self.inbox.try_recv() {
                Ok(command) => commands.push(command),
                Err(TryRecvError::Empty) => return Ok(commands),
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
        }
    }

    /// One pass: of the searches when they are due, else of what is asked about a candidate, else
    /// of what goes on beside the run.
    fn pass(&mut self) -> Result<(), Gone> {
        let is_due = self
            .run
            .as_ref()
            .is_some_and(|run| run.due() <= Instant::now());
        if is_due && self.turns_to_searches() {
            return match self.takes_turn() {
                true => self.aside_on(),
                false => self.search(),
            };
        }
        match self.inquiry {
            Some(_) => self.inquire(),
            None => self.aside_on(),
        }
    }

    fn has_aside(&self) -> bool {
        self.evaluation.is_some() || self.gauge.is_some()
    }

    /// Whether what goes on beside a run is to have the next pass that the run wants too.
    fn takes_turn(&mut self) -> bool {
        self.is_aside_next = self.has_aside() && !self.is_aside_next;
        self.is_aside_next
    }

    /// One pass of what goes on beside the run: an evaluation first.
    fn aside_on(&mut self) -> Result<(), Gone> {
        match self.evaluation {
            Some(_) => self.evaluate_on(),
            None => self.gauge_on(),
        }
    }

    /// Searches and questions take turns: neither waits for the other's end.
    fn turns_to_searches(&mut self) -> bool {
        let is_busy = self.floor.as_mut().is_some_and(Floor::is_busy);
        is_busy && self.inquiry.as_mut().is_none_or(Inquiry::lets_pass)
    }
}

fn model_info(model: &Model) -> ModelInfo {
    let config = model.decoder.config();
    ModelInfo {
        name: model.name.clone(),
        n_params: model.decoder.n_params(),
        context: config.context,
        vocab_size: config.vocab_size,
    }
}

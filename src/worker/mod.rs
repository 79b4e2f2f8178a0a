//! The thread that owns the models and the device. Commands in, updates out, as plain data.
//!
//! - Structural updates go through a bounded channel: none is lost, and a stalled reader slows
//!   the worker down instead of filling memory.
//! - Growing text goes through a watch channel: only the latest state counts.
//! - A stop is not a message but a [`CancelToken`](crate::message::CancelToken), read after
//!   every forward pass.
//! - Commands are read between rounds, and while a paced round waits.

mod inspect;
mod loader;
mod offers;
mod pair;
mod run;
mod steer;
mod twin;
mod watcher;

use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::decoder::{DeviceChoice, Placement};
use crate::library::{Library, Model};
use crate::measure::Judge;
use crate::message::{Command, Live, ModelInfo, ModelSet, PairInfo, RunRequest, Update};
use crate::models::{LoadError, ModelSpec, PairSpec, Watch};
use crate::search::{ChunkBeamSearch, SearchError, SearchEvent, Status};
use crate::template::Templates;
use inspect::inspect;
use loader::Loader;
use run::{Run, guided_round};
use twin::Twin;
use watcher::{Clock, Watcher};

/// How many structural updates may wait for a reader: a few rounds' worth.
const UPDATES: usize = 256;

/// What to load at the start.
#[derive(Debug, Clone)]
pub struct Startup {
    pub device: DeviceChoice,
    /// Of the weak pairs, where it is another one.
    pub pair_device: Option<DeviceChoice>,
    pub strong: ModelSpec,
    pub templates: Templates,
    /// The first is the default; each with a line about it.
    pub pairs: Vec<(PairSpec, String)>,
}

impl Startup {
    fn library(&self) -> Result<Library, LoadError> {
        let library = Library::open(self.device)?;
        match self.pair_device {
            Some(device) => Ok(library.with_pairs_on(Placement::pick(device)?)),
            None => Ok(library),
        }
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
    let out = Outbox {
        updates: outbox,
        live,
    };
    match Worker::load(startup, inbox, out.clone()) {
        // Err means that nobody listens any more: the worker is done.
        Ok(worker) => drop(worker.serve()),
        Err(error) => drop(out.send(Update::Failed { run: None, error })),
    }
}

/// Tells of fetches and loads as updates. A word that finds no room is dropped: the next one
/// says more.
fn told(
    out: &Outbox,
    update: impl Fn(String, u64, u64) -> Update + Send + Sync + 'static,
) -> Watch {
    let updates = out.updates.clone();
    Watch::new(move |stage| {
        let what = format!("{} {}", stage.doing, stage.what);
        let _ = updates.try_send(update(what, stage.done, stage.total));
    })
}

/// Nobody listens any more.
struct Gone;

#[derive(Clone)]
struct Outbox {
    updates: mpsc::Sender<Update>,
    live: watch::Sender<Live>,
}

impl Outbox {
    fn send(&self, update: Update) -> Result<(), Gone> {
        self.updates.blocking_send(update).map_err(|_| Gone)
    }
}

struct Worker {
    library: Library,
    loader: Loader,
    startup: Startup,
    judge: Judge,
    inbox: Receiver<Command>,
    out: Outbox,
    run: Option<Run>,
}

impl Worker {
    /// Loads what `startup` names, telling how far it is.
    fn load(startup: &Startup, inbox: Receiver<Command>, out: Outbox) -> Result<Self, String> {
        let library = startup.library().map_err(|e| e.to_string())?;
        let library = library.with_templates(startup.templates.clone());
        let library = library.watched(told(&out, |what, done, total| Update::Loading {
            what,
            done,
            total,
        }));
        let mut worker = Self {
            loader: Loader::new(library.clone(), out.clone()),
            library,
            startup: startup.clone(),
            judge: Judge::bundled(),
            inbox,
            out,
            run: None,
        };
        let models = worker.load_all().map_err(|e| e.to_string())?;
        worker.loader.library = worker.library.clone();
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

    /// Obeys commands and runs rounds until nobody listens any more.
    fn serve(mut self) -> Result<(), Gone> {
        loop {
            let busy = self
                .run
                .as_ref()
                .is_some_and(|run| run.moves() || run.twin_lags());
            let command = if busy {
                self.inbox.try_recv().ok()
            } else {
                Some(self.inbox.recv().map_err(|_| Gone)?)
            };
            match command {
                Some(Command::Shutdown) => return Ok(()),
                Some(command) => self.obey(command)?,
                None => self.round()?,
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), Gone> {
        let command = match command {
            Command::Start(request) => return self.start(request),
            Command::Load { id, part, spec } => {
                self.loader.start(id, part, spec);
                return Ok(());
            }
            Command::UseStrong(spec) => {
                self.startup.strong = ModelSpec::parse(&spec);
                return Ok(());
            }
            command => command,
        };
        let Some(run) = self
            .run
            .as_mut()
            .filter(|run| command.run() == Some(run.id()))
        else {
            return Ok(()); // of a run that is gone
        };
        let was_paused = run.rounds_left == Some(0);
        match command {
            Command::Steer { act, .. } => return self.steer(act),
            Command::Inspect {
                candidate, parent, ..
            } => {
                let (params, parent) = (run.search.params(), parent.as_deref());
                let answer = inspect(run.id(), &run.setting, &params, &candidate, parent);
                return self.out.send(answer);
            }
            Command::Retune { params, .. } => {
                run.search.set_params(params);
                run.twin.iter_mut().for_each(|twin| twin.retune(params));
            }
            Command::UsePair { pair, .. } => run.pair_wanted = Some(pair),
            Command::Pace { round, .. } => run.request.pace = round,
            Command::Pause(_) => run.rounds_left = Some(0),
            Command::Resume(_) => run.rounds_left = None,
            Command::Step(_) => run.rounds_left = Some(1),
            Command::ToCut(_) => {
                // Candidates that wait for their cut get it first: the next one is meant.
                run.rounds_left = Some(if run.search.is_open() { 2 } else { 1 });
                run.holds = true;
            }
            _ => {}
        }
        let (run, paused) = (run.id(), run.rounds_left == Some(0));
        if paused != was_paused {
            self.out.send(Update::Paused { run, paused })?;
        }
        Ok(())
    }

    fn start(&mut self, request: RunRequest) -> Result<(), Gone> {
        let id = request.run;
        self.run = None;
        match self.prepare(request) {
            Ok(run) => self.run = Some(run),
            Err(error) => self.out.send(Update::Failed {
                run: Some(id),
                error,
            })?,
        }
        Ok(())
    }

    fn prepare(&mut self, request: RunRequest) -> Result<Run, String> {
        let pair = self.pair(&request.pair)?;
        let strong = self
            .library
            .model(&self.startup.strong)
            .map_err(|e| e.to_string())?;
        let setting = self.library.setting(strong, pair, &request.prompt);
        let setting = setting.map_err(|e| e.to_string())?;
        let sampler = setting
            .sampler(&request.params)
            .map_err(|e| e.to_string())?;
        let scorer = setting.scorer(&request.params).map_err(|e| e.to_string())?;
        Ok(Run {
            search: ChunkBeamSearch::new(request.params),
            rounds_left: request.paused.then_some(0),
            holds: false,
            pair_wanted: None,
            done: false,
            clock: Clock::default(),
            twin: Twin::new(&setting, &request).ok(),
            setting,
            sampler,
            scorer,
            request,
        })
    }

    /// One round of the run, under the pair that is wanted now.
    fn round(&mut self) -> Result<(), Gone> {
        let Some(mut run) = self.run.take() else {
            return Ok(());
        };
        if !run.moves() {
            self.advance_twin(&mut run)?;
            self.run = Some(run);
            return Ok(());
        }
        // Scores of two pairs must not meet in one cut.
        let was_open = run.search.is_open();
        if !was_open {
            self.change_pair(&mut run)?;
        }
        let mut watcher = Watcher::new(&self.inbox, (&self.out, &self.loader), &self.judge, &run);
        let outcome = guided_round(&mut run, &mut watcher);
        let seen = watcher.done()?;
        run.clock = seen.clock;
        run.request.pace = seen.pace;
        run.rounds_left = seen.rounds_left;
        run.holds = seen.holds && was_open;
        self.after(&mut run, outcome)?;
        self.advance_twin(&mut run)?;
        self.run = Some(run);
        seen.later
            .into_iter()
            .try_for_each(|command| self.obey(command))
    }

    /// Lets the unguided twin catch up by a chunk.
    fn advance_twin(&self, run: &mut Run) -> Result<(), Gone> {
        if !run.twin_lags() {
            return Ok(());
        }
        match run.twin.as_mut().map(|twin| twin.advance(&self.judge)) {
            Some(Ok(update)) => self.out.send(update),
            // The guided run has told of the same trouble, or will.
            Some(Err(_)) => {
                run.twin = None;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn after(&self, run: &mut Run, outcome: Result<Status, SearchError>) -> Result<(), Gone> {
        let id = run.id();
        run.done = run.request.cancel.is_cancelled()
            || !matches!(outcome, Ok(Status::Running | Status::Cancelled));
        match outcome {
            // A stop between the cut and here has not reached the search.
            Ok(Status::Running | Status::Cancelled) if run.done => {
                self.out.send(Update::Cancelled(id))
            }
            Ok(Status::Running) => {
                run.rounds_left = run.rounds_left.map(|n| n.saturating_sub(1));
                match run.rounds_left {
                    Some(0) => self.out.send(Update::Paused {
                        run: id,
                        paused: true,
                    }),
                    _ => Ok(()),
                }
            }
            // Broken off for a command that is obeyed next; the round comes again.
            Ok(Status::Cancelled) => {
                let event = SearchEvent::Rewound {
                    round: run.search.round_idx(),
                };
                self.out.send(Update::Search { run: id, event })
            }
            Ok(Status::Finished) => Ok(()),
            Err(error) => {
                let error = error.to_string();
                self.out.send(Update::Failed {
                    run: Some(id),
                    error,
                })
            }
        }
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

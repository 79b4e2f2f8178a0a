//! Loads models beside the search that runs: a thread a load, and a drawer for what arrives.
//! The newest load is the one that is wanted: it gives the one before up.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::Worker;
use super::model_info;
use super::outbox::{Gone, Outbox};
use crate::library::Library;
use crate::message::{Fetched, LoadId, PairInfo, Part, Update};
use crate::models::{LoadError, ModelSpec, PairSpec, Stop, about};

/// Starts loads; what they bring waits here until the worker takes it.
pub(super) struct Loader {
    /// What is loaded, so that nothing is read twice.
    library: Library,
    out: Outbox,
    door: Sender<Loaded>,
    arrived: Receiver<Loaded>,
    under_way: Option<(LoadId, Stop)>,
}

/// What a load has come to.
struct Loaded {
    id: LoadId,
    library: Library,
    outcome: Result<Fetched, LoadError>,
}

impl Loader {
    pub(super) fn new(library: Library, out: Outbox) -> Self {
        let (door, arrived) = channel();
        Self {
            library,
            out,
            door,
            arrived,
            under_way: None,
        }
    }

    /// Whether a load is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// What is loaded by now.
    pub(super) fn share(&mut self, library: &Library) {
        self.library = library.clone();
    }

    /// Loads on a thread of its own; its updates carry `id`.
    pub(super) fn start(&mut self, id: LoadId, part: Part, spec: String) {
        self.give_up();
        let stop = Stop::default();
        let watch = self.out.watch(move |what, done, total| Update::Fetching {
            id,
            what,
            done,
            total,
        });
        let job = Job {
            library: self.library.clone().watched(watch.until(stop.clone())),
            door: self.door.clone(),
            id,
        };
        let thread = std::thread::Builder::new().name("w2s-loader".to_owned());
        match thread.spawn(move || job.run(part, &spec)) {
            Ok(_) => self.under_way = Some((id, stop)),
            Err(error) => {
                let why = format!("no thread to load with ({error}): try again");
                // Whoever does not listen any more is noticed elsewhere.
                let _ = self.out.send(Update::NotFetched { id, why });
            }
        }
    }

    /// Gives a load up, if it is the one under way.
    pub(super) fn cancel(&mut self, id: LoadId) {
        if self.under_way.as_ref().is_some_and(|(own, _)| *own == id) {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        if let Some((id, stop)) = self.under_way.take() {
            stop.stop();
            let why = "given up".to_owned();
            let _ = self.out.send(Update::NotFetched { id, why });
        }
    }
}

impl Worker {
    /// Puts what has arrived into the library, and tells of it.
    pub(super) fn take_loaded(&mut self) -> Result<(), Gone> {
        while let Ok(loaded) = self.loader.arrived.try_recv() {
            let is_wanted = |(id, _): &mut (LoadId, Stop)| *id == loaded.id;
            if self.loader.under_way.take_if(is_wanted).is_none() {
                continue; // given up before it was told
            }
            self.library.take_in(&loaded.library);
            self.loader.share(&self.library);
            let id = loaded.id;
            self.out.send(match loaded.outcome {
                Ok(fetched) => Update::Fetched { id, fetched },
                Err(error) => Update::NotFetched {
                    id,
                    why: error.to_string(),
                },
            })?;
        }
        Ok(())
    }
}

/// One load.
struct Job {
    id: LoadId,
    library: Library,
    door: Sender<Loaded>,
}

impl Job {
    fn run(mut self, part: Part, spec: &str) {
        let outcome = match part {
            Part::Strong => self.strong(spec),
            Part::Pair => self.pair(spec),
        };
        // Nobody may want it any more: then nobody misses it.
        let _ = self.door.send(Loaded {
            id: self.id,
            library: self.library,
            outcome,
        });
    }

    fn strong(&mut self, spec: &str) -> Result<Fetched, LoadError> {
        let model = self.library.model(&ModelSpec::parse(spec))?;
        Ok(Fetched::Strong(model_info(&model)))
    }

    fn pair(&mut self, name: &str) -> Result<Fetched, LoadError> {
        let spec = PairSpec::parse(name)?;
        let pair = self.library.pair(&spec)?;
        Ok(Fetched::Pair(PairInfo {
            name: name.to_owned(),
            about: about(name).to_owned(),
            n_params: pair.tuned.decoder.n_params() + pair.untuned.decoder.n_params(),
        }))
    }
}

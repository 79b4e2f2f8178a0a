//! Loads models beside the search that runs: a thread a load, and a drawer for what arrives.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::{Outbox, model_info, told};
use crate::library::Library;
use crate::message::{Fetched, LoadId, PairInfo, Part, Update};
use crate::models::{LoadError, ModelSpec, PairSpec, about};

/// Starts loads; what they bring waits here until the worker takes it.
pub(super) struct Loader {
    /// What is loaded, so that nothing is read twice.
    pub library: Library,
    out: Outbox,
    door: Sender<Library>,
    arrived: Receiver<Library>,
}

impl Loader {
    pub(super) fn new(library: Library, out: Outbox) -> Self {
        let (door, arrived) = channel();
        Self {
            library,
            out,
            door,
            arrived,
        }
    }

    /// Loads on a thread of its own; its updates carry `id`.
    pub(super) fn start(&self, id: LoadId, part: Part, spec: String) {
        let watch = told(&self.out, move |what, done, total| Update::Fetching {
            id,
            what,
            done,
            total,
        });
        let job = Job {
            id,
            library: self.library.clone().watched(watch),
            out: self.out.clone(),
            door: self.door.clone(),
        };
        let thread = std::thread::Builder::new().name("w2s-loader".to_owned());
        if let Err(error) = thread.spawn(move || job.run(part, &spec)) {
            let why = format!("no thread to load with ({error}): try again");
            // Whoever does not listen any more is noticed elsewhere.
            let _ = self.out.send(Update::NotFetched { id, why });
        }
    }

    /// Puts all that has arrived into `library` and the loader's own.
    pub(super) fn deliver(&mut self, library: &mut Library) {
        for loaded in self.arrived.try_iter() {
            library.take_in(&loaded);
            self.library.take_in(&loaded);
        }
    }
}

/// One load.
struct Job {
    id: LoadId,
    library: Library,
    out: Outbox,
    door: Sender<Library>,
}

impl Job {
    fn run(mut self, part: Part, spec: &str) {
        let outcome = match part {
            Part::Strong => self.strong(spec),
            Part::Pair => self.pair(spec),
        };
        let id = self.id;
        // Before the word that it is there: whoever hears that finds it.
        let _ = self.door.send(self.library);
        // Nobody may listen any more: then nobody misses it.
        let _ = self.out.send(match outcome {
            Ok(fetched) => Update::Fetched { id, fetched },
            Err(error) => Update::NotFetched {
                id,
                why: error.to_string(),
            },
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

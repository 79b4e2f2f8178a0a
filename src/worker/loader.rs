//! Loads models beside the search that runs: a thread a load, and a drawer for what arrives.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::{Outbox, model_info, told};
use crate::lm::{Library, LoadError, Model, ModelSpec, PairSpec, about};
use crate::message::{Fetched, LoadId, PairInfo, Part, Update};

/// A model and the name it is known by from now on.
type Arrival = (ModelSpec, Model);

/// Starts loads; what they bring waits here until the worker takes it.
pub(super) struct Loader {
    /// What is loaded, so that nothing is read twice.
    pub library: Library,
    out: Outbox,
    door: Sender<Arrival>,
    arrived: Receiver<Arrival>,
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
        for (spec, model) in self.arrived.try_iter() {
            library.insert(spec.clone(), model.clone());
            self.library.insert(spec, model);
        }
    }
}

/// One load.
struct Job {
    id: LoadId,
    library: Library,
    out: Outbox,
    door: Sender<Arrival>,
}

impl Job {
    fn run(mut self, part: Part, spec: &str) {
        let outcome = match part {
            Part::Strong => self.strong(spec),
            Part::Pair => self.pair(spec),
        };
        let id = self.id;
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
        let model = self.model(&ModelSpec::parse(spec))?;
        Ok(Fetched::Strong(model_info(&model)))
    }

    fn pair(&mut self, name: &str) -> Result<Fetched, LoadError> {
        let spec = PairSpec::parse(name)?;
        self.model(&spec.tuned)?;
        self.model(&spec.untuned)?;
        let pair = self.library.pair(&spec)?;
        Ok(Fetched::Pair(PairInfo {
            name: name.to_owned(),
            about: about(name).to_owned(),
            n_params: pair.tuned.decoder.n_params() + pair.untuned.decoder.n_params(),
        }))
    }

    /// Loads a model and hands it over, with the base that may have come with it.
    fn model(&mut self, spec: &ModelSpec) -> Result<Model, LoadError> {
        let model = self.library.model(spec)?;
        for (spec, model) in self.library.loaded() {
            let _ = self.door.send((spec.clone(), model.clone()));
        }
        Ok(model)
    }
}

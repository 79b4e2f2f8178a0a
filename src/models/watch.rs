//! How far a fetch or a load is, told to whoever watches.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::error::LoadError;

/// The least time between two words about one model: faster than that, nobody can read.
const PAUSE: Duration = Duration::from_millis(40);

/// What is being done to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Files come from the hub; counted in bytes.
    Fetching,
    /// Weights are read; counted in parameters.
    Loading,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetching => "fetching",
            Self::Loading => "loading",
        })
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage<'a> {
    pub doing: Doing,
    /// The model's SPEC.
    pub what: &'a str,
    pub done: u64,
    /// 0 while it is not known.
    pub total: u64,
}

/// Somebody who is told of stages, on whatever thread works, and may have enough of it; nobody
/// by default.
#[derive(Clone, Default)]
pub struct Watch {
    told: Option<Arc<Told>>,
    stop: Stop,
}

type Told = dyn Fn(Stage<'_>) + Send + Sync;

/// Gives a fetch or a load up: it ends at its next tensor or piece of a file.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Watch {
    pub fn new(told: impl Fn(Stage<'_>) + Send + Sync + 'static) -> Self {
        Self {
            told: Some(Arc::new(told)),
            stop: Stop::default(),
        }
    }

    /// The same, until `stop` says otherwise.
    #[must_use]
    pub fn until(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// # Errors
    /// [`LoadError::Stopped`] once nobody wants the outcome any more.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        match self.stop.is_stopped() {
            true => Err(LoadError::Stopped),
            false => Ok(()),
        }
    }

    pub(super) fn tell(&self, stage: Stage<'_>) {
        if let Some(told) = &self.told {
            told(stage);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.told.is_some()).finish()
    }
}

/// Counts what is done and tells of it now and then, so that watching costs nothing.
pub(crate) struct Meter<'a> {
    watch: &'a Watch,
    doing: Doing,
    what: &'a str,
    total: u64,
    done: AtomicU64,
    began: Instant,
    /// When it was told last, in milliseconds since it began.
    told: AtomicU64,
}

impl<'a> Meter<'a> {
    /// Tells of the beginning.
    pub fn start(watch: &'a Watch, doing: Doing, what: &'a str, total: u64) -> Self {
        let meter = Self {
            watch,
            doing,
            what,
            total,
            done: AtomicU64::new(0),
            began: Instant::now(),
            told: AtomicU64::new(0),
        };
        meter.tell(0);
        meter
    }

    /// `n` more are done.
    pub fn add(&self, n: u64) {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        let now = self.began.elapsed().as_millis() as u64;
        let told = self.told.load(Ordering::Relaxed);
        if now < told + PAUSE.as_millis() as u64 {
            return;
        }
        // Of threads that come at once, one tells.
        let is_first = self
            .told
            .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed);
        if is_first.is_ok() {
            self.tell(done);
        }
    }

    /// # Errors
    /// [`LoadError::Stopped`], see [`Watch::until`].
    pub fn check(&self) -> Result<(), LoadError> {
        self.watch.check()
    }

    fn tell(&self, done: u64) {
        self.watch.tell(Stage {
            doing: self.doing,
            what: self.what,
            done,
            total: self.total,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn progress_is_told_in_order_and_not_too_often() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        let watch = Watch::new(move |stage| into.lock().unwrap().push(stage.done));
        let meter = Meter::start(&watch, Doing::Loading, "m", 3000);
        for _ in 0..3 {
            (0..1000).for_each(|_| meter.add(1));
            std::thread::sleep(PAUSE);
        }
        let seen = seen.lock().unwrap();
        assert_eq!(seen[0], 0);
        assert!(seen.is_sorted() && seen.len() > 1 && seen.len() < 100);
    }
}

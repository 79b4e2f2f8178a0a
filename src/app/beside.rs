//! Ways beside a run, and what each has come to.

use std::sync::Arc;

use super::settings;
use crate::message::{RunRequest, Way};
use crate::search::{Hypothesis, SearchParams};

/// A way beside a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// `None` for the unguided one: its settings and its pair are the run's.
    pub way: Option<Way>,
    /// What it has come to; `None` before its first cut.
    pub said: Option<Said>,
    /// Why the run goes on without it.
    pub dropped: Option<String>,
}

/// What a way has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The best so far.
    pub response: Arc<Hypothesis>,
    pub judge: f64,
    pub done: bool,
    /// Tokens that the strong model has sampled for it.
    pub sampled: usize,
}

impl Beside {
    /// Those of the run that this asks for: the unguided one is always there.
    pub(super) fn of(request: &RunRequest) -> Vec<Self> {
        let asked = request.beside.iter().cloned().map(Some);
        [None].into_iter().chain(asked).map(Self::new).collect()
    }

    pub(super) fn new(way: Option<Way>) -> Self {
        Self {
            way,
            said: None,
            dropped: None,
        }
    }

    /// What it is called beside a search under `guided`: by what is its own.
    #[must_use]
    pub fn name(&self, guided: &SearchParams) -> String {
        match &self.way {
            None => "unguided".to_owned(),
            Some(way) => name(way, guided),
        }
    }
}

/// `W4 K4 L5 positive`, and what else is not as under `guided`.
pub(super) fn name(way: &Way, guided: &SearchParams) -> String {
    let sizes = settings::sizes(&way.params);
    let others = settings::others(&way.params, guided).into_iter();
    let parts: Vec<String> = [sizes, way.pair.to_string()]
        .into_iter()
        .chain(others)
        .collect();
    parts.join(" ")
}

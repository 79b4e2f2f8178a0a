//! What a training tells as it goes, as plain data: lines of its curve, and what they come to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Step(Step),
    Held(Held),
    /// A checkpoint stands in a folder of its own.
    Checkpoint {
        step: usize,
        path: PathBuf,
    },
    /// What the search says under a checkpoint.
    Watched(Watched),
    Ended {
        step: usize,
        why: Why,
    },
}

/// One step of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1.
    pub step: usize,
    pub n_steps: usize,
    pub loss: f64,
    pub grad_norm: f64,
    pub rate: f64,
    /// Read in this step, prompts included, a second.
    pub tokens_per_s: f64,
    /// Until the last step, in seconds.
    pub left_s: f64,
    /// Of preferences alone.
    #[serde(flatten)]
    pub rewards: Option<Rewards>,
}

/// Mean rewards of preferences, as TRL names them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rewards {
    #[serde(rename = "rewards/chosen")]
    pub chosen: f64,
    #[serde(rename = "rewards/rejected")]
    pub rejected: f64,
    #[serde(rename = "rewards/margins")]
    pub margin: f64,
    #[serde(rename = "rewards/accuracies")]
    pub accuracy: f64,
}

/// What is held out, after so many steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub step: usize,
    pub loss: f64,
    #[serde(flatten)]
    pub rewards: Option<Rewards>,
    /// Whether it is the best so far.
    pub is_best: bool,
}

/// A fixed set of prompts searched under a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    pub step: usize,
    /// Mean score of each judge's, guided and unguided.
    pub judge: String,
    pub guided: f64,
    pub unguided: f64,
    /// The first prompt and what follows it.
    pub prompt: String,
    pub response: String,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Done,
    /// What is held out got no better.
    NoBetter,
    /// The user's wish; it goes on from here.
    Stopped,
}

/// A training as its folder tells of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Training {
    /// Its folder, absolute.
    pub folder: String,
    /// The SPEC of what it was tuned from.
    pub base: String,
    pub events: Vec<Event>,
    /// Pairs of samples that were compared, and how many there are to be, before the first step.
    pub making: Option<(usize, usize)>,
    /// Why it cannot be read, or why the process that trained has failed.
    pub fault: Option<String>,
    /// Whether it was begun here and goes on.
    pub is_running: bool,
}

impl Training {
    /// The last part of the folder's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let parts = self.folder.rsplit(['/', '\\']);
        parts
            .into_iter()
            .find(|part| !part.is_empty())
            .unwrap_or(&self.folder)
    }

    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.events.iter().filter_map(|event| match event {
            Event::Step(step) => Some(step),
            _ => None,
        })
    }

    pub fn held(&self) -> impl DoubleEndedIterator<Item = &Held> {
        self.events.iter().filter_map(|event| match event {
            Event::Held(held) => Some(held),
            _ => None,
        })
    }

    pub fn watched(&self) -> impl DoubleEndedIterator<Item = &Watched> {
        self.events.iter().filter_map(|event| match event {
            Event::Watched(seen) => Some(seen),
            _ => None,
        })
    }

    /// The folder of the newest checkpoint, and after which step.
    #[must_use]
    pub fn checkpoint(&self) -> Option<(usize, String)> {
        let found = self.events.iter().rev().find_map(|event| match event {
            Event::Checkpoint { step, path } => Some((*step, path)),
            _ => None,
        });
        found.map(|(step, path)| (step, path.display().to_string()))
    }

    /// How it ended, if that was the last that was heard of it.
    #[must_use]
    pub fn end(&self) -> Option<Why> {
        match self.events.last() {
            Some(Event::Ended { why, .. }) => Some(*why),
            _ => None,
        }
    }
}

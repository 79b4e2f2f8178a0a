//! The file's keys as they are written: which keys there are is for the playground to say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::error::{ConfigError, line_of};

/// One key as it is written, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub key: String,
    pub line: usize,
}

/// The keys that a file gives to actions, by the actions' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    path: PathBuf,
    bound: HashMap<String, Vec<Written>>,
}

impl Keys {
    pub(super) fn new(
        bound: HashMap<String, Vec<Spanned<String>>>,
        text: &str,
        path: &Path,
    ) -> Self {
        let written = |key: Spanned<String>| Written {
            line: line_of(text, &key.span()),
            key: key.into_inner(),
        };
        let bound = bound.into_iter();
        let bound = bound.map(|(action, keys)| (action, keys.into_iter().map(written).collect()));
        Self {
            path: path.to_owned(),
            bound: bound.collect(),
        }
    }

    /// What the file gives to the action of this name; `None` where it is silent.
    #[must_use]
    pub fn of(&self, action: &str) -> Option<&[Written]> {
        self.bound.get(action).map(Vec::as_slice)
    }

    /// The first line with a key in it.
    #[must_use]
    pub fn first_line(&self) -> usize {
        let lines = self.bound.values().flatten().map(|written| written.line);
        lines.min().unwrap_or(1)
    }

    /// What is wrong in a line of the file.
    #[must_use]
    pub fn wrong(&self, line: usize, what: String) -> ConfigError {
        ConfigError::At {
            path: self.path.clone(),
            line,
            what,
        }
    }
}

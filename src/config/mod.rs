//! The configuration file: what the command line leaves open.
//!
//! Its manual is the commented default, [`MANUAL`]; a name that does not stand there is refused
//! with the nearest one that does. The command line goes before the file, the file before the
//! defaults.

mod error;
mod file;
mod fill;
mod keys;
mod names;

use std::path::Path;

use crate::app::Keymap;

pub use error::ConfigError;
pub use file::{Models, Playground, Search};

pub use crate::manual::MANUAL;

/// What a configuration file says; `None` where it is silent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    pub search: Search,
    pub models: Models,
    pub playground: Playground,
    pub keymap: Keymap,
}

impl Config {
    /// The configuration in `path`; all defaults when there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, or as [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The configuration in `text`; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::At`], with the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let parsed = names::check(text)
            .and_then(|()| file::parse(text))
            .and_then(|file| Ok((keys::keymap(&file.keys)?, file)));
        let (keymap, file) = parsed.map_err(|fault| fault.at(text, path))?;
        Ok(Self {
            search: file.search,
            models: file.models,
            playground: file.playground,
            keymap,
        })
    }
}

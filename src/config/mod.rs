//! The configuration file: what the command line leaves open.
//!
//! Its manual is the commented default, [`MANUAL`]; a name that does not stand there is refused
//! with the nearest one that does. The command line goes before the file, the file before the
//! defaults.

mod error;
mod file;
mod keys;
mod names;
mod values;

use std::path::Path;

pub use error::ConfigError;
pub use file::{Models, Playground, Search};
pub use keys::{Keys, Written};
pub use values::{Device, Ground, pace};

/// The commented default: every setting with its default, every action with its keys.
pub const MANUAL: &str = include_str!("../../assets/default.toml");

/// What a configuration file says; `None` where it is silent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    pub search: Search,
    pub models: Models,
    pub playground: Playground,
    /// To be checked by whoever knows the keyboard.
    pub keys: Keys,
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
        let parsed = names::check(text).and_then(|()| file::parse(text));
        let file = parsed.map_err(|fault| fault.at(text, path))?;
        Ok(Self {
            search: file.search,
            models: file.models,
            playground: file.playground,
            keys: Keys::new(file.keys, text, path),
        })
    }
}

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

/// More than anybody writes there, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What is in a file of a configuration's size. Pipes and devices are not waited for.
fn text(path: &Path) -> std::io::Result<String> {
    use std::io::{Error, Read};
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MAX_BYTES {
        true => Err(Error::other("it is larger than 1 MiB")),
        false => Ok(text),
    }
}

impl Config {
    /// The configuration in `path`; all defaults when there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, or as [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        match text(path) {
            Ok(text) => Self::parse(&text, path),
            // A home that is no folder has no configuration in it.
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Self::default()),
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

//! What can be wrong with a configuration file, told with file and line.

use std::ops::Range;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}:{line}: {what}", path.display())]
    At {
        path: PathBuf,
        line: usize,
        what: String,
    },
}

/// The line in which `span` begins.
pub(super) fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    1 + before.matches('\n').count()
}

/// What is wrong at which bytes of the file.
pub(super) struct Fault {
    pub span: Range<usize>,
    pub what: String,
}

impl Fault {
    /// The fault as told to the user.
    pub fn at(self, text: &str, path: &Path) -> ConfigError {
        ConfigError::At {
            path: path.to_owned(),
            line: line_of(text, &self.span),
            what: self.what,
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self {
            span: error.span().unwrap_or(0..0),
            what: error.message().to_owned(),
        }
    }
}

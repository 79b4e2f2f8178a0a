//! Why a round can fail.

use super::port::ModelError;

/// Why a round failed. The beam is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An implementation of a port broke its contract.
    #[error("{who} returned {got} results, expected {expected}")]
    Miscount {
        who: &'static str,
        got: usize,
        expected: usize,
    },
    /// A chunk ended early without EOS, so the search could go on for ever.
    #[error("the strong model sampled {got} tokens of a chunk of {expected} without EOS")]
    ShortChunk { got: usize, expected: usize },
}

impl SearchError {
    /// One result for each thing asked of a port.
    pub(super) fn counted<T>(
        all: Vec<T>,
        expected: usize,
        who: &'static str,
    ) -> Result<Vec<T>, Self> {
        match all.len() {
            got if got != expected => Err(Self::Miscount { who, got, expected }),
            _ => Ok(all),
        }
    }
}

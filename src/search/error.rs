//! What can go wrong in a search, and what a search will not do.

use super::ask::ModelError;

/// An answer that a search cannot use. The beam is as it was before.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A sampler's chunk has not ended and is shorter than was asked for.
    #[error("a chunk of {got} tokens came back where {expected} were asked for")]
    ShortChunk { got: usize, expected: usize },
}

/// Why the user's wish is not fulfilled; the search goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("only a candidate of the round under way can be marked")]
    NotOfRound,
    #[error("one candidate of a round must live: this is the last one")]
    LastOne,
    #[error("only a live hypothesis that was kept last can have more successors")]
    NotInBeam,
    #[error("only a candidate of a round that had its cut can be taken")]
    NotCut,
    #[error("only chunks of the latest round can be edited: go back to its round first")]
    NotLatest,
    #[error("the response before this chunk is complete: nothing can follow it")]
    Complete,
    #[error("there is nothing to go back from: no later round has begun")]
    AlreadyHere,
    #[error("there is no such round to go back to")]
    NoSuchNode,
    #[error("the search is over here: go back to an earlier round to draw anew")]
    Over,
    #[error("there is nothing to undo")]
    NothingToUndo,
}

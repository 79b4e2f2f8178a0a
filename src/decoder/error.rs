//! Why a pass is refused.

use crate::models::brief;

/// Why a forward pass was refused. The cache is unchanged except after `Backend`.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A token id is not in the vocabulary.
    #[error(
        "token id {id} is outside the model's vocabulary of {vocab}: the tokenizer does not fit the model"
    )]
    Token { id: u32, vocab: usize },
    /// A row would outgrow the context.
    #[error("row {row} would hold {needed} tokens and the model's context is {context}")]
    Context {
        row: usize,
        needed: usize,
        context: usize,
    },
    /// A row that the cache does not have.
    #[error("row {row} is not in the cache of {n_rows} rows")]
    Row { row: usize, n_rows: usize },
    /// The same row fed twice in one pass.
    #[error("row {0} is fed twice in one pass")]
    Twice(usize),
    /// A feed without tokens.
    #[error("row {0} is fed no tokens")]
    Empty(usize),
    /// The cache was made by a decoder of another shape.
    #[error("the cache was made by another model")]
    Foreign,
    /// The device failed.
    #[error("the device failed: {}", brief(.0))]
    Backend(#[from] candle_core::Error),
}

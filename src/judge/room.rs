//! Whether memory holds what a text needs.

use super::error::JudgeError;
use crate::library::{free_memory, gib};

/// Refuses a text of `n_tokens` that needs more memory than there is.
///
/// # Errors
/// [`JudgeError::TooLong`].
pub(super) fn check_memory(n_tokens: usize, needed: u64) -> Result<(), JudgeError> {
    match free_memory() {
        Some(free) if needed > free => Err(JudgeError::TooLong {
            n_tokens,
            needed: gib(needed),
            free: gib(free),
        }),
        _ => Ok(()),
    }
}

//! Operations with gradients of their own.
//!
//! candle cuts the graph silently at its fast norms, softmax and rotary embeddings, and composes
//! them of a dozen tensors where they have gradients. Here each is one node with a hand-written
//! gradient for f32 on the CPU; elsewhere, and as its test, the same in candle's terms.

mod activate;
mod attend;
mod attend_back;
mod chosen;
mod heads;
mod linear;
mod norm;

pub(super) use activate::activate;
pub(super) use attend::attend;
pub(super) use chosen::{Finish, chosen};
pub(super) use heads::Heads;
pub(super) use linear::linear;
pub(super) use norm::norm;

#[cfg(test)]
mod tests;

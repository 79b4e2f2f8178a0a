//! Speculative rejection (arXiv 2410.20290): N = W·K responses begin, and after every chunk the
//! lowest share of those that are left is dropped by what they have so far; the best of those
//! that reach their end is the answer. It costs less than best-of-N, and with nothing dropped it
//! is best-of-N, token for token: the first successor goes on with its parent's random numbers.
//!
//! The paper drops when memory is full; here a share is dropped after each chunk, which makes the
//! cost known beforehand.

use std::sync::Arc;

use super::{Court, Scene, Verdict};
use crate::search::hypothesis::Hypothesis;
use crate::search::layout::{Plan, from_prompt, onwards};

pub(super) fn plan(scene: Scene<'_>) -> Vec<Plan> {
    match scene.beam.is_empty() {
        true => from_prompt(scene.params.n_candidates()),
        false => onwards(scene.beam),
    }
}

/// All but the lowest share, rounded up.
pub(super) fn cut(court: Court<'_>, drop: f64, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
    let n_kept = ((1.0 - drop) * candidates.len() as f64).ceil() as usize;
    court.keep(n_kept.max(1), candidates)
}

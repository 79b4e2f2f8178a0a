//! Chunk-level beam search (arXiv 2405.19262, Algorithm 1; `decoders/cbs.py` of the paper's code):
//! W·K candidates a round, of which the best W are kept, with no quota for any parent.

use std::sync::Arc;

use super::{Court, Scene, Verdict, front};
use crate::search::hypothesis::Hypothesis;
use crate::search::layout::{Plan, from_prompt, shared, tiled};
use crate::search::params::Rules;

/// Exactly W·K places, as long as a live hypothesis is among the best W.
pub(super) fn plan(scene: Scene<'_>) -> Vec<Plan> {
    let front = front(scene.params, scene.beam);
    let total = scene.params.n_candidates();
    match (front.is_empty(), scene.params.rules()) {
        (true, _) => from_prompt(total),
        (false, Rules::Reference) => tiled(front, total),
        (false, Rules::Fixed) => shared(front, total),
    }
}

pub(super) fn cut(court: Court<'_>, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
    court.keep(court.ranker.params.beam_width().get(), candidates)
}

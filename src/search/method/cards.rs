//! Cascade reward sampling (CARDS, arXiv 2406.16306; `seg_rs_generate` in `reward_sampling.py` of
//! the authors' code): one response grows by chunks that end where the strong model hesitates,
//! and a chunk is accepted or drawn again.
//!
//! A chunk of 4 to L tokens ends before the token whose distribution has an entropy of at least
//! 3.0 nats ([`HESITATION`]). It is accepted with probability min(1, exp((r − τ)/β)), where r
//! is the log-ratio so far and the threshold τ rises with the number of tokens from half the
//! target to the target. After 20 rejections the best that was tried is taken. K
//! chunks are drawn at once and looked at one after the other: what the first accepted one is
//! does not depend on that.
//!
//! The authors' reward of the bare prompt is the log-ratio of nothing here: 0.

use std::sync::Arc;

use super::{Court, Scene, Verdict, front};
use crate::search::ask::Hesitation;
use crate::search::hypothesis::Hypothesis;
use crate::search::layout::{Plan, from_prompt};
use crate::search::params::Method;

/// Where a chunk ends.
pub(super) const HESITATION: Hesitation = Hesitation {
    min_tokens: 4,
    entropy: 3.0,
};
/// The temperature of acceptance, in nats.
const BETA: f64 = 0.7;
/// Where the threshold sets out: this share of the target.
const ALPHA: f64 = 0.5;

pub(super) fn plan(scene: Scene<'_>) -> Vec<Plan> {
    let k = scene.params.successors().get();
    match front(scene.params, scene.beam).first() {
        None => from_prompt(k),
        Some(parent) => (0..k)
            .map(|i| Plan::Continue(Some(Arc::clone(parent)), i))
            .collect(),
    }
}

/// τ after so many tokens, in nats.
fn threshold(court: &Court<'_>, target: f64, n_tokens: usize) -> f64 {
    let n = court.ranker.params.max_new_tokens().get() as f64;
    let start = ALPHA * target;
    let risen = start + n_tokens as f64 * (target - start) / n;
    match target >= start {
        true => risen.min(target),
        false => risen.max(target),
    }
}

fn is_accepted(court: &Court<'_>, target: f64, candidate: &Hypothesis) -> bool {
    let chance = acceptance(court, target, candidate);
    let u = candidate.lineage.aside(0).uniform(candidate.tokens.len());
    !court.is_killed(candidate) && u < chance
}

/// min(1, exp((r − τ)/β))
fn acceptance(court: &Court<'_>, target: f64, candidate: &Hypothesis) -> f64 {
    let tau = threshold(court, target, candidate.tokens.len());
    ((court.key(candidate) - tau) / BETA).exp().min(1.0)
}

/// The first that is accepted, in the order in which they were drawn, or that the user holds.
fn chosen<'a>(
    court: &Court<'_>,
    target: f64,
    tried: &'a [Arc<Hypothesis>],
) -> Option<&'a Hypothesis> {
    let held = tried.iter().find(|c| court.is_held(c));
    let accepted = || tried.iter().find(|c| is_accepted(court, target, c));
    held.or_else(accepted).map(Arc::as_ref)
}

/// As many again, as long as none is accepted and there are tries left.
pub(super) fn more(court: Court<'_>, target: f64) -> usize {
    let tried = &court.round.candidates;
    let is_over = tried.len() >= Method::CARDS_TRIES || tried.is_empty();
    match is_over || chosen(&court, target, tried).is_some() {
        true => 0,
        false => (Method::CARDS_TRIES - tried.len()).min(court.ranker.params.successors().get()),
    }
}

pub(super) fn cut(court: Court<'_>, target: f64, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
    match chosen(&court, target, &candidates).map(|c| c.id) {
        Some(id) => court.keep_those(candidates, |c| c.id == id),
        None => court.keep(1, candidates),
    }
}

//! Diverse verifier tree search (huggingface/search-and-learn,
//! `diverse_verifier_tree_search.py`): W subtrees that do not compete. Each continues its one
//! hypothesis K times and keeps the best of these; the answer is the best of all.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Court, Scene, Verdict, front};
use crate::search::hypothesis::Hypothesis;
use crate::search::ids::{HypothesisId, Successor};
use crate::search::layout::{Plan, from_prompt};

/// K successors of each subtree; one that is finished stands.
pub(super) fn plan(scene: Scene<'_>) -> Vec<Plan> {
    let front = front(scene.params, scene.beam);
    if front.is_empty() {
        return from_prompt(scene.params.n_candidates());
    }
    let k = scene.params.successors().get();
    let plans = front.iter().flat_map(|h| match h.is_finished() {
        true => vec![Plan::Stand(Arc::clone(h))],
        false => (0..k)
            .map(|i| Plan::Continue(Some(Arc::clone(h)), i))
            .collect(),
    });
    plans.collect()
}

/// Which subtree a candidate is of.
#[derive(PartialEq, Eq, Hash)]
enum Subtree {
    /// Of the first round: by number.
    New(usize),
    Of(HypothesisId),
}

fn subtree(court: &Court<'_>, candidate: &Hypothesis) -> Subtree {
    if court.round.standing.contains(&candidate.id) {
        return Subtree::Of(candidate.id);
    }
    let k = court.ranker.params.successors().get();
    match (candidate.parent, candidate.successor) {
        (Some(parent), _) => Subtree::Of(parent),
        (None, Successor::Sampled(n)) => Subtree::New(n / k),
        (None, Successor::Typed { .. }) => Subtree::New(0),
    }
}

/// The first of every subtree as they are ranked, and whatever the user holds.
pub(super) fn cut(court: Court<'_>, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
    let mut seen = HashSet::new();
    let mut kept = HashSet::new();
    let ranked = court.ranked(candidates);
    for candidate in ranked.iter().filter(|c| !court.is_killed(c)) {
        if seen.insert(subtree(&court, candidate)) || court.is_held(candidate) {
            kept.insert(candidate.id);
        }
    }
    court.keep_those(ranked, |c| kept.contains(&c.id))
}

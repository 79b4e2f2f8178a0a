//! The tree: the lineage of all rounds, kept and pruned, as lines to draw and walk.

use std::collections::{HashMap, HashSet};

use crate::search::{Fate, HypothesisId, Mark, RoundTrace, SearchTrace};

/// A candidate in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub id: HypothesisId,
    /// The round that sampled it, from 1.
    pub round: usize,
    /// How many candidates it stands on.
    pub depth: usize,
    /// Whether a sibling follows below: its own in the lowest bit, its parent's in the next,
    /// and so on for the nearest 63 ancestors.
    pub rails: u64,
    /// Its fate in the round that sampled it.
    pub fate: Fate,
    /// The user's hand in its cut.
    pub mark: Option<Mark>,
    /// Whether the best response so far descends from it.
    pub leads_to_best: bool,
}

/// All candidates, children below their parent, best first.
#[must_use]
pub fn nodes(trace: &SearchTrace) -> Vec<Node> {
    let mut walk = Walk {
        trace,
        children: children(trace),
        lineage: lineage(trace),
        nodes: Vec::new(),
    };
    walk.descend(None, 0, 0);
    walk.nodes
}

/// The children of every candidate (of the prompt: `None`), best first where they are ranked.
fn children(trace: &SearchTrace) -> HashMap<Option<HypothesisId>, Vec<HypothesisId>> {
    let mut children: HashMap<_, Vec<_>> = HashMap::new();
    for round in trace.rounds() {
        let mut slots = round.slots.clone();
        let score = |id| round.score_of(id).unwrap_or(f64::NEG_INFINITY);
        slots.sort_by(|a, b| score(b.id).total_cmp(&score(a.id)));
        for slot in slots {
            children.entry(slot.parent).or_default().push(slot.id);
        }
    }
    children
}

/// The best response so far and everything it descends from.
fn lineage(trace: &SearchTrace) -> HashSet<HypothesisId> {
    let best = trace.best().map(|best| best.slot.id);
    let parent = |id: &HypothesisId| trace.candidate(*id).and_then(|c| c.slot.parent);
    std::iter::successors(best, parent).collect()
}

struct Walk<'a> {
    trace: &'a SearchTrace,
    children: HashMap<Option<HypothesisId>, Vec<HypothesisId>>,
    lineage: HashSet<HypothesisId>,
    nodes: Vec<Node>,
}

impl Walk<'_> {
    /// As deep as there are rounds: ids are never reused, so no candidate descends from itself.
    fn descend(&mut self, parent: Option<HypothesisId>, depth: usize, above: u64) {
        let children = self.children.remove(&parent).unwrap_or_default();
        let n = children.len();
        for (i, id) in children.into_iter().enumerate() {
            let rails = above << 1 | u64::from(i + 1 < n);
            if let Some(round) = self.round_of(id) {
                self.nodes.push(Node {
                    id,
                    round: round.number,
                    fate: round.fate(id),
                    mark: round
                        .cut
                        .as_ref()
                        .and_then(|cut| cut.marks.get(&id))
                        .copied(),
                    leads_to_best: self.lineage.contains(&id),
                    depth,
                    rails,
                });
            }
            self.descend(Some(id), depth + 1, rails);
        }
    }

    fn round_of(&self, id: HypothesisId) -> Option<&RoundTrace> {
        let number = self.trace.candidate(id)?.round;
        self.trace.round(number)
    }
}

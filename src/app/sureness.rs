//! How sure a cut was: how far apart kept and pruned are, and how it would fall with other draws.

use std::collections::HashMap;

use super::board::least_kept;
use crate::search::{HypothesisId, Lineage, NodeId, Round};

/// How often a round is drawn again, out of what it drew.
const RESAMPLES: usize = 200;

/// How sure a cut was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sureness {
    /// What the worst kept candidate was ranked by, minus the best pruned one.
    pub margin: f64,
    /// The share of the beam's places that would go to the same hypotheses with other draws;
    /// `None` where all candidates follow one.
    pub same: Option<f64>,
}

impl Sureness {
    /// `None` before the cut, and where nothing was pruned.
    pub(super) fn of(round: &Round, same: Option<f64>) -> Option<Self> {
        let line = round.cut.as_ref()?.line?;
        let margin = least_kept(round)? - line;
        Some(Self { margin, same })
    }
}

/// Whom a candidate continues; one that stands is its own.
type Parent = Option<HypothesisId>;

/// The mean share of the W places that the same hypotheses would have, if each had drawn other
/// successors: a bootstrap within the successors of each (Efron 1979), by what the cut ranks by.
/// The user's hand is left aside; it is the same whenever it is asked for.
pub(super) fn same_parents(round: &Round) -> Option<f64> {
    let node = round.cut.as_ref()?.node;
    let groups = groups(round);
    if groups.len() < 2 {
        return None;
    }
    let n = round.kept().len().max(1);
    let now = places(round.kept().iter().map(|id| parent(round, *id)));
    let mut dice = Dice::new(node);
    let shares = (0..RESAMPLES).map(|_| shared(&now, &drawn(&groups, n, &mut dice)));
    let sum: usize = shares.sum();
    Some(sum as f64 / (RESAMPLES * n) as f64)
}

/// The rank keys of the successors of each hypothesis; of one that stands its own.
fn groups(round: &Round) -> Vec<(Parent, Vec<f64>)> {
    let mut groups: Vec<(Parent, Vec<f64>)> = Vec::new();
    let keys = round.ids().filter_map(|id| Some((id, round.key_of(id)?)));
    for (id, key) in keys {
        let parent = parent(round, id);
        match groups.iter_mut().find(|(other, _)| *other == parent) {
            Some((_, keys)) => keys.push(key),
            None => groups.push((parent, vec![key])),
        }
    }
    groups
}

fn parent(round: &Round, id: HypothesisId) -> Parent {
    match round.standing.contains(&id) {
        true => Some(id),
        false => round.slots.iter().find(|slot| slot.id == id)?.parent,
    }
}

/// How many places each has.
fn places(parents: impl Iterator<Item = Parent>) -> HashMap<Parent, usize> {
    let mut places = HashMap::new();
    for parent in parents {
        *places.entry(parent).or_insert(0) += 1;
    }
    places
}

/// The places that both give to the same.
fn shared(now: &HashMap<Parent, usize>, then: &HashMap<Parent, usize>) -> usize {
    let both = now
        .iter()
        .map(|(parent, n)| (*n).min(then.get(parent).copied().unwrap_or(0)));
    both.sum()
}

/// Who has the `n` places when every hypothesis draws again among its own successors.
fn drawn(groups: &[(Parent, Vec<f64>)], n: usize, dice: &mut Dice) -> HashMap<Parent, usize> {
    let mut keys: Vec<(f64, Parent)> = Vec::new();
    for (parent, own) in groups {
        keys.extend(own.iter().map(|_| (own[dice.below(own.len())], *parent)));
    }
    // The n best, in any order.
    if n < keys.len() {
        keys.select_nth_unstable_by(n, |a, b| b.0.total_cmp(&a.0));
    }
    places(keys.into_iter().take(n).map(|(_, parent)| parent))
}

/// Numbers that are the same for the same node.
struct Dice {
    stream: Lineage,
    n: usize,
}

impl Dice {
    fn new(node: NodeId) -> Self {
        Self {
            stream: Lineage::root(node.0 as u64),
            n: 0,
        }
    }

    /// Below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        self.n += 1;
        ((self.stream.uniform(self.n) * n as f64) as usize).min(n - 1)
    }
}

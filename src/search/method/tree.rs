//! Entropy-aware tree search (W2S-AlignTree, arXiv 2511.11518; `decoders/mcts.py` of the authors'
//! code): a round expands one leaf of the tree of chunks by K successors.
//!
//! From the root down, the child with the largest
//!
//! ```text
//! Q + c · P · √N_parent / (1 + N) · (1 + 0.2 · H_parent)
//! ```
//!
//! is taken. Q of a leaf is its log-ratio, of any other node the largest of its children's; P is
//! the geometric mean of the probabilities with which its chunk was drawn, H the entropy in bits
//! of the distribution that the first token after the parent was drawn from (both after
//! temperature and filters); N counts how often a node was on the way down, and once for its own
//! score. What is finished is not visited again and does not count for its parent's Q.
//!
//! Where we differ: the number of rounds is W ⌈n/L⌉, so that W·K·n strong tokens are spent as in
//! CBS; a leaf that could not be completed in the rounds left is not taken, so that there always
//! is a complete response; and the answer is the best complete response (theirs is the best child
//! of the ten nodes with the largest value whose children are complete).

use std::collections::HashMap;
use std::sync::Arc;

use super::{Court, Scene, Verdict};
use crate::search::entry::Mark;
use crate::search::hypothesis::Hypothesis;
use crate::search::ids::HypothesisId;
use crate::search::layout::{Plan, from_prompt};
use crate::search::params::SearchParams;

/// How much a bit of entropy adds to exploration.
const ENTROPY: f64 = 0.2;

/// A node of the tree; `None` names the root.
type Name = Option<HypothesisId>;

/// How many rounds a search has. Where a chunk is a whole response there is only the root to
/// expand: once, by W·K.
pub(super) fn n_rounds(params: &SearchParams) -> usize {
    match n_chunks(params, params.max_new_tokens().get()) {
        1 => 1,
        n => params.beam_width().get() * n,
    }
}

/// How many rounds so many tokens take.
fn n_chunks(params: &SearchParams, n_tokens: usize) -> usize {
    match params.chunk_len().get() {
        0 => 1,
        l => n_tokens.div_ceil(l),
    }
}

/// K successors of one leaf; all the others stand.
pub(super) fn plan(scene: Scene<'_>, exploration: f64) -> Vec<Plan> {
    let k = scene.params.successors().get();
    if scene.beam.is_empty() {
        let is_all = n_rounds(scene.params) == 1;
        return from_prompt(if is_all {
            scene.params.n_candidates()
        } else {
            k
        });
    }
    let tree = Tree::of(scene);
    let leaf = taken(scene).or_else(|| tree.descend(exploration));
    let plans = scene.beam.iter().flat_map(|h| match Some(h.id) == leaf {
        false => vec![Plan::Stand(Arc::clone(h))],
        true => (0..k)
            .map(|i| Plan::Continue(Some(Arc::clone(h)), i))
            .collect(),
    });
    plans.collect()
}

/// The leaf that the user took at the last cut.
fn taken(scene: Scene<'_>) -> Name {
    let round = scene.history.here().round()?;
    let mut live = scene.beam.iter().filter(|h| !h.is_finished());
    let is_taken = |h: &&Arc<Hypothesis>| round.mark_of(h.id) == Some(Mark::Take);
    live.find(is_taken).map(|h| h.id)
}

/// Every leaf stays, but for killed ones.
pub(super) fn cut(court: Court<'_>, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
    court.keep_those(candidates, |c| !court.is_killed(c))
}

/// The tree as the rounds that lead to the head have grown it.
struct Tree<'a> {
    scene: Scene<'a>,
    /// In the order in which they were drawn.
    children: HashMap<Name, Vec<Arc<Hypothesis>>>,
    visits: HashMap<Name, usize>,
    /// Of nodes below which there is a leaf to expand.
    values: HashMap<Name, f64>,
}

impl<'a> Tree<'a> {
    fn of(scene: Scene<'a>) -> Self {
        let mut tree = Self {
            scene,
            children: HashMap::new(),
            visits: HashMap::new(),
            values: HashMap::new(),
        };
        tree.grow();
        tree.back_up();
        tree
    }

    /// Children and visits: a round was a way down to the parent of its new candidates.
    fn grow(&mut self) {
        let rounds = self.scene.history.rounds();
        for round in rounds.iter().filter(|round| round.cut.is_some()) {
            let new = round.candidates.iter().filter(|c| c.round == round.number);
            let new: Vec<Arc<Hypothesis>> = new.cloned().collect();
            let parents: Vec<Name> = new.iter().map(|c| c.parent).collect();
            for parent in each_once(parents) {
                self.visit(parent);
            }
            for child in new {
                self.children.entry(child.parent).or_default().push(child);
            }
        }
    }

    /// Everything on the way down to a node.
    fn visit(&mut self, node: Name) {
        let mut at = node;
        loop {
            *self.visits.entry(at).or_default() += 1;
            let Some(id) = at else { return };
            at = self.scene.history.hypothesis(id).and_then(|h| h.parent);
        }
    }

    /// The largest value of a leaf that can be expanded, to everything above it.
    fn back_up(&mut self) {
        let left = n_rounds(self.scene.params).saturating_sub(self.scene.history.round_idx());
        let beam = self.scene.beam;
        for leaf in beam.iter().filter(|h| fits(self.scene, h, left)) {
            let value = self.scene.ranker.answer_key(leaf);
            let mut at = Some(leaf.id);
            loop {
                let known = self.values.entry(at).or_insert(f64::NEG_INFINITY);
                *known = known.max(value);
                let Some(id) = at else { break };
                at = self.scene.history.hypothesis(id).and_then(|h| h.parent);
            }
        }
    }

    /// The leaf at the end of the way down.
    fn descend(&self, exploration: f64) -> Name {
        let mut at = None;
        while let Some(next) = self.best_child(at, exploration) {
            at = Some(next);
        }
        at
    }

    fn best_child(&self, parent: Name, exploration: f64) -> Name {
        let children = self.children.get(&parent).into_iter().flatten();
        let open = children.filter(|c| self.values.contains_key(&Some(c.id)));
        let keyed = open.map(|c| (self.puct(parent, c, exploration), c.id));
        // Of equals the older one.
        let best = keyed.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, id)| id)
    }

    /// N: how often it was on the way down, and once for its own score, which the root has not.
    fn n_visits(&self, node: Name) -> f64 {
        let down = self.visits.get(&node).copied().unwrap_or(0);
        (down + usize::from(node.is_some())) as f64
    }

    fn puct(&self, parent: Name, child: &Hypothesis, exploration: f64) -> f64 {
        let value = self.values[&Some(child.id)];
        let (n_parent, n) = (self.n_visits(parent), self.n_visits(Some(child.id)));
        let drawn = child.drawn.unwrap_or_default();
        let prior = (drawn.log_prob / child.n_new().max(1) as f64).exp();
        let bits = drawn.first_entropy / std::f64::consts::LN_2;
        value + exploration * prior * n_parent.sqrt() / (1.0 + n) * (1.0 + ENTROPY * bits)
    }
}

/// Whether a leaf lives and can be completed in `left` rounds.
fn fits(scene: Scene<'_>, leaf: &Hypothesis, left: usize) -> bool {
    let n = scene.params.max_new_tokens().get();
    let rest = |h: &Hypothesis| n_chunks(scene.params, n.saturating_sub(h.tokens.len()));
    let live = scene.beam.iter().filter(|h| !h.is_finished());
    // Settings that were changed may leave too few rounds for any.
    let least = live.map(|h| rest(h)).min().unwrap_or(0);
    !leaf.is_finished() && rest(leaf) <= left.max(least)
}

fn each_once(names: Vec<Name>) -> Vec<Name> {
    let mut once = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

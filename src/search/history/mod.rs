//! The one history of a search: a tree of rounds with a head, as the fold over its entries.
//!
//! A round that made its cut is a node. Cutting the same candidates another way makes a sibling;
//! going back, undoing and forking move the head. Nothing is ever forgotten: every branch can
//! become the head again, as it was.

mod figures;
mod node;
mod rescore;
mod round;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::{CandidateSlot, EndReason, Entry, Mark, Move, NodeId};
use super::hypothesis::Hypothesis;
use super::ids::HypothesisId;
use super::score::PairId;

pub use figures::{Figures, Products};
pub use node::{Ending, Node};
pub use round::{Cut, Fate, Round};
pub use turn::Turn;

pub(super) use round::slot_of;

/// Everything that happened in a search.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// In the order of their cuts; the first is the bare prompt.
    nodes: Vec<Node>,
    head: NodeId,
    /// The rounds that lead to the head, the one under way last.
    rounds: Vec<Arc<Round>>,
    /// Every complete candidate ever, with all its scores.
    known: HashMap<HypothesisId, Arc<Hypothesis>>,
    /// What can be taken back, the last at the end.
    turns: Vec<Turn>,
    /// Whose scores count; nobody's before the first round.
    pair: Option<PairId>,
    /// Since the pair changed and until the next round: the beam's scores under the one before.
    before: HashMap<HypothesisId, f64>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            nodes: vec![Node::root()],
            head: NodeId::ROOT,
            rounds: Vec::new(),
            known: HashMap::new(),
            turns: Vec::new(),
            pair: None,
            before: HashMap::new(),
        }
    }
}

impl History {
    /// The fold over entries, in the order in which they happened.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut history = Self::default();
        entries.into_iter().for_each(|entry| history.apply(entry));
        history
    }

    /// Takes in one entry.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::RoundStarted {
                round,
                after,
                params,
                pair,
                slots,
                standing,
            } => {
                let round = Round::new(*round, *after, *params, pair.clone());
                self.start(round, slots, standing);
            }
            Entry::Dropped { .. } => self.drop_round(),
            Entry::Scored {
                pair, candidates, ..
            } => self.score(pair, candidates),
            Entry::Selected {
                node,
                again,
                pair,
                kept,
                pruned,
                marks,
                shares,
                ..
            } => {
                if let Some(mut round) = self.round_to_cut(*again, pair) {
                    round.select(*node, kept, pruned, marks);
                    self.grow_tree(round, again.is_some());
                    self.here_mut().set_shares(shares);
                }
            }
            Entry::Widened { slots, .. } => self.change_open(|round| round.slots.extend(slots)),
            Entry::Marked { id, mark } => self.turn_mark(*id, *mark),
            Entry::Unmarked { id, mark } => {
                self.take_back();
                self.mark(*id, *mark);
            }
            Entry::Redrawn { after, draws } => self.redraw(*after, *draws),
            Entry::Spent { id, extra, slots } => self.spend(*id, *extra, slots),
            Entry::Added {
                late, candidate, ..
            } => self.add(*late, candidate),
            Entry::Moved { to, by } => self.go(*to, *by),
            Entry::Rescored {
                pair,
                members,
                scores,
            } => self.rescore(pair, members, scores),
            Entry::CutOff { beam } => self.nodes[self.head.0].stop(beam),
            Entry::Finished { best, reason } => self.finish(best, *reason),
        }
    }

    #[must_use]
    pub fn head(&self) -> NodeId {
        self.head
    }

    /// The node at the head.
    #[must_use]
    pub fn here(&self) -> &Node {
        &self.nodes[self.head.0]
    }

    /// Every round that made its cut, whichever branch it is on, in the order of the cuts.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i), n))
    }

    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// The rounds that lead to the head in order, then the one under way.
    #[must_use]
    pub fn rounds(&self) -> &[Arc<Round>] {
        &self.rounds
    }

    /// The node at the end of round `number` of those that lead to the head; 0 is the prompt.
    #[must_use]
    pub fn node_of(&self, number: usize) -> Option<NodeId> {
        match number.checked_sub(1) {
            None => Some(NodeId::ROOT),
            Some(at) => Some(self.rounds.get(at)?.cut.as_ref()?.node),
        }
    }

    /// The round under way: growing, or scored and waiting for its cut.
    #[must_use]
    pub fn open(&self) -> Option<&Arc<Round>> {
        self.here().open()
    }

    /// How many rounds lead to the head.
    #[must_use]
    pub fn round_idx(&self) -> usize {
        self.here().round().map_or(0, |round| round.number)
    }

    /// The pair whose scores count.
    #[must_use]
    pub fn pair(&self) -> Option<&PairId> {
        self.pair.as_ref()
    }

    /// A complete candidate of any branch, with all its scores.
    #[must_use]
    pub fn hypothesis(&self, id: HypothesisId) -> Option<&Arc<Hypothesis>> {
        self.known.get(&id)
    }

    /// The hypotheses kept at the head, best first; none before round 1.
    #[must_use]
    pub fn beam(&self) -> Vec<Arc<Hypothesis>> {
        match self.here().stopped() {
            Some(beam) => beam.to_vec(),
            None => self.all(self.here().beam()),
        }
    }

    /// The finished responses on the way to the head that can be the answer.
    #[must_use]
    pub fn pool(&self) -> Vec<Arc<Hypothesis>> {
        self.all(self.here().pool())
    }

    /// These candidates with all their scores, as far as they are known.
    #[must_use]
    pub fn all(&self, ids: &[HypothesisId]) -> Vec<Arc<Hypothesis>> {
        let known = ids.iter().filter_map(|id| self.known.get(id));
        known.cloned().collect()
    }

    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.here().ending()
    }

    /// The user's hand on a candidate of the round under way.
    #[must_use]
    pub fn mark_of(&self, id: HypothesisId) -> Option<Mark> {
        self.open()?.mark_of(id)
    }

    /// How many successors more than K the user wants of a hypothesis: in the round under way,
    /// or else in the next one.
    #[must_use]
    pub fn extra_of(&self, id: HypothesisId) -> usize {
        let extra = self
            .open()
            .map_or(self.here().extra(), |round| &round.extra);
        extra.get(&id).copied().unwrap_or(0)
    }

    fn here_mut(&mut self) -> &mut Node {
        &mut self.nodes[self.head.0]
    }

    fn start(&mut self, mut round: Round, slots: &[CandidateSlot], standing: &[HypothesisId]) {
        self.pair = Some(round.pair.clone());
        round.slots = slots.to_vec();
        round.standing = standing.to_vec();
        round.beam = self.here().beam().to_vec();
        round.base = self.values(&round.beam, &round.pair);
        round.before = std::mem::take(&mut self.before);
        round.extra = std::mem::take(self.here_mut().extra_mut());
        round.draws = self.here().draws();
        self.open_with(round);
    }

    fn open_with(&mut self, round: Round) {
        let round = Arc::new(round);
        self.rounds.push(Arc::clone(&round));
        self.here_mut().set_open(Some(round));
    }

    /// The round under way leaves the head: to be changed, cut or forgotten.
    fn take_open(&mut self) -> Option<Round> {
        let round = self.here_mut().set_open(None)?;
        self.rounds.pop();
        Some(Arc::unwrap_or_clone(round))
    }

    /// What the user spent on the round is for the one that follows.
    fn drop_round(&mut self) {
        if let Some(round) = self.take_open() {
            self.before = round.before;
            *self.here_mut().extra_mut() = round.extra;
        }
    }

    fn change_open(&mut self, change: impl FnOnce(&mut Round)) {
        if let Some(mut round) = self.take_open() {
            change(&mut round);
            self.open_with(round);
        }
    }

    fn score(&mut self, pair: &PairId, candidates: &[Arc<Hypothesis>]) {
        candidates.iter().for_each(|c| self.admit(c));
        self.change_open(|round| round.score(pair, candidates.to_vec()));
    }

    fn admit(&mut self, candidate: &Arc<Hypothesis>) {
        self.known.insert(candidate.id, Arc::clone(candidate));
    }

    /// The round that is to be cut: the one under way, or that of a node once more, under `pair`.
    fn round_to_cut(&mut self, again: Option<NodeId>, pair: &PairId) -> Option<Round> {
        let Some(node) = again else {
            return self.take_open();
        };
        let mut round = Round::clone(self.node(node)?.round()?);
        let ids = round.candidate_ids();
        if round.pair != *pair {
            round.base = self.values(&round.beam, pair);
            round.before.clear();
        }
        round.score(pair, self.all(&ids));
        Some(round)
    }

    /// A round that has just been cut becomes a node, and the head.
    fn grow_tree(&mut self, round: Round, is_again: bool) {
        let parent = round.after;
        let candidates = self.all(&round.candidate_ids());
        let pool = self.nodes[parent.0].pool();
        let node = Node::of(round, self.all(pool), &candidates);
        let id = NodeId(self.nodes.len());
        self.nodes.push(node);
        self.nodes[parent.0].bear(id);
        self.before.clear();
        if is_again {
            self.turns.push(Turn::Moved { from: self.head });
            self.stand_at(id);
        } else {
            self.head = id;
            self.rounds.extend(self.here().round().cloned());
        }
    }

    /// The head is here from now on.
    fn stand_at(&mut self, node: NodeId) {
        self.head = node;
        let mut path: Vec<Arc<Round>> = self.ancestry(node).cloned().collect();
        path.reverse();
        path.extend(self.here().open().cloned());
        self.rounds = path;
        self.give_word();
    }

    /// The rounds that led to a node, its own first.
    pub fn ancestry(&self, node: NodeId) -> impl Iterator<Item = &Arc<Round>> {
        let round_of = |id: NodeId| self.nodes.get(id.0)?.round();
        std::iter::successors(round_of(node), move |round| round_of(round.after))
    }

    fn mark(&mut self, id: HypothesisId, mark: Option<Mark>) {
        self.change_open(|round| {
            match mark {
                Some(mark) => round.marks.insert(id, mark),
                None => round.marks.remove(&id),
            };
        });
    }

    fn spend(&mut self, id: HypothesisId, extra: usize, slots: &[CandidateSlot]) {
        if self.open().is_none() {
            self.here_mut().extra_mut().insert(id, extra);
            return;
        }
        self.change_open(|round| {
            round.extra.insert(id, extra);
            round.slots.extend(slots);
        });
    }

    fn add(&mut self, late: Option<NodeId>, candidate: &Arc<Hypothesis>) {
        self.admit(candidate);
        match late {
            None => self.change_open(|round| round.add(candidate)),
            Some(node) => {
                if let Some(node) = self.nodes.get_mut(node.0) {
                    node.change_round(|round| round.add(candidate));
                }
                self.stand_at(self.head);
            }
        }
    }

    fn go(&mut self, to: NodeId, by: Move) {
        if to.0 >= self.nodes.len() {
            return;
        }
        match by {
            Move::Go => self.turns.push(Turn::Moved { from: self.head }),
            Move::Undo => self.take_back(),
        }
        self.before.clear();
        self.stand_at(to);
    }

    fn finish(&mut self, best: &Arc<Hypothesis>, reason: EndReason) {
        self.known
            .entry(best.id)
            .or_insert_with(|| Arc::clone(best));
        let best = Arc::clone(best);
        self.here_mut().end(Ending { best, reason });
    }
}

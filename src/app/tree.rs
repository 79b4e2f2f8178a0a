//! The tree: every candidate of every branch, kept and pruned, as lines to draw and walk.
//!
//! While the search goes one way, candidates stand below what they continue. Where it went several
//! ways (a round cut again for a candidate that was taken, another round after one gone back to),
//! the ways follow one below the other, each with its rounds from there on. The candidates of a
//! round that was cut again so stand in both, each time with what became of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::board::label;
use super::settings::changes;
use crate::search::{
    ById, CandidateSlot, Ending, Fate, History, HypothesisId, Ids, Mark, NodeId, Round, SearchTrace,
};

/// A place in the tree that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The cut of the round; for one that has made none, the node it set out from.
    pub node: NodeId,
    /// `None` at the prompt.
    pub id: Option<HypothesisId>,
}

/// A line of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// What everything sets out from.
    Prompt {
        is_head: bool,
    },
    Way(Way<'a>),
    Leaf(Leaf),
}

impl Line<'_> {
    /// Where the line can be chosen.
    #[must_use]
    pub fn spot(&self) -> Option<Spot> {
        match self {
            Self::Prompt { .. } => Some(Spot {
                node: NodeId::ROOT,
                id: None,
            }),
            Self::Way(_) => None,
            Self::Leaf(leaf) => Some(leaf.spot),
        }
    }

    fn is_on_path(&self) -> bool {
        matches!(self, Self::Leaf(leaf) if leaf.is_on_path)
    }
}

/// One of several ways that the search went from one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Way<'a> {
    /// For the ways that it is within, outermost first, and for itself: whether another one
    /// follows below.
    pub rails: Vec<bool>,
    /// What its first round is called.
    pub name: String,
    /// How it parts from the first of the ways; nothing for that one and one that is the same.
    pub parts: Vec<String>,
    pub is_first: bool,
    /// Whether the head is on it.
    pub is_on_path: bool,
    /// The last round that was added to it.
    pub tip: &'a Round,
    pub ending: Option<&'a Ending>,
}

/// A candidate in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    pub spot: Spot,
    pub id: HypothesisId,
    /// For the ways that it is within: whether another one follows below.
    pub ways: Vec<bool>,
    /// What the round that sampled it is called.
    pub name: Arc<str>,
    /// How many candidates of its way it stands on.
    pub depth: usize,
    /// Whether a sibling follows below: its own in the lowest bit, its parent's in the next,
    /// and so on for the nearest 63 ancestors.
    pub rails: u64,
    /// Whether what it continues stands above it; else it stands in another way, or is the prompt.
    pub is_below_parent: bool,
    /// Its fate in the round that sampled it.
    pub fate: Fate,
    /// The user's hand in its cut.
    pub mark: Option<Mark>,
    /// Whether its round leads to the head, or grows there.
    pub is_on_path: bool,
    /// Whether the search goes on from it.
    pub is_head: bool,
    /// Whether the best response so far descends from it.
    pub leads_to_best: bool,
}

/// Where a round can be gone to: its cut, or what it set out from while there is none.
#[must_use]
pub fn place(round: &Round) -> NodeId {
    round.cut.as_ref().map_or(round.after, |cut| cut.node)
}

/// What a round is called among the `cuts` of rounds with its number, in their order.
#[must_use]
pub fn name(round: &Round, cuts: &[NodeId]) -> String {
    let own = round.cut.as_ref().map(|cut| cut.node);
    let at = cuts.iter().position(|cut| Some(*cut) == own);
    let at = at.unwrap_or(cuts.len());
    match at.max(cuts.len().saturating_sub(1)) {
        0 => round.number.to_string(),
        _ => format!("{}{}", round.number, letters(at)),
    }
}

/// a to z, aa to zz.
pub(super) fn letters(at: usize) -> String {
    // Below 26, so it is a letter.
    let letter = char::from(b'a' + (at % 26) as u8);
    letter.to_string().repeat(at / 26 + 1)
}

/// Where in these lines `at` is: there, or where else its candidate is, on the way to the head
/// above all.
#[must_use]
pub fn find(lines: &[Line<'_>], at: Option<Spot>) -> Option<usize> {
    let at = at?;
    let is_same = |line: &Line<'_>| line.spot().is_some_and(|spot| spot.id == at.id);
    let exact = lines.iter().position(|line| line.spot() == Some(at));
    let on_path = || lines.iter().position(|l| is_same(l) && l.is_on_path());
    let other = || lines.iter().position(is_same);
    exact.or_else(on_path).or_else(other)
}

/// All of the tree.
#[must_use]
pub fn lines(trace: &SearchTrace) -> Vec<Line<'_>> {
    let history = trace.history();
    let mut walk = Walk {
        trace,
        history,
        cuts: cuts(history),
        path: path(trace),
        beam: history.here().beam().iter().copied().collect(),
        lineage: lineage(trace),
        ways: Vec::new(),
        lines: Vec::new(),
    };
    if trace.last_round().is_some() || history.nodes().count() > 1 {
        walk.lines.push(Line::Prompt {
            is_head: history.head() == NodeId::ROOT,
        });
    }
    walk.go_on(Vec::new(), NodeId::ROOT);
    walk.lines
}

/// The cuts of rounds with the same number, in their order.
fn cuts(history: &History) -> BTreeMap<usize, Vec<NodeId>> {
    let mut cuts: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    for (id, node) in history.nodes() {
        if let Some(round) = node.round() {
            cuts.entry(round.number).or_default().push(id);
        }
    }
    cuts
}

/// The nodes that lead to the head.
fn path(trace: &SearchTrace) -> HashSet<NodeId> {
    let rounds = trace.rounds().iter();
    rounds.filter_map(|r| Some(r.cut.as_ref()?.node)).collect()
}

/// The best response so far and everything it descends from.
fn lineage(trace: &SearchTrace) -> Ids {
    let best = trace.best().map(|best| best.slot.id);
    let parent = |id: &HypothesisId| trace.candidate(*id).and_then(|c| c.slot.parent);
    std::iter::successors(best, parent).collect()
}

/// A candidate, and which of several rounds sampled it.
type Placed = (usize, CandidateSlot);

/// Candidates by what they continue, the best first.
#[derive(Default)]
struct Below {
    first: Vec<Placed>,
    candidates: ById<Vec<Placed>>,
}

struct Walk<'a> {
    trace: &'a SearchTrace,
    history: &'a History,
    cuts: BTreeMap<usize, Vec<NodeId>>,
    path: HashSet<NodeId>,
    beam: Ids,
    lineage: Ids,
    /// The ways that the walk is within: whether another one follows below.
    ways: Vec<bool>,
    lines: Vec<Line<'a>>,
}

impl<'a> Walk<'a> {
    /// The rounds that followed a node, in the order in which they did.
    fn after(&self, node: NodeId) -> Vec<&'a Round> {
        let Some(node) = self.history.node(node) else {
            return Vec::new();
        };
        let child = |id: &NodeId| self.history.node(*id)?.round();
        let cut = node.children().iter().filter_map(child);
        cut.chain(node.open()).map(|round| &**round).collect()
    }

    /// A stretch that begins with `rounds` and goes on after `node` as long as there is one way.
    fn go_on(&mut self, mut rounds: Vec<&'a Round>, node: NodeId) {
        let mut ways = self.after(node);
        while let [only] = ways[..] {
            rounds.push(only);
            let cut = only.cut.as_ref();
            ways = cut.map_or(Vec::new(), |cut| self.after(cut.node));
        }
        self.draw(&rounds);
        self.fork(&ways);
    }

    fn fork(&mut self, ways: &[&'a Round]) {
        for (i, round) in ways.iter().enumerate() {
            self.ways.push(i + 1 < ways.len());
            let way = self.way(round, ways[0]);
            self.lines.push(Line::Way(way));
            match &round.cut {
                Some(cut) => self.go_on(vec![*round], cut.node),
                None => self.draw(&[*round]),
            }
            self.ways.pop();
        }
    }

    fn way(&self, round: &'a Round, first: &'a Round) -> Way<'a> {
        let (tip, ending) = self.tip(round);
        Way {
            rails: self.ways.clone(),
            name: self.name(round),
            parts: self.parts(round, first),
            is_first: place(round) == place(first) && round.cut.is_some() == first.cut.is_some(),
            is_on_path: self.is_on_path(round),
            tip,
            ending,
        }
    }

    /// Where the newest rounds after this one lead.
    fn tip(&self, round: &'a Round) -> (&'a Round, Option<&'a Ending>) {
        let mut tip = round;
        while let Some(next) = tip.cut.as_ref().and_then(|cut| self.after(cut.node).pop()) {
            tip = next;
        }
        let node = tip.cut.as_ref().and_then(|cut| self.history.node(cut.node));
        (tip, node.and_then(|node| node.ending()))
    }

    /// How a way parts from the first one.
    fn parts(&self, round: &Round, first: &Round) -> Vec<String> {
        let taken = round.marks.iter().filter(|(_, mark)| **mark == Mark::Take);
        let taken = taken.filter_map(|(id, _)| label(self.trace, round, *id));
        let mut parts: Vec<String> = taken.map(|name| format!("{name} taken")).collect();
        if first.draws != round.draws {
            parts.push("drawn anew".to_owned());
        }
        parts.extend(changes(&first.params, &round.params));
        if first.pair != round.pair {
            parts.push(format!("pair {} → {}", first.pair, round.pair));
        }
        parts
    }

    fn name(&self, round: &Round) -> String {
        let cuts = self.cuts.get(&round.number);
        name(round, cuts.map_or(&[][..], |cuts| cuts))
    }

    fn is_on_path(&self, round: &Round) -> bool {
        match &round.cut {
            Some(cut) => self.path.contains(&cut.node),
            None => round.after == self.history.head(),
        }
    }

    /// The candidates of these rounds, each below the one it continues, the best first.
    fn draw(&mut self, rounds: &[&'a Round]) {
        let slots = rounds.iter().flat_map(|round| &round.slots);
        let here: Ids = slots.map(|slot| slot.id).collect();
        let mut below = Below::default();
        for (i, round) in rounds.iter().enumerate() {
            for slot in round.by_score() {
                let parent = slot.parent.filter(|parent| here.contains(parent));
                let siblings = match parent {
                    Some(parent) => below.candidates.entry(parent).or_default(),
                    None => &mut below.first,
                };
                siblings.push((i, slot));
            }
        }
        let names: Vec<Arc<str>> = rounds.iter().map(|round| self.name(round).into()).collect();
        let first = std::mem::take(&mut below.first);
        self.descend(rounds, &names, &mut below, (None, first), (0, 0));
    }

    /// As deep as there are rounds: ids are never reused, so no candidate descends from itself.
    fn descend(
        &mut self,
        rounds: &[&'a Round],
        names: &[Arc<str>],
        below: &mut Below,
        (parent, children): (Option<HypothesisId>, Vec<Placed>),
        (depth, above): (usize, u64),
    ) {
        let n = children.len();
        for (i, (round, slot)) in children.into_iter().enumerate() {
            let rails = above << 1 | u64::from(i + 1 < n);
            let leaf = self.leaf(rounds[round], slot);
            self.lines.push(Line::Leaf(Leaf {
                name: names[round].clone(),
                depth,
                rails,
                is_below_parent: slot.parent == parent,
                ..leaf
            }));
            let next = (depth + 1, rails);
            if let Some(children) = below.candidates.remove(&slot.id) {
                self.descend(rounds, names, below, (Some(slot.id), children), next);
            }
        }
    }

    fn leaf(&self, round: &Round, slot: CandidateSlot) -> Leaf {
        let id = slot.id;
        let is_on_path = self.is_on_path(round);
        Leaf {
            spot: Spot {
                node: place(round),
                id: Some(id),
            },
            id,
            ways: self.ways.clone(),
            name: Arc::default(),
            depth: 0,
            rails: 0,
            is_below_parent: false,
            fate: round.fate(id),
            mark: round.mark_of(id).filter(|_| round.cut.is_some()),
            is_on_path,
            is_head: is_on_path && self.beam.contains(&id),
            leads_to_best: is_on_path && self.lineage.contains(&id),
        }
    }
}

/// How many branches there are: ends that nothing follows.
#[must_use]
pub fn branches(history: &History) -> usize {
    let ends = history.nodes().map(|(id, node)| {
        let is_end = node.children().is_empty() && node.open().is_none() && id != NodeId::ROOT;
        usize::from(is_end) + usize::from(node.open().is_some())
    });
    ends.sum()
}

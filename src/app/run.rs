//! What belongs to one run, as one value: a new run replaces it whole.

use std::collections::HashMap;
use std::sync::Arc;

use super::beside::Beside;
use super::board::Judged;
use super::nav::Sight;
use super::sureness::same_parents;
use crate::evidence::{Evidence, PromptRead};
use crate::message::{RunId, RunRequest, Speeds, Verdict};
use crate::search::{
    CandidateTrace, Entry, HypothesisId, Mark, NodeId, PairId, Round, SearchTrace,
};

/// What the search does at the moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The worker loads models: now `what`, after `done` of `total`.
    Loading {
        what: String,
        done: u64,
        total: u64,
    },
    Running,
    /// Asked to pause; the worker has not said yet that it stands.
    Pausing,
    Paused,
    /// One round, then pause.
    Stepping,
    Finished,
    /// A run of before: another one has followed it, and nothing can be asked of it.
    Over,
    Failed {
        error: String,
    },
}

/// What the user has asked for since a round began, told to the worker but perhaps not yet
/// echoed: keys pressed faster than that add up all the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wishes {
    pub marks: HashMap<HypothesisId, Option<Mark>>,
    pub extra: HashMap<HypothesisId, usize>,
}

/// A run on screen.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub id: RunId,
    pub phase: Phase,
    /// Whether the worker has said last that the run stands.
    pub stands: bool,
    /// The prompt; the one wanted may be ahead of it.
    pub prompt: String,
    /// The strong model's name.
    pub strong: String,
    /// The weak pair or panel it was begun with.
    pub first_pair: PairId,
    pub trace: SearchTrace,
    pub judged: Judged,
    /// What the user's judges have said, by their numbers.
    pub verdicts: HashMap<(usize, HypothesisId), Verdict>,
    /// For each cut how it would fall with other draws.
    pub same_parents: HashMap<NodeId, f64>,
    pub speeds: Speeds,
    /// How far a long prompt is read before the search goes on.
    pub read: Option<PromptRead>,
    /// Other ways beside it, the unguided one first.
    pub beside: Vec<Beside>,
    /// What the models say about a candidate: the answer that came last.
    pub evidence: Option<Evidence>,
    /// Which candidate was asked about last, and under which pair.
    pub asked: Option<(HypothesisId, PairId)>,
    /// The user's hand on candidates as last wished: ahead of the worker's echo in the trace.
    pub wishes: Wishes,
    /// It was begun by a change of settings; further changes begin it again until its second
    /// round.
    pub is_trial: bool,
    /// Where in it the user looks.
    pub sight: Sight,
}

impl Run {
    /// No run yet: the models are to be loaded first.
    pub fn none(prompt: &str) -> Self {
        let phase = Phase::Loading {
            what: "loading models".to_owned(),
            done: 0,
            total: 0,
        };
        Self::new(RunId::default(), phase, prompt, &PairId::from(""))
    }

    /// The run that this asks for.
    pub fn of(request: &RunRequest) -> Self {
        Self {
            beside: Beside::of(request),
            ..Self::new(request.run, Phase::Running, &request.prompt, &request.pair)
        }
    }

    fn new(id: RunId, phase: Phase, prompt: &str, pair: &PairId) -> Self {
        Self {
            id,
            phase,
            stands: false,
            prompt: prompt.to_owned(),
            strong: String::new(),
            first_pair: pair.clone(),
            trace: SearchTrace::default(),
            judged: Judged::new(),
            verdicts: HashMap::new(),
            same_parents: HashMap::new(),
            speeds: Speeds::default(),
            read: None,
            beside: vec![Beside::new(None)],
            evidence: None,
            asked: None,
            wishes: Wishes::default(),
            is_trial: false,
            sight: Sight::default(),
        }
    }

    /// The weak pair whose scores count.
    pub fn pair(&self) -> &PairId {
        self.trace.history().pair().unwrap_or(&self.first_pair)
    }

    /// Whether a search is under way, moving or standing.
    pub fn is_searching(&self) -> bool {
        use Phase::{Paused, Pausing, Running, Stepping};
        matches!(self.phase, Running | Pausing | Paused | Stepping)
    }

    /// Whether there is a run to turn back: under way or at its end.
    pub fn is_there(&self) -> bool {
        self.is_searching() || self.phase == Phase::Finished
    }

    /// Takes in an entry of its history.
    pub fn apply(&mut self, entry: &Entry) {
        self.trace.apply(entry);
        if let Entry::Selected { node, .. } = entry {
            let history = self.trace.history();
            let round = history.node(*node).and_then(|node| node.round());
            let same = round.and_then(|round| same_parents(round));
            self.same_parents.extend(same.map(|same| (*node, same)));
        }
        match entry {
            Entry::RoundStarted { .. } | Entry::Dropped { .. } => self.wishes = Wishes::default(),
            Entry::Unmarked { id, .. } => drop(self.wishes.marks.remove(id)),
            Entry::Moved { .. } | Entry::Selected { .. } => self.wishes = Wishes::default(),
            _ => {}
        }
        // Going back from an end, or to one.
        let has_ended = self.trace.ending().is_some();
        match (&self.phase, has_ended) {
            (Phase::Finished, false) if self.stands => self.phase = Phase::Paused,
            (Phase::Finished, false) => self.phase = Phase::Running,
            (_, true) if self.is_searching() => self.phase = Phase::Finished,
            _ => {}
        }
    }

    /// The worker says whether the run stands.
    pub fn on_paused(&mut self, stands: bool) {
        self.stands = stands;
        self.phase = match (&self.phase, stands) {
            (Phase::Finished | Phase::Over | Phase::Failed { .. }, _) => return,
            (_, true) => Phase::Paused,
            (Phase::Paused, false) => Phase::Running,
            (phase, false) => phase.clone(),
        };
    }

    /// The round looked at: one chosen, on whichever branch, else the latest.
    pub fn shown_round(&self) -> Option<&Arc<Round>> {
        let history = self.trace.history();
        let node = self.sight.node.and_then(|node| history.node(node));
        let is_chosen = |round: &&Arc<Round>| self.sight.selected.is_some_and(|id| round.holds(id));
        // At the head it is the latest, which is looked at without being chosen.
        let is_left = self.sight.node != Some(history.head());
        let open = node.and_then(|node| node.open()).filter(|_| is_left);
        let open = open.filter(is_chosen);
        let chosen = open.or_else(|| node.and_then(|node| node.round()));
        chosen.or_else(|| self.trace.last_round())
    }

    /// The rounds of the branch looked at, in order: those that lead to the head if the round
    /// looked at is one of them, else those that lead to it and those that were added to it last.
    pub fn branch(&self) -> Vec<&Arc<Round>> {
        let node = self.sight.node.filter(|node| !self.leads_to_head(*node));
        let Some(node) = node else {
            return self.trace.rounds().iter().collect();
        };
        let history = self.trace.history();
        let newest = |node: &NodeId| history.node(*node)?.children().last().copied();
        let last = std::iter::successors(Some(node), newest).last();
        let mut rounds: Vec<_> = history.ancestry(last.unwrap_or(node)).collect();
        rounds.reverse();
        rounds
    }

    /// Whether a node is the head or leads to it.
    pub fn leads_to_head(&self, node: NodeId) -> bool {
        let cut = |round: &Arc<Round>| round.cut.as_ref().is_some_and(|cut| cut.node == node);
        node == NodeId::ROOT || self.trace.rounds().iter().any(cut)
    }

    /// The round that a candidate is of: the one looked at, else the last of its branch that
    /// holds it, else the first that ever did.
    pub fn round_of(&self, id: HypothesisId) -> Option<&Arc<Round>> {
        let holds = |round: &&Arc<Round>| round.holds(id);
        let shown = self.shown_round().filter(holds);
        let branch = || self.branch().into_iter().rev().find(holds);
        shown.or_else(branch).or_else(|| self.first_round_of(id))
    }

    fn first_round_of(&self, id: HypothesisId) -> Option<&Arc<Round>> {
        let nodes = || self.trace.history().nodes().map(|(_, node)| node);
        let mut cut = nodes().filter_map(|node| node.round());
        let mut open = nodes().filter_map(|node| node.open());
        let found = cut.find(|round| round.holds(id));
        found.or_else(|| open.find(|round| round.holds(id)))
    }

    /// The candidate to show in detail: the chosen one, else the best so far, else any.
    pub fn subject(&self) -> Option<&CandidateTrace> {
        let chosen = self.sight.selected.and_then(|id| self.trace.candidate(id));
        let best = || self.trace.best();
        chosen.or_else(best).or_else(|| self.leading())
    }

    /// The candidate of the shown round with the best score so far.
    fn leading(&self) -> Option<&CandidateTrace> {
        let round = self.shown_round()?;
        let candidates = round.ids().filter_map(|id| self.trace.candidate(id));
        candidates.reduce(|a, b| if b.score > a.score { b } else { a })
    }

    /// The candidate that the one in detail is compared with, unless it is the same.
    pub fn reference(&self) -> Option<&CandidateTrace> {
        let reference = self.trace.candidate(self.sight.reference?)?;
        let subject = self.subject()?;
        (reference.slot.id != subject.slot.id).then_some(reference)
    }

    /// What the models say about the candidate in detail, by the pair whose terms are shown.
    pub fn evidence(&self) -> Option<&Evidence> {
        let hypothesis = self.subject()?.hypothesis.as_ref()?;
        let evidence = self.evidence.as_ref()?;
        let is_its = evidence.id == hypothesis.id && hypothesis.scored_by() == Some(&evidence.pair);
        is_its.then_some(evidence)
    }

    /// How a round is called: its number, with a letter where it was cut, or run, several times.
    pub fn name_of(&self, round: &Round) -> String {
        let history = self.trace.history();
        let rounds = history.nodes().filter_map(|(_, node)| node.round());
        let same = rounds.filter(|other| other.number == round.number);
        let nodes = same.filter_map(|other| Some(other.cut.as_ref()?.node));
        super::tree::name(round, &nodes.collect::<Vec<_>>())
    }
}

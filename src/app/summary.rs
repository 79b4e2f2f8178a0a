//! What a run came to, as a fold over it: one for each of its ends, and one for where it stands.

use std::sync::Arc;

use super::run::Run;
use super::tree;
use crate::search::Text;
use crate::search::{Finish, Hypothesis, HypothesisId, NodeId, Round, SearchParams, Successor};

/// How a run went, up to one of its ends, or as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Of its run: from 1, without gaps.
    pub number: usize,
    /// Which way of the run this is, from 0.
    pub way: usize,
    /// The node that it led to.
    pub node: NodeId,
    /// Whether it is an end.
    pub has_ended: bool,
    pub prompt: String,
    /// The strong model's name.
    pub strong_model: String,
    /// Of its rounds, in order, each once where it stayed the same.
    pub params: Vec<SearchParams>,
    /// The weak pairs that scored it, in order; the last one's score it is.
    pub pairs: Vec<String>,
    /// How often the user's hand was on it: marks, more successors, own chunks, other draws.
    pub by_hand: usize,
    pub best: HypothesisId,
    pub score: f64,
    pub judge: Option<f64>,
    /// The strong model's log-probability per token.
    pub strong: Option<f64>,
    pub n_tokens: usize,
    /// Tokens the strong model sampled in its run.
    pub cost: usize,
    pub text: Text,
    pub finish: Option<Finish>,
    /// The mean log-ratio of the kept, round by round.
    pub means: Vec<f64>,
}

impl RunSummary {
    /// `3`, or `3b` for the second way of a run.
    #[must_use]
    pub fn name(&self) -> String {
        match self.way {
            0 => self.number.to_string(),
            way => format!("{}{}", self.number, tree::letters(way)),
        }
    }

    /// Its last settings; `None` where it has no round.
    #[must_use]
    pub fn last_params(&self) -> Option<&SearchParams> {
        self.params.last()
    }
}

/// Every end that the run came to, in the order of their cuts; and its head, where that is none
/// but some round has been cut.
pub(super) fn summaries(run: &Run, number: usize) -> Vec<RunSummary> {
    let summary = |(way, (node, best, has_ended)): (usize, Way)| RunSummary {
        number,
        way,
        has_ended,
        ..summary(run, node, &best)
    };
    ways(run).into_iter().enumerate().map(summary).collect()
}

/// Where a run led, its best response there, and whether that is an end.
type Way = (NodeId, Arc<Hypothesis>, bool);

/// The ways of a run.
pub(super) fn ways(run: &Run) -> Vec<Way> {
    let history = run.trace.history();
    let ending = |(id, node): (NodeId, &'_ crate::search::Node)| {
        let best = Arc::clone(&node.ending()?.best);
        Some((id, best, true))
    };
    let mut ways: Vec<Way> = history.nodes().filter_map(ending).collect();
    let head = run.trace.best().and_then(|best| best.hypothesis.clone());
    if let (None, Some(_), Some(best)) = (run.trace.ending(), history.here().round(), head) {
        ways.push((history.head(), best, false));
    }
    // An end that is come to once more in the same way is one end.
    let is_again = |i: usize| {
        ways[i + 1..]
            .iter()
            .any(|other| other.1.text == ways[i].1.text)
    };
    let kept: Vec<bool> = (0..ways.len()).map(|i| !is_again(i)).collect();
    let mut kept = kept.into_iter();
    ways.retain(|_| kept.next() == Some(true));
    ways
}

fn summary(run: &Run, node: NodeId, best: &Hypothesis) -> RunSummary {
    let mut rounds: Vec<&Arc<Round>> = run.trace.history().ancestry(node).collect();
    rounds.reverse();
    let mut params: Vec<SearchParams> = rounds.iter().map(|round| round.params).collect();
    params.dedup();
    RunSummary {
        number: 0,
        way: 0,
        node,
        has_ended: false,
        prompt: run.prompt.clone(),
        strong_model: run.strong.clone(),
        params,
        pairs: pairs(&rounds, best),
        by_hand: rounds.iter().map(|round| by_hand(round)).sum(),
        best: best.id,
        score: best.score().value(),
        judge: run.judged.get(&best.id).copied(),
        strong: best.log_prob_per_token(),
        n_tokens: best.tokens.len(),
        cost: run.trace.tokens_sampled(),
        text: best.text.clone(),
        finish: best.finish,
        means: rounds
            .iter()
            .filter_map(|r| Some(r.kept_range()?.1))
            .collect(),
    }
}

/// The pairs of these rounds, and last the one that scored the response.
fn pairs(rounds: &[&Arc<Round>], best: &Hypothesis) -> Vec<String> {
    let rounds = rounds.iter().map(|round| &round.pair);
    let all = rounds.chain(best.scored_by());
    let mut pairs: Vec<String> = all.map(|pair| pair.as_str().to_owned()).collect();
    pairs.dedup();
    pairs
}

/// How often the user's hand was on a round.
fn by_hand(round: &Round) -> usize {
    let is_typed = |successor| matches!(successor, Successor::Typed { .. });
    let typed = round.slots.iter().filter(|slot| is_typed(slot.successor));
    let extra = round.extra.values().filter(|extra| **extra > 0);
    let redrawn = usize::from(round.draws > 0);
    round.marks.len() + typed.count() + extra.count() + redrawn
}

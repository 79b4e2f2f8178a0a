//! What has to hold of every entry, whatever was done to the search.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use w2s::search::panel::ScoreTable;
use w2s::search::{Entry, History, Hypothesis, HypothesisId, Mark, PairId, Ranking, Round, Rules};

pub type Checked = Result<(), TestCaseError>;

/// Whether a candidate was killed on the way to the head.
pub fn is_killed(history: &History, id: HypothesisId) -> bool {
    let mut way = history.ancestry(history.head());
    way.any(|round| round.mark_of(id) == Some(Mark::Kill))
}

/// What has to hold when an entry comes.
pub fn check_before(history: &History, entry: &Entry) -> Checked {
    match entry {
        Entry::Selected {
            again,
            pair,
            kept,
            pruned,
            marks,
            ..
        } => {
            let round = match again {
                Some(node) => history.node(*node).and_then(|node| node.round()),
                None => history.open(),
            };
            let cut = [&kept[..], &pruned[..]].concat();
            check_cut(history, round.unwrap(), pair, &cut, kept.len(), marks)
        }
        Entry::Scored {
            pair, candidates, ..
        } => {
            let all_scored = candidates.iter().all(|c| c.scores.by(pair).is_some());
            prop_assert!(all_scored);
            let round = history.open().unwrap();
            let mut ids: Vec<_> = candidates.iter().map(|c| c.id).collect();
            let mut expected: Vec<_> = round.ids().collect();
            ids.sort();
            expected.sort();
            prop_assert_eq!(ids, expected);
            Ok(())
        }
        Entry::Added {
            round,
            late: None,
            candidate,
        } => {
            let open = history.open().unwrap();
            prop_assert_eq!(open.number, *round);
            let beside = open
                .slots
                .iter()
                .any(|slot| slot.parent == candidate.parent);
            prop_assert!(beside || open.candidates.iter().any(|c| c.parent == candidate.parent));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What has to hold once an entry has been taken in.
pub fn check_after(history: &History, entry: &Entry) -> Checked {
    match entry {
        Entry::Finished { best, .. } => {
            prop_assert!(best.is_finished());
            prop_assert!(!is_killed(history, best.id));
            let round = history.here().round().unwrap();
            if round.params.rules() == Rules::Reference && history.here().stopped().is_none() {
                // What falls out of the beam is lost: the answer is what the cut puts first.
                prop_assert_eq!(best.id, history.beam()[0].id);
            }
        }
        Entry::Rescored { pair, .. } => {
            let beam = history.beam();
            let scored = beam
                .iter()
                .chain(&history.pool())
                .all(|h| h.scores.by(pair).is_some());
            prop_assert!(scored);
        }
        _ => {}
    }
    Ok(())
}

/// The cut is that of a naive sort by scores of one pair alone; what was taken is kept, what was
/// killed is not.
fn check_cut(
    history: &History,
    round: &Round,
    pair: &PairId,
    cut: &[HypothesisId],
    n_kept: usize,
    marks: &[(HypothesisId, Mark)],
) -> Checked {
    let marks: BTreeMap<_, _> = marks.iter().copied().collect();
    let mut keyed = Vec::new();
    let keys = naive_keys(history, round, pair);
    for (id, key) in round.candidates.iter().map(|c| c.id).zip(keys) {
        prop_assert!(key.is_some(), "{id:?} or its parent has no score of {pair}");
        prop_assert_eq!(history.hypothesis(id).unwrap().scored_by(), Some(pair));
        let boost = match marks.get(&id) {
            Some(Mark::Boost(nats)) => *nats,
            _ => 0.0,
        };
        keyed.push((id, key.unwrap() + boost));
    }
    keyed.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    let order = |id: &HypothesisId| match marks.get(id) {
        Some(Mark::Take) => 0,
        Some(Mark::Pin) => 1,
        Some(Mark::Kill) => 3,
        _ => 2,
    };
    let mut served: Vec<HypothesisId> = keyed.iter().map(|(id, _)| *id).collect();
    served.sort_by_key(order);
    let alive = served.iter().filter(|id| order(id) != 3).count();
    prop_assert_eq!(n_kept, alive.min(round.params.beam_width().get()));
    let is_kept = |id: &HypothesisId| served[..n_kept].contains(id);
    let (kept, pruned): (Vec<_>, Vec<_>) = keyed.iter().map(|(id, _)| *id).partition(is_kept);
    prop_assert_eq!(cut, &[kept, pruned].concat()[..]);
    for (id, mark) in &marks {
        prop_assert!(*mark != Mark::Take || cut[..n_kept].contains(id));
        prop_assert!(*mark != Mark::Kill || !cut[..n_kept].contains(id));
    }
    Ok(())
}

/// What is ranked by: nats, or what the numbers of a panel say.
fn naive_keys(history: &History, round: &Round, pair: &PairId) -> Vec<Option<f64>> {
    let ids = round.candidates.iter().map(|c| c.id);
    let weight = round.params.weight().get();
    let parts = |pair: &PairId| -> Option<Vec<f64>> {
        let all = ids.clone().map(|id| naive_part(history, round, pair, id));
        all.collect()
    };
    let members = pair.members();
    let scores: Option<Vec<Vec<f64>>> = members.iter().map(|(pair, _)| parts(pair)).collect();
    let Some(scores) = scores else {
        return vec![None; ids.count()];
    };
    if !pair.is_panel() {
        return scores[0].iter().map(|s| Some(weight * s)).collect();
    }
    let weights = members.iter().map(|(_, weight)| *weight).collect();
    let table = ScoreTable::new(scores, Some(weights)).unwrap();
    let keys = table.keys(round.params.panel()).into_iter();
    keys.map(|key| Some(weight * key)).collect()
}

/// What `pair` makes of a candidate, term by term.
fn naive_part(history: &History, round: &Round, pair: &PairId, id: HypothesisId) -> Option<f64> {
    let candidate = history.hypothesis(id)?;
    let score = candidate.scores.by(pair)?;
    let deltas: Vec<f64> = score.terms().map(|term| term.delta()).collect();
    let start = match round.params.ranking() {
        Ranking::Chunk => kept_terms(history, pair, candidate)?,
        _ => 0,
    };
    let sum = deltas[start..].iter().fold(0.0, |sum, delta| sum + delta);
    let n = match round.params.ranking() {
        Ranking::PerToken => deltas.len().max(1),
        _ => 1,
    };
    Some(sum / n as f64)
}

/// How many of its terms are its parent's, under this very pair.
fn kept_terms(history: &History, pair: &PairId, candidate: &Hypothesis) -> Option<usize> {
    match candidate.parent {
        None => Some(0),
        Some(parent) => Some(history.hypothesis(parent)?.scores.by(pair)?.len()),
    }
}

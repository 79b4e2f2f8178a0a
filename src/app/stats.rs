//! Numbers about many candidates: what the charts show.

use std::sync::Arc;

use crate::search::{CandidateTrace, Hypothesis, Round, SearchTrace};

/// From this correlation on, length is a suspect.
pub const STRONG: f64 = 0.5;

/// Fewer candidates than this say nothing about a correlation.
const ENOUGH: usize = 8;

/// The scores of all candidates so far, under the pair in use.
#[must_use]
pub fn scores(trace: &SearchTrace) -> Vec<f64> {
    let new = |round: &Arc<Round>| -> Vec<f64> {
        let ids = round.slots.iter().map(|slot| slot.id);
        ids.filter_map(|id| round.score_of(id)).collect()
    };
    trace.comparable().flat_map(new).collect()
}

/// How many of `values` fall into each of `n` bins of equal width between the extremes.
#[must_use]
pub fn histogram(values: &[f64], n: usize) -> Vec<usize> {
    let mut bins = vec![0; n];
    let Some((low, high)) = extremes(values.iter().copied()) else {
        return bins;
    };
    for value in values {
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        let bin = ((share * n as f64) as usize).min(n.saturating_sub(1));
        if let Some(count) = bins.get_mut(bin) {
            *count += 1;
        }
    }
    bins
}

/// The smallest and the largest of the finite values.
#[must_use]
pub fn extremes(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut values = values.filter(|value| value.is_finite());
    let first = values.next()?;
    Some(values.fold((first, first), |(low, high), v| (low.min(v), high.max(v))))
}

/// The correlation of score and length among candidates that compete in the same round, over
/// all rounds; `None` while lengths do not vary, or too few are known.
#[must_use]
pub fn length_correlation(trace: &SearchTrace) -> Option<f64> {
    let rounds = trace.comparable();
    let points: Vec<(f64, f64)> = rounds.flat_map(|round| centred(trace, round)).collect();
    if points.len() < ENOUGH {
        return None;
    }
    let sum = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>();
    let (xx, yy) = (sum(|(x, _)| x * x), sum(|(_, y)| y * y));
    let r = sum(|(x, y)| x * y) / (xx * yy).sqrt();
    (xx > 1e-9 && yy > 1e-9).then_some(r)
}

/// Length and score of a round's candidates, less the round's means.
fn centred(trace: &SearchTrace, round: &Round) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = round
        .scores()
        .filter_map(|(id, score)| Some((trace.candidate(id)?.n_tokens as f64, score)))
        .collect();
    let n = points.len() as f64;
    let (mx, my) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    points.into_iter().map(|(x, y)| (x - mx, y - my)).collect()
}

/// A token of the answer that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decisive {
    /// The number of the round that sampled it.
    pub round: usize,
    /// Which of the terms of its log-ratio it is, from 0.
    pub term: usize,
    /// What it adds to the log-ratio.
    pub delta: f64,
}

/// The tokens of the best response, over all its rounds, by what they add to its log-ratio: the
/// largest by magnitude first.
#[must_use]
pub fn decisive(trace: &SearchTrace) -> Vec<Decisive> {
    let best = trace.best();
    let parent = |c: &&CandidateTrace| trace.candidate(c.slot.parent?);
    let lineage = std::iter::successors(best, parent);
    let pair = best.and_then(|best| best.hypothesis.as_deref()?.scored_by());
    // Where the terms of each round begin by that pair, the last round first.
    let start = |c: &CandidateTrace| {
        let mut known = c.hypothesis.as_deref()?.chunk_terms.iter();
        let (_, start) = known.find(|(by, _)| Some(by) == pair)?;
        Some((*start, c.round))
    };
    let starts: Vec<(usize, usize)> = lineage.filter_map(start).collect();
    let round_of = |i: usize| {
        starts
            .iter()
            .find(|(start, _)| *start <= i)
            .map(|(_, r)| *r)
    };
    let score = best
        .and_then(|best| best.hypothesis.as_deref())
        .map(Hypothesis::score);
    let terms = score
        .into_iter()
        .flat_map(|score| score.terms().enumerate());
    let told = terms.map(|(i, term)| Decisive {
        round: round_of(i).unwrap_or(1),
        term: i,
        delta: term.delta(),
    });
    let mut all: Vec<Decisive> = told.collect();
    all.sort_by(|a, b| b.delta.abs().total_cmp(&a.delta.abs()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_counts_everything_once() {
        assert_eq!(histogram(&[0.0, 0.1, 0.9, 1.0], 2), [2, 2]);
        assert_eq!(histogram(&[3.0, 3.0], 3), [0, 2, 0]);
        assert_eq!(histogram(&[], 2), [0, 0]);
        assert!(histogram(&[1.0], 0).is_empty());
    }
}

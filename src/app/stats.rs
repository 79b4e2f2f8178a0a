//! Numbers about many candidates: what the charts show.

use crate::search::{CandidateTrace, Hypothesis, Products, SearchTrace};

/// From this correlation on, length is a suspect.
pub const STRONG: f64 = 0.5;

/// Fewer candidates than this say nothing about a correlation.
const ENOUGH: usize = 8;

/// The scores of all candidates so far, under the pair in use.
#[must_use]
pub fn scores(trace: &SearchTrace) -> Vec<f64> {
    let rounds = trace.comparable();
    rounds
        .flat_map(|round| round.figures().fresh.iter().copied())
        .collect()
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
    let all = trace.comparable().map(|round| round.figures().lengths);
    let all = all.fold(Products::default(), Products::plus);
    all.correlation().filter(|_| all.n >= ENOUGH)
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

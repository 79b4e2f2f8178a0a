//! What pairs think of the candidates of a round, and how far they disagree (arXiv 2406.03199).

/// Below this a pair is taken to be of one mind about all candidates.
const LEAST_SPREAD: f64 = 1e-6;

/// `p_m = softmax_i(s[m][i] / std_i s[m])`: which candidate a pair is for, whatever the scale of its
/// scores. A number a candidate; they add up to 1.
#[must_use]
pub fn opinion(scores: &[f64]) -> Vec<f64> {
    let scale = deviation(scores).max(LEAST_SPREAD);
    let scaled: Vec<f64> = scores.iter().map(|score| score / scale).collect();
    let most = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scaled.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The mean over pairs, a number a candidate; nothing for no pairs.
#[must_use]
pub fn mean_opinion(opinions: &[Vec<f64>]) -> Vec<f64> {
    let n = opinions.first().map_or(0, Vec::len);
    let mean = |i: usize| opinions.iter().map(|p| p[i]).sum::<f64>() / opinions.len() as f64;
    (0..n).map(mean).collect()
}

/// How much of what is open about the best candidate is open between the pairs, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conflict {
    /// H(mean opinion).
    pub total: f64,
    /// The mean of the pairs' own entropies.
    pub within: f64,
    /// total − within, from 0 to ln M.
    pub between: f64,
    n_pairs: usize,
}

impl Conflict {
    /// `None` without pairs.
    #[must_use]
    pub fn of(opinions: &[Vec<f64>]) -> Option<Self> {
        let n_pairs = opinions.len();
        if n_pairs == 0 {
            return None;
        }
        let total = entropy(&mean_opinion(opinions));
        let within = opinions.iter().map(|p| entropy(p)).sum::<f64>() / n_pairs as f64;
        Some(Self {
            total,
            within,
            // Rounding alone takes it below.
            between: (total - within).max(0.0),
            n_pairs,
        })
    }

    /// between / ln M, from 0 to 1; `None` for a pair by itself, which nobody contradicts.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.n_pairs > 1).then(|| self.between / (self.n_pairs as f64).ln())
    }
}

/// In nats.
fn entropy(p: &[f64]) -> f64 {
    let terms = p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln());
    terms.sum()
}

/// By n − 1; 0 for fewer than two.
fn deviation(values: &[f64]) -> f64 {
    variance(values).sqrt()
}

/// By n − 1; 0 for fewer than two.
pub(super) fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)
}

/// How alike two pairs rank the candidates: Spearman's correlation of their scores, from −1 to 1,
/// equal scores sharing their ranks. `None` where one of them is of one mind about all.
#[must_use]
pub fn agreement(one: &[f64], other: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(one), ranks(other));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let product: f64 = a.iter().zip(&b).map(|(a, b)| (a - mean) * (b - mean)).sum();
    let spread = |ranks: &[f64]| ranks.iter().map(|r| (r - mean).powi(2)).sum::<f64>();
    let scale = (spread(&a) * spread(&b)).sqrt();
    (scale > 0.0).then(|| product / scale)
}

/// From 1; equal ones have the mean of their places.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |x: &f64| {
        let below = values.iter().filter(|y| *y < x).count();
        let equal = values.iter().filter(|y| *y == x).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_agree_as_far_as_they_rank_alike() {
        let up = [1.0, 2.0, 3.0, 10.0];
        let down = up.map(|x| -x);
        assert_eq!(agreement(&up, &up), Some(1.0));
        assert_eq!(agreement(&up, &down), Some(-1.0));
        assert_eq!(agreement(&up, &[0.5; 4]), None);
        // scipy.stats.spearmanr([1, 2, 3, 10], [2, 2, 9, 3])
        let tied = agreement(&up, &[2.0, 2.0, 9.0, 3.0]).unwrap();
        assert!((tied - 0.737_864_787).abs() < 1e-9, "{tied}");
    }
}

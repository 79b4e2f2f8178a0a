//! From one position's logits to a token or a log-probability.
//!
//! The filters are those of transformers' `TemperatureLogitsWarper`, `TopKLogitsWarper` and
//! `TopPLogitsWarper`, in this order; the draw is by inverse CDF over what they leave, in the
//! order of ids, so that one number in [0, 1) decides it.

use crate::decoder::{log_sum_exp, max};
use crate::search::{Rules, Sampling, TokenId};

/// The logits held NaN or +∞.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

/// A token drawn from `logits` (raw, one vocabulary) with the number `u` in [0, 1).
///
/// # Errors
/// [`NotFinite`] when a logit is NaN or +∞.
pub fn draw(
    logits: &[f32],
    sampling: &Sampling,
    rules: Rules,
    u: f64,
) -> Result<TokenId, NotFinite> {
    if logits
        .iter()
        .fold(false, |bad, x| bad | x.is_nan() | (*x == f32::INFINITY))
    {
        return Err(NotFinite);
    }
    match temperature(sampling, rules) {
        None => Ok(argmax(logits)),
        Some(t) => Ok(inverse_cdf(&kept(logits, sampling, t), t, u)),
    }
}

/// How `id` was drawn from `logits`: its log-probability and the entropy, in nats, of what
/// temperature and filters leave. A greedy choice is certain.
#[must_use]
pub fn drawing(logits: &[f32], sampling: &Sampling, rules: Rules, id: TokenId) -> (f64, f64) {
    let Some(temperature) = temperature(sampling, rules) else {
        return (0.0, 0.0);
    };
    let kept = kept(logits, sampling, temperature);
    let weights = weights(&kept, temperature);
    let total: f64 = weights.iter().sum();
    let at = kept.iter().position(|(kept, _)| *kept == id);
    let own = at.map_or(0.0, |at| weights[at]);
    ((own / total).ln(), entropy_of(&weights, total))
}

/// −Σ p ln p of weights that add up to `total`.
pub(super) fn entropy_of(weights: &[f64], total: f64) -> f64 {
    let shares = weights.iter().filter(|w| **w > 0.0).map(|w| w / total);
    shares.map(|p| -p * p.ln()).sum()
}

/// The entropy of the raw distribution, in nats.
#[must_use]
pub fn entropy(logits: &[f32]) -> f64 {
    let log_sum = log_sum_exp(logits);
    let logs = logits.iter().map(|x| f64::from(*x) - log_sum);
    logs.filter(|log_p| log_p.is_finite())
        .map(|log_p| -log_p.exp() * log_p)
        .sum()
}

/// The probability with which [`draw`] gives `id`.
#[must_use]
pub fn draw_probability(logits: &[f32], sampling: &Sampling, rules: Rules, id: TokenId) -> f64 {
    let Some(temperature) = temperature(sampling, rules) else {
        return f64::from(u8::from(argmax(logits) == id));
    };
    let kept = kept(logits, sampling, temperature);
    let weights = weights(&kept, temperature);
    let own = kept
        .iter()
        .position(|(kept, _)| *kept == id)
        .map_or(0.0, |at| weights[at]);
    own / weights.iter().sum::<f64>()
}

/// The log-probability of `id` in nats, raw, before temperature and filters.
#[must_use]
pub fn log_prob(logits: &[f32], id: TokenId) -> f64 {
    f64::from(logits[id as usize]) - log_sum_exp(logits)
}

/// `None` is greedy. The reference takes 0 for "unset", which is 1.
pub(super) fn temperature(sampling: &Sampling, rules: Rules) -> Option<f64> {
    match (sampling.temperature(), rules) {
        (t, _) if t > 0.0 => Some(t),
        (_, Rules::Reference) => Some(1.0),
        (_, Rules::Fixed) => None,
    }
}

fn argmax(logits: &[f32]) -> TokenId {
    let top = max(logits);
    // The maximum of a slice is in the slice; the lowest id wins a tie.
    logits.iter().position(|x| *x == top).unwrap_or(0) as TokenId
}

/// What the filters leave: ids in ascending order with their raw logits.
fn kept(logits: &[f32], sampling: &Sampling, temperature: f64) -> Vec<(TokenId, f32)> {
    let k = sampling.top_k();
    let mut kept = if k == 0 || k >= logits.len() {
        (0..).zip(logits.iter().copied()).collect()
    } else {
        top_k(logits, k)
    };
    if sampling.top_p() < 1.0 {
        top_p(&mut kept, sampling.top_p(), temperature);
    }
    kept
}

/// All ids whose logit is at least the k-th largest (ties at the threshold stay, as in
/// transformers), ascending.
///
/// Of any 2k groups of logits, the k with the highest maxima hold k logits that are no lower than the
/// least of these maxima: so none below it is among the k largest, and few above it are not.
fn top_k(logits: &[f32], k: usize) -> Vec<(TokenId, f32)> {
    const BLOCK: usize = 32;
    let threshold = kth_largest(tops(logits, 2 * k), k);
    let mut pool = Vec::with_capacity(2 * k);
    let starts = (0..).step_by(BLOCK);
    for (start, block) in starts.zip(logits.chunks(BLOCK)) {
        let reaches = |x: &f32| *x >= threshold;
        if block.iter().fold(false, |any, x| any | reaches(x)) {
            for (id, x) in (start..).zip(block) {
                if reaches(x) {
                    pool.push((id, *x));
                }
            }
        }
    }
    keep_largest(&mut pool, k);
    pool
}

/// The maxima of `n` groups; the i-th holds every n-th logit from the i-th on.
fn tops(logits: &[f32], n: usize) -> Vec<f32> {
    let mut tops = vec![f32::NEG_INFINITY; n.min(logits.len())];
    for some in logits.chunks(n) {
        let tops = &mut tops[..some.len()];
        for i in 0..some.len() {
            tops[i] = if some[i] > tops[i] { some[i] } else { tops[i] };
        }
    }
    tops
}

/// The k-th largest; −∞ of fewer.
fn kth_largest(mut values: Vec<f32>, k: usize) -> f32 {
    if values.len() < k {
        return f32::NEG_INFINITY;
    }
    let (_, kth, _) = values.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    *kth
}

/// Keeps what is at least the k-th largest, order untouched.
pub(super) fn keep_largest(pool: &mut Vec<(TokenId, f32)>, k: usize) {
    if pool.len() <= k {
        return;
    }
    let kth = kth_largest(pool.iter().map(|(_, x)| *x).collect(), k);
    pool.retain(|(_, x)| *x >= kth);
}

/// The smallest set of likeliest tokens whose probability reaches `p`: a token stays when the
/// probability of all strictly likelier ones is below `p`; the likeliest always stays.
fn top_p(kept: &mut Vec<(TokenId, f32)>, p: f64, temperature: f64) {
    let total: f64 = weights(kept, temperature).iter().sum();
    top_p_of(kept, p, temperature, total);
}

/// The same of those that may be left of more, which weigh `total` together.
pub(super) fn top_p_of(kept: &mut Vec<(TokenId, f32)>, p: f64, temperature: f64, total: f64) {
    let mut by_logit = kept.clone();
    by_logit.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
    let weights = weights(&by_logit, temperature);
    let mut before = 0.0;
    let n = weights
        .iter()
        .take_while(|w| {
            let stays = before < p * total;
            before += **w;
            stays
        })
        .count();
    by_logit.truncate(n.max(1));
    by_logit.sort_by_key(|(id, _)| *id);
    *kept = by_logit;
}

/// exp((logit − max) / temperature)
pub(super) fn weights(kept: &[(TokenId, f32)], temperature: f64) -> Vec<f64> {
    let top = kept
        .iter()
        .map(|(_, x)| *x)
        .fold(f32::NEG_INFINITY, f32::max);
    kept.iter()
        .map(|(_, x)| (f64::from(*x - top) / temperature).exp())
        .collect()
}

pub(super) fn inverse_cdf(kept: &[(TokenId, f32)], temperature: f64, u: f64) -> TokenId {
    let weights = weights(kept, temperature);
    let target = u * weights.iter().sum::<f64>();
    let mut sum = 0.0;
    for ((id, _), w) in kept.iter().zip(&weights) {
        sum += w;
        if target < sum {
            return *id;
        }
    }
    // Rounding can leave the target at the very end: the last token with any weight.
    let last = kept.iter().zip(&weights).rev().find(|(_, w)| **w > 0.0);
    last.map_or(0, |((id, _), _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 6] = [0.0, 3.0, 1.0, 3.0, -1.0, 2.0];

    fn sampling(t: f64, k: usize, p: f64) -> Sampling {
        Sampling::new(t, k, p).unwrap()
    }

    fn ids(k: usize, p: f64) -> Vec<TokenId> {
        kept(&LOGITS, &sampling(1.0, k, p), 1.0)
            .iter()
            .map(|(id, _)| *id)
            .collect()
    }

    #[test]
    fn top_k_keeps_ties_at_the_threshold() {
        assert_eq!(ids(1, 1.0), [1, 3]);
        assert_eq!(ids(3, 1.0), [1, 3, 5]);
        assert_eq!(ids(0, 1.0).len(), 6);
    }

    #[test]
    fn top_k_of_many_equals_a_sort() {
        let logits: Vec<f32> = (0..5000u64)
            .map(|i| ((i * 7919) % 4999) as f32 * 0.01)
            .collect();
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let kept = top_k(&logits, 50);
        assert!(kept.len() >= 50 && kept.iter().all(|(_, x)| *x >= sorted[49]));
        assert!(kept.is_sorted_by_key(|(id, _)| *id));
    }

    #[test]
    fn top_p_keeps_the_likeliest_and_what_reaches_p() {
        // probabilities: 0.383 twice, 0.141 (2.0), 0.052 (1.0), 0.019, 0.007
        assert_eq!(ids(0, 1e-9).len(), 1);
        assert_eq!(ids(0, 0.5), [1, 3]);
        assert_eq!(ids(0, 0.8), [1, 3, 5]);
    }

    #[test]
    fn temperature_zero_is_greedy_or_unset_by_rules() {
        let greedy = sampling(0.0, 0, 1.0);
        assert_eq!(draw(&LOGITS, &greedy, Rules::Fixed, 0.999), Ok(1));
        let unset = draw(&LOGITS, &greedy, Rules::Reference, 0.999);
        assert_eq!(
            unset,
            draw(&LOGITS, &sampling(1.0, 0, 1.0), Rules::Fixed, 0.999)
        );
    }

    #[test]
    fn draws_follow_the_softmax() {
        let mut counts = [0u32; 6];
        for i in 0..10_000 {
            let u = (f64::from(i) + 0.5) / 10_000.0;
            counts[draw(&LOGITS, &sampling(1.0, 0, 1.0), Rules::Fixed, u).unwrap() as usize] += 1;
        }
        for (id, n) in counts.into_iter().enumerate() {
            let total: f64 = LOGITS.iter().map(|x| f64::from(*x).exp()).sum();
            let p = f64::from(LOGITS[id]).exp() / total;
            assert!(
                (f64::from(n) / 10_000.0 - p).abs() < 2e-4,
                "{id}: {n} for {p}"
            );
        }
    }

    #[test]
    fn entropies_are_those_of_the_distributions() {
        assert!((entropy(&[1.5; 8]) - 8f64.ln()).abs() < 1e-12);
        assert_eq!(entropy(&[0.0, f32::NEG_INFINITY]), 0.0);
        let raw = drawing(&LOGITS, &sampling(1.0, 0, 1.0), Rules::Fixed, 5);
        assert!((raw.1 - entropy(&LOGITS)).abs() < 1e-6);
        assert!((raw.0 - log_prob(&LOGITS, 5)).abs() < 1e-6);
        // Two equal logits are left.
        let (log_prob, bits) = drawing(&LOGITS, &sampling(0.7, 1, 1.0), Rules::Fixed, 3);
        assert!((log_prob + 2f64.ln()).abs() < 1e-12 && (bits - 2f64.ln()).abs() < 1e-12);
        let greedy = drawing(&LOGITS, &sampling(0.0, 0, 1.0), Rules::Fixed, 1);
        assert_eq!(greedy, (0.0, 0.0));
    }

    #[test]
    fn not_a_number_is_refused() {
        let logits = [0.0, f32::NAN];
        assert_eq!(
            draw(&logits, &Sampling::default(), Rules::Fixed, 0.5),
            Err(NotFinite)
        );
    }
}

//! The weightings that are tried, and how many searches each may cost: successive halving
//! (Jamieson and Talwalkar 2016, arXiv 1502.07943).
//!
//! One search says little of a weighting: responses differ more than weightings do. So many are
//! tried on a few prompts, the better half on twice as many, and so on. All see the same prompts
//! under the same seeds, so that what they are compared by is paired. No gradient is needed, and a
//! choice is as good for one judge as for a front of several.

use crate::cli::WeightSpace;
use crate::report::error::ReportError;
use crate::search::Lineage;

/// How many weightings are tried, where the budget has room.
const ARMS: usize = 16;

/// So many are left at the end.
const LAST: usize = 4;

/// Weightings on so many prompts, those of the rounds before included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stage {
    pub n_arms: usize,
    pub n_prompts: usize,
}

/// `n` weightings of so many pairs, or fewer where some would be the same: the uniform one, each
/// pair by itself, then others: for two pairs evenly all the way round, else at random.
pub(super) fn arms(n_pairs: usize, space: WeightSpace, n: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut all = vec![vec![1.0 / n_pairs as f64; n_pairs]];
    let alone = |m: usize| (0..n_pairs).map(|i| f64::from(u8::from(i == m))).collect();
    all.extend((0..n_pairs).map(alone));
    let more = n.saturating_sub(all.len());
    match (n_pairs, space) {
        (2, WeightSpace::Simplex) => all.extend((1..=more).map(|i| {
            let share = i as f64 / (more + 1) as f64;
            vec![share, 1.0 - share]
        })),
        (2, WeightSpace::Signed) => all.extend((0..more).map(|i| {
            let angle = std::f64::consts::TAU * (i as f64 + 0.5) / more as f64;
            normed(vec![angle.cos(), angle.sin()])
        })),
        _ => all
            .extend((0..more).map(|i| random(n_pairs, space, Lineage::root(seed).aside(i as u64)))),
    }
    let mut once: Vec<Vec<f64>> = Vec::new();
    for arm in all.into_iter().map(rounded) {
        if !once.contains(&arm) {
            once.push(arm);
        }
    }
    once.truncate(n.max(1));
    once
}

/// Evenly over the simplex: exponential numbers over their sum; signs evenly too.
fn random(n_pairs: usize, space: WeightSpace, stream: Lineage) -> Vec<f64> {
    let draw = |i: usize| {
        let size = -(1.0 - stream.uniform(2 * i)).ln();
        match space {
            WeightSpace::Signed if stream.uniform(2 * i + 1) < 0.5 => -size,
            _ => size,
        }
    };
    normed((0..n_pairs).map(draw).collect())
}

/// The sum of magnitudes is 1.
fn normed(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().map(|w| w.abs()).sum();
    weights
        .iter()
        .map(|w| w / sum.max(f64::MIN_POSITIVE))
        .collect()
}

/// To what is shown of it: the user may type it.
fn rounded(weights: Vec<f64>) -> Vec<f64> {
    let to = |w: &f64| (w * 1000.0).round() / 1000.0;
    weights.iter().map(to).collect()
}

/// The stages that so many searches pay for: as many weightings as there is room for, on as many
/// prompts.
///
/// # Errors
/// Not even the fewest fit.
pub(super) fn stages(n_prompts: usize, budget: usize) -> Result<Vec<Stage>, ReportError> {
    let mut n_arms = ARMS;
    loop {
        let n_stages = (n_arms / LAST).ilog2() as usize + 1;
        let arms_of = |stage: usize| n_arms >> stage;
        // Of the first stage's prompts each further stage adds as many as there were.
        let new = |stage: usize| if stage == 0 { 1 } else { 1 << (stage - 1) };
        let unit: usize = (0..n_stages).map(|stage| arms_of(stage) * new(stage)).sum();
        let first = (budget / unit).min(n_prompts >> (n_stages - 1));
        if first > 0 {
            let stage = |stage: usize| Stage {
                n_arms: arms_of(stage),
                n_prompts: first << stage,
            };
            return Ok((0..n_stages).map(stage).collect());
        }
        if n_arms == LAST {
            return Err(ReportError::SmallBudget {
                budget,
                arms: LAST,
                least: LAST,
            });
        }
        n_arms /= 2;
    }
}

/// What stages cost together, in searches.
pub(super) fn cost(stages: &[Stage]) -> usize {
    let mut before = 0;
    let cost = |stage: &Stage| {
        let new = stage.n_prompts - before;
        before = stage.n_prompts;
        stage.n_arms * new
    };
    stages.iter().map(cost).sum()
}

/// Which points no other beats by all coordinates: none is as good everywhere and better somewhere.
pub(super) fn front(points: &[Vec<f64>]) -> Vec<bool> {
    let beats = |a: &Vec<f64>, b: &Vec<f64>| {
        let both = || a.iter().zip(b);
        both().all(|(a, b)| a >= b) && both().any(|(a, b)| a > b)
    };
    let is_free = |own: &Vec<f64>| !points.iter().any(|other| beats(other, own));
    points.iter().map(is_free).collect()
}

/// The points in the order in which they are to survive: front by front, within one by the sum of
/// coordinates, each in units of its spread.
pub(super) fn survival(points: &[Vec<f64>]) -> Vec<usize> {
    let worth = worth(points);
    let mut left: Vec<usize> = (0..points.len()).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let here: Vec<Vec<f64>> = left.iter().map(|i| points[*i].clone()).collect();
        let free = front(&here);
        let mut best: Vec<usize> = left
            .iter()
            .zip(&free)
            .filter(|(_, f)| **f)
            .map(|(i, _)| *i)
            .collect();
        best.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]));
        left.retain(|i| !best.contains(i));
        order.extend(best);
    }
    order
}

/// By point: the sum of its coordinates in standard deviations.
fn worth(points: &[Vec<f64>]) -> Vec<f64> {
    let n = points.first().map_or(0, Vec::len);
    let mut sums = vec![0.0; points.len()];
    for at in 0..n {
        let own: Vec<f64> = points.iter().map(|p| p[at]).collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        let spread =
            (own.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / own.len() as f64).sqrt();
        for (sum, x) in sums.iter_mut().zip(&own) {
            *sum += (x - mean) / spread.max(1e-9);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weightings_begin_with_the_uniform_one_and_each_pair_alone() {
        for space in [WeightSpace::Simplex, WeightSpace::Signed] {
            for n_pairs in 2..5 {
                let all = arms(n_pairs, space, ARMS, 7);
                assert_eq!(all, arms(n_pairs, space, ARMS, 7), "the same again");
                assert!(all.len() > 12 && all.len() <= ARMS, "{}", all.len());
                assert!((all[0][0] - 1.0 / n_pairs as f64).abs() < 1e-3);
                assert_eq!(all[1][0], 1.0);
                for arm in &all {
                    let sum: f64 = arm.iter().map(|w| w.abs()).sum();
                    assert!((sum - 1.0).abs() < 0.01, "{arm:?}");
                    assert!(space == WeightSpace::Signed || arm.iter().all(|w| *w >= 0.0));
                }
            }
        }
    }

    #[test]
    fn a_budget_is_kept() {
        for (n_prompts, budget) in [(60, 480), (60, 100), (4, 1000), (60, 4), (1, 64)] {
            let stages = stages(n_prompts, budget).unwrap();
            assert!(cost(&stages) <= budget, "{stages:?}");
            assert!(stages.iter().all(|stage| stage.n_prompts <= n_prompts));
            assert_eq!(stages.last().unwrap().n_arms, LAST);
        }
        assert!(stages(60, 3).is_err());
    }

    #[test]
    fn a_front_is_what_nothing_beats() {
        let points = vec![
            vec![1.0, 0.0],
            vec![0.0, 1.0],
            vec![0.5, 0.5],
            vec![0.4, 0.5],
            vec![0.0, 0.0],
        ];
        assert_eq!(front(&points), [true, true, true, false, false]);
        assert_eq!(survival(&points)[3..], [3, 4]);
        let one: Vec<Vec<f64>> = [0.3, 2.0, -1.0].map(|x| vec![x]).to_vec();
        assert_eq!(survival(&one), [1, 0, 2]);
    }
}

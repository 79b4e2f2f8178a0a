//! Intervals for what is compared: differences of pairs, and shares of wins.

use std::fmt;

use serde::Serialize;

use super::dice::Dice;
use super::stats::t_quantile;

/// How often samples are drawn again.
const RESAMPLES: usize = 10_000;

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// The mean over groups of samples, such as the seeds of a prompt, by a percentile bootstrap
    /// over the groups (Efron 1979): samples of one group are not independent and are drawn
    /// together. `None` without samples. The same samples give the same interval.
    #[must_use]
    pub fn bootstrap(groups: &[Vec<f64>]) -> Option<Self> {
        let means: Vec<f64> = groups.iter().filter_map(|group| mean(group)).collect();
        let value = mean(&means)?;
        let mut dice = Dice::new(0x5EED);
        let mut resampled: Vec<f64> = (0..RESAMPLES).map(|_| dice.resampled(&means)).collect();
        resampled.sort_by(f64::total_cmp);
        Some(Self {
            value,
            low: quantile(&resampled, 0.025),
            high: quantile(&resampled, 0.975),
        })
    }

    /// The share of `wins` among `n`: Wilson's score interval (1927). `None` for no trials.
    #[must_use]
    pub fn wilson(wins: f64, n: usize) -> Option<Self> {
        if n == 0 {
            return None;
        }
        let (n, z2) = (n as f64, Z * Z);
        let share = wins / n;
        let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let spread = (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        let half = Z * spread / (1.0 + z2 / n);
        Some(Self {
            value: share,
            low: (centre - half).max(0.0),
            high: (centre + half).min(1.0),
        })
    }

    /// The mean of one sample less that of another, whose samples have nothing to do with each
    /// other: Welch's t-interval (1947), with the degrees of freedom rounded down. `None` where one
    /// of them has fewer than two samples.
    #[must_use]
    pub fn welch(one: &[f64], other: &[f64]) -> Option<Self> {
        let of = |sample: &[f64]| {
            let (n, centre) = (sample.len() as f64, mean(sample)?);
            let squares: f64 = sample.iter().map(|x| (x - centre).powi(2)).sum();
            (n > 1.0).then(|| (n, centre, squares / (n - 1.0) / n))
        };
        let ((n, a, u), (m, b, v)) = (of(one)?, of(other)?);
        let value = a - b;
        let df = match u + v > 0.0 {
            true => (u + v).powi(2) / (u * u / (n - 1.0) + v * v / (m - 1.0)),
            false => 1.0,
        };
        let half = t_quantile((df.floor() as usize).max(1)) * (u + v).sqrt();
        Some(Self {
            value,
            low: value - half,
            high: value + half,
        })
    }

    /// Whether it covers 0: no difference is shown.
    #[must_use]
    pub fn is_tied(&self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, low, high } = self;
        write!(f, "{value:+.2} [{low:+.2}, {high:+.2}]")
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Of sorted values, between neighbours as numpy has it.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, rest) = (at.floor() as usize, at.fract());
    let above = sorted[(below + 1).min(sorted.len() - 1)];
    sorted[below] + rest * (above - sorted[below])
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::measure::Mean;

    /// What scipy says (`tests/record-statistics.py`).
    const RECORDED: &str = include_str!("../../tests/recordings/statistics.json");

    #[derive(Deserialize)]
    struct Recorded {
        t: Vec<Sample>,
        bootstrap: Vec<Sample>,
        clustered: Vec<Groups>,
        wilson: Vec<Share>,
    }

    #[derive(Deserialize)]
    struct Sample {
        sample: Vec<f64>,
        interval: [f64; 2],
    }

    #[derive(Deserialize)]
    struct Groups {
        groups: Vec<Vec<f64>>,
        interval: [f64; 2],
    }

    #[derive(Deserialize)]
    struct Share {
        k: u32,
        n: usize,
        interval: [f64; 2],
    }

    fn recorded() -> Recorded {
        serde_json::from_str(RECORDED).unwrap()
    }

    #[test]
    fn t_intervals_are_those_of_scipy() {
        for case in recorded().t {
            let mean = Mean::of(&case.sample).unwrap();
            let half = mean.half_width.unwrap();
            let scale = (case.interval[1] - case.interval[0]).max(1.0);
            for (own, theirs) in [mean.mean - half, mean.mean + half]
                .iter()
                .zip(case.interval)
            {
                assert!((own - theirs).abs() < 1e-3 * scale, "{own} for {theirs}");
            }
        }
    }

    #[test]
    fn wilson_intervals_are_those_of_scipy() {
        for case in recorded().wilson {
            let own = Interval::wilson(case.k.into(), case.n).unwrap();
            assert!((own.low - case.interval[0]).abs() < 1e-9, "{own:?}");
            assert!((own.high - case.interval[1]).abs() < 1e-9, "{own:?}");
        }
        assert_eq!(Interval::wilson(0.0, 0), None);
    }

    /// Both are random: their distance is within the noise of ten thousand resamples, which is
    /// about 1.5 % of the width at these quantiles; three times that is allowed.
    #[test]
    fn bootstraps_are_those_of_scipy() {
        let all = recorded();
        let alone = all.bootstrap.into_iter().map(|case| {
            let groups = case.sample.iter().map(|x| vec![*x]).collect();
            (groups, case.interval)
        });
        let grouped = all
            .clustered
            .into_iter()
            .map(|case| (case.groups, case.interval));
        for (groups, [low, high]) in alone.chain(grouped) {
            let groups: Vec<Vec<f64>> = groups;
            let own = Interval::bootstrap(&groups).unwrap();
            let noise = 0.045 * (high - low);
            assert!((own.low - low).abs() < noise, "{own:?} for {low}");
            assert!((own.high - high).abs() < noise, "{own:?} for {high}");
        }
    }

    /// R's t.test(c(1, 2, 3, 4), c(2, 4, 9)): df 2.4, whose 2 makes the interval wider.
    #[test]
    fn welch_intervals_are_of_the_difference() {
        let own = Interval::welch(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 9.0]).unwrap();
        assert!((own.value + 2.5).abs() < 1e-12);
        // The standard error is 2.179.
        assert!(
            (own.high - own.value - 4.3027 * 2.179_449_5).abs() < 1e-3,
            "{own:?}"
        );
        let same = Interval::welch(&[1.0, 1.0], &[1.0, 1.0]).unwrap();
        assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0));
        assert_eq!(Interval::welch(&[1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn samples_of_one_group_are_drawn_together() {
        let alike = vec![vec![0.0; 50], vec![1.0; 50]];
        let own = Interval::bootstrap(&alike).unwrap();
        assert_eq!((own.low, own.high), (0.0, 1.0));
        assert!(own.is_tied());
        assert_eq!(Interval::bootstrap(&[]), None);
        assert_eq!(Interval::bootstrap(&alike), Some(own), "the same again");
    }
}

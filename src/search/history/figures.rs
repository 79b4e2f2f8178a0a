//! What the scores of a round come to, added up once: a screen asks every round, every frame.

use std::sync::Arc;

use crate::search::hypothesis::Hypothesis;
use crate::search::ids::HypothesisId;
use crate::search::score::PairId;

/// Figures of a round's scores; nothing before they are there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Scores of the candidates that are new in the round.
    pub fresh: Vec<f64>,
    /// The lowest and the highest finite score.
    pub range: Option<(f64, f64)>,
    /// The standard deviation of all scores.
    pub spread: Option<f64>,
    pub lengths: Products,
}

/// Sums over candidates of products of length and score, each less its mean.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Products {
    pub n: usize,
    /// Length by length, in tokens.
    pub xx: f64,
    /// Length by score.
    pub xy: f64,
    /// Score by score.
    pub yy: f64,
}

impl Figures {
    /// Of all candidates, some of which stand in the round as they came.
    pub(super) fn of(
        candidates: &[Arc<Hypothesis>],
        standing: &[HypothesisId],
        pair: &PairId,
    ) -> Self {
        let score = |c: &Arc<Hypothesis>| Some(c.scores.by(pair)?.value());
        let is_fresh = |c: &&Arc<Hypothesis>| !standing.contains(&c.id);
        let fresh = candidates.iter().filter(is_fresh).filter_map(score);
        let point = |c: &Arc<Hypothesis>| Some((c.tokens.len() as f64, score(c)?));
        let points: Vec<(f64, f64)> = candidates.iter().filter_map(point).collect();
        let scores = || {
            points
                .iter()
                .map(|(_, score)| *score)
                .filter(|s| s.is_finite())
        };
        let range = scores().reduce(f64::min).zip(scores().reduce(f64::max));
        let lengths = Products::of(&points);
        Self {
            fresh: fresh.collect(),
            range,
            spread: (lengths.n > 0).then(|| (lengths.yy / lengths.n as f64).sqrt()),
            lengths,
        }
    }
}

impl Products {
    fn of(points: &[(f64, f64)]) -> Self {
        let n = points.len() as f64;
        let sums = points
            .iter()
            .fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        let (mx, my) = (sums.0 / n, sums.1 / n);
        let mut own = Self {
            n: points.len(),
            ..Self::default()
        };
        for (x, y) in points.iter().map(|(x, y)| (x - mx, y - my)) {
            own.xx += x * x;
            own.xy += x * y;
            own.yy += y * y;
        }
        own
    }

    /// Those of several rounds together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            n: self.n + other.n,
            xx: self.xx + other.xx,
            xy: self.xy + other.xy,
            yy: self.yy + other.yy,
        }
    }

    /// Pearson's correlation; `None` while one of both does not vary.
    #[must_use]
    pub fn correlation(self) -> Option<f64> {
        let varies = self.xx > 1e-9 && self.yy > 1e-9;
        varies.then(|| self.xy / (self.xx * self.yy).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_rounds_add_up_and_correlate() {
        let one = Products::of(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]);
        assert_eq!((one.n, one.xx, one.xy, one.yy), (3, 2.0, 4.0, 8.0));
        assert!((one.correlation().unwrap() - 1.0).abs() < 1e-12);
        let other = Products::of(&[(5.0, 1.0), (7.0, 1.0)]);
        assert_eq!(other.correlation(), None);
        let both = one.plus(other);
        assert_eq!((both.n, both.xx), (5, 4.0));
        assert_eq!(Products::of(&[]).plus(one), one);
    }
}

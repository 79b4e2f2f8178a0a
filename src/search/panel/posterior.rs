//! The pairs' opinions as draws of one distribution over candidates: a Dirichlet distribution
//! fitted by moments (arXiv 2406.03199), which says how sure their mean is.

use super::opinion::{mean_opinion, variance};
use crate::search::draw::Lineage;

/// How many pairs a variance needs to mean anything.
pub const LEAST_PAIRS: usize = 3;

/// The bounds of the concentration.
const CONCENTRATION: (f64, f64) = (0.1, 1e3);

/// Below this a candidate's opinions are further apart than any Dirichlet distribution's.
const LEAST: f64 = 1e-6;

/// A Dirichlet distribution over the candidates, a prior of 1 each.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// The concentration: the higher, the more of one mind the pairs are.
    pub a0: f64,
    /// 1 + a0 · mean opinion.
    pub alpha: Vec<f64>,
    pub mean: Vec<f64>,
    pub sd: Vec<f64>,
}

impl Posterior {
    /// `None` for fewer than [`LEAST_PAIRS`] pairs.
    #[must_use]
    pub fn fitted(opinions: &[Vec<f64>]) -> Option<Self> {
        if opinions.len() < LEAST_PAIRS {
            return None;
        }
        let mean = mean_opinion(opinions);
        let a0 = concentration(opinions, &mean);
        let alpha: Vec<f64> = mean.iter().map(|p| 1.0 + a0 * p).collect();
        let sum: f64 = alpha.iter().sum();
        let mean: Vec<f64> = alpha.iter().map(|a| a / sum).collect();
        let sd = mean.iter().map(|m| (m * (1.0 - m) / (sum + 1.0)).sqrt());
        Some(Self {
            a0,
            sd: sd.collect(),
            mean,
            alpha,
        })
    }

    /// mean − κ sd: what a candidate is sure to be worth.
    #[must_use]
    pub fn lower(&self, kappa: f64) -> Vec<f64> {
        let both = self.mean.iter().zip(&self.sd);
        both.map(|(mean, sd)| mean - kappa * sd).collect()
    }

    /// P(candidate i is the best), from so many draws; the same for the same seed. 2000 draws
    /// leave a standard deviation of 0.011 at most.
    #[must_use]
    pub fn best(&self, seed: u64, n_draws: usize) -> Vec<f64> {
        let mut dice = Dice {
            stream: Lineage::root(seed),
            at: 0,
        };
        let mut wins = vec![0.0; self.alpha.len()];
        for _ in 0..n_draws {
            // A Dirichlet draw is one of gammas over their sum, which leaves the best as it is.
            let drawn = self.alpha.iter().map(|shape| dice.gamma(*shape));
            let best = drawn.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
            if let Some((best, _)) = best {
                wins[best] += 1.0 / n_draws as f64;
            }
        }
        wins
    }
}

/// exp(mean_i ln max(p_i (1 − p_i) / v_i − 1, 1e-6)), v_i the variance over pairs.
fn concentration(opinions: &[Vec<f64>], mean: &[f64]) -> f64 {
    let log = |(i, p): (usize, &f64)| {
        let of_pairs: Vec<f64> = opinions.iter().map(|opinion| opinion[i]).collect();
        (p * (1.0 - p) / variance(&of_pairs) - 1.0).max(LEAST).ln()
    };
    let logs: f64 = mean.iter().enumerate().map(log).sum();
    let (least, most) = CONCENTRATION;
    (logs / mean.len() as f64).exp().clamp(least, most)
}

/// Numbers one after the other from one stream.
struct Dice {
    stream: Lineage,
    at: usize,
}

impl Dice {
    /// Above 0 and at most 1.
    fn uniform(&mut self) -> f64 {
        self.at += 1;
        1.0 - self.stream.uniform(self.at)
    }

    /// Standard normal (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Gamma distributed, of a shape of at least 1 (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gammas_have_their_shape_for_mean_and_variance() {
        let mut dice = Dice {
            stream: Lineage::root(1),
            at: 0,
        };
        for shape in [1.0, 2.5, 40.0] {
            let drawn: Vec<f64> = (0..20_000).map(|_| dice.gamma(shape)).collect();
            let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
            // Five standard errors of the mean; the variance's own is about 3 % of it at most.
            assert!(
                (mean - shape).abs() < 5.0 * (shape / 20_000.0).sqrt(),
                "{shape}: {mean}"
            );
            assert!((variance(&drawn) / shape - 1.0).abs() < 0.15, "{shape}");
        }
    }
}

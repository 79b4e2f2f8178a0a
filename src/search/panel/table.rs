//! Scores of the candidates of a round by several pairs, and what a panel makes of them.

use super::opinion::{Conflict, mean_opinion, opinion};
use super::posterior::Posterior;
use crate::search::params::{Finite, PanelRule, ParamError};

/// `s[m][i]`: the log-ratio of pair m on candidate i, in nats; and what each pair counts. At least
/// one pair and one candidate, every number finite.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    scores: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

impl ScoreTable {
    /// Without weights each pair counts 1.
    ///
    /// # Errors
    /// [`ParamError`]: no pair or no candidate; pairs that score different numbers of candidates;
    /// not one weight a pair; a number that is not finite.
    pub fn new(scores: Vec<Vec<f64>>, weights: Option<Vec<f64>>) -> Result<Self, ParamError> {
        let weights = weights.unwrap_or_else(|| vec![1.0; scores.len()]);
        let n = scores.first().map_or(0, Vec::len);
        if n == 0 {
            return Err(ParamError::NoScores);
        }
        if let Some((pair, own)) = scores.iter().enumerate().find(|(_, own)| own.len() != n) {
            let (pair, got) = (pair + 1, own.len());
            return Err(ParamError::Ragged { pair, got, n });
        }
        if scores.len() != weights.len() {
            return Err(ParamError::Weights {
                pairs: scores.len(),
                weights: weights.len(),
            });
        }
        for score in scores.iter().flatten() {
            Finite::new("a score", *score)?;
        }
        for weight in &weights {
            Finite::new("the weight of a pair", *weight)?;
        }
        Ok(Self { scores, weights })
    }

    #[must_use]
    pub fn n_pairs(&self) -> usize {
        self.scores.len()
    }

    /// The scores of each pair.
    #[must_use]
    pub fn scores(&self) -> &[Vec<f64>] {
        &self.scores
    }

    /// `Σ_m w_m s[m][i]`: the product of experts.
    #[must_use]
    pub fn mixture(&self) -> Vec<f64> {
        let sum = |i: usize| {
            let of = self.scores.iter().zip(&self.weights);
            of.map(|(own, weight)| weight * own[i]).sum()
        };
        (0..self.scores[0].len()).map(sum).collect()
    }

    /// Of each pair, whatever its weight.
    #[must_use]
    pub fn opinions(&self) -> Vec<Vec<f64>> {
        self.scores.iter().map(|own| opinion(own)).collect()
    }

    /// The opinions of those who have a say: a weight of 0 has none, and one below 0 turns the
    /// pair round. How much it is above that counts in the mixture alone.
    #[must_use]
    pub fn voices(&self) -> Vec<Vec<f64>> {
        let seated = self.scores.iter().zip(&self.weights);
        let seated = seated.filter(|(_, weight)| **weight != 0.0);
        let turned = seated.map(|(own, weight)| {
            let turned: Vec<f64> = own.iter().map(|s| s * weight.signum()).collect();
            opinion(&turned)
        });
        turned.collect()
    }

    /// How far those who have a say disagree; `None` where nobody has.
    #[must_use]
    pub fn conflict(&self) -> Option<Conflict> {
        Conflict::of(&self.voices())
    }

    /// What candidates are ranked by. Where fewer pairs have a say than a posterior needs, the
    /// mean of their opinions stands in its place; where nobody has, all are alike.
    #[must_use]
    pub fn keys(&self, rule: PanelRule) -> Vec<f64> {
        let naive = |voices: &[Vec<f64>]| match voices {
            [] => vec![0.0; self.scores[0].len()],
            voices => mean_opinion(voices),
        };
        match rule {
            PanelRule::Mixture => self.mixture(),
            PanelRule::Naive => naive(&self.voices()),
            PanelRule::Bayes { kappa } => {
                let voices = self.voices();
                let posterior = Posterior::fitted(&voices);
                posterior.map_or_else(|| naive(&voices), |own| own.lower(kappa.get()))
            }
        }
    }
}

/// Indices, the highest key first; of equals the first.
#[must_use]
pub fn order(keys: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| keys[*b].total_cmp(&keys[*a]));
    order
}

//! What training makes small.

use candle_core::{Device, Result, Tensor, Var};

use serde::{Deserialize, Serialize};

use super::rows::Row;

/// A loss. Of preferences it is a function of the margin
/// `h = (log π(chosen) - log π_ref(chosen)) - (log π(rejected) - log π_ref(rejected))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The mean of `-log p` over all tokens that count.
    Likelihood,
    /// `-(1 - ε) log σ(β h) - ε log σ(-β h)`: Rafailov et al. 2023, with the smoothed labels of
    /// conservative DPO (ε is how often a preference is the wrong way round).
    Dpo { beta: f64, smoothing: f64 },
    /// `(h - 1 / 2β)^2`, with log-probabilities a token, as TRL has it: Azar et al. 2023.
    Ipo { beta: f64 },
    /// `-log σ(r(chosen) - r(rejected))` of a head's rewards: Bradley and Terry 1952.
    Reward,
}

/// What is learnt from.
#[derive(Debug, Clone, PartialEq)]
pub enum Example {
    Text(Row),
    Preference {
        chosen: Row,
        rejected: Row,
        /// log-probabilities of both before training; of no use to rewards.
        reference: [f32; 2],
    },
}

/// What an objective says of some examples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// The mean over `weight`.
    pub loss: f64,
    /// Tokens that count, or preferences.
    pub weight: f64,
    /// Of the chosen and the rejected: log-probabilities, or rewards of a reward head.
    pub chosen: Vec<f32>,
    pub rejected: Vec<f32>,
    /// `β (log π - log π_ref)` of each, or a reward head's rewards.
    pub chosen_rewards: Vec<f32>,
    pub rejected_rewards: Vec<f32>,
}

impl Example {
    /// Its rows, the chosen one first.
    pub fn rows(&self) -> Vec<&Row> {
        match self {
            Self::Text(row) => vec![row],
            Self::Preference {
                chosen, rejected, ..
            } => vec![chosen, rejected],
        }
    }
}

impl Measured {
    /// Takes in what was said of other examples.
    pub fn add(&mut self, other: Self) {
        let weight = self.weight + other.weight;
        if weight > 0.0 {
            let sum = self.loss * self.weight + other.loss * other.weight;
            (self.loss, self.weight) = (sum / weight, weight);
        }
        self.chosen.extend(other.chosen);
        self.rejected.extend(other.rejected);
        self.chosen_rewards.extend(other.chosen_rewards);
        self.rejected_rewards.extend(other.rejected_rewards);
    }

    /// Mean reward of the chosen less that of the rejected.
    #[must_use]
    pub fn margin(&self) -> f64 {
        mean(&self.chosen_rewards) - mean(&self.rejected_rewards)
    }

    /// How often the chosen has the higher reward; a difference that is but rounding is half right,
    /// as all are before the first step.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        const ROUNDING: f32 = 1e-5;
        let pairs = self.chosen_rewards.iter().zip(&self.rejected_rewards);
        let right = pairs.map(|(chosen, rejected)| match chosen - rejected {
            close if close.abs() < ROUNDING => 0.5,
            margin => f64::from(u8::from(margin > 0.0)),
        });
        right.sum::<f64>() / self.chosen_rewards.len().max(1) as f64
    }

    /// Mean reward of the chosen.
    #[must_use]
    pub fn mean_chosen(&self) -> f64 {
        mean(&self.chosen_rewards)
    }

    /// Mean reward of the rejected.
    #[must_use]
    pub fn mean_rejected(&self) -> f64 {
        mean(&self.rejected_rewards)
    }
}

fn mean(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
    sum / values.len().max(1) as f64
}

/// What the model says of the rows of some examples, in their order.
pub(super) enum Said {
    /// Log-probabilities of all tokens that count, row after row.
    Tokens(Tensor),
    /// A reward a row.
    Rewards(Tensor),
}

impl Said {
    pub fn tensor(&self) -> &Tensor {
        match self {
            Self::Tokens(tensor) | Self::Rewards(tensor) => tensor,
        }
    }

    fn with(&self, tensor: Tensor) -> Self {
        match self {
            Self::Tokens(_) => Self::Tokens(tensor),
            Self::Rewards(_) => Self::Rewards(tensor),
        }
    }
}

impl Objective {
    /// Whether it needs a head that gives one number.
    #[must_use]
    pub fn is_reward(self) -> bool {
        self == Self::Reward
    }

    /// What `said` gains by the sum of all losses (their mean times their weight), and all there is
    /// to tell.
    pub(super) fn gradient(self, examples: &[&Example], said: &Said) -> Result<(Tensor, Measured)> {
        let leaf = Var::from_tensor(&said.tensor().detach())?;
        let (loss, measured) = self.of(examples, &said.with(leaf.as_tensor().clone()))?;
        match (loss * measured.weight)?.backward()?.remove(&leaf) {
            Some(grad) => Ok((grad, measured)),
            None => candle_core::bail!("a loss that depends on nothing that was said"),
        }
    }

    /// The mean loss as a tensor of one number, and all there is to tell.
    pub(super) fn of(self, examples: &[&Example], said: &Said) -> Result<(Tensor, Measured)> {
        match (self, said) {
            (Self::Likelihood, Said::Tokens(tokens)) => likelihood(tokens),
            (_, Said::Rewards(rewards)) => rewarded(rewards),
            (_, Said::Tokens(tokens)) => self.preferred(examples, tokens),
        }
    }

    fn preferred(self, examples: &[&Example], tokens: &Tensor) -> Result<(Tensor, Measured)> {
        let per_token = matches!(self, Self::Ipo { .. });
        let (mut sums, mut reference, mut first) = (Vec::new(), Vec::new(), 0);
        for example in examples {
            for row in example.rows() {
                let n = row.n_targets();
                let sum = tokens.narrow(0, first, n)?.sum_all()?;
                sums.push(if per_token { (sum / n as f64)? } else { sum });
                first += n;
            }
            reference.extend(example.reference(per_token));
        }
        let sums = Tensor::stack(&sums, 0)?.reshape(((), 2))?;
        let reference = Tensor::from_vec(reference, sums.dims(), sums.device())?;
        let ratios = (&sums - reference)?;
        let margins = (ratios.narrow(1, 0, 1)? - ratios.narrow(1, 1, 1)?)?.squeeze(1)?;
        let (losses, beta) = match self {
            Self::Ipo { beta } => ((&margins - 0.5 / beta)?.sqr()?, beta),
            Self::Dpo { beta, smoothing } => (dpo(&(&margins * beta)?, smoothing)?, beta),
            Self::Likelihood | Self::Reward => (margins.clone(), 1.0),
        };
        let mut measured = of_pairs(&sums)?;
        let rewards = of_pairs(&(ratios * beta)?)?;
        (measured.chosen_rewards, measured.rejected_rewards) = (rewards.chosen, rewards.rejected);
        finish(&losses, measured)
    }
}

impl Example {
    fn reference(&self, per_token: bool) -> Vec<f32> {
        let Self::Preference {
            chosen,
            rejected,
            reference,
        } = self
        else {
            return Vec::new();
        };
        match per_token {
            false => reference.to_vec(),
            true => vec![
                reference[0] / chosen.n_targets() as f32,
                reference[1] / rejected.n_targets() as f32,
            ],
        }
    }
}

fn likelihood(tokens: &Tensor) -> Result<(Tensor, Measured)> {
    let loss = tokens.mean_all()?.neg()?;
    let measured = Measured {
        loss: f64::from(loss.to_scalar::<f32>()?),
        weight: tokens.elem_count() as f64,
        ..Measured::default()
    };
    Ok((loss, measured))
}

fn rewarded(rewards: &Tensor) -> Result<(Tensor, Measured)> {
    let rewards = rewards.reshape(((), 2))?;
    let margins = (rewards.narrow(1, 0, 1)? - rewards.narrow(1, 1, 1)?)?.squeeze(1)?;
    let mut measured = of_pairs(&rewards)?;
    measured.chosen_rewards = measured.chosen.clone();
    measured.rejected_rewards = measured.rejected.clone();
    finish(&dpo(&margins, 0.0)?, measured)
}

/// The two columns of (preferences, 2).
fn of_pairs(pairs: &Tensor) -> Result<Measured> {
    let column = |i| {
        pairs
            .narrow(1, i, 1)?
            .flatten_all()?
            .to_device(&Device::Cpu)?
            .to_vec1()
    };
    Ok(Measured {
        chosen: column(0)?,
        rejected: column(1)?,
        ..Measured::default()
    })
}

fn finish(losses: &Tensor, measured: Measured) -> Result<(Tensor, Measured)> {
    let loss = losses.mean_all()?;
    let measured = Measured {
        loss: f64::from(loss.to_scalar::<f32>()?),
        weight: losses.elem_count() as f64,
        ..measured
    };
    Ok((loss, measured))
}

fn dpo(margins: &Tensor, smoothing: f64) -> Result<Tensor> {
    let right = softplus(&margins.neg()?)?;
    if smoothing == 0.0 {
        return Ok(right);
    }
    (right * (1.0 - smoothing))? + (softplus(margins)? * smoothing)?
}

/// `log(1 + e^x) = -log σ(-x)`
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(reference: [f32; 2]) -> Example {
        let row = |n| Row::new(&[1, 2], &vec![3; n]);
        Example::Preference {
            chosen: row(2),
            rejected: row(4),
            reference,
        }
    }

    fn loss(objective: Objective, tokens: &[f32]) -> f64 {
        let tokens = Tensor::new(tokens, &Device::Cpu).unwrap();
        let example = pair([-1.0, -2.0]);
        objective
            .of(&[&example], &Said::Tokens(tokens))
            .unwrap()
            .1
            .loss
    }

    /// log π: -0.5 and -3, so h = 0.5 - (-1) = 1.5.
    const TOKENS: [f32; 6] = [-0.25, -0.25, -0.5, -0.5, -1.0, -1.0];

    #[test]
    fn losses_are_their_formulas() {
        let log_sigmoid = |x: f64| -(1.0 + (-x).exp()).ln();
        let dpo = |smoothing| {
            loss(
                Objective::Dpo {
                    beta: 2.0,
                    smoothing,
                },
                &TOKENS,
            )
        };
        assert!((dpo(0.0) + log_sigmoid(3.0)).abs() < 1e-6);
        let smoothed = -0.9 * log_sigmoid(3.0) - 0.1 * log_sigmoid(-3.0);
        assert!((dpo(0.1) - smoothed).abs() < 1e-6);
        // A token: h = (-0.25 + 0.5) - (-0.75 + 0.5) = 0.5.
        let ipo = loss(Objective::Ipo { beta: 0.5 }, &TOKENS);
        assert!((ipo - 0.25).abs() < 1e-6, "{ipo}");
        let mean = loss(Objective::Likelihood, &TOKENS);
        assert!((mean - 3.5 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn rewards_are_compared() {
        let rewards = Tensor::new(&[1.0_f32, 3.0, 2.0, -1.0], &Device::Cpu).unwrap();
        let (_, told) = Objective::Reward.of(&[], &Said::Rewards(rewards)).unwrap();
        assert_eq!((told.accuracy(), told.margin()), (0.5, 0.5));
        let wanted = ((1.0 + 2_f64.exp()).ln() + (1.0 + (-3_f64).exp()).ln()) / 2.0;
        assert!((told.loss - wanted).abs() < 1e-6);
    }

    #[test]
    fn means_are_weighted() {
        let of = |loss, weight| Measured {
            loss,
            weight,
            ..Measured::default()
        };
        let mut all = of(1.0, 1.0);
        all.add(of(3.0, 3.0));
        all.add(of(9.0, 0.0));
        assert_eq!((all.loss, all.weight), (2.5, 4.0));
    }
}

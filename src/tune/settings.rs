//! How a training goes: its objective, its batches, its rate.

use serde::{Deserialize, Serialize};

use super::error::TuneError;
use crate::decoder::train::{AdamWSettings, Objective, Part};
use crate::search::Lineage;

/// All that decides a training beside its data and its base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub objective: Objective,
    pub part: Part,
    pub optimiser: AdamWSettings,
    /// The highest rate.
    pub rate: f64,
    pub schedule: Schedule,
    /// Share of all steps in which the rate rises.
    pub warmup: f64,
    /// Times that all examples are learnt.
    pub epochs: usize,
    /// No more steps than that.
    pub most_steps: Option<usize>,
    /// Examples a step.
    pub batch: usize,
    /// Share of examples that are not learnt but measured.
    pub held_out: f64,
    /// Steps between measures of what is held out, and between checkpoints.
    pub every: usize,
    /// Ends after so many measures that were no better; 0 goes on.
    pub patience: usize,
    pub seed: u64,
}

/// How the rate falls once it is at its highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    Constant,
    Linear,
    Cosine,
}

impl Settings {
    /// # Errors
    /// The first setting that makes no sense.
    pub fn check(&self) -> Result<(), TuneError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let share = |value: f64| (0.0..1.0).contains(&value);
        let tests = [
            (
                "rate",
                self.rate,
                positive(self.rate),
                "give a number above 0",
            ),
            (
                "decay",
                self.optimiser.decay,
                self.optimiser.decay >= 0.0,
                "give 0 or more",
            ),
            (
                "clip",
                self.optimiser.clip.unwrap_or(1.0),
                self.optimiser.clip.is_none_or(positive),
                "give a number above 0, or 0 for none",
            ),
            (
                "warmup",
                self.warmup,
                share(self.warmup),
                "give a share of all steps, from 0 to below 1",
            ),
            (
                "held-out",
                self.held_out,
                share(self.held_out),
                "give a share of all examples, from 0 to below 1",
            ),
            (
                "epochs",
                self.epochs as f64,
                self.epochs > 0,
                "give 1 or more",
            ),
            ("batch", self.batch as f64, self.batch > 0, "give 1 or more"),
            ("every", self.every as f64, self.every > 0, "give 1 or more"),
        ];
        for (setting, value, is_right, wanted) in tests {
            if !is_right {
                return Err(wrong(setting, value, wanted));
            }
        }
        self.check_objective()
    }

    fn check_objective(&self) -> Result<(), TuneError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match self.objective {
            Objective::Dpo { beta, .. } | Objective::Ipo { beta } if !positive(beta) => {
                Err(wrong("beta", beta, "give a number above 0"))
            }
            Objective::Dpo { smoothing, .. } if !(0.0..0.5).contains(&smoothing) => Err(wrong(
                "smoothing",
                smoothing,
                "give a share of wrong preferences, from 0 to below 0.5",
            )),
            _ => Ok(()),
        }
    }

    /// Steps in all, for so many examples.
    #[must_use]
    pub fn n_steps(&self, n_examples: usize) -> usize {
        let all = n_examples.div_ceil(self.batch) * self.epochs;
        self.most_steps.map_or(all, |most| all.min(most))
    }

    /// The rate of step `step`, from 0, of `n`.
    #[must_use]
    pub fn rate_of(&self, step: usize, n: usize) -> f64 {
        let rising = (self.warmup * n as f64).ceil() as usize;
        if step < rising {
            return self.rate * (step + 1) as f64 / rising as f64;
        }
        let gone = (step - rising) as f64 / (n - rising).max(1) as f64;
        self.rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear => 1.0 - gone,
                Schedule::Cosine => f64::midpoint(1.0, (std::f64::consts::PI * gone).cos()),
            }
    }

    /// The examples of step `step`, of `n` in all: every epoch has an order of its own.
    #[must_use]
    pub fn batch_of(&self, step: usize, n: usize) -> Vec<usize> {
        let a_pass = n.div_ceil(self.batch);
        let (epoch, place) = (step / a_pass, step % a_pass);
        let order = shuffled(n, self.seed, epoch as u64);
        let end = n.min((place + 1) * self.batch);
        order[place * self.batch..end].to_vec()
    }
}

fn wrong(setting: &'static str, value: f64, wanted: &'static str) -> TuneError {
    TuneError::Setting {
        setting,
        value: value.to_string(),
        wanted,
    }
}

/// The numbers below `n` in an order of their own (Fisher and Yates).
#[must_use]
pub fn shuffled(n: usize, seed: u64, number: u64) -> Vec<usize> {
    let stream = Lineage::root(seed ^ 0x006f_7264_6572).aside(number);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        let j = (stream.uniform(i) * (i + 1) as f64) as usize;
        order.swap(i, j.min(i));
    }
    order
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn settings() -> Settings {
        Settings {
            objective: Objective::Likelihood,
            part: Part::All,
            optimiser: AdamWSettings::default(),
            rate: 1.0,
            schedule: Schedule::Linear,
            warmup: 0.2,
            epochs: 2,
            most_steps: None,
            batch: 4,
            held_out: 0.0,
            every: 10,
            patience: 0,
            seed: 1,
        }
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let rates = |schedule| {
            let settings = Settings {
                schedule,
                ..settings()
            };
            (0..10).map(|i| settings.rate_of(i, 10)).collect::<Vec<_>>()
        };
        let linear = rates(Schedule::Linear);
        assert_eq!(linear[..3], [0.5, 1.0, 1.0]);
        assert_eq!(linear[9], 0.125);
        assert_eq!(rates(Schedule::Constant)[9], 1.0);
        let cosine = rates(Schedule::Cosine);
        assert!((cosine[6] - 0.5).abs() < 1e-9, "{cosine:?}");
    }

    #[test]
    fn every_epoch_has_every_example_once() {
        let settings = settings();
        assert_eq!(settings.n_steps(10), 6);
        let epoch = |e: usize| {
            let steps = (3 * e..3 * e + 3).map(|step| settings.batch_of(step, 10));
            steps.collect::<Vec<_>>().concat()
        };
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert_eq!(order, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let told = |settings: Settings| settings.check().unwrap_err().to_string();
        let rate = told(Settings {
            rate: f64::NAN,
            ..settings()
        });
        assert!(rate.contains("rate of NaN"), "{rate}");
        let objective = Objective::Dpo {
            beta: 0.1,
            smoothing: 0.5,
        };
        assert!(
            told(Settings {
                objective,
                ..settings()
            })
            .contains("smoothing")
        );
        assert!(
            told(Settings {
                batch: 0,
                ..settings()
            })
            .contains("batch")
        );
        assert!(settings().check().is_ok());
    }
}

//! A model under training.

use std::path::Path;

use candle_core::{DType, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::low::{self, LowRank};
use super::objective::{Example, Measured, Objective, Said};
use super::ops::{self, Finish};
use super::optim::{AdamW, AdamWSettings};
use super::param::{Linear, Param, Table, Trained};
use super::pass::TrainPass;
use super::rows::{Packed, Row};
use super::stored;
use super::sum::sum;
use super::tape::{Gradients, Tape};
use crate::decoder::build::Builder;
use crate::decoder::net::{Net, Tuned};
use crate::decoder::placement::Placement;
use crate::decoder::pool::pool;
use crate::decoder::rope::RopeTable;
use crate::models::{DecoderConfig, Doing, LoadError, Meter, Source, Watch, Weights};
type Result<T> = candle_core::Result<T>;

/// Which weights are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    All,
    /// Factors beside frozen weights.
    Low(LowRank),
}

/// What is trained, and how it follows its gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    pub part: Part,
    /// Whether the head gives a reward in place of logits; it begins at random where the
    /// checkpoint has none.
    pub reward: bool,
    pub optimiser: AdamWSettings,
    pub seed: u64,
}

/// A model under training.
pub struct Trainee {
    net: Tuned<Trained>,
    ropes: Vec<RopeTable>,
    config: DecoderConfig,
    pub(super) place: Placement,
    pub(super) vars: Vec<Var>,
    pub(super) adamw: AdamW,
    /// Sums of what was learnt since the last step, one a variable, and their weight.
    grads: Vec<Option<Tensor>>,
    weight: f64,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stepped {
    /// Of all gradients together, before they were shortened.
    pub grad_norm: f64,
}

impl Trainee {
    /// Reads all weights onto the device of `place`, in f32.
    ///
    /// # Errors
    /// As [`Decoder::load`](crate::decoder::Decoder::load); a low rank that the model has no room for.
    pub fn open(
        config: &DecoderConfig,
        weights: &Weights,
        place: &Placement,
        training: &Training,
    ) -> std::result::Result<Self, LoadError> {
        let low = match &training.part {
            Part::All => None,
            Part::Low(low) => Some(low),
        };
        let keep = Trained {
            device: place.device.clone(),
            frozen: low.is_some(),
            norm: config.arithmetic.norm,
        };
        let nobody = Watch::default();
        let builder = Builder {
            keep: &keep,
            config,
            source: &Source::open(weights)?,
            meter: &Meter::start(&nobody, Doing::Loading, "", 0),
        };
        let mut net = pool().install(|| builder.net())?;
        let mut config = config.clone();
        if let Some(low) = low {
            low.attach(&mut net, &config, training.seed, &place.device)?;
        }
        if training.reward {
            config = rewarding(&mut net, config, training.seed, place)?;
        }
        Ok(Self::new(net, config, place, training.optimiser)?)
    }

    fn new(
        net: Net<Trained>,
        config: DecoderConfig,
        place: &Placement,
        optimiser: AdamWSettings,
    ) -> Result<Self> {
        let ropes = config.arithmetic.ropes.iter();
        let ropes = ropes.map(|r| RopeTable::new(r.clone(), config.context));
        let vars = stored::vars(&net);
        Ok(Self {
            ropes: ropes.collect(),
            adamw: AdamW::new(optimiser, &vars)?,
            grads: vars.iter().map(|_| None).collect(),
            net: Tuned::new(net),
            place: place.clone(),
            weight: 0.0,
            config,
            vars,
        })
    }

    /// The model's shape.
    #[must_use]
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// How many numbers are trained.
    #[must_use]
    pub fn n_trained(&self) -> usize {
        self.vars.iter().map(|var| var.elem_count()).sum()
    }

    /// What `objective` says of `examples`; nothing is learnt.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn measure(&self, examples: &[&Example], objective: Objective) -> Result<Measured> {
        let said = pool().install(|| self.said(examples, objective, &Tape::new(false)))?;
        objective.of(examples, &said).map(|(_, measured)| measured)
    }

    /// The sum of the log-probabilities of all that counts, row by row.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn log_probs(&self, rows: &[&Row]) -> Result<Vec<f32>> {
        let tokens = pool()
            .install(|| self.tokens(rows, &Tape::new(false)))?
            .to_vec1::<f32>()?;
        let mut tokens = tokens.into_iter();
        let sum = |row: &&Row| tokens.by_ref().take(row.n_targets()).sum();
        Ok(rows.iter().map(sum).collect())
    }

    /// Adds the gradients of `examples` to those of others since the last step.
    ///
    /// # Errors
    /// As [`Self::measure`]; a variable that no gradient reaches.
    pub fn learn(&mut self, examples: &[&Example], objective: Objective) -> Result<Measured> {
        pool().install(|| {
            let tape = Tape::new(true);
            let said = self.said(examples, objective, &tape)?;
            let (grad, measured) = objective.gradient(examples, &said)?;
            let grads = tape.backward(said.tensor(), grad)?;
            self.gather(grads, measured.weight)?;
            Ok(measured)
        })
    }

    fn gather(&mut self, mut grads: Gradients, weight: f64) -> Result<()> {
        for (var, gathered) in self.vars.iter().zip(&mut self.grads) {
            let Some(grad) = grads.remove(&var.id()) else {
                candle_core::bail!("a variable of shape {:?} has no gradient", var.dims());
            };
            *gathered = Some(match gathered.take() {
                None => grad,
                Some(before) => sum(&before, &grad)?,
            });
        }
        self.weight += weight;
        Ok(())
    }

    /// Follows the mean of what was gathered. Where its norm is not finite nothing is changed, and
    /// the norm says so.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn step(&mut self, rate: f64) -> Result<Stepped> {
        let mean = 1.0 / self.weight.max(1.0);
        let grads = self.grads.iter_mut().map(Option::take);
        let Some(grads) = grads.collect::<Option<Vec<_>>>() else {
            candle_core::bail!("a step without anything learnt");
        };
        self.weight = 0.0;
        let step = || self.adamw.step(&self.vars, &grads, mean, rate);
        let grad_norm = pool().install(step)?;
        Ok(Stepped { grad_norm })
    }

    /// Whether every gradient since the last step is of something: of each variable the largest
    /// entry, by magnitude.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn largest_gradients(&self) -> Result<Vec<f32>> {
        let largest = |grad: &Tensor| grad.abs()?.flatten_all()?.max(0)?.to_scalar();
        self.grads.iter().flatten().map(largest).collect()
    }

    /// Raw logits that follow `ids`.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let row = Row::new(ids, &[]);
        pool().install(|| {
            self.ends(&[&row], &Tape::new(false))?
                .flatten_all()?
                .to_vec1()
        })
    }

    fn said(&self, examples: &[&Example], objective: Objective, tape: &Tape) -> Result<Said> {
        let rows: Vec<&Row> = examples.iter().flat_map(|e| e.rows()).collect();
        match objective.is_reward() {
            true => self.ends(&rows, tape).map(Said::Rewards),
            false => self.tokens(&rows, tape).map(Said::Tokens),
        }
    }

    /// Log-probabilities of all that counts, row after row.
    fn tokens(&self, rows: &[&Row], tape: &Tape) -> Result<Tensor> {
        let packed = Packed::of_targets(rows);
        let h = self.hidden(&packed, tape)?;
        let a = &self.config.arithmetic;
        let finish = Finish {
            scale: a.logit_scale as f32,
            cap: a.logit_cap.map(|cap| cap as f32),
        };
        let head = &self.net.net().head.weight;
        ops::chosen(tape, &h, head, packed.targets.clone(), finish)
    }

    /// What the head says after the last token of each row.
    fn ends(&self, rows: &[&Row], tape: &Tape) -> Result<Tensor> {
        let packed = Packed::of_ends(rows);
        let h = self.hidden(&packed, tape)?;
        ops::linear(tape, &h, &self.net.net().head.weight)
    }

    fn hidden(&self, packed: &Packed, tape: &Tape) -> Result<Tensor> {
        let mut pass = TrainPass::new(tape, &self.config, &self.place, &self.ropes, packed)?;
        // The head takes f32.
        tape.cast(&self.net.hidden(&mut pass)?, DType::F32)
    }
}

/// Gives the net a head of one number, at random as in Stiennon et al. 2020: of deviation
/// `1 / sqrt(hidden + 1)`.
fn rewarding(
    net: &mut Net<Trained>,
    config: DecoderConfig,
    seed: u64,
    place: &Placement,
) -> std::result::Result<DecoderConfig, LoadError> {
    if config.n_labels.is_some() {
        return Ok(config);
    }
    let deviation = 1.0 / ((config.hidden + 1) as f32).sqrt();
    let values = low::normal(seed, "score", config.hidden);
    let values = values.iter().map(|v| v * deviation).collect::<Vec<_>>();
    let head = Linear {
        weight: Param::Var(Var::from_vec(values, (1, config.hidden), &place.device)?),
        bias: None,
        low: Vec::new(),
    };
    let old = std::mem::replace(&mut net.head, head);
    if config.tied {
        net.embedding = Table::Own(old.weight);
    }
    Ok(config.with_labels(1))
}

impl Trainee {
    /// Writes all of the model in safetensors, under the names of its family, in 16 bits where
    /// `halves`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path, halves: bool) -> Result<()> {
        stored::write(stored::tensors(self.net.net(), &self.config)?, path, halves)
    }

    /// Writes the factors of low rank as PEFT does; nothing where there are none.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_low(&self, path: &Path, halves: bool) -> Result<()> {
        stored::write(low::tensors(self.net.net()), path, halves)
    }

    /// The names of the matrices that have factors, as PEFT's `target_modules`.
    #[must_use]
    pub fn low_modules(&self) -> Vec<String> {
        low::modules(self.net.net())
    }
}

impl std::fmt::Debug for Trainee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = &self.config.family;
        f.debug_struct("Trainee")
            .field("family", family)
            .finish_non_exhaustive()
    }
}

//! What a pass says of the tokens to come: logits on the host, or on the device in blocks.
//!
//! A vocabulary is long and little of it is asked for: the log-probability of a token, the likeliest
//! few, what filters leave. So logits stay on the device; of every block of [`BLOCK`] the host knows
//! the highest one and the sum of exponentials, from which it finds which blocks to fetch. Sums over
//! blocks are made in f32 on the device, sums of blocks in f64 on the host.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::{D, DType, Result, Tensor};

use super::error::ForwardError;
use super::feed::Logits;
use super::host::log_sum_exp;

/// Ids in a block.
pub const BLOCK: usize = 128;

/// What one pass says, position after position.
#[derive(Debug, Clone)]
pub enum Said {
    Here(Arc<Logits>),
    Far(Arc<Blocks>),
}

/// Logits on a device.
#[derive(Debug)]
pub struct Blocks {
    /// (positions · blocks of a position, [`BLOCK`]), filled up with −∞.
    values: Tensor,
    n_blocks: usize,
    vocab: usize,
    /// The highest logit of each block.
    tops: Vec<f32>,
    /// log Σ exp(logits), by position.
    log_sums: Vec<f64>,
}

/// One position of a pass.
#[derive(Debug, Clone)]
pub struct Place {
    said: Said,
    at: usize,
}

/// Of a block, with x = (logit − the position's highest) / temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mass {
    /// Σ exp(x)
    pub sum: f64,
    /// Σ x exp(x)
    pub moment: f64,
}

impl Said {
    /// How many positions there are.
    #[must_use]
    pub fn n_places(&self) -> usize {
        match self {
            Self::Here(logits) => logits.n_rows(),
            Self::Far(blocks) => blocks.log_sums.len(),
        }
    }

    /// A position of those that there are.
    #[must_use]
    pub fn place(&self, at: usize) -> Place {
        let said = self.clone();
        Place { said, at }
    }

    /// All logits, on the host.
    ///
    /// # Errors
    /// A failing device.
    pub fn whole(&self) -> std::result::Result<Logits, ForwardError> {
        match self {
            Self::Here(logits) => Ok(Logits::clone(logits)),
            Self::Far(blocks) => {
                let values = blocks.fetch(0..blocks.log_sums.len())?;
                Ok(Logits::new(vec![values.into()], blocks.vocab))
            }
        }
    }

    /// log p of the token with each id at each position, in nats.
    ///
    /// # Errors
    /// A failing device.
    pub fn log_probs(
        &self,
        wanted: &[(usize, u32)],
    ) -> std::result::Result<Vec<f64>, ForwardError> {
        match self {
            Self::Here(logits) => {
                use rayon::prelude::*;
                let of = |(at, id): &(usize, u32)| {
                    let row = logits.row(*at);
                    f64::from(row[*id as usize]) - log_sum_exp(row)
                };
                Ok(wanted.par_iter().map(of).collect())
            }
            Self::Far(blocks) => Ok(blocks.log_probs(wanted)?),
        }
    }
}

impl Blocks {
    /// Sums up logits (positions, vocabulary) in f32 on their device.
    pub(super) fn new(logits: &Tensor) -> Result<Self> {
        let (n, vocab) = logits.dims2()?;
        let n_blocks = vocab.div_ceil(BLOCK);
        let filling = n_blocks * BLOCK - vocab;
        let values = match filling {
            0 => logits.clone(),
            n_more => {
                let none = Tensor::full(f32::NEG_INFINITY, (n, n_more), logits.device())?;
                Tensor::cat(&[logits, &none], 1)?
            }
        };
        let values = values.contiguous()?.reshape((n * n_blocks, BLOCK))?;
        let tops = values.max_keepdim(D::Minus1)?;
        let sums = values.broadcast_sub(&tops)?.exp()?.sum(D::Minus1)?;
        let tops: Vec<f32> = tops.flatten_all()?.to_vec1()?;
        let sums: Vec<f32> = sums.to_vec1()?;
        let both = tops.chunks(n_blocks).zip(sums.chunks(n_blocks));
        Ok(Self {
            log_sums: both.map(|(tops, sums)| log_sum(tops, sums)).collect(),
            values,
            n_blocks,
            vocab,
            tops,
        })
    }

    /// All logits of some positions.
    fn fetch(&self, places: std::ops::Range<usize>) -> Result<Vec<f32>> {
        let first = places.start * self.n_blocks;
        let rows = self.values.narrow(0, first, places.len() * self.n_blocks)?;
        let rows = rows.reshape((places.len(), self.n_blocks * BLOCK))?;
        rows.narrow(1, 0, self.vocab)?.flatten_all()?.to_vec1()
    }

    fn log_probs(&self, wanted: &[(usize, u32)]) -> Result<Vec<f64>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let width = self.n_blocks * BLOCK;
        let place = |(at, id): &(usize, u32)| (at * width + *id as usize) as u32;
        let places: Vec<u32> = wanted.iter().map(place).collect();
        let places = Tensor::new(places, self.values.device())?;
        let logits = self.values.flatten_all()?.index_select(&places, 0)?;
        let logits: Vec<f32> = logits.to_vec1()?;
        let both = wanted.iter().zip(logits);
        Ok(both
            .map(|((at, _), logit)| f64::from(logit) - self.log_sums[*at])
            .collect())
    }

    fn tops(&self, at: usize) -> &[f32] {
        &self.tops[at * self.n_blocks..][..self.n_blocks]
    }
}

/// log Σ exp of a position, of what its blocks say.
fn log_sum(tops: &[f32], sums: &[f32]) -> f64 {
    let top = tops.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let both = tops.iter().zip(sums);
    let sum: f64 = both
        .map(|(t, sum)| f64::from(*sum) * f64::from(t - top).exp())
        .sum();
    f64::from(top) + sum.ln()
}

impl Place {
    /// Its logits, where they are on the host.
    #[must_use]
    pub fn here(&self) -> Option<&[f32]> {
        match &self.said {
            Said::Here(logits) => Some(logits.row(self.at)),
            Said::Far(_) => None,
        }
    }

    /// Its logits, brought to the host where they are not.
    ///
    /// # Errors
    /// A failing device.
    pub fn whole(&self) -> std::result::Result<Cow<'_, [f32]>, ForwardError> {
        match &self.said {
            Said::Here(logits) => Ok(Cow::Borrowed(logits.row(self.at))),
            Said::Far(blocks) => Ok(Cow::Owned(blocks.fetch(self.at..self.at + 1)?)),
        }
    }

    /// log p of the token with this id, in nats.
    ///
    /// # Errors
    /// A failing device.
    pub fn log_prob(&self, id: u32) -> std::result::Result<f64, ForwardError> {
        let said = self.said.log_probs(&[(self.at, id)])?;
        Ok(said[0])
    }

    /// log Σ exp(logits); no number where a logit is none.
    #[must_use]
    pub fn log_sum_exp(&self) -> f64 {
        match &self.said {
            Said::Here(logits) => log_sum_exp(logits.row(self.at)),
            Said::Far(blocks) => blocks.log_sums[self.at],
        }
    }

    /// The highest logit of each block; none on the host.
    #[must_use]
    pub fn tops(&self) -> &[f32] {
        match &self.said {
            Said::Here(_) => &[],
            Said::Far(blocks) => blocks.tops(self.at),
        }
    }

    /// The logits of some blocks, one after the other, −∞ beyond the vocabulary; none on the host.
    ///
    /// # Errors
    /// A failing device.
    pub fn fetch(&self, wanted: &[usize]) -> std::result::Result<Vec<f32>, ForwardError> {
        let Said::Far(blocks) = &self.said else {
            return Ok(Vec::new());
        };
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.at * blocks.n_blocks;
        let rows: Vec<u32> = wanted.iter().map(|block| (first + block) as u32).collect();
        let rows = Tensor::new(rows, blocks.values.device())?;
        let fetched = blocks.values.index_select(&rows, 0)?.flatten_all()?;
        Ok(fetched.to_vec1()?)
    }

    /// What the blocks weigh at a temperature; nothing on the host.
    ///
    /// # Errors
    /// A failing device.
    pub fn masses(&self, temperature: f64) -> std::result::Result<Vec<Mass>, ForwardError> {
        let Said::Far(blocks) = &self.said else {
            return Ok(Vec::new());
        };
        Ok(blocks.masses(self.at, temperature)?)
    }
}

impl Blocks {
    fn masses(&self, at: usize, temperature: f64) -> Result<Vec<Mass>> {
        let top = self
            .tops(at)
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        let values = self.values.narrow(0, at * self.n_blocks, self.n_blocks)?;
        // What is filled up weighs nothing, as the lowest logit that is a number does.
        let x = ((values - f64::from(top))? / temperature)?.clamp(-1e4, 0.0)?;
        let weights = x.exp()?;
        let sums = weights.sum(D::Minus1)?;
        let moments = (weights * x)?.sum(D::Minus1)?;
        let both = Tensor::stack(&[sums, moments], 0)?.to_dtype(DType::F64)?;
        let both: Vec<Vec<f64>> = both.to_vec2()?;
        let masses = both[0].iter().zip(&both[1]);
        Ok(masses
            .map(|(sum, moment)| Mass {
                sum: *sum,
                moment: *moment,
            })
            .collect())
    }
}

//! Encoders that classify: loaded, and asked.

use candle_core::{Device, Tensor};

use super::error::JudgeError;
use super::nets::{Net, net};
use super::room::check_memory;
use crate::caught::caught;
use crate::library::{check_room, free_memory};
use crate::models::{Doing, EncoderConfig, LoadError, Meter, Source, TokenId, Watch, Weights};

/// Copies of all attention weights of a layer that are in memory at once, at the most.
const COPIES: usize = 6;

/// A loaded encoder with its head.
pub(super) struct Encoder {
    n_heads: usize,
    net: Box<dyn Net>,
}

impl Encoder {
    /// # Errors
    /// A tensor is missing, of another shape or not finite; memory does not hold the weights.
    pub fn load(
        name: &str,
        config: &EncoderConfig,
        n_labels: usize,
        weights: &Weights,
        watch: &Watch,
    ) -> Result<Self, LoadError> {
        let n_bytes = weights.n_bytes().unwrap_or_default();
        let smaller = |_| "choose a smaller classifier".to_owned();
        check_room(name, n_bytes, free_memory(), smaller)?;
        let source = Source::open(weights)?;
        let meter = Meter::start(watch, Doing::Loading, name, n_bytes / 4);
        let net = caught(|| Ok::<_, String>(net(config, n_labels, &source, &meter)));
        let broken =
            |reason| LoadError::Config(format!("the model cannot be made of it: {reason}"));
        Ok(Self {
            n_heads: config.n_heads,
            net: net.map_err(broken)??,
        })
    }

    /// Logits of rows of one length.
    ///
    /// # Errors
    /// Rows that memory does not hold; arithmetic that fails.
    pub fn logits(&self, rows: &[&[TokenId]]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let (n, len) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        let scores = 4 * (n * self.n_heads) as u64 * (len * len) as u64;
        check_memory(len, COPIES as u64 * scores)?;
        let run = || {
            let ids = Tensor::from_vec(rows.concat(), (n, len), &Device::Cpu)?;
            self.net.forward(&ids)?.to_vec2()
        };
        caught(run)
            .map_err(|told| JudgeError::Failed(told.lines().next().unwrap_or_default().into()))
    }
}

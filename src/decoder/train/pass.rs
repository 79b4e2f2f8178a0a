//! The decoder's pass over whole texts, each operation with its gradient and no cache.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use super::ops::{self, Heads};
use super::param::{Gain, Linear, Low, Table, Trained};
use super::rows::Packed;
use crate::decoder::pass::{Attention, Pass};
use crate::decoder::placement::Placement;
use crate::decoder::rope::RopeTable;
use crate::models::{Activation, DecoderConfig};

pub(super) struct TrainPass<'a> {
    config: &'a DecoderConfig,
    place: &'a Placement,
    packed: &'a Packed,
    ids: Tensor,
    picked: Tensor,
    /// By rotary embedding, every token's.
    angles: Vec<Arc<Vec<f32>>>,
}

impl<'a> TrainPass<'a> {
    pub fn new(
        config: &'a DecoderConfig,
        place: &'a Placement,
        ropes: &[RopeTable],
        packed: &'a Packed,
    ) -> Result<Self> {
        let angles = ropes.iter().map(|r| Arc::new(r.rows(&packed.positions)));
        Ok(Self {
            ids: Tensor::new(&packed.ids[..], &place.device)?,
            picked: Tensor::new(&packed.picked[..], &place.device)?,
            angles: angles.collect(),
            config,
            place,
            packed,
        })
    }

    fn index(&self, rows: Vec<u32>) -> Result<Tensor> {
        Tensor::new(rows, &self.place.device)
    }

    /// Queries or keys (tokens, width) with the family's norm.
    fn normed_heads(&self, norm: &Gain, x: &Tensor) -> Result<Tensor> {
        let (n, width) = x.dims2()?;
        let each = norm.gain.dim(0)?;
        let pieces = x.reshape((n * width / each, each))?;
        normed(norm, &pieces)?.reshape((n, width))
    }

    fn prepared(&self, how: &Attention<'_, Gain>, qkv: Tensor) -> Result<Tensor> {
        let (Some(q_norm), Some(k_norm)) = (how.q_norm, how.k_norm) else {
            return Ok(qkv);
        };
        let (q, kv) = (self.config.q_width(), self.config.kv_width());
        let queries = self.normed_heads(q_norm, &qkv.narrow(1, 0, q)?.contiguous()?)?;
        let keys = self.normed_heads(k_norm, &qkv.narrow(1, q, kv)?.contiguous()?)?;
        Tensor::cat(&[queries, keys, qkv.narrow(1, q + kv, kv)?], 1)
    }
}

fn normed(norm: &Gain, x: &Tensor) -> Result<Tensor> {
    ops::norm(x, &norm.gain()?, norm.bias.as_deref(), norm.eps)
}

impl Low {
    /// What it adds to the outputs from `first` on.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let inner = ops::linear(x, &self.a)?;
        let outer = ops::linear(&(inner * self.scale)?, &self.b)?;
        match &self.order {
            Some(order) => outer.index_select(order, 1),
            None => Ok(outer),
        }
    }
}

impl Linear {
    /// All that low ranks add, (tokens, n); parts that nothing is added to are zeros.
    fn added(&self, x: &Tensor) -> Result<Option<Tensor>> {
        let (tokens, n) = (x.dim(0)?, self.weight.dim(0)?);
        let zeros = |count: usize| Tensor::zeros((tokens, count), x.dtype(), x.device());
        let (mut parts, mut seen) = (Vec::new(), 0);
        for low in &self.low {
            if low.first > seen {
                parts.push(zeros(low.first - seen)?);
            }
            parts.push(low.apply(x)?);
            seen = low.first + low.b.dim(0)?;
        }
        match parts.len() {
            0 => Ok(None),
            1 if seen == n => Ok(parts.pop()),
            _ => {
                if seen < n {
                    parts.push(zeros(n - seen)?);
                }
                Tensor::cat(&parts, 1).map(Some)
            }
        }
    }
}

impl Pass for TrainPass<'_> {
    type Kinds = Trained;
    type Acts = Tensor;

    fn embed(&mut self, table: &Table, scale: f64) -> Result<Tensor> {
        let x = table.index_select(&self.ids, 0)?;
        let x = if scale == 1.0 { x } else { (x * scale)? };
        x.to_dtype(self.place.dtype)
    }

    fn place(&mut self, table: &Table, skip: usize, x: &mut Tensor) -> Result<()> {
        let positions = self.packed.positions.iter();
        let rows = self.index(positions.map(|p| (p + skip) as u32).collect())?;
        *x = (&*x + table.index_select(&rows, 0)?.to_dtype(x.dtype())?)?;
        Ok(())
    }

    fn linear(&mut self, matrix: &Linear, x: &Tensor) -> Result<Tensor> {
        let mut y = ops::linear(x, &matrix.weight)?;
        if let Some(bias) = &matrix.bias {
            y = y.broadcast_add(&bias.to_dtype(y.dtype())?)?;
        }
        match matrix.added(x)? {
            Some(added) => y + added,
            None => Ok(y),
        }
    }

    fn norm(&mut self, norm: &Gain, x: &Tensor) -> Result<Tensor> {
        normed(norm, x)
    }

    fn attend(&mut self, how: &Attention<'_, Gain>, qkv: Tensor) -> Result<Tensor> {
        let heads = Heads {
            n_heads: self.config.n_heads,
            n_kv_heads: self.config.n_kv_heads,
            head_dim: self.config.head_dim,
            window: how.kind.window,
            scale: how.arithmetic.attention_scale,
            cap: how.arithmetic.attention_cap,
            angles: how.kind.rope.map(|rope| self.angles[rope].clone()),
            rows: self.packed.rows.clone(),
        };
        ops::attend(&heads, &self.prepared(how, qkv)?)
    }

    fn activate(&mut self, how: Activation, gated: bool, x: Tensor) -> Result<Tensor> {
        ops::activate(how, gated, &x)
    }

    fn add(&mut self, x: &mut Tensor, y: Tensor, scale: f64) -> Result<()> {
        let y = if scale == 1.0 { y } else { (y * scale)? };
        *x = (&*x + y)?;
        Ok(())
    }

    fn pick(&mut self, x: Tensor) -> Result<Tensor> {
        x.index_select(&self.picked, 0)
    }
}

/// Hidden states as the head takes them: in f32.
pub(super) fn for_head(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(DType::F32)
}

//! The decoder's pass over whole texts, each operation with its gradient and no cache.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::ops::{self, Heads};
use super::param::{Gain, Linear, Low, Table, Trained};
use super::rows::Packed;
use super::tape::Tape;
use crate::decoder::pass::{Attention, Pass};
use crate::decoder::placement::Placement;
use crate::decoder::rope::RopeTable;
use crate::models::{Activation, DecoderConfig};

pub(super) struct TrainPass<'a> {
    tape: &'a Tape,
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
        tape: &'a Tape,
        config: &'a DecoderConfig,
        place: &'a Placement,
        ropes: &[RopeTable],
        packed: &'a Packed,
    ) -> Result<Self> {
        let angles = ropes.iter().map(|r| Arc::new(r.rows(&packed.positions)));
        Ok(Self {
            tape,
            ids: Tensor::new(&packed.ids[..], &place.device)?,
            picked: Tensor::new(&packed.picked[..], &place.device)?,
            angles: angles.collect(),
            config,
            place,
            packed,
        })
    }

    fn scaled(&self, x: Tensor, scale: f64) -> Result<Tensor> {
        match scale {
            1.0 => Ok(x),
            _ => self.tape.affine(&x, scale, 0.0),
        }
    }

    fn index(&self, rows: Vec<u32>) -> Result<Tensor> {
        Tensor::new(rows, &self.place.device)
    }

    /// Queries or keys (tokens, width) with the family's norm.
    fn normed_heads(&self, norm: &Gain, x: &Tensor) -> Result<Tensor> {
        let (n, width) = x.dims2()?;
        let each = norm.gain.dim(0)?;
        let pieces = self.tape.reshape(x, (n * width / each, each))?;
        let normed = norm.apply(self.tape, &pieces)?;
        self.tape.reshape(&normed, (n, width))
    }

    fn prepared(&self, how: &Attention<'_, Gain>, qkv: Tensor) -> Result<Tensor> {
        let (Some(q_norm), Some(k_norm)) = (how.q_norm, how.k_norm) else {
            return Ok(qkv);
        };
        let (q, kv) = (self.config.q_width(), self.config.kv_width());
        let part = |first, count| self.tape.columns(&qkv, first, count);
        let queries = self.normed_heads(q_norm, &part(0, q)?)?;
        let keys = self.normed_heads(k_norm, &part(q, kv)?)?;
        self.tape.beside(&[queries, keys, part(q + kv, kv)?])
    }
}

impl Gain {
    fn apply(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        let gain = match self.plus_one {
            true => tape.affine(&self.gain, 1.0, 1.0)?,
            false => (*self.gain).clone(),
        };
        ops::norm(tape, x, &gain, self.bias.as_deref(), self.eps)
    }
}

impl Low {
    /// What it adds to the outputs from `first` on.
    fn apply(&self, tape: &Tape, x: &Tensor) -> Result<Tensor> {
        let inner = ops::linear(tape, x, &self.a)?;
        let inner = tape.affine(&inner, self.scale, 0.0)?;
        let outer = ops::linear(tape, &inner, &self.b)?;
        match &self.order {
            Some(order) => tape.select(&outer, order, 1),
            None => Ok(outer),
        }
    }
}

impl Linear {
    /// All that low ranks add, (tokens, n); parts that nothing is added to are zeros.
    fn added(&self, tape: &Tape, x: &Tensor) -> Result<Option<Tensor>> {
        let (tokens, n) = (x.dim(0)?, self.weight.dim(0)?);
        let zeros = |count: usize| Tensor::zeros((tokens, count), x.dtype(), x.device());
        let (mut parts, mut seen) = (Vec::new(), 0);
        for low in &self.low {
            if low.first > seen {
                parts.push(zeros(low.first - seen)?);
            }
            parts.push(low.apply(tape, x)?);
            seen = low.first + low.b.dim(0)?;
        }
        match parts.len() {
            0 => Ok(None),
            1 if seen == n => Ok(parts.pop()),
            _ => {
                if seen < n {
                    parts.push(zeros(n - seen)?);
                }
                tape.beside(&parts).map(Some)
            }
        }
    }
}

impl Pass for TrainPass<'_> {
    type Kinds = Trained;
    type Acts = Tensor;

    fn embed(&mut self, table: &Table, scale: f64) -> Result<Tensor> {
        let x = self.tape.select(table, &self.ids, 0)?;
        let x = self.scaled(x, scale)?;
        self.tape.cast(&x, self.place.dtype)
    }

    fn place(&mut self, table: &Table, skip: usize, x: &mut Tensor) -> Result<()> {
        let positions = self.packed.positions.iter();
        let rows = self.index(positions.map(|p| (p + skip) as u32).collect())?;
        let added = self.tape.select(table, &rows, 0)?;
        *x = self.tape.add(x, &self.tape.cast(&added, x.dtype())?)?;
        Ok(())
    }

    fn linear(&mut self, matrix: &Linear, x: &Tensor) -> Result<Tensor> {
        let mut y = ops::linear(self.tape, x, &matrix.weight)?;
        if let Some(bias) = &matrix.bias {
            y = self.tape.add_bias(&y, bias)?;
        }
        match matrix.added(self.tape, x)? {
            Some(added) => self.tape.add(&y, &added),
            None => Ok(y),
        }
    }

    fn norm(&mut self, norm: &Gain, x: &Tensor) -> Result<Tensor> {
        norm.apply(self.tape, x)
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
        ops::attend(self.tape, &heads, &self.prepared(how, qkv)?)
    }

    fn activate(&mut self, how: Activation, gated: bool, x: Tensor) -> Result<Tensor> {
        ops::activate(self.tape, how, gated, &x)
    }

    fn add(&mut self, x: &mut Tensor, y: Tensor, scale: f64) -> Result<()> {
        *x = self.tape.add(x, &self.scaled(y, scale)?)?;
        Ok(())
    }

    fn pick(&mut self, x: Tensor) -> Result<Tensor> {
        self.tape.select(&x, &self.picked, 0)
    }
}

//! From stored tensors to a [`Net`]: names, shapes, and what is fused.

use rayon::prelude::*;

use super::net::{Layer, Net};
use super::outline::named;
use super::pass::{Keep, Kinds};
use crate::models::{DecoderConfig, LoadError, Meter, NormKind, QkNorm, Slot, Source, Stored};

type Built<T> = Result<T, LoadError>;
type MatrixOf<K> = <<K as Keep>::Kinds as Kinds>::Matrix;
type NormOf<K> = <<K as Keep>::Kinds as Kinds>::Norm;
type TableOf<K> = <<K as Keep>::Kinds as Kinds>::Table;

/// Reads a model's tensors into the form that `K` brings them.
pub(super) struct Builder<'a, K> {
    pub keep: &'a K,
    pub config: &'a DecoderConfig,
    pub source: &'a Source<'a>,
    /// Counts parameters.
    pub meter: &'a Meter<'a>,
}

/// A linear layer as stored: `n` rows of `k` weights.
struct Dense {
    rows: Stored,
    bias: Option<Vec<f32>>,
    n: usize,
    k: usize,
}

impl<K: Keep> Builder<'_, K> {
    /// Builds all layers, on the threads of the current pool.
    ///
    /// # Errors
    /// [`LoadError`] naming the tensor that is missing or wrong.
    pub fn net(&self) -> Built<Net<K::Kinds>> {
        let c = self.config;
        let layers = (0..c.n_layers).into_par_iter().map(|i| self.layer(i));
        let layers = layers.collect::<Built<Vec<_>>>()?;
        let (embedding, head) = self.ends()?;
        Ok(Net {
            embedding,
            positions: self.positions()?,
            layers,
            norm: match c.arithmetic.final_norm {
                true => Some(self.norm(c.names.final_norm, c.hidden)?),
                false => None,
            },
            head,
            arithmetic: c.arithmetic.clone(),
        })
    }

    /// The embedding and the head.
    fn ends(&self) -> Built<(TableOf<K>, MatrixOf<K>)> {
        let c = self.config;
        let (n, k) = (c.n_outputs(), c.hidden);
        let rows = self.matrix(&format!("{}.weight", c.names.embedding), c.vocab_size, k)?;
        if c.tied {
            let head = self.keep.head(rows, n, k)?;
            return Ok((self.keep.tied(&head), head));
        }
        let table = self.keep.table(rows, k)?;
        let rows = self.matrix(&format!("{}.weight", c.names.head), n, k)?;
        Ok((table, self.keep.head(rows, n, k)?))
    }

    fn positions(&self) -> Built<Option<TableOf<K>>> {
        let c = self.config;
        let Some(skip) = c.arithmetic.learned else {
            return Ok(None);
        };
        let name = format!("{}.weight", c.names.positions);
        let rows = self.tensor(&name, &[c.context + skip, c.hidden])?;
        Ok(Some(self.keep.table(Stored::Plain(rows), c.hidden)?))
    }

    fn layer(&self, index: usize) -> Built<Layer<K::Kinds>> {
        let c = self.config;
        let name = c.layer_name(index);
        Ok(Layer {
            kind: c.arithmetic.layers[index],
            linears: [
                self.linear(&name, Slot::Qkv)?,
                self.linear(&name, Slot::Out)?,
                self.linear(&name, Slot::Up)?,
                self.linear(&name, Slot::Down)?,
            ],
            q_norm: self.head_norm(&format!("{name}.self_attn.q_norm"), c.q_width())?,
            k_norm: self.head_norm(&format!("{name}.self_attn.k_norm"), c.kv_width())?,
            norms: self.norms(&name)?,
        })
    }

    /// The stored matrices of `slot` as one.
    fn linear(&self, layer: &str, slot: Slot) -> Built<MatrixOf<K>> {
        let c = self.config;
        let stack = c.stack(slot);
        let part = |(name, n): &(&str, usize)| {
            self.dense(&format!("{layer}.{name}"), *n, stack.k, stack.bias)
        };
        let parts = stack.parts.iter().map(part);
        let whole = parts.reduce(|above, below| above?.over(below?));
        let dense = whole.unwrap_or_else(|| Err(LoadError::Missing(layer.to_owned())))?;
        self.kept(match stack.per_head {
            true => per_head(dense, c.head_dim)?,
            false => dense,
        })
    }

    fn norms(&self, layer: &str) -> Built<[Option<NormOf<K>>; 4]> {
        let mut norms = [const { None }; 4];
        for (norm, name) in norms.iter_mut().zip(self.config.names.norms) {
            if !name.is_empty() {
                *norm = Some(self.norm(&format!("{layer}.{name}"), self.config.hidden)?);
            }
        }
        Ok(norms)
    }

    fn head_norm(&self, name: &str, all: usize) -> Built<Option<NormOf<K>>> {
        match self.config.arithmetic.qk_norm {
            QkNorm::None => Ok(None),
            QkNorm::Head => self.norm(name, self.config.head_dim).map(Some),
            QkNorm::All => self.norm(name, all).map(Some),
        }
    }

    fn norm(&self, name: &str, width: usize) -> Built<NormOf<K>> {
        let a = &self.config.arithmetic;
        let mut gain = self.tensor(&format!("{name}.weight"), &[width])?;
        if a.norm == NormKind::RmsPlusOne {
            gain.iter_mut().for_each(|g| *g += 1.0);
        }
        let bias = match a.norm {
            NormKind::Layer => Some(self.tensor(&format!("{name}.bias"), &[width])?),
            _ => None,
        };
        Ok(self.keep.norm(a.eps, gain, bias)?)
    }

    fn kept(&self, dense: Dense) -> Built<MatrixOf<K>> {
        let Dense { rows, bias, n, k } = dense;
        Ok(self.keep.matrix(rows, n, k, bias)?)
    }

    fn dense(&self, name: &str, n: usize, k: usize, bias: bool) -> Built<Dense> {
        let weight = format!("{name}.weight");
        let rows = match self.config.names.transposed {
            false => self.matrix(&weight, n, k)?,
            true => Stored::Plain(transposed(&self.tensor(&weight, &[k, n])?, n, k)),
        };
        let bias = match bias {
            true => Some(self.tensor(&format!("{name}.bias"), &[n])?),
            false => None,
        };
        Ok(Dense { rows, bias, n, k })
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Built<Vec<f32>> {
        self.meter.check()?;
        let values = self.source.read(self.named(name), shape)?;
        self.meter.add(values.len() as u64);
        Ok(values)
    }

    fn matrix(&self, name: &str, n: usize, k: usize) -> Built<Stored> {
        self.meter.check()?;
        let rows = self.source.matrix(self.named(name), n, k)?;
        self.meter.add((n * k) as u64);
        Ok(rows)
    }

    fn named<'n>(&self, name: &'n str) -> &'n str {
        named(self.config, self.source, name)
    }
}

impl Dense {
    /// `below`'s rows after one's own.
    fn over(mut self, below: Self) -> Built<Self> {
        self.rows = self.rows.over(below.rows)?;
        self.n += below.n;
        if let (Some(bias), Some(more)) = (&mut self.bias, below.bias) {
            bias.extend(more);
        }
        Ok(self)
    }
}

/// From (k, n) to (n, k).
fn transposed(stored: &[f32], n: usize, k: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(n * k);
    for j in 0..n {
        rows.extend(stored.iter().skip(j).step_by(n));
    }
    rows
}

/// From rows ordered (head, q|k|v, dimension) to (q|k|v, head, dimension).
fn per_head(dense: Dense, head_dim: usize) -> Built<Dense> {
    let Dense { rows, bias, n, k } = dense;
    Ok(Dense {
        rows: Stored::Plain(parts_first(&rows.into_plain()?, head_dim * k)),
        bias: bias.map(|b| parts_first(&b, head_dim)),
        n,
        k,
    })
}

/// From chunks ordered (head, q|k|v) to (q|k|v, head).
pub(super) fn parts_first(values: &[f32], chunk: usize) -> Vec<f32> {
    let part = |p| values.chunks(chunk).skip(p).step_by(3);
    (0..3).flat_map(part).flatten().copied().collect()
}

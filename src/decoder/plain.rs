//! The forward pass with candle tensors, on any device.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::composed;
use super::factors::Factors;
use super::feed::{Feed, Logits, Want};
use super::net::{Net, Tuned};
use super::pass::{Attention, Keep, Kinds, Pass};
use super::placement::Placement;
use super::rope::RopeTable;
use super::said::{Blocks, Said};
use super::step::{Seen, Step};
use super::tensors::Tensors;
use crate::models::{Activation, Arithmetic, DecoderConfig, LoadError, Stored};

/// A model on a device.
pub(super) struct Plain {
    net: Tuned<OnDevice>,
    ropes: Arc<[RopeTable]>,
    place: Placement,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
}

impl Plain {
    pub fn new(net: Net<OnDevice>, config: &DecoderConfig, place: &Placement) -> Self {
        let ropes = config.arithmetic.ropes.iter();
        Self {
            net: Tuned::new(net),
            ropes: ropes
                .map(|r| RopeTable::new(r.clone(), config.context))
                .collect(),
            place: place.clone(),
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
        }
    }

    /// The same weights with an adapter's factors beside them.
    ///
    /// # Errors
    /// As [`Factors::change`].
    pub fn adapted(&self, factors: &Factors<'_>) -> std::result::Result<Self, LoadError> {
        let place = self.place.clone();
        Ok(Self {
            net: self.net.with(factors.change(&OnDevice(place.clone()))?),
            ropes: self.ropes.clone(),
            place,
            ..*self
        })
    }

    pub fn place(&self) -> &Placement {
        &self.place
    }

    pub fn net(&self) -> &Tuned<OnDevice> {
        &self.net
    }

    /// An empty cache of one row.
    pub fn cache(&self) -> Tensors {
        let shape = [self.n_kv_heads, self.head_dim];
        let n_layers = self.net.net().layers.len();
        Tensors::new(n_layers, shape, &self.place.device, self.place.dtype)
    }

    /// Feeds checked tokens to their rows; what the head reads of all of them, row after row.
    pub fn states(&self, cache: &mut Tensors, feeds: &[Feed<'_>]) -> Result<Vec<f32>> {
        let mut pass = PlainPass::new(self, cache, feeds, Want::States)?;
        let states = self.net.hidden(&mut pass)?;
        states.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
    }

    /// Feeds checked tokens to their rows; what is said at the wanted positions, row after row.
    pub fn say(
        &self,
        cache: &mut Tensors,
        feeds: &[Feed<'_>],
        want: Want,
        config: &DecoderConfig,
    ) -> Result<Said> {
        let mut pass = PlainPass::new(self, cache, feeds, want)?;
        let logits = self.net.run(&mut pass, want != Want::None)?;
        let vocab = config.n_outputs();
        let here = |values: Vec<f32>| Said::Here(Arc::new(Logits::new(vec![values.into()], vocab)));
        let Some(logits) = logits else {
            return Ok(here(Vec::new()));
        };
        let logits = finish(logits.to_dtype(DType::F32)?, &config.arithmetic)?;
        // Labels are few.
        match self.place.stays_there() && config.n_labels.is_none() {
            true => Ok(Said::Far(Arc::new(Blocks::new(&logits)?))),
            false => Ok(here(logits.flatten_all()?.to_vec1()?)),
        }
    }
}

/// Weights as tensors.
pub(super) struct OnDevice(pub Placement);

/// A linear layer: weights (n, k) and bias.
pub(super) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

/// A norm's parameters, in f32 on every device.
pub(super) struct Gain {
    gain: Tensor,
    bias: Option<Tensor>,
    eps: f64,
}

impl OnDevice {
    fn tensor(&self, values: Vec<f32>, shape: &[usize], dtype: DType) -> Result<Tensor> {
        // Converted before it is moved, so that only the small form crosses the bus.
        Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(&self.0.device)
    }
}

impl Kinds for OnDevice {
    type Matrix = Linear;
    type Norm = Gain;
    type Table = Tensor;
}

impl Keep for OnDevice {
    type Kinds = Self;

    fn matrix(&self, rows: Stored, n: usize, k: usize, bias: Option<Vec<f32>>) -> Result<Linear> {
        let dtype = self.0.dtype;
        Ok(Linear {
            weight: self.tensor(rows.into_plain()?, &[n, k], dtype)?,
            bias: bias.map(|b| self.tensor(b, &[n], dtype)).transpose()?,
        })
    }

    fn norm(&self, eps: f64, gain: Vec<f32>, bias: Option<Vec<f32>>) -> Result<Gain> {
        let n = gain.len();
        let bias = bias.map(|b| self.tensor(b, &[n], DType::F32));
        Ok(Gain {
            gain: self.tensor(gain, &[n], DType::F32)?,
            bias: bias.transpose()?,
            eps,
        })
    }

    /// In f32 on every device, as its sums are.
    fn head(&self, rows: Stored, n: usize, k: usize) -> Result<Linear> {
        let weight = self.tensor(rows.into_plain()?, &[n, k], DType::F32)?;
        Ok(Linear { weight, bias: None })
    }

    fn table(&self, rows: Stored, width: usize) -> Result<Tensor> {
        let rows = rows.into_plain()?;
        let n = rows.len() / width;
        self.tensor(rows, &[n, width], self.0.dtype)
    }

    fn tied(&self, matrix: &Linear) -> Tensor {
        matrix.weight.clone()
    }
}

impl Gain {
    /// Normalises the last dimension of `x`, computing in f32.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        composed::norm(x, &self.gain, self.bias.as_ref(), self.eps)
    }

    /// Normalises heads (tokens, heads, dimensions), one by one or, where the gain covers all
    /// of them, together.
    fn apply_to_heads(&self, x: &Tensor) -> Result<Tensor> {
        let (n, heads, d) = x.dims3()?;
        match self.gain.dim(0)? == d {
            true => self.apply(x),
            false => self
                .apply(&x.reshape((n, heads * d))?)?
                .reshape((n, heads, d)),
        }
    }
}

struct PlainPass<'a> {
    plain: &'a Plain,
    cache: &'a mut Tensors,
    step: Step,
    ids: Tensor,
    /// For each rotary embedding the cosines and sines (tokens, 1, half).
    ropes: Vec<(Tensor, Tensor)>,
    /// The rows to compute logits for, where not all.
    picked: Option<Tensor>,
}

impl<'a> PlainPass<'a> {
    fn new(
        plain: &'a Plain,
        cache: &'a mut Tensors,
        feeds: &[Feed<'_>],
        want: Want,
    ) -> Result<Self> {
        let ids: Vec<u32> = feeds.iter().flat_map(|f| f.tokens).copied().collect();
        let step = Step::new(cache, feeds)?;
        let ropes = plain.ropes.iter().map(|r| plain.angles(r, &step.positions));
        let mut seen = 0;
        let mut last = |f: &Feed<'_>| {
            seen += f.tokens.len() as u32;
            seen - 1
        };
        let picked: Vec<u32> = feeds.iter().map(&mut last).collect();
        let all = want != Want::Last || picked.len() == ids.len();
        let index = |ids: Vec<u32>| Tensor::new(ids, &plain.place.device);
        Ok(Self {
            ropes: ropes.collect::<Result<_>>()?,
            ids: index(ids)?,
            picked: if all { None } else { Some(index(picked)?) },
            plain,
            cache,
            step,
        })
    }
}

impl Plain {
    fn angles(&self, rope: &RopeTable, positions: &[usize]) -> Result<(Tensor, Tensor)> {
        let (n, half) = (positions.len(), rope.half());
        let rows = Tensor::from_vec(rope.rows(positions), (n, 1, 2 * half), &Device::Cpu)?;
        let rows = rows
            .to_dtype(self.place.dtype)?
            .to_device(&self.place.device)?;
        Ok((rows.narrow(2, 0, half)?, rows.narrow(2, half, half)?))
    }
}

/// Scales and caps logits where the family does.
fn finish(logits: Tensor, a: &Arithmetic) -> Result<Tensor> {
    let logits = match a.logit_scale {
        1.0 => logits,
        scale => (logits * scale)?,
    };
    match a.logit_cap {
        Some(cap) => (logits / cap)?.tanh()? * cap,
        None => Ok(logits),
    }
}

impl Pass for PlainPass<'_> {
    type Kinds = OnDevice;
    type Acts = Tensor;

    fn embed(&mut self, table: &Tensor, scale: f64) -> Result<Tensor> {
        let rows = table.index_select(&self.ids, 0)?;
        // The head's rows are wider.
        rows.to_dtype(self.plain.place.dtype)? * scale
    }

    fn place(&mut self, table: &Tensor, skip: usize, x: &mut Tensor) -> Result<()> {
        let rows: Vec<_> = self
            .step
            .positions
            .iter()
            .map(|p| (p + skip) as u32)
            .collect();
        let rows = Tensor::new(rows, &self.plain.place.device)?;
        *x = (&*x + table.index_select(&rows, 0)?)?;
        Ok(())
    }

    fn linear(&mut self, matrix: &Linear, x: &Tensor) -> Result<Tensor> {
        let y = x
            .to_dtype(matrix.weight.dtype())?
            .matmul(&matrix.weight.t()?)?;
        match &matrix.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }

    fn norm(&mut self, norm: &Gain, x: &Tensor) -> Result<Tensor> {
        norm.apply(x)
    }

    fn attend(&mut self, how: &Attention<'_, Gain>, qkv: Tensor) -> Result<Tensor> {
        let Plain {
            n_heads,
            n_kv_heads,
            head_dim,
            ..
        } = *self.plain;
        let n = qkv.dim(0)?;
        let heads = |first: usize, count: usize| {
            let part = qkv.narrow(1, first * head_dim, count * head_dim)?;
            part.reshape((n, count, head_dim))
        };
        let mut q = heads(0, n_heads)?;
        let mut k = heads(n_heads, n_kv_heads)?;
        let v = heads(n_heads + n_kv_heads, n_kv_heads)?;
        if let (Some(q_norm), Some(k_norm)) = (how.q_norm, how.k_norm) {
            q = q_norm.apply_to_heads(&q)?;
            k = k_norm.apply_to_heads(&k)?;
        }
        if let Some(rope) = how.kind.rope {
            q = composed::rotate(&q, &self.ropes[rope])?;
            k = composed::rotate(&k, &self.ropes[rope])?;
        }
        let q = (q * how.arithmetic.attention_scale)?;
        let seen = Seen {
            window: how.kind.window,
            cap: how.arithmetic.attention_cap,
        };
        self.step.attend(self.cache, how.layer, (&q, &k, &v), seen)
    }

    fn activate(&mut self, how: Activation, gated: bool, x: Tensor) -> Result<Tensor> {
        composed::activate(how, gated, &x)
    }

    fn add(&mut self, x: &mut Tensor, y: Tensor, scale: f64) -> Result<()> {
        let y = y.to_dtype(x.dtype())?;
        let y = if scale == 1.0 { y } else { (y * scale)? };
        *x = (&*x + y)?;
        Ok(())
    }

    fn pick(&mut self, x: Tensor) -> Result<Tensor> {
        match &self.picked {
            Some(rows) => x.index_select(rows, 0),
            None => Ok(x),
        }
    }
}

//! Log-probabilities of chosen tokens: the head, its softmax and the choice as one node.
//!
//! Logits of all tokens over a whole vocabulary would be most of what training remembers. They
//! are made some rows at a time; where they are few enough they are kept for the gradient, else
//! made again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, DType, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::values::{fast, is_ours, values};
use crate::decoder::composed::soft_cap;
use crate::decoder::host::math::{exp, log_sum_exp, tanh};

/// What a family does to logits.
#[derive(Debug, Clone, Copy)]
pub(in crate::decoder::train) struct Finish {
    pub scale: f32,
    pub cap: Option<f32>,
}

/// So many logits at a time.
const AT_ONCE: usize = 1 << 22;

/// So many are kept: 64 MiB; in tests so few that both ways are gone.
const MOST_KEPT: usize = if cfg!(test) { 1 << 9 } else { 1 << 24 };

/// `log softmax(finish(h W^T))[target]` for each row of `h` (rows, k); `weight` is
/// (vocabulary, k).
pub(in crate::decoder::train) fn chosen(
    h: &Tensor,
    weight: &Tensor,
    targets: Arc<Vec<u32>>,
    finish: Finish,
) -> Result<Tensor> {
    match is_ours(h) && is_ours(weight) {
        true => h
            .contiguous()?
            .apply_op2(weight, Chosen::new(targets, finish)),
        false => composed(h, weight, &targets, finish),
    }
}

pub(super) fn composed(
    h: &Tensor,
    weight: &Tensor,
    targets: &[u32],
    finish: Finish,
) -> Result<Tensor> {
    let weight = weight.to_dtype(h.dtype())?.t()?;
    let rows = rows_at_once(weight.dim(1)?);
    let mut parts = Vec::new();
    for (i, some) in targets.chunks(rows).enumerate() {
        let logits = h.narrow(0, i * rows, some.len())?.matmul(&weight)?;
        let logits = (logits.to_dtype(DType::F32)? * f64::from(finish.scale))?;
        let logits = soft_cap(logits, finish.cap.map(f64::from))?;
        let highest = logits.max_keepdim(D::Minus1)?.detach();
        let sums = logits.broadcast_sub(&highest)?.exp()?;
        let sums = (sums.sum_keepdim(D::Minus1)?.log()? + highest)?;
        let targets = Tensor::new(some, h.device())?.unsqueeze(1)?;
        parts.push((logits.gather(&targets, 1)? - sums)?.squeeze(1)?);
    }
    Tensor::cat(&parts, 0)
}

fn rows_at_once(vocab: usize) -> usize {
    (AT_ONCE / vocab).max(1)
}

struct Chosen {
    targets: Arc<Vec<u32>>,
    finish: Finish,
    /// Logits with scale and cap, some rows at a time; empty where they are too many.
    kept: Mutex<Vec<Vec<f32>>>,
}

impl Chosen {
    fn new(targets: Arc<Vec<u32>>, finish: Finish) -> Self {
        Self {
            targets,
            finish,
            kept: Mutex::default(),
        }
    }

    /// What is kept; a panic leaves nothing half done in it.
    fn kept(&self) -> MutexGuard<'_, Vec<Vec<f32>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logits of some rows with scale and cap, kept or made again.
    fn logits(&self, kept: Option<Vec<f32>>, h: &Tensor, weight: &Tensor) -> Result<Tensor> {
        if let Some(logits) = kept {
            return Tensor::from_vec(logits, (h.dim(0)?, weight.dim(0)?), h.device());
        }
        let logits = h.matmul(&weight.t()?)?;
        match self.finish.is_any() {
            true => logits.apply_op1_no_bwd(&self.finish),
            false => Ok(logits),
        }
    }
}

impl CustomOp2 for Chosen {
    fn name(&self) -> &'static str {
        "chosen"
    }

    fn cpu_fwd(
        &self,
        h: &CpuStorage,
        h_layout: &Layout,
        weight: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, k) = h_layout.shape().dims2()?;
        let (vocab, _) = layout.shape().dims2()?;
        let columns = layout.transpose(0, 1)?;
        let mut out = Vec::with_capacity(n);
        let rows = rows_at_once(vocab);
        for (i, targets) in self.targets.chunks(rows).enumerate() {
            let some = h_layout.narrow(0, i * rows, targets.len())?;
            let shape = (1, targets.len(), vocab, k);
            let logits = h.matmul(weight, shape, &some, &columns)?;
            let CpuStorage::F32(mut logits) = logits else {
                candle_core::bail!("logits are not in f32");
            };
            let pieces = logits.par_chunks_mut(vocab).zip(targets);
            let chosen = pieces.map(|(logits, target)| {
                fast(LogProb {
                    logits,
                    target: *target as usize,
                    finish: self.finish,
                })
            });
            out.extend(chosen.collect::<Vec<f32>>());
            if n * vocab <= MOST_KEPT {
                self.kept().push(logits);
            }
        }
        Ok((CpuStorage::F32(out), n.into()))
    }

    fn bwd(
        &self,
        h: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let rows = rows_at_once(weight.dim(0)?);
        let (mut of_h, mut of_weight) = (Vec::new(), None::<Tensor>);
        let (h, frozen) = (h.detach(), weight.detach());
        let mut kept = std::mem::take(&mut *self.kept()).into_iter();
        for (i, targets) in self.targets.chunks(rows).enumerate() {
            let some = h.narrow(0, i * rows, targets.len())?;
            let grad = grad.narrow(0, i * rows, targets.len())?.contiguous()?;
            let back = ChosenBack {
                targets,
                finish: self.finish,
            };
            let logits = self.logits(kept.next(), &some, &frozen)?;
            let of_logits = logits.apply_op2_no_bwd(&grad, &back)?;
            of_h.push(of_logits.matmul(&frozen)?);
            if weight.track_op() {
                let part = of_logits.t()?.matmul(&some)?;
                of_weight = Some(match of_weight {
                    Some(sum) => (sum + part)?,
                    None => part,
                });
            }
        }
        Ok((Some(Tensor::cat(&of_h, 0)?), of_weight))
    }
}

/// One row's chosen log-probability; changes its logits.
struct LogProb<'a> {
    logits: &'a mut [f32],
    target: usize,
    finish: Finish,
}

impl WithSimd for LogProb<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        self.finish.apply(self.logits);
        (f64::from(self.logits[self.target]) - log_sum_exp(self.logits)) as f32
    }
}

impl CustomOp1 for Finish {
    fn name(&self) -> &'static str {
        "finish"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut logits = values(logits, layout)?.to_vec();
        logits.par_chunks_mut(1 << 14).for_each(|some| {
            fast(Finishing {
                finish: *self,
                logits: some,
            });
        });
        Ok((CpuStorage::F32(logits), layout.shape().clone()))
    }
}

struct Finishing<'a> {
    finish: Finish,
    logits: &'a mut [f32],
}

impl WithSimd for Finishing<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.finish.apply(self.logits);
    }
}

impl Finish {
    fn is_any(self) -> bool {
        self.scale != 1.0 || self.cap.is_some()
    }

    #[inline(always)]
    fn apply(self, logits: &mut [f32]) {
        if self.scale != 1.0 {
            logits.iter_mut().for_each(|l| *l *= self.scale);
        }
        if let Some(cap) = self.cap {
            logits.iter_mut().for_each(|l| *l = cap * tanh(*l / cap));
        }
    }
}

/// From logits and the gradient of each row's log-probability to the gradient of the logits.
struct ChosenBack<'a> {
    targets: &'a [u32],
    finish: Finish,
}

impl CustomOp2 for ChosenBack<'_> {
    fn name(&self) -> &'static str {
        "chosen-back"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (logits, grad) = (values(logits, layout)?, values(grad, grad_layout)?);
        let vocab = layout.shape().dims2()?.1;
        let mut to = vec![0.0; logits.len()];
        let rows = logits.par_chunks(vocab).zip(to.par_chunks_mut(vocab));
        let rows = rows.zip(self.targets.par_iter().zip(grad));
        rows.for_each(|((logits, to), (target, grad))| {
            fast(RowBack {
                logits,
                to,
                target: *target as usize,
                grad: *grad,
                finish: self.finish,
            });
        });
        Ok((CpuStorage::F32(to), layout.shape().clone()))
    }
}

/// `g (onehot - softmax)` of finished logits, times the slope of scale and cap.
struct RowBack<'a> {
    logits: &'a [f32],
    to: &'a mut [f32],
    target: usize,
    grad: f32,
    finish: Finish,
}

impl WithSimd for RowBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { to, finish, .. } = self;
        let log_sum = log_sum_exp(self.logits) as f32;
        let factor = -self.grad * finish.scale;
        for (to, l) in to.iter_mut().zip(self.logits) {
            *to = factor * exp(*l - log_sum);
        }
        to[self.target] -= factor;
        if let Some(cap) = finish.cap {
            for (to, l) in to.iter_mut().zip(self.logits) {
                *to *= 1.0 - (l / cap) * (l / cap);
            }
        }
    }
}

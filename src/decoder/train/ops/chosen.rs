//! Log-probabilities of chosen tokens: the head, its softmax and the choice as one node.
//!
//! Logits of all tokens over a whole vocabulary would be most of what training remembers. They
//! are made some rows at a time, and turned into slopes where they stand: what a log-probability
//! gains by each. Where those are few enough they are kept for the gradient, else made again. The
//! gradient of a log-probability is one number a row, which hidden states are multiplied by.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, D, DType, InplaceOp1, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::decoder::composed::soft_cap;
use crate::decoder::host::math::{exp, log_sum_exp, tanh};
use crate::decoder::train::tape::Tape;
use crate::decoder::train::values::{fast, is_ours};

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
    tape: &Tape,
    h: &Tensor,
    weight: &Tensor,
    targets: Arc<Vec<u32>>,
    finish: Finish,
) -> Result<Tensor> {
    match is_ours(h) && is_ours(weight) {
        true => {
            let tracked = [h, weight].map(|x| tape.tracks(x));
            tape.op2(h, weight, Chosen::new(targets, finish, tracked))
        }
        false => tape.composed(&[h, weight], |of| {
            composed(&of[0], &of[1], &targets, finish)
        }),
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
    /// Whether there will be gradients of hidden states, of weights.
    tracked: [bool; 2],
    /// Slopes, some rows at a time; empty where they are too many.
    kept: Mutex<Vec<Vec<f32>>>,
}

impl Chosen {
    fn new(targets: Arc<Vec<u32>>, finish: Finish, tracked: [bool; 2]) -> Self {
        Self {
            targets,
            finish,
            tracked,
            kept: Mutex::default(),
        }
    }

    /// What is kept; a panic leaves nothing half done in it.
    fn kept(&self) -> MutexGuard<'_, Vec<Vec<f32>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeps(&self, n: usize, vocab: usize) -> bool {
        self.tracked != [false; 2] && n * vocab <= MOST_KEPT
    }

    /// Slopes of some rows, kept or made again.
    fn slopes(
        &self,
        kept: Option<Vec<f32>>,
        targets: &[u32],
        h: &Tensor,
        weight: &Tensor,
    ) -> Result<Tensor> {
        if let Some(slopes) = kept {
            return Tensor::from_vec(slopes, (h.dim(0)?, weight.dim(0)?), h.device());
        }
        let logits = h.matmul(&weight.t()?)?;
        logits.inplace_op1(&Slopes {
            targets,
            finish: self.finish,
        })?;
        Ok(logits)
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
            let keeps = self.keeps(n, vocab);
            let pieces = logits.par_chunks_mut(vocab).zip(targets);
            let chosen = pieces.map(|(logits, target)| {
                fast(LogProb {
                    logits,
                    target: *target as usize,
                    finish: self.finish,
                    sloped: keeps,
                })
            });
            out.extend(chosen.collect::<Vec<f32>>());
            if keeps {
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
            let grad = grad.narrow(0, i * rows, targets.len())?.unsqueeze(1)?;
            let slopes = self.slopes(kept.next(), targets, &some, &frozen)?;
            of_h.push(slopes.matmul(&frozen)?.broadcast_mul(&grad)?);
            if self.tracked[1] {
                let part = slopes.t()?.matmul(&some.broadcast_mul(&grad)?)?;
                of_weight = Some(match of_weight {
                    Some(sum) => (sum + part)?,
                    None => part,
                });
            }
        }
        Ok((Some(Tensor::cat(&of_h, 0)?), of_weight))
    }
}

/// One row's chosen log-probability; its logits become slopes where that is wanted.
struct LogProb<'a> {
    logits: &'a mut [f32],
    target: usize,
    finish: Finish,
    sloped: bool,
}

impl WithSimd for LogProb<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        self.finish.apply(self.logits);
        let log_sum = log_sum_exp(self.logits);
        let chosen = self.logits[self.target];
        if self.sloped {
            self.finish.slope(self.logits, log_sum as f32);
            self.logits[self.target] += self.finish.slope_at(chosen);
        }
        (f64::from(chosen) - log_sum) as f32
    }
}

/// Makes slopes of raw logits.
struct Slopes<'a> {
    targets: &'a [u32],
    finish: Finish,
}

impl InplaceOp1 for Slopes<'_> {
    fn name(&self) -> &'static str {
        "slopes"
    }

    fn cpu_fwd(&self, logits: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let vocab = layout.shape().dims2()?.1;
        let CpuStorage::F32(logits) = logits else {
            candle_core::bail!("logits are not in f32");
        };
        let rows = logits.par_chunks_mut(vocab).zip(self.targets);
        rows.for_each(|(logits, target)| {
            fast(LogProb {
                logits,
                target: *target as usize,
                finish: self.finish,
                sloped: true,
            });
        });
        Ok(())
    }
}

impl Finish {
    #[inline(always)]
    fn apply(self, logits: &mut [f32]) {
        if self.scale != 1.0 {
            logits.iter_mut().for_each(|l| *l *= self.scale);
        }
        if let Some(cap) = self.cap {
            logits.iter_mut().for_each(|l| *l = cap * tanh(*l / cap));
        }
    }

    /// How a finished logit changes with the raw one.
    #[inline(always)]
    fn slope_at(self, logit: f32) -> f32 {
        match self.cap {
            Some(cap) => self.scale * (1.0 - (logit / cap) * (logit / cap)),
            None => self.scale,
        }
    }

    /// `-softmax` of finished logits, times the slope of scale and cap.
    #[inline(always)]
    fn slope(self, logits: &mut [f32], log_sum: f32) {
        match self.cap {
            Some(_) => logits
                .iter_mut()
                .for_each(|l| *l = -self.slope_at(*l) * exp(*l - log_sum)),
            None => logits
                .iter_mut()
                .for_each(|l| *l = -self.scale * exp(*l - log_sum)),
        }
    }
}

//! The activation of feed-forward layers, gated or not.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::decoder::composed;
use crate::decoder::host::math::{Job, exp, tanh};
use crate::decoder::train::tape::Tape;
use crate::decoder::train::values::{fast, is_ours, read, rows_per_task, values};
use crate::models::Activation;

/// `act(x)`, or where gated `act(left half) * right half`, of `x` (tokens, width).
pub(in crate::decoder::train) fn activate(
    tape: &Tape,
    how: Activation,
    gated: bool,
    x: &Tensor,
) -> Result<Tensor> {
    match is_ours(x) {
        true => tape.op1(x, Activate { how, gated }),
        false => tape.composed(&[x], |x| composed::activate(how, gated, &x[0])),
    }
}

struct Activate {
    how: Activation,
    gated: bool,
}

impl Activate {
    /// How many values a row has before and after.
    fn widths(&self, before: usize) -> (usize, usize) {
        (before, before / if self.gated { 2 } else { 1 })
    }
}

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let (n, width) = layout.shape().dims2()?;
        let (before, after) = self.widths(width);
        let rows = rows_per_task(before);
        let mut y = vec![0.0; n * after];
        let pieces = x.par_chunks(rows * before);
        let pieces = pieces.zip(y.par_chunks_mut(rows * after));
        pieces.for_each(|(from, to)| {
            fast(Job::Activate {
                how: self.how,
                gated: self.gated,
                width: after,
                from,
                to,
            });
        });
        Ok((CpuStorage::F32(y), (n, after).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (before, after) = self.widths(x.dim(1)?);
        let rows = rows_per_task(before);
        let of_x = read(x, |x| {
            read(grad, |grad| {
                let mut to = vec![0.0; x.len()];
                let pieces = x.par_chunks(rows * before);
                let pieces = pieces.zip(grad.par_chunks(rows * after));
                let pieces = pieces.zip(to.par_chunks_mut(rows * before));
                pieces.for_each(|((x, grad), to)| {
                    fast(ActivateBack {
                        how: self.how,
                        gated: self.gated,
                        width: after,
                        x,
                        grad,
                        to,
                    });
                });
                Ok(to)
            })
        })?;
        Tensor::from_vec(of_x, x.shape(), x.device()).map(Some)
    }
}

/// Rows of the activation's gradient.
struct ActivateBack<'a> {
    how: Activation,
    gated: bool,
    width: usize,
    x: &'a [f32],
    grad: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for ActivateBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.how {
            Activation::Silu => self.run(silu),
            Activation::Gelu => self.run(gelu),
            Activation::GeluTanh => self.run(gelu_tanh),
            Activation::Relu => self.run(|x| (x.max(0.0), f32::from(u8::from(x > 0.0)))),
        }
    }
}

impl ActivateBack<'_> {
    /// `f` gives a value and its derivative.
    #[inline(always)]
    fn run(self, f: impl Fn(f32) -> (f32, f32)) {
        let n = self.width;
        let grads = self.grad.chunks_exact(n);
        if !self.gated {
            let all = self.x.iter().zip(self.grad).zip(self.to);
            return all.for_each(|((x, grad), to)| *to = grad * f(*x).1);
        }
        let rows = self.x.chunks_exact(2 * n).zip(grads);
        for ((x, grad), to) in rows.zip(self.to.chunks_exact_mut(2 * n)) {
            let ((gate, up), (to_gate, to_up)) = (x.split_at(n), to.split_at_mut(n));
            for i in 0..n {
                let (value, slope) = f(gate[i]);
                to_gate[i] = grad[i] * up[i] * slope;
                to_up[i] = grad[i] * value;
            }
        }
    }
}

#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let s = 1.0 / (1.0 + exp(-x));
    (x * s, s * (1.0 + x * (1.0 - s)))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    const ROOT: f32 = 0.797_884_6; // sqrt(2 / pi)
    let t = tanh(ROOT * (x + 0.044_715 * x * x * x));
    let inner = ROOT * (1.0 + 3.0 * 0.044_715 * x * x);
    (
        0.5 * x * (1.0 + t),
        0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner,
    )
}

#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    const ROOT: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
    let below = 0.5 * (1.0 + crate::decoder::host::math::erf(x * std::f32::consts::FRAC_1_SQRT_2));
    (x * below, below + x * ROOT * exp(-0.5 * x * x))
}

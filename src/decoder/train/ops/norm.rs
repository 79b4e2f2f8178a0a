//! Root-mean-square norm and layer norm of the last dimension.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::decoder::composed;
use crate::decoder::host::math::{Gain, Job};
use crate::decoder::train::tape::Tape;
use crate::decoder::train::values::{fast, is_ours, read, rows_per_task, values};

/// `x / rms(x) * gain`, or with a bias `(x - mean) / deviation * gain + bias`: computed in f32, of
/// `x` (rows, width).
pub(in crate::decoder::train) fn norm(
    tape: &Tape,
    x: &Tensor,
    gain: &Tensor,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let node = Norm { eps: eps as f32 };
    match (bias, is_ours(x)) {
        (None, true) => tape.op2(x, gain, node),
        (None, false) => tape.composed(&[x, gain], |of| composed::norm(&of[0], &of[1], None, eps)),
        (Some(bias), true) => tape.op3(x, gain, bias, node),
        (Some(bias), false) => tape.composed(&[x, gain, bias], |of| {
            composed::norm(&of[0], &of[1], Some(&of[2]), eps)
        }),
    }
}

struct Norm {
    eps: f32,
}

/// Gradients of input, gain and bias.
struct Back {
    x: Vec<f32>,
    gain: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    fn forward(&self, x: &[f32], gain: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let gain = Gain {
            gain: gain.to_vec(),
            bias: bias.map(<[f32]>::to_vec),
            eps: self.eps,
        };
        let mut out = vec![0.0; x.len()];
        let task = rows_per_task(gain.gain.len()) * gain.gain.len();
        let pieces = x.par_chunks(task).zip(out.par_chunks_mut(task));
        pieces.for_each(|(from, to)| {
            fast(Job::Norm {
                gain: &gain,
                from,
                to,
            });
        });
        out
    }

    fn back(&self, x: &[f32], gain: &[f32], grad: &[f32], centred: bool) -> Back {
        let n = gain.len();
        let mut of_x = vec![0.0; x.len()];
        let task = rows_per_task(n) * n;
        let pieces = x.par_chunks(task).zip(grad.par_chunks(task));
        let sums = pieces
            .zip(of_x.par_chunks_mut(task))
            .map(|((x, grad), to)| {
                fast(NormBack {
                    gain,
                    eps: self.eps,
                    centred,
                    x,
                    grad,
                    to,
                })
            });
        let zeros = || (vec![0.0; n], vec![0.0; n]);
        let (gain, bias) = sums.reduce(zeros, |mut a, b| {
            a.0.iter_mut().zip(b.0).for_each(|(a, b)| *a += b);
            a.1.iter_mut().zip(b.1).for_each(|(a, b)| *a += b);
            a
        });
        Back {
            x: of_x,
            gain,
            bias,
        }
    }

    fn gradients(&self, x: &Tensor, gain: &Tensor, grad: &Tensor, centred: bool) -> Result<Back> {
        read(x, |x| {
            read(gain, |gain| {
                read(grad, |grad| Ok(self.back(x, gain, grad, centred)))
            })
        })
    }
}

/// With `h = (x - mean) / deviation`: `dx = (g dy - h mean(g dy h) - mean(g dy)) / deviation`,
/// without the means of what is not centred; returns the sums of `dy h` and of `dy`.
struct NormBack<'a> {
    gain: &'a [f32],
    eps: f32,
    centred: bool,
    x: &'a [f32],
    grad: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for NormBack<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let n = self.gain.len();
        let (mut of_gain, mut of_bias) = (vec![0.0; n], vec![0.0; n]);
        let mut h = vec![0.0; n];
        let rows = self.x.chunks_exact(n).zip(self.grad.chunks_exact(n));
        for ((x, grad), to) in rows.zip(self.to.chunks_exact_mut(n)) {
            let mean = match self.centred {
                true => sum(x, x, |x, _| x) / n as f32,
                false => 0.0,
            };
            let variance = sum(x, x, |x, _| (x - mean) * (x - mean)) / n as f32;
            let scale = 1.0 / (variance + self.eps).sqrt();
            for (h, x) in h.iter_mut().zip(x) {
                *h = (x - mean) * scale;
            }
            for i in 0..n {
                of_gain[i] += grad[i] * h[i];
                of_bias[i] += grad[i];
                to[i] = self.gain[i] * grad[i];
            }
            let along = sum(to, &h, |t, h| t * h) / n as f32;
            let shift = match self.centred {
                true => sum(to, to, |t, _| t) / n as f32,
                false => 0.0,
            };
            for (to, h) in to.iter_mut().zip(&h) {
                *to = (*to - h * along - shift) * scale;
            }
        }
        (of_gain, of_bias)
    }
}

/// The sum of what `f` makes of two values each, in sixteen parts, which the compiler keeps in a
/// vector.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut parts = [0.0; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..16 {
            parts[i] += f(a[i], b[i]);
        }
    }
    let mut rest = 0.0;
    for (a, b) in a_rest.iter().zip(b_rest) {
        rest += f(*a, *b);
    }
    parts.iter().sum::<f32>() + rest
}

impl CustomOp2 for Norm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gain: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = self.forward(values(x, x_layout)?, values(gain, layout)?, None);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let back = self.gradients(x, gain, grad, false)?;
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), x.device());
        Ok((Some(tensor(back.x, x)?), Some(tensor(back.gain, gain)?)))
    }
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gain: &CpuStorage,
        gain_layout: &Layout,
        bias: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gain, bias) = (values(gain, gain_layout)?, values(bias, layout)?);
        let y = self.forward(values(x, x_layout)?, gain, Some(bias));
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let back = self.gradients(x, gain, grad, true)?;
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), x.device());
        Ok((
            Some(tensor(back.x, x)?),
            Some(tensor(back.gain, gain)?),
            Some(tensor(back.bias, bias)?),
        ))
    }
}

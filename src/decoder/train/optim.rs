//! AdamW (Loshchilov and Hutter 2019), as torch has it: decay apart from the gradient.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::sum::squares;
use crate::decoder::vectors::arch;

/// How weights follow their gradients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamWSettings {
    pub betas: (f64, f64),
    pub eps: f64,
    pub decay: f64,
    /// The most that the norm of all gradients may be; longer ones are shortened to it.
    pub clip: Option<f64>,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            betas: (0.9, 0.95),
            eps: 1e-8,
            decay: 0.0,
            clip: Some(1.0),
        }
    }
}

/// Two moments a variable.
pub(super) struct AdamW {
    pub settings: AdamWSettings,
    /// Steps taken.
    pub step: u64,
    /// First and second, in the order of the variables.
    pub moments: Vec<(Var, Var)>,
}

impl AdamW {
    pub fn new(settings: AdamWSettings, vars: &[Var]) -> Result<Self> {
        let zeros = |var: &Var| Var::zeros(var.shape(), var.dtype(), var.device());
        let moments = vars.iter().map(|var| Ok((zeros(var)?, zeros(var)?)));
        Ok(Self {
            settings,
            step: 0,
            moments: moments.collect::<Result<_>>()?,
        })
    }

    /// One step of `rate` along `scale` times `grads`, one a variable. Returns the norm of all
    /// gradients, scaled, before they were shortened; where that is not finite nothing is changed.
    pub fn step(&mut self, vars: &[Var], grads: &[Tensor], scale: f64, rate: f64) -> Result<f64> {
        let norm = scale * norm(grads)?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        self.step += 1;
        // As torch's clip_grad_norm_.
        let shorter = |clip: f64| (clip / (norm + 1e-6)).min(1.0);
        let update = Update {
            settings: self.settings,
            grad: scale * self.settings.clip.map_or(1.0, shorter),
            rate,
            step: self.step as i32,
        };
        for ((var, grad), (first, second)) in vars.iter().zip(grads).zip(&self.moments) {
            update.apply(var, &grad.contiguous()?, first, second)?;
        }
        Ok(norm)
    }
}

/// The Euclidean norm of all gradients together.
fn norm(grads: &[Tensor]) -> Result<f64> {
    let mut all = 0.0;
    for grad in grads {
        all += squares(grad)?;
    }
    Ok(all.sqrt())
}

/// One step's numbers.
struct Update {
    settings: AdamWSettings,
    /// Multiplies gradients.
    grad: f64,
    rate: f64,
    step: i32,
}

impl Update {
    fn apply(&self, var: &Var, grad: &Tensor, first: &Var, second: &Var) -> Result<()> {
        let (b1, b2) = self.settings.betas;
        if var.device().is_cpu() {
            first.inplace_op2(grad, &Blend::new(b1, self.grad, false))?;
            second.inplace_op2(grad, &Blend::new(b2, self.grad, true))?;
            return var.inplace_op3(first, second, self);
        }
        let grad = (grad * self.grad)?;
        first.set(&((first.as_tensor() * b1)? + (&grad * (1.0 - b1))?)?)?;
        second.set(&((second.as_tensor() * b2)? + (grad.sqr()? * (1.0 - b2))?)?)?;
        let [root, rate] = self.factors();
        let below = ((second.sqrt()? * root)? + self.settings.eps)?;
        let kept = (var.as_tensor() * (1.0 - self.rate * self.settings.decay))?;
        var.set(&(kept - ((first.as_tensor() * rate)? / below)?)?)
    }

    /// What the second moment's root and the first moment are multiplied by.
    fn factors(&self) -> [f64; 2] {
        let (b1, b2) = self.settings.betas;
        [
            1.0 / (1.0 - b2.powi(self.step)).sqrt(),
            self.rate / (1.0 - b1.powi(self.step)),
        ]
    }
}

/// So many values are a task.
const TASK: usize = 1 << 15;

/// `x = keep x + (1 - keep) (scale y)`, or of squares.
struct Blend {
    keep: f32,
    scale: f32,
    squared: bool,
}

impl Blend {
    fn new(keep: f64, scale: f64, squared: bool) -> Self {
        Self {
            keep: keep as f32,
            scale: scale as f32,
            squared,
        }
    }
}

impl InplaceOp2 for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        layout: &Layout,
    ) -> Result<()> {
        let y = super::values::values(y, layout)?;
        let x = values_mut(x, x_layout)?;
        let pieces = x.par_chunks_mut(TASK).zip(y.par_chunks(TASK));
        pieces.for_each(|(x, y)| arch().dispatch(Blending { blend: self, x, y }));
        Ok(())
    }
}

struct Blending<'a> {
    blend: &'a Blend,
    x: &'a mut [f32],
    y: &'a [f32],
}

impl WithSimd for Blending<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Blend {
            keep,
            scale,
            squared,
        } = *self.blend;
        for (x, y) in self.x.iter_mut().zip(self.y) {
            let y = scale * y;
            let y = if squared { y * y } else { y };
            *x = keep * *x + (1.0 - keep) * y;
        }
    }
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        layout: &Layout,
    ) -> Result<()> {
        let first = super::values::values(first, first_layout)?;
        let second = super::values::values(second, layout)?;
        let x = values_mut(x, x_layout)?;
        let [root, rate] = self.factors().map(|f| f as f32);
        let pieces = x.par_chunks_mut(TASK);
        let pieces = pieces.zip(first.par_chunks(TASK).zip(second.par_chunks(TASK)));
        pieces.for_each(|(x, (first, second))| {
            arch().dispatch(Moving {
                keep: (1.0 - self.rate * self.settings.decay) as f32,
                eps: self.settings.eps as f32,
                root,
                rate,
                x,
                first,
                second,
            });
        });
        Ok(())
    }
}

struct Moving<'a> {
    keep: f32,
    eps: f32,
    root: f32,
    rate: f32,
    x: &'a mut [f32],
    first: &'a [f32],
    second: &'a [f32],
}

impl WithSimd for Moving<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, (first, second)) in self.x.iter_mut().zip(self.first.iter().zip(self.second)) {
            *x = self.keep * *x - self.rate * first / (second.sqrt() * self.root + self.eps);
        }
    }
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a variable is strided");
    };
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[start..end]),
        other => candle_core::bail!("a variable is of {:?}", other.dtype()),
    }
}

//! Linear layers on the CPU whose weights stay quantised and are multiplied as whole numbers.
//!
//! Weights are packed once, when a model is read: sixteen rows side by side, so that a broadcast of
//! four inputs serves a row in every lane, and one family of kernels serves one row of activations
//! and sixteen. That copy is as large as what the file holds (K-quants of 4 bits: 3 % larger); the
//! file's own pages are read once and may leave memory.
//!
//! Activations are rounded by groups of 32 to 16 bits. AVX-512 keeps them as two bytes, coarse and
//! fine, which are multiplied with the same weights in turn, AVX2 as the one number that they are. llama.cpp and candle round to 8 bits, whose one
//! byte costs SmolLM2 0.34 nats of log-probability in a response of 16 tokens (0.7 of the log-ratio
//! of a pair), where two bytes cost 0.002 (0.003, at worst 0.008): a score is a difference, and one
//! that may be wrong by more than 0.05 is of no use to a search. Weights come from memory so slowly
//! that a second product of bytes takes next to no time where rows are few.
//!
//! candle's packed products ask for inputs by multiples of 256, which neither SmolLM2's 576 nor
//! Gemma 3's 640 are, and round to 8 bits. NEON has whole products of bytes only by the extension
//! `dotprod`, which Rust does not offer yet (1.95); without it they take as many instructions as
//! products in f32, and these are kept there. AVX-VNNI, which some machines without AVX-512 have, is
//! offered by neither pulp nor fearless_simd (1.2).
//!
//! What a row gives does not depend on its company, on the number of threads, nor on the kernel.

mod acts;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod pack;
mod strip;
#[cfg(test)]
mod tests;

use candle_core::Result;
#[cfg(target_arch = "x86_64")]
use fearless_simd::{Avx2, Avx512};
use pulp::Arch;
use rayon::prelude::*;

use super::mat::{Mat, columns};
use super::quant::Quant;
use super::store::Room;
#[cfg(target_arch = "x86_64")]
use crate::decoder::vectors::level;
use crate::models::QuantRows;
use acts::{Acts, Numbers};
pub(super) use pack::n_bytes;
use pack::{Part, ROWS};
use strip::Strip;

/// What a machine multiplies whole numbers with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Unit {
    /// All that this machine has, the fastest one first.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let units = {
            let level = level();
            let wide = level.as_avx512().map(Self::Avx512);
            [wide, level.as_avx2().map(Self::Avx2)]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let units: [Option<Self>; 0] = [];
        units.into_iter().flatten()
    }
}

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 20;

/// The weights of a linear layer: parts below each other, each with its own format.
#[derive(Debug)]
pub(crate) struct Lanes {
    unit: Unit,
    parts: Vec<Part>,
    bias: Vec<f32>,
    /// The same weights as stored, to look up rows.
    stored: Quant,
}

impl Lanes {
    /// Packs parts of `k` inputs each; `Err` gives back what no kernel is for. `bias` covers all rows.
    pub fn pack(
        unit: Unit,
        parts: Vec<QuantRows>,
        k: usize,
        bias: Option<Vec<f32>>,
        room: &Room<'_>,
    ) -> std::result::Result<Self, Quant> {
        let forms: Option<Vec<_>> = parts.iter().map(QuantRows::form).collect();
        let Some(forms) = forms else {
            return Err(Quant::new(parts, k, bias));
        };
        let packed = parts.iter().zip(forms);
        Ok(Self {
            unit,
            parts: packed
                .map(|(rows, form)| Part::pack(rows, form, room))
                .collect(),
            bias: bias.unwrap_or_default(),
            stored: Quant::new(parts, k, None),
        })
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(Part::bytes).sum()
    }

    #[cfg(test)]
    pub fn is_in_large_pages(&self) -> bool {
        self.parts.iter().all(Part::is_in_large_pages)
    }

    /// Row `j` of the weights, times `scale`.
    pub fn unpack(&self, j: usize, scale: f32, out: &mut [f32]) -> Result<()> {
        self.stored.unpack(j, scale, out)
    }

    /// `x W^T + b` on up to `team` threads of the current pool.
    pub fn apply(&self, arch: Arch, team: usize, x: &Mat) -> Mat {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Avx512(token) => self.multiply(team, &Acts::new(arch, team, x), |mut strip| {
                avx512::multiply(token, &mut strip);
            }),
            #[cfg(target_arch = "x86_64")]
            Unit::Avx2(token) => self.multiply(team, &Acts::new(arch, team, x), |mut strip| {
                avx2::multiply(token, &mut strip);
            }),
        }
    }

    /// Has a kernel multiply `x` with all parts.
    fn multiply<N: Numbers>(
        &self,
        team: usize,
        x: &Acts<N>,
        multiply: impl Fn(Strip<'_, N>) + Sync,
    ) -> Mat {
        let mut out = Mat::unwritten(x.n_rows, self.stored.n);
        let cuts = self.cuts(team, x.n_rows);
        let widths: Vec<_> = cuts.iter().map(|cut| cut.width).collect();
        let outs = columns(&mut out, &widths);
        let multiply = |(cut, outs): (&Cut<'_>, _)| {
            multiply(Strip {
                part: cut.part,
                first: cut.first,
                bias: self.bias.get(cut.column..).unwrap_or_default(),
                x,
                outs,
            });
        };
        if team == 1 || cuts.len() == 1 {
            cuts.iter().zip(outs).for_each(multiply);
        } else {
            cuts.par_iter().zip(outs).with_max_len(1).for_each(multiply);
        }
        out
    }

    /// Cuts the parts into tasks.
    fn cuts(&self, team: usize, n_rows: usize) -> Vec<Cut<'_>> {
        let n_panels: usize = self.parts.iter().map(Part::n_panels).sum();
        let tasks = n_rows.max(4) * self.stored.n * self.stored.k / TASK;
        let n = match team {
            1 => 1,
            // More tasks than threads, so that a thread that is held up holds up no other.
            _ => tasks.clamp(1, 4 * team),
        };
        let most = n_panels.div_ceil(n);
        let mut column = 0;
        let mut cuts = Vec::new();
        for part in &self.parts {
            for first in (0..part.n_panels()).step_by(most) {
                let width = (most * ROWS).min(part.n - first * ROWS);
                cuts.push(Cut {
                    part,
                    first,
                    column,
                    width,
                });
                column += width;
            }
        }
        cuts
    }
}

/// Panels of a part that are one task.
struct Cut<'a> {
    part: &'a Part,
    first: usize,
    /// Of all columns.
    column: usize,
    width: usize,
}

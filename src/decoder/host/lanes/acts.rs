//! Activations in twice 8 bits, which is 16.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::decoder::host::mat::Mat;
use crate::models::GROUP;

/// Inputs that lie in one lane of a panel: as many bytes as a lane has.
pub(super) const QUAD: usize = 4;

/// Steps of the fine part in one of the coarse part.
pub(super) const FINE: f32 = 254.0;

/// A group of one row's inputs: `x` is about `d (254 q + r)`, where `q` and `r` are from −127 to 127.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rounded<N> {
    /// What stands for all `q` and `r`.
    pub numbers: N,
    pub d: f32,
    /// `d Σ (254 q + r)`
    pub total: f32,
}

/// The whole numbers of a group as a kernel reads them.
pub(super) trait Numbers: Copy + Default + Send + Sync {
    /// Of the coarse and the fine parts.
    fn of(coarse: &[i8; GROUP], fine: &[i8; GROUP]) -> Self;
}

/// `q` and `r` by themselves, for products of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Bytes {
    pub coarse: Quads,
    pub fine: Quads,
}

/// A byte for each input of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Quads {
    /// Four each, the first one lowest.
    pub quads: [i32; GROUP / QUAD],
    /// Minus the sums of the first half, the second half and both.
    pub less: [i32; 3],
}

/// `254 q + r`, for products of 16 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Words {
    /// Of each quad its first and third number, then its second and fourth one; the earlier one
    /// lower.
    pub pairs: [i32; GROUP / 2],
    /// As with [`Quads`].
    pub less: [i32; 3],
}

/// Rows of activations, rounded group by group, each group on its own: what a row becomes does not
/// depend on the others.
#[derive(Debug)]
pub(super) struct Acts<N> {
    /// By group, then by row.
    groups: Vec<Rounded<N>>,
    pub n_rows: usize,
}

impl<N: Numbers> Acts<N> {
    /// Rounds all rows, on up to `team` threads of the current pool.
    pub fn new(arch: Arch, team: usize, x: &Mat) -> Self {
        /// Groups that are worth a task of their own.
        const TASK: usize = 1 << 11;
        let n_rows = x.n_rows();
        let mut groups = vec![Rounded::default(); x.width / GROUP * n_rows];
        let per_task = match team {
            1 => groups.len(),
            _ => TASK.next_multiple_of(n_rows),
        };
        let round = |(i, out)| {
            let first = i * per_task / n_rows;
            arch.dispatch(Round { x, first, out });
        };
        if per_task >= groups.len() {
            round((0, &mut groups));
        } else {
            groups.par_chunks_mut(per_task).enumerate().for_each(round);
        }
        Self { groups, n_rows }
    }

    /// One group of `M` rows from `row` on.
    #[inline(always)]
    pub fn rows<const M: usize>(&self, group: usize, row: usize) -> &[Rounded<N>; M] {
        let (rows, _) = self.groups[group * self.n_rows + row..].as_chunks();
        &rows[0]
    }
}

/// Some groups of all rows.
struct Round<'a, N> {
    x: &'a Mat,
    /// The number of the first group.
    first: usize,
    out: &'a mut [Rounded<N>],
}

impl<N: Numbers> WithSimd for Round<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let n_rows = self.x.n_rows();
        for (g, rows) in self.out.chunks_exact_mut(n_rows).enumerate() {
            let at = (self.first + g) * GROUP;
            for (row, out) in rows.iter_mut().enumerate() {
                let (groups, _) = self.x.row(row)[at..].as_chunks();
                round(&groups[0], out);
            }
        }
    }
}

/// 1.5 · 2²³: added to a small number it leaves the nearest whole one, ties to even, in the lowest
/// bits of the sum.
const ROUNDER: f32 = 12_582_912.0;

/// Loops without closures, which would not be compiled for the same vectors.
#[inline(always)]
fn round<N: Numbers>(x: &[f32; GROUP], out: &mut Rounded<N>) {
    let step = highest(x) / 127.0;
    let scale = if step > 0.0 { 1.0 / step } else { 0.0 };
    let (mut coarse, mut fine) = ([0i8; GROUP], [0i8; GROUP]);
    for j in 0..GROUP {
        let x = x[j] * scale;
        let rounded = x + ROUNDER;
        coarse[j] = rounded.to_bits() as i8;
        let rest = (x - (rounded - ROUNDER)) * FINE;
        fine[j] = (rest + ROUNDER).to_bits() as i8;
    }
    out.numbers = N::of(&coarse, &fine);
    out.d = step / FINE;
    let (coarse, fine) = (less(&coarse)[2], less(&fine)[2]);
    out.total = -out.d * (FINE * coarse as f32 + fine as f32);
}

impl Numbers for Bytes {
    #[inline(always)]
    fn of(coarse: &[i8; GROUP], fine: &[i8; GROUP]) -> Self {
        Self {
            coarse: quads(coarse),
            fine: quads(fine),
        }
    }
}

#[inline(always)]
fn quads(q: &[i8; GROUP]) -> Quads {
    let mut quads = [0; GROUP / QUAD];
    for (t, quad) in quads.iter_mut().enumerate() {
        let at = t * QUAD;
        let bytes = [q[at], q[at + 1], q[at + 2], q[at + 3]];
        *quad = i32::from_le_bytes(bytes.map(|q| q as u8));
    }
    let less = less(q);
    Quads { quads, less }
}

impl Numbers for Words {
    #[inline(always)]
    fn of(coarse: &[i8; GROUP], fine: &[i8; GROUP]) -> Self {
        let mut pairs = [0; GROUP / 2];
        let word = |j| FINE as i32 * i32::from(coarse[j]) + i32::from(fine[j]);
        for (t, pair) in pairs.iter_mut().enumerate() {
            let first = t / 2 * QUAD + t % 2;
            *pair = word(first) & 0xFFFF | word(first + 2) << 16;
        }
        let (coarse, fine) = (less(coarse), less(fine));
        let less = [0, 1, 2].map(|i| FINE as i32 * coarse[i] + fine[i]);
        Self { pairs, less }
    }
}

/// Minus the sums of the first half, the second half and both.
#[inline(always)]
fn less(q: &[i8; GROUP]) -> [i32; 3] {
    let (mut first, mut second) = (0, 0);
    for j in 0..GROUP / 2 {
        first -= i32::from(q[j]);
        second -= i32::from(q[j + GROUP / 2]);
    }
    [first, second, first + second]
}

/// The highest absolute value.
#[inline(always)]
fn highest(x: &[f32; GROUP]) -> f32 {
    let mut parts = [0.0; 16];
    for j in 0..16 {
        let (a, b) = (x[j].abs(), x[j + 16].abs());
        parts[j] = if a > b { a } else { b };
    }
    for n in [8, 4, 2, 1] {
        for j in 0..n {
            let (a, b) = (parts[j], parts[j + n]);
            parts[j] = if a > b { a } else { b };
        }
    }
    parts[0]
}

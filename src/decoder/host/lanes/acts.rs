//! Activations in 8 bits.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::decoder::host::mat::Mat;
use crate::models::GROUP;

/// Inputs that are multiplied in one step: as many bytes as a lane has.
pub(super) const QUAD: usize = 4;

/// A group of one row's inputs: `x` is about `d q`, where `q` are from −127 to 127.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rounded {
    /// Four `q` each, the first one lowest.
    pub quads: [i32; GROUP / QUAD],
    pub d: f32,
    /// `d Σ q`
    pub total: f32,
    /// `−Σ q` of the first half, the second half and both.
    pub less: [i32; 3],
}

/// Rows of activations, rounded group by group, each group on its own: what a row becomes does not
/// depend on the others.
#[derive(Debug)]
pub(super) struct Acts {
    /// By group, then by row.
    groups: Vec<Rounded>,
    pub n_rows: usize,
}

impl Acts {
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
    pub fn rows<const M: usize>(&self, group: usize, row: usize) -> &[Rounded; M] {
        let (rows, _) = self.groups[group * self.n_rows + row..].as_chunks();
        &rows[0]
    }
}

/// Some groups of all rows.
struct Round<'a> {
    x: &'a Mat,
    /// The number of the first group.
    first: usize,
    out: &'a mut [Rounded],
}

impl WithSimd for Round<'_> {
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
fn round(x: &[f32; GROUP], out: &mut Rounded) {
    let d = highest(x) / 127.0;
    let scale = if d > 0.0 { 1.0 / d } else { 0.0 };
    let mut q = [0i8; GROUP];
    for j in 0..GROUP {
        q[j] = (x[j] * scale + ROUNDER).to_bits() as i8;
    }
    let (mut first, mut second) = (0, 0);
    for j in 0..GROUP / 2 {
        first += i32::from(q[j]);
        second += i32::from(q[j + GROUP / 2]);
    }
    for (t, quad) in out.quads.iter_mut().enumerate() {
        let at = t * QUAD;
        let bytes = [q[at], q[at + 1], q[at + 2], q[at + 3]];
        *quad = i32::from_le_bytes(bytes.map(|q| q as u8));
    }
    out.d = d;
    out.total = d * (first + second) as f32;
    out.less = [-first, -second, -first - second];
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

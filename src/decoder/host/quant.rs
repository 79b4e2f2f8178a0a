//! Linear layers on the CPU whose weights stay quantised.
//!
//! A few rows of weights at a time become f32, just before they are multiplied with all rows of
//! activations: memory holds and moves the small form, and the arithmetic is that of f32. This is
//! what `--exact` asks for, and the way of machines and formats that `lanes` has no kernels for.

use std::cell::RefCell;
use std::ops::Range;

use candle_core::Result;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::mat::{Mat, strips};
use crate::models::QuantRows;

/// Rows of weights that are unpacked together: with 2048 inputs they take a quarter of a
/// megabyte, which second-level caches hold.
const BLOCK: usize = 32;

/// The weights of a linear layer: parts below each other, each with its own format.
#[derive(Debug)]
pub(crate) struct Quant {
    parts: Vec<QuantRows>,
    bias: Vec<f32>,
    pub n: usize,
    pub k: usize,
}

impl Quant {
    /// Parts of `k` inputs each; `bias` covers all of their rows.
    pub fn new(parts: Vec<QuantRows>, k: usize, bias: Option<Vec<f32>>) -> Self {
        Self {
            n: parts.iter().map(|p| p.n).sum(),
            k,
            bias: bias.unwrap_or_default(),
            parts,
        }
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(QuantRows::n_bytes).sum()
    }

    /// Row `j` of the weights, times `scale`.
    pub fn unpack(&self, j: usize, scale: f32, out: &mut [f32]) -> Result<()> {
        self.rows(Arch::new(), j..j + 1, out)?;
        out.iter_mut().for_each(|w| *w *= scale);
        Ok(())
    }

    /// `x W^T + b` on up to `team` threads of the current pool.
    pub fn apply(&self, arch: Arch, team: usize, x: &Mat) -> Result<Mat> {
        let mut out = Mat::unwritten(x.n_rows(), self.n);
        let blocks = strips(&mut out, BLOCK);
        let product = |(i, outs): (usize, Vec<&mut [f32]>)| -> Result<()> {
            let first = i * BLOCK;
            let wanted = first..(first + BLOCK).min(self.n);
            let bias = self.bias.get(first..).unwrap_or_default();
            SCRATCH.with_borrow_mut(|scratch| {
                scratch.resize(scratch.len().max(wanted.len() * self.k), 0.0);
                let rows = &mut scratch[..wanted.len() * self.k];
                self.rows(arch, wanted, rows)?;
                let k = self.k;
                arch.dispatch(Dots {
                    rows,
                    bias,
                    k,
                    x,
                    outs,
                });
                Ok(())
            })
        };
        if team == 1 {
            blocks.into_iter().enumerate().try_for_each(product)?;
        } else {
            blocks.into_par_iter().enumerate().try_for_each(product)?;
        }
        Ok(out)
    }

    /// Rows in f32.
    fn rows(&self, arch: Arch, wanted: Range<usize>, out: &mut [f32]) -> Result<()> {
        read_rows(&self.parts, arch, wanted, self.k, out)
    }
}

/// Some of the rows of `parts` below each other, of `k` weights each, in f32.
pub(super) fn read_rows(
    parts: &[QuantRows],
    arch: Arch,
    wanted: Range<usize>,
    k: usize,
    mut out: &mut [f32],
) -> Result<()> {
    let mut before = 0;
    for part in parts {
        let within = |row: usize| row.saturating_sub(before).min(part.n);
        let range = within(wanted.start)..within(wanted.end);
        let (rows, rest) = out.split_at_mut(range.len() * k);
        if !range.is_empty() {
            part.read_into(arch, range, rows)?;
        }
        (out, before) = (rest, before + part.n);
    }
    Ok(())
}

thread_local! {
    /// Each thread's rows under way.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// All rows of activations times a block of rows of weights.
struct Dots<'a> {
    rows: &'a [f32],
    bias: &'a [f32],
    k: usize,
    x: &'a Mat,
    /// One row's columns each.
    outs: Vec<&'a mut [f32]>,
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut row = 0;
        // Sixteen sums and eight operands need registers that only wide machines have.
        if S::F32_LANES == 16 {
            row = self.down::<S, 4>(simd, row);
        }
        row = self.down::<S, 2>(simd, row);
        self.down::<S, 1>(simd, row);
    }
}

impl Dots<'_> {
    /// Multiplies as many groups of `M` rows of activations as there are from `row` on.
    #[inline(always)]
    fn down<S: Simd, const M: usize>(&mut self, simd: S, mut row: usize) -> usize {
        while row + M <= self.outs.len() {
            let mut x = [&[][..]; M];
            for (i, x) in x.iter_mut().enumerate() {
                *x = self.x.row(row + i);
            }
            let at = self.across::<S, M, 4>(simd, row, x, 0);
            self.across::<S, M, 1>(simd, row, x, at);
            row += M;
        }
        row
    }

    /// The same rows times groups of `N` rows of weights from `at` on.
    #[inline(always)]
    fn across<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        row: usize,
        x: [&[f32]; M],
        mut at: usize,
    ) -> usize {
        let n = self.rows.len() / self.k;
        while at + N <= n {
            let mut w = [&[][..]; N];
            for (j, w) in w.iter_mut().enumerate() {
                *w = &self.rows[(at + j) * self.k..][..self.k];
            }
            let sums = dots::<S, M, N>(simd, x, w);
            for (i, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    let bias = self.bias.get(at + j).copied().unwrap_or(0.0);
                    self.outs[row + i][at + j] = sum + bias;
                }
            }
            at += N;
        }
        at
    }
}

/// The sums of products of each of `x` with each of `w`, all of one length. Each pair is summed
/// in the same order whatever its company.
#[inline(always)]
fn dots<S: Simd, const M: usize, const N: usize>(
    simd: S,
    x: [&[f32]; M],
    w: [&[f32]; N],
) -> [[f32; N]; M] {
    // Loops, not closures: those would not be compiled for the same vectors.
    let (mut xs, mut ws) = ([S::as_simd_f32s(&[]); M], [S::as_simd_f32s(&[]); N]);
    for i in 0..M {
        xs[i] = S::as_simd_f32s(x[i]);
    }
    for j in 0..N {
        ws[j] = S::as_simd_f32s(w[j]);
    }
    let len = ws[0].0.len();
    let (mut xv, mut wv) = ([&[][..]; M], [&[][..]; N]);
    for i in 0..M {
        xv[i] = &xs[i].0[..len];
    }
    for j in 0..N {
        wv[j] = &ws[j].0[..len];
    }
    let mut acc = [[simd.splat_f32s(0.0); N]; M];
    for t in 0..len {
        for i in 0..M {
            for j in 0..N {
                acc[i][j] = simd.mul_add_f32s(xv[i][t], wv[j][t], acc[i][j]);
            }
        }
    }
    let mut sums = [[0.0; N]; M];
    for i in 0..M {
        for j in 0..N {
            let mut sum = simd.reduce_sum_f32s(acc[i][j]);
            let (x, w) = (xs[i].1, ws[j].1);
            for t in 0..x.len().min(w.len()) {
                sum += x[t] * w[t];
            }
            sums[i][j] = sum;
        }
    }
    sums
}

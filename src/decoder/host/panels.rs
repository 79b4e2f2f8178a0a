//! Linear layers on the CPU: weights in panels of columns, so that every product reads memory
//! in one direction.

use std::ops::Range;

use pulp::bytemuck::Pod;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::halves::{Halves, halved, widen};
use super::mat::{Mat, strips};
use super::store::{Held, Store};
use super::tile::{Form, Whole, load, store};

/// Vectors of columns in a panel.
const V: usize = 2;

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 19;

/// The weights of a linear layer of `n` outputs and `k` inputs: for each panel of `width`
/// outputs, for each input, `width` weights. The last panel is filled up with zeros.
#[derive(Debug)]
pub(crate) struct Panels {
    data: Weights,
    /// Filled up like the weights; empty for no bias.
    bias: Vec<f32>,
    width: usize,
    pub n: usize,
    pub k: usize,
}

/// Packed weights: in f32, or in the 16 bits that they were stored in.
#[derive(Debug)]
enum Weights {
    Whole(Store<f32>),
    Halves(Store<u16>),
}

impl Weights {
    fn store(&self) -> &dyn Held {
        match self {
            Self::Whole(store) => store,
            Self::Halves(store) => store,
        }
    }

    fn store_mut(&mut self) -> &mut dyn Held {
        match self {
            Self::Whole(store) => store,
            Self::Halves(store) => store,
        }
    }
}

impl Panels {
    /// Packs `n` rows of `k` weights for the vectors of `arch`.
    pub fn pack(arch: Arch, rows: &[f32], n: usize, k: usize, bias: Option<Vec<f32>>) -> Self {
        let width = V * arch.dispatch(Lanes);
        let data = Weights::Whole(Store::Heap(interleaved(rows, n, width, k)));
        Self::of(data, bias, width, (n, k))
    }

    /// The same in 16 bits, where these hold every weight as it is.
    pub fn pack_halves(
        arch: Arch,
        rows: &[f32],
        n: usize,
        k: usize,
        bias: Option<&Vec<f32>>,
    ) -> Option<Self> {
        let width = V * arch.dispatch(Lanes);
        let rows = halved(rows)?;
        let data = Weights::Halves(Store::Heap(interleaved(&rows, n, width, k)));
        Some(Self::of(data, bias.cloned(), width, (n, k)))
    }

    fn of(data: Weights, bias: Option<Vec<f32>>, width: usize, (n, k): (usize, usize)) -> Self {
        let n_panels = n.div_ceil(width);
        let mut bias = bias.unwrap_or_default();
        if !bias.is_empty() {
            bias.resize(n_panels * width, 0.0);
        }
        Self {
            data,
            bias,
            width,
            n,
            k,
        }
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        self.data.store().bytes().len()
    }

    /// Where the weights lie.
    pub fn store_mut(&mut self) -> &mut dyn Held {
        self.data.store_mut()
    }

    /// Row `j` of the unpacked weights, times `scale`.
    pub fn unpack(&self, j: usize, scale: f32, out: &mut [f32]) {
        let start = j / self.width * self.width * self.k + j % self.width;
        let mut put = |i: usize, w: f32| out[i] = w * scale;
        match &self.data {
            Weights::Whole(all) => {
                let row = all.all()[start..].iter().step_by(self.width);
                row.take(self.k).enumerate().for_each(|(i, w)| put(i, *w));
            }
            Weights::Halves(all) => {
                let row = all.all()[start..].iter().step_by(self.width);
                let row = row.take(self.k).map(|bits| widen(*bits));
                row.enumerate().for_each(|(i, w)| put(i, w));
            }
        }
    }

    /// `x W^T + b` on up to `team` threads of the current pool.
    pub fn apply(&self, arch: Arch, team: usize, x: &Mat) -> Mat {
        let mut out = Mat::zeros(x.n_rows(), self.n);
        let n_panels = self.n.div_ceil(self.width);
        let per_strip = n_panels.div_ceil(self.n_strips(team, x.n_rows()));
        let outs = strips(&mut out, per_strip * self.width);
        let product = |(s, outs)| arch.dispatch(self.strip(s * per_strip, x, outs));
        if team == 1 || outs.len() == 1 {
            outs.into_iter().enumerate().for_each(product);
        } else {
            outs.into_par_iter()
                .enumerate()
                .with_max_len(1)
                .for_each(product);
        }
        out
    }

    /// Into how many tasks to cut a product of so many rows.
    fn n_strips(&self, team: usize, n_rows: usize) -> usize {
        // Below four rows memory is the limit: such a product takes as long as one of four.
        let tasks = n_rows.max(4) * self.n * self.k / TASK;
        match team {
            1 => 1,
            // More tasks than threads, so that a thread that is held up holds up no other.
            _ if tasks > 1 => tasks.clamp(team, 4 * team),
            _ => 1,
        }
    }

    /// The product of `x` with all panels from `first` on that `outs` has columns for.
    fn strip<'a>(&'a self, first: usize, x: &'a Mat, outs: Vec<&'a mut [f32]>) -> Strip<'a> {
        Strip {
            weights: &self.data,
            from: first * self.width * self.k,
            bias: self.bias.get(first * self.width..).unwrap_or_default(),
            k: self.k,
            x,
            outs,
        }
    }
}

/// Rows in panels of `width`, the last one filled up with zeros.
fn interleaved<T>(rows: &[T], n: usize, width: usize, k: usize) -> Vec<T>
where
    T: Pod + Send + Sync,
{
    let mut data = vec![T::zeroed(); n.div_ceil(width) * width * k];
    let panels = data.par_chunks_mut(width * k);
    panels
        .zip(rows.par_chunks(width * k))
        .for_each(|(panel, rows)| {
            for (j, row) in rows.chunks_exact(k).enumerate() {
                for (slot, &w) in panel[j..].iter_mut().step_by(width).zip(row) {
                    *slot = w;
                }
            }
        });
    data
}

/// Asks the machine for its vector length in f32.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

struct Strip<'a> {
    weights: &'a Weights,
    /// Where its first panel begins.
    from: usize,
    bias: &'a [f32],
    k: usize,
    x: &'a Mat,
    /// One row's columns each.
    outs: Vec<&'a mut [f32]>,
}

impl WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match self.weights {
            Weights::Whole(all) => self.panels::<S, Whole>(simd, &all.all()[self.from..]),
            Weights::Halves(all) => self.panels::<S, Halves>(simd, &all.all()[self.from..]),
        }
    }
}

/// Rows that are multiplied at once: the sums, a vector of weights for each column and one of
/// a row's input have to fit in the registers, of which only machines with wide vectors have 32.
const fn most_rows<S: Simd>() -> usize {
    match S::F32_LANES {
        16 => 8,
        _ => 4,
    }
}

impl Strip<'_> {
    #[inline(always)]
    fn panels<S: Simd, F: Form>(&mut self, simd: S, weights: &[F::Weight]) {
        let width = V * S::F32_LANES;
        let n = self.outs.first().map_or(0, |row| row.len());
        let panels = weights.chunks_exact(width * self.k);
        // As even as can be: a block of fewer than four rows takes as long as one of four.
        let n_rows = self.outs.len();
        let n_blocks = n_rows.div_ceil(most_rows::<S>());
        let blocks = |block: usize| {
            let cut = |block| block * n_rows / n_blocks;
            cut(block)..cut(block + 1)
        };
        let mut scratch = Vec::new();
        for (first, panel) in (0..n).step_by(width).zip(panels) {
            // What several blocks are multiplied with is widened once.
            if n_blocks > 1 && F::widen(panel, &mut scratch) {
                for block in 0..n_blocks {
                    self.block::<S, Whole>(simd, &scratch, first, blocks(block));
                }
                continue;
            }
            for block in 0..n_blocks {
                self.block::<S, F>(simd, panel, first, blocks(block));
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, F: Form>(
        &mut self,
        simd: S,
        panel: &[F::Weight],
        first: usize,
        rows: Range<usize>,
    ) {
        let start = rows.start;
        match rows.len() {
            1 => self.rows::<S, F, 1>(simd, panel, first, start),
            2 => self.rows::<S, F, 2>(simd, panel, first, start),
            3 => self.rows::<S, F, 3>(simd, panel, first, start),
            4 => self.rows::<S, F, 4>(simd, panel, first, start),
            5 => self.rows::<S, F, 5>(simd, panel, first, start),
            6 => self.rows::<S, F, 6>(simd, panel, first, start),
            7 => self.rows::<S, F, 7>(simd, panel, first, start),
            _ => self.rows::<S, F, 8>(simd, panel, first, start),
        }
    }

    /// Multiplies the `M` rows from `row` on with a panel, whose outputs begin with `first`.
    #[inline(always)]
    fn rows<S: Simd, F: Form, const M: usize>(
        &mut self,
        simd: S,
        panel: &[F::Weight],
        first: usize,
        row: usize,
    ) {
        let bias = load::<S, V>(simd, self.bias.get(first..).unwrap_or_default());
        let last = first + V * S::F32_LANES;
        let x: [&[f32]; M] = std::array::from_fn(|i| self.x.row(row + i));
        let acc = F::tile::<S, M, V>(simd, x, panel, [bias; M]);
        for (out, acc) in self.outs[row..row + M].iter_mut().zip(&acc) {
            let last = last.min(out.len());
            store::<S, V>(&mut out[first..last], acc);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor};

    use super::*;
    use crate::models::archs;

    fn noise(n: usize, salt: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + salt * 104_729) % 2003) as f32 / 1001.0 - 1.0)
            .collect()
    }

    /// The product by candle.
    fn plain(x: &Mat, w: &[f32], n: usize, k: usize, bias: &[f32]) -> Result<Vec<f32>> {
        let x = Tensor::from_slice(&x.data, (x.n_rows(), k), &Device::Cpu)?;
        let w = Tensor::from_slice(w, (n, k), &Device::Cpu)?;
        let bias = Tensor::from_slice(bias, n, &Device::Cpu)?;
        x.matmul(&w.t()?)?
            .broadcast_add(&bias)?
            .flatten_all()?
            .to_vec1()
    }

    #[test]
    fn products_equal_candles() {
        for (n, k) in [(1, 1), (31, 7), (32, 16), (33, 17), (100, 63), (320, 257)] {
            for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 80] {
                for arch in archs() {
                    check(arch, m, k, n);
                }
            }
        }
    }

    #[test]
    fn weights_in_16_bits_give_the_same_to_the_bit() {
        let stored = |w| half::bf16::from_f32(w).to_f32();
        for (n, k) in [(1, 1), (33, 17), (100, 63), (320, 257)] {
            let w: Vec<f32> = noise(n * k, 3).into_iter().map(stored).collect();
            for arch in archs() {
                let halves = Panels::pack_halves(arch, &w, n, k, Some(&noise(n, 2))).unwrap();
                let whole = Panels::pack(arch, &w, n, k, Some(noise(n, 2)));
                assert_eq!(2 * halves.bytes(), whole.bytes());
                for m in [1, 5, 16] {
                    let (data, width) = (noise(m * k, m), k);
                    let x = Mat { data, width };
                    let product = |panels: &Panels| panels.apply(arch, 3, &x).data;
                    assert_eq!(product(&halves), product(&whole));
                }
                let (mut a, mut b) = (vec![0.0; k], vec![0.0; k]);
                halves.unpack(n - 1, 0.5, &mut a);
                whole.unpack(n - 1, 0.5, &mut b);
                assert_eq!(a, b);
            }
        }
    }

    fn check(arch: Arch, m: usize, k: usize, n: usize) {
        let (data, w, bias) = (noise(m * k, m), noise(n * k, 1), noise(n, 2));
        let x = Mat { data, width: k };
        let wanted = plain(&x, &w, n, k, &bias).unwrap();
        let panels = Panels::pack(arch, &w, n, k, Some(bias));
        for team in [1, 3] {
            let found = panels.apply(arch, team, &x).data;
            for (a, b) in found.iter().zip(&wanted) {
                let close = (a - b).abs() < 1e-4;
                assert!(close, "{arch:?}, {m} x {k} x {n}: {a} is not {b}");
            }
        }
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let (n, k) = (67, 13);
        let w = noise(n * k, 3);
        let mut row = vec![0.0; k];
        for arch in archs() {
            let panels = Panels::pack(arch, &w, n, k, None);
            for (j, w) in w.chunks_exact(k).enumerate() {
                panels.unpack(j, 2.0, &mut row);
                assert!(row.iter().zip(w).all(|(r, w)| *r == w * 2.0));
            }
        }
    }
}

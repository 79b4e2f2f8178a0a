//! Linear layers on the CPU: weights in panels of columns, so that every product reads memory
//! in one direction.

use std::ops::Range;

use candle_core::Result;
use pulp::bytemuck::Pod;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::floats::Floats;
use super::halves::{Halves, InRegisters};
use super::mat::{Mat, strips};
use super::store::{Room, Store, taken};
use super::tile::{Form, WIDEST, Whole};
use crate::models::Half;

/// Vectors of columns in a panel.
const V: usize = 2;

/// Bytes of a panel's weights that stay in the nearest cache beside what they are multiplied with.
const NEAR: usize = 1 << 14;

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
    Halves(Half, Store<u16>),
}

impl Panels {
    /// Packs rows of floats for the vectors of `arch`.
    pub fn pack(
        arch: Arch,
        rows: &Floats<'_>,
        bias: Option<Vec<f32>>,
        room: &Room<'_>,
    ) -> Result<Self> {
        let read = |wanted, scratch: &mut Vec<f32>, put: &mut dyn FnMut(&[f32])| {
            put(rows.rows(arch, wanted, scratch)?);
            Ok(())
        };
        let data = interleaved(arch, rows, room, read)?;
        Ok(Self::of(arch, Weights::Whole(data), bias, rows))
    }

    /// The same in 16 bits, which hold every weight as it is.
    pub fn pack_halves(
        arch: Arch,
        half: Half,
        rows: &Floats<'_>,
        bias: Option<Vec<f32>>,
        room: &Room<'_>,
    ) -> Result<Self> {
        let read = |wanted, scratch: &mut Vec<u16>, put: &mut dyn FnMut(&[u16])| {
            put(rows.halves(half, wanted, scratch));
            Ok(())
        };
        let data = interleaved(arch, rows, room, read)?;
        Ok(Self::of(arch, Weights::Halves(half, data), bias, rows))
    }

    fn of(arch: Arch, data: Weights, bias: Option<Vec<f32>>, rows: &Floats<'_>) -> Self {
        let width = width(arch);
        let mut bias = bias.unwrap_or_default();
        if !bias.is_empty() {
            bias.resize(rows.n.next_multiple_of(width), 0.0);
        }
        Self {
            data,
            bias,
            width,
            n: rows.n,
            k: rows.k,
        }
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Weights::Whole(all) => all.n_bytes(),
            Weights::Halves(_, all) => all.n_bytes(),
        }
    }

    #[cfg(test)]
    pub fn is_in_large_pages(&self) -> bool {
        match &self.data {
            Weights::Whole(all) => all.is_in_large_pages(),
            Weights::Halves(_, all) => all.is_in_large_pages(),
        }
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
            Weights::Halves(half, all) => {
                let row = all.all()[start..].iter().step_by(self.width);
                let row = row.take(self.k).map(|bits| half.widen(*bits));
                row.enumerate().for_each(|(i, w)| put(i, w));
            }
        }
    }

    /// `x W^T + b` on up to `team` threads of the current pool.
    pub fn apply(&self, arch: Arch, team: usize, x: &Mat) -> Mat {
        let mut out = Mat::unwritten(x.n_rows(), self.n);
        let n_panels = self.n.div_ceil(self.width);
        let per_strip = n_panels.div_ceil(self.n_strips(team, x.n_rows()));
        let outs = strips(&mut out, per_strip * self.width);
        let product = |(s, outs)| self.strip(s * per_strip, x, outs).multiply(arch);
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
            beside: [[0.0; WIDEST]; MOST],
        }
    }
}

/// Outputs in a panel.
fn width(arch: Arch) -> usize {
    V * lanes(arch)
}

/// How many f32 a vector holds.
pub(super) fn lanes(arch: Arch) -> usize {
    arch.dispatch(Lanes)
}

/// Bytes that `n` rows of `k` weights of so many bytes take of a room.
pub(super) fn n_bytes(arch: Arch, n: usize, k: usize, weight: usize) -> usize {
    taken(n.next_multiple_of(width(arch)) * k * weight)
}

/// Rows in panels, the last one filled up with zeros; `read` puts some of them, one after the other.
fn interleaved<T: Pod + Send + Sync>(
    arch: Arch,
    rows: &Floats<'_>,
    room: &Room<'_>,
    read: impl Fn(Range<usize>, &mut Vec<T>, &mut dyn FnMut(&[T])) -> Result<()> + Sync,
) -> Result<Store<T>> {
    let (width, k) = (width(arch), rows.k);
    let mut blank = room.blank(rows.n.next_multiple_of(width) * k);
    let panels = blank.all_mut().par_chunks_mut(width * k).enumerate();
    panels.try_for_each_init(Vec::new, |scratch, (i, panel)| {
        let wanted = i * width..((i + 1) * width).min(rows.n);
        read(wanted, scratch, &mut |rows| {
            for (j, row) in rows.chunks_exact(k).enumerate() {
                for (slot, w) in panel[j..].iter_mut().step_by(width).zip(row) {
                    *slot = *w;
                }
            }
        })
    })?;
    Ok(blank.keep())
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
    /// Sums of a panel that has more columns than are wanted.
    beside: [[f32; WIDEST]; MOST],
}

impl WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match self.weights {
            Weights::Whole(all) => self.panels(simd, Whole, &all.all()[self.from..]),
            Weights::Halves(half, all) => self.halves(simd, *half, &all.all()[self.from..]),
        }
    }
}

/// The most rows that any machine multiplies at once.
const MOST: usize = 8;

/// Rows that are multiplied at once: the sums, a vector of weights for each column and one of
/// a row's input have to fit in the registers, of which only machines with wide vectors have 32.
const fn most_rows<S: Simd>() -> usize {
    match S::F32_LANES {
        16 => MOST,
        _ => 4,
    }
}

/// A part of a panel.
#[derive(Clone, Copy)]
struct Place {
    /// The panel's first output.
    first: usize,
    /// The part's first input.
    from: usize,
}

impl Strip<'_> {
    /// Once in the program, however it is called.
    #[inline(never)]
    fn multiply(self, arch: Arch) {
        arch.dispatch(self);
    }

    #[inline(always)]
    fn halves<S: Simd>(&mut self, simd: S, half: Half, weights: &[u16]) {
        match InRegisters::new(simd, half) {
            Some(form) => self.panels(simd, form, weights),
            None => self.widened(simd, half, weights),
        }
    }

    /// Where several blocks of rows are multiplied, they take turns with a part of a panel that the
    /// nearest cache holds.
    #[inline(always)]
    fn panels<S: Simd, F: Form>(&mut self, simd: S, form: F, weights: &[F::Weight]) {
        let width = V * S::F32_LANES;
        let steps = match self.n_blocks::<S>() {
            1 => self.k,
            _ => NEAR / (width * size_of::<F::Weight>()),
        };
        for (first, panel) in self.numbered(width, weights) {
            for (from, part) in (0..).step_by(steps).zip(panel.chunks(steps * width)) {
                self.blocks(simd, form, part, Place { first, from });
            }
        }
    }

    /// The same with weights that are widened before they are multiplied.
    #[inline(always)]
    fn widened<S: Simd>(&mut self, simd: S, half: Half, weights: &[u16]) {
        let (width, halves) = (V * S::F32_LANES, Halves::new(half));
        let steps = NEAR / (width * size_of::<f32>());
        let mut wide = vec![0.0; steps * width];
        for (first, panel) in self.numbered(width, weights) {
            for (from, part) in (0..).step_by(steps).zip(panel.chunks(steps * width)) {
                let wide = &mut wide[..part.len()];
                halves.widen(part, wide);
                self.blocks(simd, Whole, wide, Place { first, from });
            }
        }
    }

    /// Panels that outputs are wanted of, each with the number of its first one.
    fn numbered<'w, T>(
        &self,
        width: usize,
        weights: &'w [T],
    ) -> impl Iterator<Item = (usize, &'w [T])> + use<'w, T> {
        let n = self.outs.first().map_or(0, |row| row.len());
        let panels = weights.chunks_exact(width * self.k);
        (0..n).step_by(width).zip(panels)
    }

    /// Into how many blocks rows are cut.
    fn n_blocks<S: Simd>(&self) -> usize {
        self.outs.len().div_ceil(most_rows::<S>())
    }

    /// Adds the products of all rows and a part of a panel.
    #[inline(always)]
    fn blocks<S: Simd, F: Form>(&mut self, simd: S, form: F, part: &[F::Weight], place: Place) {
        // As even as can be: a block of fewer than four rows takes as long as one of four.
        let (n_rows, n_blocks) = (self.outs.len(), self.n_blocks::<S>());
        let cut = |block| block * n_rows / n_blocks;
        for block in 0..n_blocks {
            self.block(simd, form, part, place, cut(block)..cut(block + 1));
        }
    }

    /// Adds the products of some rows and a part of a panel.
    #[inline(always)]
    fn block<S: Simd, F: Form>(
        &mut self,
        simd: S,
        form: F,
        part: &[F::Weight],
        place: Place,
        rows: Range<usize>,
    ) {
        let row = rows.start;
        let is_widest = most_rows::<S>() == MOST;
        match rows.len() {
            1 => self.rows::<S, F, 1>(simd, form, part, place, row),
            2 => self.rows::<S, F, 2>(simd, form, part, place, row),
            3 => self.rows::<S, F, 3>(simd, form, part, place, row),
            5 if is_widest => self.rows::<S, F, 5>(simd, form, part, place, row),
            6 if is_widest => self.rows::<S, F, 6>(simd, form, part, place, row),
            7 if is_widest => self.rows::<S, F, 7>(simd, form, part, place, row),
            8 if is_widest => self.rows::<S, F, 8>(simd, form, part, place, row),
            _ => self.rows::<S, F, 4>(simd, form, part, place, row),
        }
    }

    /// Adds the products of the `M` rows from `row` on to what the parts before have given, or to
    /// the bias.
    ///
    /// Loops, not closures: those would not be compiled for the same vectors. Short ones: what is
    /// too long to be unrolled keeps all sums in memory, which took as long as thirty steps.
    #[inline(always)]
    fn rows<S: Simd, F: Form, const M: usize>(
        &mut self,
        simd: S,
        form: F,
        part: &[F::Weight],
        place: Place,
        row: usize,
    ) {
        let Place { first, from } = place;
        let outs = &mut self.outs[row..row + M];
        // Of the last panel the outputs have a part: whole vectors of sums lie beside them.
        let n = outs[0].len() - first;
        let beside = &mut self.beside[..M];
        let is_whole = n >= V * S::F32_LANES;
        if !is_whole {
            for i in 0..M {
                beside[i][..n].copy_from_slice(&outs[i][first..]);
            }
        }
        let mut x = [&[][..]; M];
        let mut acc = [[simd.splat_f32s(0.0); V]; M];
        for i in 0..M {
            x[i] = &self.x.row(row + i)[from..];
            let sums = match (from, is_whole) {
                (0, _) => self.bias.get(first..).unwrap_or_default(),
                (_, true) => &outs[i][first..],
                (_, false) => &beside[i],
            };
            if let Some(sums) = S::as_simd_f32s(sums).0.first_chunk::<V>() {
                acc[i] = *sums;
            }
        }
        let acc = form.tile::<S, M, V>(simd, x, part, acc);
        for i in 0..M {
            let sums = match is_whole {
                true => &mut outs[i][first..],
                false => &mut beside[i],
            };
            if let Some(sums) = S::as_mut_simd_f32s(sums).0.first_chunk_mut::<V>() {
                *sums = acc[i];
            }
        }
        if !is_whole {
            for i in 0..M {
                outs[i][first..].copy_from_slice(&beside[i][..n]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::models::{Stored, archs};

    fn noise(n: usize, salt: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + salt * 104_729) % 2003) as f32 / 1001.0 - 1.0)
            .collect()
    }

    fn pack(arch: Arch, w: &[f32], n: usize, k: usize, bias: Option<Vec<f32>>) -> Panels {
        let rows = &Stored::Plain(w.to_vec());
        Panels::pack(arch, &Floats { rows, n, k }, bias, &Room::none()).unwrap()
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
        for half in [Half::Bf16, Half::F16] {
            same_in_16_bits(half);
        }
    }

    fn same_in_16_bits(half: Half) {
        let stored = |w| {
            let mut bits = [0];
            half.narrow(&[w], &mut bits);
            half.widen(bits[0])
        };
        for (n, k) in [(1, 1), (33, 17), (100, 63), (320, 257)] {
            let w: Vec<f32> = noise(n * k, 3).into_iter().map(stored).collect();
            for arch in archs() {
                let (rows, bias) = (&Stored::Plain(w.clone()), Some(noise(n, 2)));
                let rows = Floats { rows, n, k };
                let halves = Panels::pack_halves(arch, half, &rows, bias.clone(), &Room::none());
                let halves = halves.unwrap();
                let whole = Panels::pack(arch, &rows, bias, &Room::none()).unwrap();
                assert_eq!(2 * halves.bytes(), whole.bytes());
                for m in [1, 5, 16] {
                    let (data, width) = (noise(m * k, m).into(), k);
                    let x = Mat { data, width };
                    let product = |panels: &Panels| panels.apply(arch, 3, &x).data.to_vec();
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
        let x = Mat {
            data: data.into(),
            width: k,
        };
        let wanted = plain(&x, &w, n, k, &bias).unwrap();
        let panels = pack(arch, &w, n, k, Some(bias));
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
            let panels = pack(arch, &w, n, k, None);
            for (j, w) in w.chunks_exact(k).enumerate() {
                panels.unpack(j, 2.0, &mut row);
                assert!(row.iter().zip(w).all(|(r, w)| *r == w * 2.0));
            }
        }
    }
}

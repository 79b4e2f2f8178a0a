//! A task of a product: some panels of weights, times all rows.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::decoder::host::halves::Halves;
use crate::decoder::host::mat::Mat;
use crate::decoder::host::store::Store;
use crate::decoder::host::tile::{Form, WIDEST, Whole};
use crate::models::Half;

/// Vectors of columns in a panel.
pub(super) const V: usize = 2;

/// Bytes of a panel's weights that stay in the nearest cache beside what they are multiplied with.
const NEAR: usize = 1 << 14;

/// Packed weights: in f32, or in the 16 bits that they were stored in.
#[derive(Debug)]
pub(super) enum Weights {
    Whole(Store<f32>),
    Halves(Half, Store<u16>),
}

/// Some panels, and the columns that they give.
pub(super) struct Strip<'a> {
    pub weights: &'a Weights,
    /// Where its first panel begins.
    pub from: usize,
    pub bias: &'a [f32],
    pub k: usize,
    pub x: &'a Mat,
    /// One row's columns each.
    pub outs: Vec<&'a mut [f32]>,
    /// Sums of a panel that has more columns than are wanted.
    pub beside: [[f32; WIDEST]; MOST],
}

impl WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match self.weights {
            Weights::Whole(all) => self.panels(simd, Whole, &all.all()[self.from..]),
            Weights::Halves(half, all) => self.widened(simd, *half, &all.all()[self.from..]),
        }
    }
}

/// The most rows that any machine multiplies at once.
pub(super) const MOST: usize = 8;

/// Rows that wait for memory.
const FEW: usize = 2;

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
    /// Where several blocks of rows are multiplied, they take turns with a part of a panel that the
    /// nearest cache holds.
    #[inline(always)]
    pub fn panels<S: Simd, F: Form>(&mut self, simd: S, form: F, weights: &[F::Weight]) {
        let width = V * S::F32_LANES;
        if self.outs.len() <= FEW {
            return self.abreast(simd, form, weights);
        }
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

    /// Few rows wait for memory, which brings two panels at once faster than one after the other: with
    /// one row f32 are multiplied 1.1 times as fast, f16 1.2 to 1.35 times.
    #[inline(always)]
    fn abreast<S: Simd, F: Form>(&mut self, simd: S, form: F, weights: &[F::Weight]) {
        let n = match self.outs.len() {
            1 => self.twos::<S, F, 1>(simd, form, weights),
            _ => self.twos::<S, F, 2>(simd, form, weights),
        };
        let panels = self.numbered(V * S::F32_LANES, weights);
        for (first, panel) in panels.skip(n) {
            self.blocks(simd, form, panel, Place { first, from: 0 });
        }
    }

    /// The products of `M` rows, all there are, and as many times two panels as outputs are wanted of;
    /// returns how many panels that are.
    #[inline(always)]
    fn twos<S: Simd, F: Form, const M: usize>(
        &mut self,
        simd: S,
        form: F,
        weights: &[F::Weight],
    ) -> usize {
        let width = V * S::F32_LANES;
        let n_twos = self.n_columns() / (2 * width);
        let twos = weights.chunks_exact(2 * width * self.k).take(n_twos);
        for (first, two) in (0..).step_by(2 * width).zip(twos) {
            let (a, b) = two.split_at(width * self.k);
            self.rows::<S, F, M, 2>(simd, form, [a, b], Place { first, from: 0 }, 0);
        }
        2 * n_twos
    }

    /// The same with weights that are widened before they are multiplied, part by part.
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
        let panels = weights.chunks_exact(width * self.k);
        (0..self.n_columns()).step_by(width).zip(panels)
    }

    fn n_columns(&self) -> usize {
        self.outs.first().map_or(0, |row| row.len())
    }

    /// Into how many blocks rows are cut.
    pub fn n_blocks<S: Simd>(&self) -> usize {
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
            1 => self.rows::<S, F, 1, 1>(simd, form, [part], place, row),
            2 => self.rows::<S, F, 2, 1>(simd, form, [part], place, row),
            3 => self.rows::<S, F, 3, 1>(simd, form, [part], place, row),
            5 if is_widest => self.rows::<S, F, 5, 1>(simd, form, [part], place, row),
            6 if is_widest => self.rows::<S, F, 6, 1>(simd, form, [part], place, row),
            7 if is_widest => self.rows::<S, F, 7, 1>(simd, form, [part], place, row),
            8 if is_widest => self.rows::<S, F, 8, 1>(simd, form, [part], place, row),
            _ => self.rows::<S, F, 4, 1>(simd, form, [part], place, row),
        }
    }

    /// Adds the products of the `M` rows from `row` on and parts of `P` neighbouring panels to what
    /// the parts before have given, or to the bias. Only one panel may have more columns than are
    /// wanted.
    ///
    /// Loops, not closures: those would not be compiled for the same vectors. Short ones: what is
    /// too long to be unrolled keeps all sums in memory, which took as long as thirty steps.
    #[inline(always)]
    fn rows<S: Simd, F: Form, const M: usize, const P: usize>(
        &mut self,
        simd: S,
        form: F,
        parts: [&[F::Weight]; P],
        place: Place,
        row: usize,
    ) {
        let Place { first, from } = place;
        let outs = &mut self.outs[row..row + M];
        // Of the last panel the outputs have a part: whole vectors of sums lie beside them.
        let n = outs[0].len() - first;
        let beside = &mut self.beside[..M];
        let is_whole = n >= P * V * S::F32_LANES;
        if !is_whole {
            for i in 0..M {
                beside[i][..n].copy_from_slice(&outs[i][first..]);
            }
        }
        let mut x = [&[][..]; M];
        let mut acc = [[[simd.splat_f32s(0.0); V]; P]; M];
        for i in 0..M {
            x[i] = &self.x.row(row + i)[from..];
            let sums = match (from, is_whole) {
                (0, _) => self.bias.get(first..).unwrap_or_default(),
                (_, true) => &outs[i][first..],
                (_, false) => &beside[i],
            };
            if let Some(sums) = S::as_simd_f32s(sums).0.as_chunks().0.first_chunk() {
                acc[i] = *sums;
            }
        }
        let acc = form.tile::<S, M, P, V>(simd, x, parts, acc);
        for i in 0..M {
            let sums = match is_whole {
                true => &mut outs[i][first..],
                false => &mut beside[i],
            };
            let (sums, _) = S::as_mut_simd_f32s(sums).0.as_chunks_mut();
            if let Some(sums) = sums.first_chunk_mut() {
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

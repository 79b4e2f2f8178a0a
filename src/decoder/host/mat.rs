//! Activations on the CPU.

use rayon::prelude::*;

use crate::decoder::buffer::Buffer;

/// Rows of f32, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Mat {
    pub data: Buffer,
    pub width: usize,
}

impl Mat {
    /// To be written in full: holds what was there before.
    pub fn unwritten(n_rows: usize, width: usize) -> Self {
        let data = Buffer::unwritten(n_rows * width);
        Self { data, width }
    }

    pub fn n_rows(&self) -> usize {
        self.data.len() / self.width
    }

    #[inline(always)]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.width..(i + 1) * self.width]
    }

    /// The given rows, in their order.
    pub fn pick(&self, rows: &[usize]) -> Self {
        let data = rows.iter().flat_map(|&i| self.row(i)).copied().collect();
        Self { data, ..*self }
    }
}

/// Cuts a matrix into strips of `width` columns: for each strip, each row's piece.
pub(super) fn strips(mat: &mut Mat, width: usize) -> Vec<Vec<&mut [f32]>> {
    let (n_rows, n_strips) = (mat.n_rows(), mat.width.div_ceil(width));
    let mut strips: Vec<_> = (0..n_strips).map(|_| Vec::with_capacity(n_rows)).collect();
    for row in mat.data.chunks_exact_mut(mat.width) {
        for (strip, piece) in strips.iter_mut().zip(row.chunks_mut(width)) {
            strip.push(piece);
        }
    }
    strips
}

/// Cuts a matrix into strips of these numbers of columns: for each strip, each row's piece.
pub(super) fn columns<'a>(mat: &'a mut Mat, widths: &[usize]) -> Vec<Vec<&'a mut [f32]>> {
    let n_rows = mat.n_rows();
    let mut strips: Vec<_> = widths.iter().map(|_| Vec::with_capacity(n_rows)).collect();
    for mut row in mat.data.chunks_exact_mut(mat.width) {
        for (strip, width) in strips.iter_mut().zip(widths) {
            let (piece, rest) = row.split_at_mut(*width);
            strip.push(piece);
            row = rest;
        }
    }
    strips
}

/// Calls `f` with the number of the first row and the rows, all of them or, where there is
/// enough to do, parts of them on up to `team` threads.
pub(super) fn by_rows(mat: &mut Mat, team: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    const ENOUGH: usize = 1 << 15;
    if team == 1 || mat.data.len() < ENOUGH {
        return f(0, &mut mat.data);
    }
    let n_rows = mat.n_rows().div_ceil(team);
    mat.data
        .par_chunks_mut(n_rows * mat.width)
        .enumerate()
        .for_each(|(i, rows)| f(i * n_rows, rows));
}

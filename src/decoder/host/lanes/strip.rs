//! A task of a product: some panels of weights, times all rows of activations.

use super::acts::{Acts, Numbers};
use super::pack::{Panel, Part, ROWS};

/// Some panels of one part, and the columns that they give.
pub(super) struct Strip<'a, N> {
    pub part: &'a Part,
    /// The number of its first panel.
    pub first: usize,
    /// Of its columns; empty for none.
    pub bias: &'a [f32],
    pub x: &'a Acts<N>,
    /// One row's columns each.
    pub outs: Vec<&'a mut [f32]>,
}

impl<'a, N: Numbers> Strip<'a, N> {
    pub fn n_panels(&self) -> usize {
        let width = self.outs.first().map_or(0, |row| row.len());
        width.div_ceil(ROWS)
    }

    /// The strip's panel of this number.
    pub fn panel(&self, j: usize) -> Panel<'a> {
        self.part.panel(self.first + j)
    }

    /// Writes one row's products from a column on, as many as the strip has columns for.
    pub fn put(&mut self, row: usize, column: usize, products: &[f32]) {
        let outs = self.outs[row].get_mut(column..).unwrap_or_default();
        let bias = self.bias.get(column..).unwrap_or_default();
        let n = outs.len().min(products.len());
        outs[..n].copy_from_slice(&products[..n]);
        for (out, bias) in outs[..n].iter_mut().zip(bias) {
            *out += bias;
        }
    }
}

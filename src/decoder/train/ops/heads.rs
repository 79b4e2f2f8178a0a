//! How attention's heads stand side by side, and products of them.

use std::ops::Range;
use std::sync::Arc;

use crate::decoder::host::math::rotate;

/// One layer's attention over the fed rows.
#[derive(Debug, Clone)]
pub(in crate::decoder::train) struct Heads {
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
    /// The last so many positions, its own included.
    pub window: Option<usize>,
    /// Multiplies the scores.
    pub scale: f64,
    pub cap: Option<f64>,
    /// For every token `half` cosines, then `half` sines; none where nothing is turned.
    pub angles: Option<Arc<Vec<f32>>>,
    /// Where each row's tokens stand.
    pub rows: Arc<Vec<Range<usize>>>,
}

impl Heads {
    /// Queries, keys and values of a token.
    pub fn width(&self) -> usize {
        (self.n_heads + 2 * self.n_kv_heads) * self.head_dim
    }

    /// Queries of a token.
    pub fn out_width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// How many query heads share a key head.
    pub fn group(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    /// The first position that position `i` of a row sees.
    #[inline(always)]
    pub fn first_seen(&self, i: usize) -> usize {
        self.window.map_or(0, |w| (i + 1).saturating_sub(w))
    }

    /// The angles of the token at `index`; empty for none.
    #[inline(always)]
    pub fn turn(&self, index: usize) -> &[f32] {
        match &self.angles {
            Some(angles) => {
                let each = angles.len() / self.rows.last().map_or(1, |row| row.end);
                &angles[index * each..][..each]
            }
            None => &[],
        }
    }

    /// Copies a head's columns of a row's tokens, turned by their angles where `turned`.
    #[inline(always)]
    pub fn gather(&self, qkv: &[f32], row: &Range<usize>, column: usize, turned: bool) -> Vec<f32> {
        let d = self.head_dim;
        let mut out = vec![0.0; row.len() * d];
        for (t, to) in row.clone().zip(out.chunks_exact_mut(d)) {
            to.copy_from_slice(&qkv[t * self.width() + column..][..d]);
            if turned && self.angles.is_some() {
                rotate(to, self.turn(t));
            }
        }
        out
    }

    /// Splits a tensor of `width` columns at the rows.
    pub fn split<'a>(&self, mut all: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
        let mut parts = Vec::with_capacity(self.rows.len());
        for row in self.rows.iter() {
            let (part, rest) = all.split_at_mut(row.len() * width);
            parts.push(part);
            all = rest;
        }
        parts
    }
}

/// From (tokens, d) to (d, tokens).
#[inline(always)]
pub(super) fn turned(x: &[f32], d: usize) -> Vec<f32> {
    let n = x.len() / d;
    let mut out = vec![0.0; x.len()];
    for (i, x) in x.chunks_exact(d).enumerate() {
        for (c, x) in x.iter().enumerate() {
            out[c * n + i] = *x;
        }
    }
    out
}

/// `to[j] = scale * sum_c x[c] columns[c][j]` for the columns of `n` entries from `first` on.
#[inline(always)]
pub(super) fn products(
    x: &[f32],
    columns: &[f32],
    n: usize,
    first: usize,
    scale: f32,
    to: &mut [f32],
) {
    to.fill(0.0);
    let count = to.len();
    let (fours, rest) = x.as_chunks::<4>();
    for (c, x) in fours.iter().enumerate() {
        let column = |i: usize| &columns[(4 * c + i) * n + first..][..count];
        let (a, b, e, f) = (column(0), column(1), column(2), column(3));
        for j in 0..count {
            to[j] += scale * (x[0] * a[j] + x[1] * b[j] + x[2] * e[j] + x[3] * f[j]);
        }
    }
    for (c, x) in rest.iter().enumerate() {
        let column = &columns[(4 * fours.len() + c) * n + first..][..count];
        to.iter_mut()
            .zip(column)
            .for_each(|(to, y)| *to += scale * x * y);
    }
}

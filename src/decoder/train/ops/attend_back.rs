//! The gradient of attention. Weights are computed again, so that nothing is kept of them.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::heads::{Heads, products, turned};
use crate::decoder::host::math::{add, rotate, soften, tanh};

/// One row's gradients: `grad` is of the output (tokens, heads * dimensions), `to` of this row's
/// queries, keys and values.
pub(super) struct RowBack<'a> {
    pub heads: &'a Heads,
    pub row: &'a Range<usize>,
    pub qkv: &'a [f32],
    pub grad: &'a [f32],
    pub to: &'a mut [f32],
}

/// What all query heads of a key head read, and where they add.
struct Shared {
    /// (dimensions, positions)
    k_columns: Vec<f32>,
    v_columns: Vec<f32>,
    /// (positions, dimensions)
    k: Vec<f32>,
    of_k: Vec<f32>,
    of_v: Vec<f32>,
}

impl WithSimd for RowBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let (h, d, n) = (self.heads, self.heads.head_dim, self.row.len());
        for kv in 0..h.n_kv_heads {
            let key = (h.n_heads + kv) * d;
            let value = key + h.n_kv_heads * d;
            let k = h.gather(self.qkv, self.row, key, true);
            let mut shared = Shared {
                k_columns: turned(&k, d),
                v_columns: turned(&h.gather(self.qkv, self.row, value, false), d),
                k,
                of_k: vec![0.0; n * d],
                of_v: vec![0.0; n * d],
            };
            for head in kv * h.group()..(kv + 1) * h.group() {
                let of_q = self.head(head, &mut shared);
                self.scatter(of_q, head * d, true);
            }
            self.scatter(shared.of_k, key, true);
            self.scatter(shared.of_v, value, false);
        }
    }
}

impl RowBack<'_> {
    /// Adds one query head's part to the gradients of keys and values; returns that of queries.
    #[inline(always)]
    fn head(&self, head: usize, shared: &mut Shared) -> Vec<f32> {
        let (h, d, n) = (self.heads, self.heads.head_dim, self.row.len());
        let scale = h.scale as f32;
        let q = h.gather(self.qkv, self.row, head * d, true);
        let (mut weights, mut slopes, mut of_weights) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        let mut of_q = vec![0.0; n * d];
        for i in 0..n {
            let first = h.first_seen(i);
            let (seen, slopes) = (&mut weights[first..=i], &mut slopes[first..=i]);
            let (q, of_q) = (&q[i * d..][..d], &mut of_q[i * d..][..d]);
            products(q, &shared.k_columns, n, first, scale, seen);
            cap(h.cap, seen, slopes);
            let total = soften(seen);
            let token = (self.row.start + i) * h.out_width() + head * d;
            let grad = &self.grad[token..][..d];
            let of_seen = &mut of_weights[first..=i];
            products(grad, &shared.v_columns, n, first, 1.0, of_seen);
            seen.iter_mut().for_each(|p| *p /= total);
            let mean: f32 = seen.iter().zip(&*of_seen).map(|(p, g)| p * g).sum();
            for (j, p) in seen.iter().enumerate() {
                let at = (first + j) * d;
                let of_score = scale * slopes[j] * p * (of_seen[j] - mean);
                add(&mut shared.of_v[at..][..d], grad, *p);
                add(&mut shared.of_k[at..][..d], q, of_score);
                add(of_q, &shared.k[at..][..d], of_score);
            }
        }
        of_q
    }

    /// Puts a head's gradient in its columns, turned back where it was turned.
    #[inline(always)]
    fn scatter(&mut self, mut grad: Vec<f32>, column: usize, turned: bool) {
        let (d, width) = (self.heads.head_dim, self.heads.width());
        for (i, grad) in grad.chunks_exact_mut(d).enumerate() {
            if turned && self.heads.angles.is_some() {
                turn_back(grad, self.heads.turn(self.row.start + i));
            }
            self.to[i * width + column..][..d].copy_from_slice(grad);
        }
    }
}

/// Caps scores; `slopes` are the cap's.
#[inline(always)]
fn cap(cap: Option<f64>, scores: &mut [f32], slopes: &mut [f32]) {
    slopes.fill(1.0);
    let Some(cap) = cap.map(|c| c as f32) else {
        return;
    };
    for (score, slope) in scores.iter_mut().zip(slopes) {
        let t = tanh(*score / cap);
        (*score, *slope) = (cap * t, 1.0 - t * t);
    }
}

/// The transpose of `rotate`: by the negative angle.
#[inline(always)]
fn turn_back(head: &mut [f32], angles: &[f32]) {
    let half = angles.len() / 2;
    let mut back = angles.to_vec();
    back[half..].iter_mut().for_each(|sin| *sin = -*sin);
    rotate(head, &back);
}

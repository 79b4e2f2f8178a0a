//! Causal attention within rows that stand one after the other, without padding.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::attend_back::RowBack;
use super::heads::{Heads, products, turned};
use crate::decoder::composed as terms;
use crate::decoder::host::math::{add, capped, soften};
use crate::decoder::train::tape::Tape;
use crate::decoder::train::values::{fast, is_ours, read, values};

/// From queries, keys and values side by side, (tokens, width), to (tokens, heads * dimensions).
pub(in crate::decoder::train) fn attend(
    tape: &Tape,
    heads: &Heads,
    qkv: &Tensor,
) -> Result<Tensor> {
    match is_ours(qkv) {
        true => tape.op1(qkv, heads.clone()),
        false => tape.composed(&[qkv], |qkv| composed(heads, &qkv[0])),
    }
}

/// One row's attention.
struct Row<'a> {
    heads: &'a Heads,
    row: &'a Range<usize>,
    qkv: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (h, d, n) = (self.heads, self.heads.head_dim, self.row.len());
        let mut scores = vec![0.0; n];
        for kv in 0..h.n_kv_heads {
            let key = (h.n_heads + kv) * d;
            let k = turned(&h.gather(self.qkv, self.row, key, true), d);
            let v = h.gather(self.qkv, self.row, key + h.n_kv_heads * d, false);
            for head in kv * h.group()..(kv + 1) * h.group() {
                let q = h.gather(self.qkv, self.row, head * d, true);
                for i in 0..n {
                    let first = h.first_seen(i);
                    let seen = &mut scores[first..=i];
                    products(&q[i * d..][..d], &k, n, first, h.scale as f32, seen);
                    if let Some(cap) = h.cap {
                        capped(seen, cap as f32);
                    }
                    let total = soften(seen);
                    let out = &mut self.out[i * h.out_width() + head * d..][..d];
                    for (p, v) in seen.iter().zip(v[first * d..].chunks_exact(d)) {
                        add(out, v, p / total);
                    }
                }
            }
        }
    }
}

impl CustomOp1 for Heads {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let qkv = values(qkv, layout)?;
        let (n, width) = (layout.shape().dims2()?.0, self.out_width());
        let mut out = vec![0.0; n * width];
        let parts = self.split(&mut out, width);
        self.rows.par_iter().zip(parts).for_each(|(row, out)| {
            fast(Row {
                heads: self,
                row,
                qkv,
                out,
            });
        });
        Ok((CpuStorage::F32(out), (n, width).into()))
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let of_qkv = read(qkv, |qkv| {
            read(grad, |grad| {
                let mut to = vec![0.0; qkv.len()];
                let parts = self.split(&mut to, self.width());
                self.rows.par_iter().zip(parts).for_each(|(row, to)| {
                    fast(RowBack {
                        heads: self,
                        row,
                        qkv,
                        grad,
                        to,
                    });
                });
                Ok(to)
            })
        })?;
        Tensor::from_vec(of_qkv, qkv.shape(), qkv.device()).map(Some)
    }
}

/// The same in candle's terms, rows padded to the longest.
pub(super) fn composed(heads: &Heads, qkv: &Tensor) -> Result<Tensor> {
    let (device, d) = (qkv.device(), heads.head_dim);
    let longest = heads.rows.iter().map(ExactSizeIterator::len).max();
    let longest = longest.unwrap_or(0);
    let place = |row: &Range<usize>| {
        let last = row.end - 1;
        let row = row.start;
        (0..longest).map(move |t| (row + t).min(last) as u32)
    };
    let there: Vec<u32> = heads.rows.iter().flat_map(place).collect();
    let there = Tensor::new(there, device)?;
    let own =
        |(i, row): (usize, &Range<usize>)| (0..row.len()).map(move |t| (i * longest + t) as u32);
    let back: Vec<u32> = heads.rows.iter().enumerate().flat_map(own).collect();
    let n_rows = heads.rows.len();
    let part = |first: usize, count: usize| {
        let x = qkv.narrow(1, first * d, count * d)?;
        x.reshape(((), count, d))
    };
    let padded = |x: Tensor| {
        let x = x.index_select(&there, 0)?;
        let heads = x.dim(1)?;
        x.reshape((n_rows, longest, heads, d))?
            .transpose(1, 2)?
            .contiguous()
    };
    let kv = heads.n_kv_heads;
    let q = padded(heads.turned(&part(0, heads.n_heads)?)?)?;
    let k = padded(heads.turned(&part(heads.n_heads, kv)?)?)?;
    let v = padded(part(heads.n_heads + kv, kv)?)?;
    let q = (q.reshape((n_rows, kv, (), d))? * heads.scale)?;
    let scores = q.matmul(&k.transpose(2, 3)?)?.to_dtype(DType::F32)?;
    let scores = terms::soft_cap(scores, heads.cap)?;
    let scores = scores.reshape((n_rows, heads.n_heads, longest, longest))?;
    let scores = scores.broadcast_add(&heads.mask(longest, device)?)?;
    let highest = scores.max_keepdim(D::Minus1)?.detach();
    let weights = scores.broadcast_sub(&highest)?.exp()?;
    let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
    let weights = weights.reshape((n_rows, kv, (), longest))?;
    let out = weights.to_dtype(v.dtype())?.matmul(&v)?;
    let out = out.reshape((n_rows, heads.n_heads, longest, d))?;
    let out = out.transpose(1, 2)?.contiguous()?;
    let out = out.reshape(((), heads.out_width()))?;
    out.index_select(&Tensor::new(back, device)?, 0)
}

impl Heads {
    /// Heads (tokens, heads, dimensions), turned by the tokens' angles.
    fn turned(&self, x: &Tensor) -> Result<Tensor> {
        let Some(angles) = &self.angles else {
            return Ok(x.clone());
        };
        let n = x.dim(0)?;
        let half = angles.len() / n / 2;
        let angles = Tensor::from_slice(angles, (n, 1, 2 * half), x.device())?;
        let angles = angles.to_dtype(x.dtype())?;
        let (cos, sin) = (angles.narrow(2, 0, half)?, angles.narrow(2, half, half)?);
        terms::rotate(x, &(cos, sin))
    }

    /// 0 where a position sees another, a large negative number elsewhere.
    fn mask(&self, n: usize, device: &candle_core::Device) -> Result<Tensor> {
        let mut mask = vec![-1e9_f32; n * n];
        for (i, row) in mask.chunks_exact_mut(n).enumerate() {
            row[self.first_seen(i)..=i].fill(0.0);
        }
        Tensor::from_vec(mask, (1, 1, n, n), device)
    }
}

//! The inner loop of every product on the CPU: a few rows times a few vectors of columns.

use std::array::from_fn;

use pulp::Simd;

use super::pages::Line;

/// Steps between bounds checks.
pub(super) const STRIDE: usize = 16;

/// How the weights of a panel lie in memory.
pub(super) trait Form: Copy {
    type Weight;

    /// The weights in f32; `scratch` holds them where they are not.
    fn widen<'s>(self, w: &'s [Self::Weight], scratch: &'s mut Vec<f32>) -> &'s [f32];

    /// `acc[i] += sum over k of x[i][k] * w[k]`, where `w` holds `V` vectors for each k.
    ///
    /// Rows are read where they lie, each element broadcast; all accumulators stay in registers,
    /// so `M * V + V + 1` should not exceed the number of vector registers.
    ///
    /// # Panics
    /// When a row is shorter than the panel.
    fn tile<S: Simd, const M: usize, const V: usize>(
        self,
        simd: S,
        x: [&[f32]; M],
        w: &[Self::Weight],
        acc: [[S::f32s; V]; M],
    ) -> [[S::f32s; V]; M];
}

/// Weights in f32.
#[derive(Clone, Copy)]
pub(super) struct Whole;

impl Form for Whole {
    type Weight = f32;

    #[inline(always)]
    fn widen<'s>(self, w: &'s [f32], _: &'s mut Vec<f32>) -> &'s [f32] {
        w
    }

    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(
        self,
        simd: S,
        x: [&[f32]; M],
        w: &[f32],
        acc: [[S::f32s; V]; M],
    ) -> [[S::f32s; V]; M] {
        let (w, _) = S::as_simd_f32s(w);
        tile::<S, M, V>(simd, x, w, acc)
    }
}

#[inline(always)]
fn tile<S: Simd, const M: usize, const V: usize>(
    simd: S,
    x: [&[f32]; M],
    w: &[S::f32s],
    mut acc: [[S::f32s; V]; M],
) -> [[S::f32s; V]; M] {
    let (w, _) = w.as_chunks::<V>();
    let x = x.map(|row| row[..w.len()].as_chunks::<STRIDE>());
    let (whole, rest) = w.as_chunks::<STRIDE>();
    for (c, w) in whole.iter().enumerate() {
        let x: [&[f32; STRIDE]; M] = from_fn(|i| &x[i].0[c]);
        for t in 0..STRIDE {
            step(simd, from_fn(|i| x[i][t]), &w[t], &mut acc);
        }
    }
    for (t, w) in rest.iter().enumerate() {
        step(simd, from_fn(|i| x[i].1[t]), w, &mut acc);
    }
    acc
}

#[inline(always)]
pub(super) fn step<S: Simd, const M: usize, const V: usize>(
    simd: S,
    x: [f32; M],
    w: &[S::f32s; V],
    acc: &mut [[S::f32s; V]; M],
) {
    for i in 0..M {
        let xi = simd.splat_f32s(x[i]);
        for j in 0..V {
            acc[i][j] = simd.mul_add_f32s(xi, w[j], acc[i][j]);
        }
    }
}

/// Rows times `N` blocks of 16 columns that lie apart, with the sums in memory:
/// `acc[i][n] += sum over k of x[i][k] * w[n][k]`. More blocks keep the multipliers busy where
/// rows are few.
///
/// # Panics
/// When a row or a block is shorter than the first block.
#[inline(always)]
pub(super) fn tile16<S: Simd, const M: usize, const N: usize>(
    simd: S,
    x: [&[f32]; M],
    w: [&[Line]; N],
    acc: &mut [[[f32; 16]; N]; M],
) {
    match S::F32_LANES {
        16 => tile16_by::<S, M, N, 1>(simd, x, w, acc),
        8 => tile16_by::<S, M, N, 2>(simd, x, w, acc),
        4 => tile16_by::<S, M, N, 4>(simd, x, w, acc),
        _ => tile16_by::<S, M, N, 16>(simd, x, w, acc),
    }
}

#[inline(always)]
fn tile16_by<S: Simd, const M: usize, const N: usize, const V: usize>(
    simd: S,
    x: [&[f32]; M],
    w: [&[Line]; N],
    sums: &mut [[[f32; 16]; N]; M],
) {
    let mut acc: [[[S::f32s; V]; N]; M] = from_fn(|i| from_fn(|n| load(simd, &sums[i][n])));
    let k = w[0].len();
    let w = w.map(|w| w[..k].as_chunks::<STRIDE>());
    let x = x.map(|row| row[..k].as_chunks::<STRIDE>());
    for c in 0..x[0].0.len() {
        let w: [&[Line; STRIDE]; N] = from_fn(|n| &w[n].0[c]);
        let x: [&[f32; STRIDE]; M] = from_fn(|i| &x[i].0[c]);
        for t in 0..STRIDE {
            let w = from_fn(|n| load(simd, &w[n][t].0));
            step16(simd, from_fn(|i| x[i][t]), w, &mut acc);
        }
    }
    for t in 0..x[0].1.len() {
        let w = from_fn(|n| load(simd, &w[n].1[t].0));
        step16(simd, from_fn(|i| x[i].1[t]), w, &mut acc);
    }
    for (sums, acc) in sums.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
        store::<S, V>(sums, acc);
    }
}

#[inline(always)]
fn step16<S: Simd, const M: usize, const N: usize, const V: usize>(
    simd: S,
    x: [f32; M],
    w: [[S::f32s; V]; N],
    acc: &mut [[[S::f32s; V]; N]; M],
) {
    for i in 0..M {
        let xi = simd.splat_f32s(x[i]);
        for n in 0..N {
            for v in 0..V {
                acc[i][n][v] = simd.mul_add_f32s(xi, w[n][v], acc[i][n][v]);
            }
        }
    }
}

/// The first `V` vectors of `from`; zeros after its end.
#[inline(always)]
pub(super) fn load<S: Simd, const V: usize>(simd: S, from: &[f32]) -> [S::f32s; V] {
    let (vectors, _) = S::as_simd_f32s(from);
    if let Some(vectors) = vectors.first_chunk() {
        return *vectors;
    }
    let mut all = [simd.splat_f32s(0.0); V];
    let flat: &mut [f32] = pulp::bytemuck::cast_slice_mut(&mut all);
    flat[..from.len()].copy_from_slice(from);
    all
}

/// Writes as much of `from` as `to` has room for.
#[inline(always)]
pub(super) fn store<S: Simd, const V: usize>(to: &mut [f32], from: &[S::f32s; V]) {
    if to.len() >= V * S::F32_LANES {
        let (vectors, _) = S::as_mut_simd_f32s(to);
        vectors[..V].copy_from_slice(from);
    } else {
        let flat: &[f32] = pulp::bytemuck::cast_slice(from);
        let n = to.len();
        to.copy_from_slice(&flat[..n]);
    }
}

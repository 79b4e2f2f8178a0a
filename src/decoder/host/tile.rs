//! The inner loop of every product on the CPU: a few rows times a few vectors of columns.

use pulp::{Simd, bytemuck};

use super::pages::{Line, PAGE};

/// Columns in the panels of the widest machines, two vectors.
pub(super) const WIDEST: usize = 32;

/// How the weights of a panel lie in memory.
pub(super) trait Form: Copy {
    type Weight;

    /// `acc[i][p] += sum over k of x[i][k] * w[p][k]`, where `w[p]` holds `V` vectors for each k.
    ///
    /// Rows are read where they lie, each element broadcast; all accumulators stay in registers,
    /// so `M * P * V + V + 1` should not exceed the number of vector registers.
    ///
    /// # Panics
    /// When a row, or a panel, is shorter than the first panel.
    fn tile<S: Simd, const M: usize, const P: usize, const V: usize>(
        self,
        simd: S,
        x: [&[f32]; M],
        w: [&[Self::Weight]; P],
        acc: [[[S::f32s; V]; P]; M],
    ) -> [[[S::f32s; V]; P]; M];
}

/// Weights in f32.
#[derive(Clone, Copy)]
pub(super) struct Whole;

impl Form for Whole {
    type Weight = f32;

    #[inline(always)]
    fn tile<S: Simd, const M: usize, const P: usize, const V: usize>(
        self,
        simd: S,
        x: [&[f32]; M],
        panels: [&[f32]; P],
        acc: [[[S::f32s; V]; P]; M],
    ) -> [[[S::f32s; V]; P]; M] {
        let mut w = [&[][..]; P];
        for p in 0..P {
            w[p] = S::as_simd_f32s(panels[p]).0.as_chunks::<V>().0;
        }
        products::<S, M, P, V>(simd, x, w, acc)
    }
}

#[inline(always)]
fn products<S: Simd, const M: usize, const P: usize, const V: usize>(
    simd: S,
    x: [&[f32]; M],
    w: [&[[S::f32s; V]]; P],
    mut acc: [[[S::f32s; V]; P]; M],
) -> [[[S::f32s; V]; P]; M] {
    let n = w[0].len();
    let (x, w) = (cut(x, n), cut(w, n));
    for t in 0..n {
        for i in 0..M {
            let xi = simd.splat_f32s(x[i][t]);
            for p in 0..P {
                for j in 0..V {
                    acc[i][p][j] = simd.mul_add_f32s(xi, w[p][t][j], acc[i][p][j]);
                }
            }
        }
    }
    acc
}

/// The first `n` of each row: what lies beyond is not looked for at every step.
#[inline(always)]
pub(super) fn cut<T, const M: usize>(mut x: [&[T]; M], n: usize) -> [&[T]; M] {
    for row in &mut x {
        *row = &row[..n];
    }
    x
}

/// Two neighbouring inputs.
pub(super) type Two = [f32; 2];

/// The scores of `M` queries against `N` pages of keys: sums over k of `x[i][k] * w[n][k]`, inputs by
/// twos, as pages hold them. More pages keep the multipliers busy where queries are few. Each query's
/// are written side by side, `stride` after those of the one before.
///
/// # Panics
/// When a query or a page is shorter than the first page, or there is no room for the scores.
#[inline(always)]
pub(super) fn score<S: Simd, const M: usize, const N: usize>(
    simd: S,
    x: [&[Two]; M],
    w: [&[Line]; N],
    to: &mut [f32],
    stride: usize,
) {
    match S::F32_LANES {
        16 => score_by::<S, M, N, 1>(simd, x, w, to, stride),
        8 => score_by::<S, M, N, 2>(simd, x, w, to, stride),
        4 => score_by::<S, M, N, 4>(simd, x, w, to, stride),
        _ => score_by::<S, M, N, 16>(simd, x, w, to, stride),
    }
}

#[inline(always)]
fn score_by<S: Simd, const M: usize, const N: usize, const V: usize>(
    simd: S,
    x: [&[Two]; M],
    w: [&[Line]; N],
    to: &mut [f32],
    stride: usize,
) {
    // Loops, not closures: those would not be compiled for the same vectors.
    let mut acc = [[[simd.splat_f32s(0.0); V]; N]; M];
    let k = w[0].len();
    let (x, w) = (cut(x, k), cut(w, k));
    for t in 0..k {
        let mut wide = [[simd.splat_f32s(0.0); V]; N];
        for n in 0..N {
            wide[n] = vectors::<S, V>(simd, &w[n][t].0);
        }
        for i in 0..M {
            let xi = alternating(simd, x[i][t]);
            for n in 0..N {
                for v in 0..V {
                    acc[i][n][v] = simd.mul_add_f32s(xi[v % 2], wide[n][v], acc[i][n][v]);
                }
            }
        }
    }
    // Short loops again: sums that are not told apart while these are compiled stay in memory above.
    let mut whole = [[[0.0; 2 * PAGE]; N]; M];
    for i in 0..M {
        for n in 0..N {
            put::<S, V>(&mut whole[i][n], &acc[i][n]);
        }
    }
    for (i, whole) in whole.iter().enumerate() {
        join(whole.as_flattened(), &mut to[i * stride..][..N * PAGE]);
    }
}

/// The scores of `M` queries against a page each, written where `at` says.
///
/// # Panics
/// When a query or a page is shorter than the first page, or there is no room for the scores.
#[inline(always)]
pub(super) fn score_apart<S: Simd, const M: usize>(
    simd: S,
    x: [&[Two]; M],
    w: [&[Line]; M],
    to: &mut [f32],
    at: [usize; M],
) {
    match S::F32_LANES {
        16 => score_apart_by::<S, M, 1>(simd, x, w, to, at),
        8 => score_apart_by::<S, M, 2>(simd, x, w, to, at),
        4 => score_apart_by::<S, M, 4>(simd, x, w, to, at),
        _ => score_apart_by::<S, M, 16>(simd, x, w, to, at),
    }
}

#[inline(always)]
fn score_apart_by<S: Simd, const M: usize, const V: usize>(
    simd: S,
    x: [&[Two]; M],
    w: [&[Line]; M],
    to: &mut [f32],
    at: [usize; M],
) {
    let mut acc = [[simd.splat_f32s(0.0); V]; M];
    let k = w[0].len();
    let (x, w) = (cut(x, k), cut(w, k));
    for t in 0..k {
        for i in 0..M {
            let (xi, wi) = (
                alternating(simd, x[i][t]),
                vectors::<S, V>(simd, &w[i][t].0),
            );
            for v in 0..V {
                acc[i][v] = simd.mul_add_f32s(xi[v % 2], wi[v], acc[i][v]);
            }
        }
    }
    let mut whole = [[0.0; 2 * PAGE]; M];
    for i in 0..M {
        put::<S, V>(&mut whole[i], &acc[i]);
    }
    for (whole, at) in whole.iter().zip(at) {
        join(whole, &mut to[at..][..PAGE]);
    }
}

/// Two numbers in turns, all along a vector; where it holds one, the two vectors in turns.
#[inline(always)]
fn alternating<S: Simd>(simd: S, two: Two) -> [S::f32s; 2] {
    match S::F32_LANES {
        1 => [simd.splat_f32s(two[0]), simd.splat_f32s(two[1])],
        _ => [bytemuck::cast(simd.splat_f64s(bytemuck::cast(two))); 2],
    }
}

/// The sums of neighbours.
#[inline(always)]
fn join(whole: &[f32], sums: &mut [f32]) {
    let (pairs, _) = whole.as_chunks::<2>();
    let pairs = &pairs[..sums.len()];
    for j in 0..sums.len() {
        sums[j] = pairs[j][0] + pairs[j][1];
    }
}

/// Adds rows times `N` neighbouring blocks of 16 columns, `block` the first of them, of the values in
/// some pages, of which each position has `n_blocks`:
/// `sums[i][n] += sum over k of x[i][k] * values[k][block + n]`.
///
/// # Panics
/// When there are fewer pages, or blocks, than that.
#[inline(always)]
pub(super) fn add16<S: Simd, const M: usize, const N: usize>(
    simd: S,
    x: [&[f32]; M],
    pages: &[&[Line]],
    at: (usize, usize),
    sums: &mut [[[f32; 16]; N]; M],
) {
    match S::F32_LANES {
        16 => add16_by::<S, M, N, 1>(simd, x, pages, at, sums),
        8 => add16_by::<S, M, N, 2>(simd, x, pages, at, sums),
        4 => add16_by::<S, M, N, 4>(simd, x, pages, at, sums),
        _ => add16_by::<S, M, N, 16>(simd, x, pages, at, sums),
    }
}

#[inline(always)]
fn add16_by<S: Simd, const M: usize, const N: usize, const V: usize>(
    simd: S,
    x: [&[f32]; M],
    pages: &[&[Line]],
    (block, n_blocks): (usize, usize),
    sums: &mut [[[f32; 16]; N]; M],
) {
    let mut acc = [[[simd.splat_f32s(0.0); V]; N]; M];
    for i in 0..M {
        for n in 0..N {
            acc[i][n] = vectors::<S, V>(simd, &sums[i][n]);
        }
    }
    let k = x[0].len();
    let x = cut(x, k);
    for t in 0..k {
        let w = &pages[t / PAGE][t % PAGE * n_blocks + block..][..N];
        let mut wide = [[simd.splat_f32s(0.0); V]; N];
        for n in 0..N {
            wide[n] = vectors::<S, V>(simd, &w[n].0);
        }
        for i in 0..M {
            let xi = simd.splat_f32s(x[i][t]);
            for n in 0..N {
                for v in 0..V {
                    acc[i][n][v] = simd.mul_add_f32s(xi, wide[n][v], acc[i][n][v]);
                }
            }
        }
    }
    for i in 0..M {
        for n in 0..N {
            put::<S, V>(&mut sums[i][n], &acc[i][n]);
        }
    }
}

/// Writes the vectors that hold 16 numbers.
#[inline(always)]
fn put<S: Simd, const V: usize>(to: &mut [f32; 16], from: &[S::f32s; V]) {
    if let Some(to) = S::as_mut_simd_f32s(to).0.first_chunk_mut::<V>() {
        *to = *from;
    }
}

/// 16 numbers, in as many vectors as hold them.
#[inline(always)]
fn vectors<S: Simd, const V: usize>(simd: S, from: &[f32; 16]) -> [S::f32s; V] {
    let vectors = S::as_simd_f32s(from).0.first_chunk();
    // There are always as many.
    vectors.copied().unwrap_or([simd.splat_f32s(0.0); V])
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::models::archs;

    const K: usize = 5;

    /// Two pages of keys and two rows of values, on one kind of machine.
    struct Tiles<'a> {
        x: [&'a [Two]; 2],
        pages: [&'a [Line]; 2],
        weights: [&'a [f32]; 2],
    }

    /// Scores together and apart, sums.
    type Found = ([[f32; 2 * PAGE]; 2], [[f32; PAGE]; 2], [[[f32; 16]; 2]; 2]);

    impl WithSimd for Tiles<'_> {
        type Output = Found;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Found {
            let (x, pages) = (self.x, self.pages);
            let mut sums = [[[1.0; 16]; 2]; 2];
            // The last two of three blocks.
            add16(simd, self.weights, &[&pages[0][..3]], (1, 3), &mut sums);
            let (mut together, mut apart) = ([[0.0; 2 * PAGE]; 2], [[0.0; PAGE]; 2]);
            score(simd, x, pages, together.as_flattened_mut(), 2 * PAGE);
            score_apart(simd, x, pages, apart.as_flattened_mut(), [0, PAGE]);
            (together, apart, sums)
        }
    }

    fn number(i: usize) -> f32 {
        ((i * 7919) % 64) as f32 / 32.0 - 1.0
    }

    #[test]
    fn every_kind_of_machine_scores_pages_and_adds_values() {
        let line = |first: usize| Line(std::array::from_fn(|j| number(first + j)));
        let pages: Vec<Vec<Line>> = [0, 1000]
            .map(|page| (0..K).map(|t| line(page + 16 * t)).collect())
            .to_vec();
        let x: Vec<Vec<Two>> = [5000, 6000]
            .map(|row| {
                (0..K)
                    .map(|t| [2 * t, 2 * t + 1].map(|i| number(row + i)))
                    .collect()
            })
            .to_vec();
        let score_of = |i: usize, n: usize, position: usize| -> f32 {
            let terms = (0..K).map(|t| {
                let (two, line) = (x[i][t], pages[n][t].0);
                two[0] * line[2 * position] + two[1] * line[2 * position + 1]
            });
            terms.sum()
        };
        let weights = [[0.5], [-2.0]];
        for arch in archs() {
            let tiles = Tiles {
                x: [&x[0], &x[1]],
                pages: [&pages[0], &pages[1]],
                weights: [&weights[0], &weights[1]],
            };
            let (together, apart, sums) = arch.dispatch(tiles);
            for (i, position) in (0..2).flat_map(|i| (0..PAGE).map(move |p| (i, p))) {
                for n in 0..2 {
                    let found = together[i][n * PAGE + position];
                    let wanted = score_of(i, n, position);
                    assert!(
                        (found - wanted).abs() < 1e-5,
                        "{arch:?}: {found} is not {wanted}"
                    );
                }
                assert_eq!(apart[i][position], together[i][i * PAGE + position]);
            }
            for (i, n, column) in [(0, 0, 0), (0, 1, 15), (1, 0, 7), (1, 1, 3)] {
                let wanted = 1.0 + weights[i][0] * pages[0][1 + n].0[column];
                assert_eq!(sums[i][n][column], wanted, "{arch:?}");
            }
        }
    }
}

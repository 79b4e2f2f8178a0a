//! Products on machines with AVX2: of 16 bits, which are summed by twos in 32, so that activations
//! keep their 16 bits and nothing overflows. Products of bytes would take two for every one here,
//! and with weights of 8 bits as many changes of signs. A panel's sixteen rows are in two vectors;
//! few rows of activations are multiplied at once, since there are few registers. Where there are
//! many rows, weights of few bits are spread to 16 once for all of them.

use core::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256,
    _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_cvtph_ps,
    _mm256_fmadd_ps, _mm256_madd_epi16, _mm256_mul_ps, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_sll_epi16, _mm256_sll_epi32, _mm256_srl_epi16, _mm256_sub_ps,
};

use fearless_simd::{Avx2, f32x8, prelude::*, u8x16, u8x32, u16x8};

use super::acts::{QUAD, Rounded, Words};
use super::pack::{Line, Panel, ROWS};
use super::strip::Strip;
use crate::models::Scheme;

const LANES: usize = ROWS / 2;

const CENTRED: u8 = Scheme::Centred as u8;
const SHIFTED: u8 = Scheme::Shifted as u8;
const NESTED: u8 = Scheme::Nested as u8;
const HALVED: u8 = Scheme::Halved as u8;

fearless_simd::kernel!(
    /// The products of a strip.
    pub(super) fn multiply(avx2: Avx2, strip: &mut Strip<'_, Words>) {
        let form = strip.part.form;
        match (form.scheme, form.bits) {
            (Scheme::Centred, 4) => panels::<4, CENTRED>(avx2, strip),
            (Scheme::Centred, 5) => panels::<5, CENTRED>(avx2, strip),
            (Scheme::Centred, _) => panels::<8, CENTRED>(avx2, strip),
            (Scheme::Shifted, 4) => panels::<4, SHIFTED>(avx2, strip),
            (Scheme::Shifted, _) => panels::<5, SHIFTED>(avx2, strip),
            (Scheme::Nested, 4) => panels::<4, NESTED>(avx2, strip),
            (Scheme::Nested, _) => panels::<5, NESTED>(avx2, strip),
            (Scheme::Halved, _) => panels::<6, HALVED>(avx2, strip),
        }
    }
);

/// Rows of activations for which a panel's weights are spread to 16 bits first, once for all.
const MANY: usize = 8;

/// The most rows whose sums are kept meanwhile.
const MOST: usize = 16;

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn panels<const B: usize, const S: u8>(t: Avx2, strip: &mut Strip<'_, Words>) {
    for j in 0..strip.n_panels() {
        let mut row = 0;
        while row + MANY <= strip.x.n_rows {
            row = many::<B, S>(t, strip, j, row);
        }
        let row = down::<B, S, 4>(t, strip, j, row);
        let row = down::<B, S, 2>(t, strip, j, row);
        down::<B, S, 1>(t, strip, j, row);
    }
}

/// Sums of a row of activations and the two halves of a panel.
type Sums = [__m256; 2];

/// What multiplies a group's sums in either half of a panel: see [`scales`].
type Scales = [[__m256; 2]; 2];

/// Multiplies as many groups of `M` rows of activations as there are from `row` on with a panel;
/// each row is summed in the same order whatever `M` is.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn down<const B: usize, const S: u8, const M: usize>(
    t: Avx2,
    strip: &mut Strip<'_, Words>,
    j: usize,
    mut row: usize,
) -> usize {
    let panel = strip.panel(j);
    let (groups, _) = panel.lines.as_chunks::<B>();
    while row + M <= strip.x.n_rows {
        let mut sums = [[_mm256_setzero_ps(); 2]; M];
        for (g, lines) in groups.iter().enumerate() {
            let (x, scales) = (strip.x.rows::<M>(g, row), both::<S>(t, panel, g));
            sums = step::<B, B, S, M>(t, lines, scales, x, sums);
        }
        put(t, strip, j, row, &sums);
        row += M;
    }
    row
}

/// Multiplies as many fours of rows of activations as there are from `row` on, at most [`MOST`] rows,
/// with a panel.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn many<const B: usize, const S: u8>(
    t: Avx2,
    strip: &mut Strip<'_, Words>,
    j: usize,
    row: usize,
) -> usize {
    let (panel, n_fours) = (strip.panel(j), (strip.x.n_rows - row).min(MOST) / 4);
    let mut sums = [[[_mm256_setzero_ps(); 2]; 4]; MOST / 4];
    let (groups, _) = panel.lines.as_chunks::<B>();
    for (g, lines) in groups.iter().enumerate() {
        let (lines, scales) = (spread::<B>(t, lines), both::<S>(t, panel, g));
        for (i, sums) in sums[..n_fours].iter_mut().enumerate() {
            let x = strip.x.rows::<4>(g, row + 4 * i);
            *sums = step::<B, 16, S, 4>(t, &lines, scales, x, *sums);
        }
    }
    for (i, sums) in sums[..n_fours].iter().enumerate() {
        put(t, strip, j, row + 4 * i, sums);
    }
    row + 4 * n_fours
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn put(t: Avx2, strip: &mut Strip<'_, Words>, j: usize, row: usize, sums: &[Sums]) {
    for (i, sums) in sums.iter().enumerate() {
        for (half, sums) in sums.iter().enumerate() {
            let sums: f32x8<_> = (*sums).simd_into(t);
            let column = j * ROWS + half * LANES;
            strip.put(row + i, column, &<[f32; LANES]>::from(sums));
        }
    }
}

/// A group's lines with 16 bits for each weight.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn spread<const B: usize>(t: Avx2, lines: &[Line; B]) -> [Line; 16] {
    let mut words = [[0; QUAD * ROWS]; 16];
    for q in 0..8 {
        for half in 0..2 {
            for (p, pair) in weights::<B>(t, (lines, half), q).into_iter().enumerate() {
                let pair: u8x32<_> = pair.simd_into(t);
                words[2 * q + p].as_chunks_mut().0[half] = pair.into();
            }
        }
    }
    words
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn both<const S: u8>(t: Avx2, panel: Panel<'_>, g: usize) -> Scales {
    let (a, b) = scales::<S>(t, (panel, 0), g);
    let (c, d) = scales::<S>(t, (panel, 1), g);
    [[a, c], [b, d]]
}

/// Adds the products of a group of `B` bits, which lies in `L` lines.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn step<const B: usize, const L: usize, const S: u8, const M: usize>(
    t: Avx2,
    lines: &[Line; L],
    [a, b]: Scales,
    x: &[Rounded<Words>; M],
    mut sums: [Sums; M],
) -> [Sums; M] {
    if S == HALVED {
        let left = dots::<B, L, S, M, 0, 4>(t, lines, x);
        let right = dots::<B, L, S, M, 4, 8>(t, lines, x);
        return add(&right, b, x, add(&left, a, x, sums));
    }
    let dots = dots::<B, L, S, M, 0, 8>(t, lines, x);
    sums = add(&dots, a, x, sums);
    if S != CENTRED {
        for i in 0..M {
            for half in 0..2 {
                let total = _mm256_set1_ps(x[i].total);
                sums[i][half] = _mm256_fmadd_ps(b[half], total, sums[i][half]);
            }
        }
    }
    sums
}

/// Adds `dots * (a * d)`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add<const M: usize>(
    dots: &[[__m256i; 2]; M],
    a: [__m256; 2],
    x: &[Rounded<Words>; M],
    mut sums: [Sums; M],
) -> [Sums; M] {
    for i in 0..M {
        for half in 0..2 {
            let scale = _mm256_mul_ps(a[half], _mm256_set1_ps(x[i].d));
            let dot = _mm256_cvtepi32_ps(dots[i][half]);
            sums[i][half] = _mm256_fmadd_ps(dot, scale, sums[i][half]);
        }
    }
    sums
}

/// The products of some quads of a group, for each row of activations and each half of a panel: at
/// most `255 · 32385 · 32`, which 32 bits hold.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dots<
    const B: usize,
    const L: usize,
    const S: u8,
    const M: usize,
    const FROM: usize,
    const TO: usize,
>(
    t: Avx2,
    lines: &[Line; L],
    x: &[Rounded<Words>; M],
) -> [[__m256i; 2]; M] {
    let mut acc = [[_mm256_setzero_si256(); 2]; M];
    for i in 0..M {
        acc[i] = [start::<B, S, FROM>(&x[i].numbers); 2];
    }
    for q in FROM..TO {
        let [a, b] = weights::<L>(t, (lines, 0), q);
        let [c, d] = weights::<L>(t, (lines, 1), q);
        for (p, w) in [[a, c], [b, d]].iter().enumerate() {
            for i in 0..M {
                let pair = _mm256_set1_epi32(x[i].numbers.pairs[2 * q + p]);
                for half in 0..2 {
                    let product = _mm256_madd_epi16(w[half], pair);
                    acc[i][half] = _mm256_add_epi32(acc[i][half], product);
                }
            }
        }
    }
    acc
}

/// What the products of weights that have a centre begin with.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn start<const B: usize, const S: u8, const FROM: usize>(x: &Words) -> __m256i {
    let less = match (S, FROM) {
        (CENTRED, _) => x.less[2],
        (HALVED, 0) => x.less[0],
        (HALVED, _) => x.less[1],
        _ => 0,
    };
    _mm256_sll_epi32(_mm256_set1_epi32(less), shift(B - 1))
}

/// One quad of a group in half a panel, as pairs of 16 bits: first and third weights, then second and
/// fourth ones. With 16 bits a line is such a pair.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn weights<const B: usize>(t: Avx2, at: (&[Line; B], usize), q: usize) -> [__m256i; 2] {
    let (lines, half) = at;
    if B == 16 {
        return [
            load(t, &lines[2 * q], half),
            load(t, &lines[2 * q + 1], half),
        ];
    }
    if B == 4 {
        let line = load(t, &lines[q % 4], half);
        let (shifted, ones) = (q / 4 * 4, _mm256_set1_epi16(15));
        let first = _mm256_and_si256(_mm256_srl_epi16(line, shift(shifted)), ones);
        let second = _mm256_srl_epi16(line, shift(shifted + 8));
        return [first, _mm256_and_si256(second, ones)];
    }
    let quad = quad::<B>(t, at, q);
    let first = _mm256_and_si256(quad, _mm256_set1_epi16(255));
    [first, _mm256_srl_epi16(quad, shift(8))]
}

/// One quad of a group in half a panel, in bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn quad<const B: usize>(t: Avx2, (lines, half): (&[Line; B], usize), q: usize) -> __m256i {
    if B == 8 {
        return load(t, &lines[q], half);
    }
    let low = _mm256_srl_epi16(load(t, &lines[q % 4], half), shift(q / 4 * 4));
    let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
    // Where the upper bits are, and from where they go to bit 4.
    let (line, mask, at) = match B {
        5 => (4, 16, q),
        _ => (4 + q / 4, 48, 2 * (q % 4)),
    };
    let line = load(t, &lines[line.min(B - 1)], half);
    let high = match at {
        0..4 => _mm256_sll_epi16(line, shift(4 - at)),
        _ => _mm256_srl_epi16(line, shift(at - 4)),
    };
    _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(mask)))
}

/// What multiplies a group's sums: see [`Scheme`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn scales<const S: u8>(t: Avx2, (panel, half): (Panel<'_>, usize), g: usize) -> (__m256, __m256) {
    let zero = _mm256_setzero_ps();
    let floats = |i: usize| floats(t, &panel.floats[i], half);
    match S {
        CENTRED => (floats(g), zero),
        SHIFTED => (floats(2 * g), floats(2 * g + 1)),
        NESTED => {
            let small =
                |i| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(small(t, (panel, half), 2 * g + i)));
            let m = _mm256_mul_ps(floats(g / 8 * 2 + 1), small(1));
            let d = _mm256_mul_ps(floats(g / 8 * 2), small(0));
            (d, _mm256_sub_ps(zero, m))
        }
        _ => {
            let small =
                |i| _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(small(t, (panel, half), 2 * g + i)));
            let d = floats(g / 8);
            (_mm256_mul_ps(d, small(0)), _mm256_mul_ps(d, small(1)))
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn floats(t: Avx2, bits: &[u16; ROWS], half: usize) -> __m256 {
    let bits: u16x8<_> = bits.as_chunks::<LANES>().0[half].simd_into(t);
    _mm256_cvtph_ps(bits.into())
}

/// Eight small numbers in the lower half.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn small(t: Avx2, (panel, half): (Panel<'_>, usize), i: usize) -> __m128i {
    let mut bytes = [0; ROWS];
    bytes[..LANES].copy_from_slice(&panel.small[i][half * LANES..][..LANES]);
    let bytes: u8x16<_> = bytes.simd_into(t);
    bytes.into()
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load(t: Avx2, line: &Line, half: usize) -> __m256i {
    let line: u8x32<_> = line.as_chunks::<{ QUAD * LANES }>().0[half].simd_into(t);
    line.into()
}

/// A constant number of bits to shift by.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn shift(n: usize) -> __m128i {
    _mm_cvtsi32_si128(n as i32)
}

//! Products on machines with AVX2, whose products of bytes are summed by twos in 16 bits: more are
//! summed there as long as none can overflow. A panel is taken in two halves of eight rows, since
//! there are eight lanes, and few rows of activations at once, since there are few registers.

use core::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_cvtsi32_si128, _mm256_abs_epi8, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_and_si256, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi32, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8,
    _mm256_sll_epi16, _mm256_sll_epi32, _mm256_srl_epi16, _mm256_sub_ps, _mm256_xor_si256,
};

use fearless_simd::{Avx2, f32x8, prelude::*, u8x16, u8x32, u16x8};

use super::acts::{Acts, Bytes, FINE, QUAD, Rounded};
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
    pub(super) fn multiply(avx2: Avx2, strip: &mut Strip<'_>) {
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

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn panels<const B: usize, const S: u8>(t: Avx2, strip: &mut Strip<'_>) {
    for j in 0..strip.n_panels() {
        for half in 0..2 {
            let row = down::<B, S, 4>(t, strip, (j, half), 0);
            let row = down::<B, S, 2>(t, strip, (j, half), row);
            down::<B, S, 1>(t, strip, (j, half), row);
        }
    }
}

/// Multiplies as many groups of `M` rows of activations as there are from `row` on with half a
/// panel.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn down<const B: usize, const S: u8, const M: usize>(
    t: Avx2,
    strip: &mut Strip<'_>,
    (j, half): (usize, usize),
    mut row: usize,
) -> usize {
    let (panel, column) = (strip.panel(j), j * ROWS + half * LANES);
    while row + M <= strip.x.n_rows {
        let sums = tile::<B, S, M>(t, (panel, half), strip.x, row);
        for (i, sums) in sums.into_iter().enumerate() {
            let sums: f32x8<_> = sums.simd_into(t);
            strip.put(row + i, column, &<[f32; LANES]>::from(sums));
        }
        row += M;
    }
    row
}

/// The products of `M` rows of activations and half a panel; each is summed in the same order
/// whatever `M` is.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn tile<const B: usize, const S: u8, const M: usize>(
    t: Avx2,
    (panel, half): (Panel<'_>, usize),
    x: &Acts,
    row: usize,
) -> [__m256; M] {
    let mut sums = [_mm256_setzero_ps(); M];
    let (groups, _) = panel.lines.as_chunks::<B>();
    for (g, lines) in groups.iter().enumerate() {
        let (a, b) = scales::<S>(t, (panel, half), g);
        let x = x.rows::<M>(g, row);
        let lines = (lines, half);
        match S {
            HALVED => {
                let left = dots::<B, S, M, 0, 4>(t, lines, x);
                let right = dots::<B, S, M, 4, 8>(t, lines, x);
                for i in 0..M {
                    sums[i] = scaled(left[i], a, x[i].d, sums[i]);
                    sums[i] = scaled(right[i], b, x[i].d, sums[i]);
                }
            }
            _ => {
                let dots = dots::<B, S, M, 0, 8>(t, lines, x);
                for i in 0..M {
                    sums[i] = scaled(dots[i], a, x[i].d, sums[i]);
                    if S != CENTRED {
                        sums[i] = _mm256_fmadd_ps(b, _mm256_set1_ps(x[i].total), sums[i]);
                    }
                }
            }
        }
    }
    sums
}

/// `sum + (254 coarse + fine) * (a * d)`
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn scaled([coarse, fine]: [__m256i; 2], a: __m256, d: f32, sum: __m256) -> __m256 {
    let a = _mm256_mul_ps(a, _mm256_set1_ps(d));
    let (coarse, fine) = (_mm256_cvtepi32_ps(coarse), _mm256_cvtepi32_ps(fine));
    let dot = _mm256_fmadd_ps(coarse, _mm256_set1_ps(FINE), fine);
    _mm256_fmadd_ps(dot, a, sum)
}

/// Quads whose sums of two products of bytes fit in 16 bits together: `2 · 127 · 15 · 8 < 2^15`,
/// `2 · 127 · 31 · 4`, `2 · 127 · 63 · 2`, `2 · 127 · 128`.
const fn together(bits: usize) -> usize {
    match bits {
        4 => 8,
        5 => 4,
        6 => 2,
        _ => 1,
    }
}

/// The coarse and fine products of some quads of a group, for each row of activations.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dots<const B: usize, const S: u8, const M: usize, const FROM: usize, const TO: usize>(
    t: Avx2,
    lines: (&[Line; B], usize),
    x: &[Rounded; M],
) -> [[__m256i; 2]; M] {
    let mut acc = [[_mm256_setzero_si256(); 2]; M];
    for i in 0..M {
        acc[i] = [
            start::<B, S, FROM>(&x[i].coarse),
            start::<B, S, FROM>(&x[i].fine),
        ];
    }
    for first in (FROM..TO).step_by(together(B)) {
        let mut twos = [[_mm256_setzero_si256(); 2]; M];
        for q in first..TO.min(first + together(B)) {
            let w = weights::<B>(t, lines, q);
            for i in 0..M {
                let coarse = product::<B>(w, x[i].coarse.quads[q]);
                let fine = product::<B>(w, x[i].fine.quads[q]);
                twos[i][0] = _mm256_add_epi16(twos[i][0], coarse);
                twos[i][1] = _mm256_add_epi16(twos[i][1], fine);
            }
        }
        for i in 0..M {
            for p in 0..2 {
                let fours = _mm256_madd_epi16(twos[i][p], _mm256_set1_epi16(1));
                acc[i][p] = _mm256_add_epi32(acc[i][p], fours);
            }
        }
    }
    acc
}

/// What the products of weights that have a centre begin with. With 8 bits weights have their signs.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn start<const B: usize, const S: u8, const FROM: usize>(x: &Bytes) -> __m256i {
    let less = match (S, FROM) {
        (CENTRED, _) => x.less[2],
        (_, 0) => x.less[0],
        _ => x.less[1],
    };
    match B < 8 && (S == CENTRED || S == HALVED) {
        true => _mm256_sll_epi32(_mm256_set1_epi32(less), shift(B - 1)),
        false => _mm256_setzero_si256(),
    }
}

/// The products of a quad, summed by twos.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn product<const B: usize>(w: __m256i, x: i32) -> __m256i {
    let x = _mm256_set1_epi32(x);
    match B {
        8 => _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)),
        _ => _mm256_maddubs_epi16(w, x),
    }
}

/// One quad of a group, in bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn weights<const B: usize>(t: Avx2, (lines, half): (&[Line; B], usize), q: usize) -> __m256i {
    if B == 8 {
        let line = load(t, &lines[q], half);
        return _mm256_xor_si256(line, _mm256_set1_epi8(-128));
    }
    let low = _mm256_srl_epi16(load(t, &lines[q % 4], half), shift(q / 4 * 4));
    let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
    if B == 4 {
        return low;
    }
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

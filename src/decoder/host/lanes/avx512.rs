//! Products on machines with AVX-512 and its dot products of bytes (VNNI): Intel from Ice Lake,
//! AMD from Zen 4.

use core::arch::x86_64::{
    __m256i, __m512, __m512i, _mm_cvtsi32_si128, _mm512_and_si512, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtph_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_sll_epi16, _mm512_sll_epi32,
    _mm512_srl_epi16, _mm512_sub_ps,
};

use fearless_simd::{Avx512, f32x16, prelude::*, u8x16, u8x64, u16x16};

use super::acts::{Acts, Bytes, FINE, QUAD, Quads, Rounded};
use super::pack::{Line, Panel, ROWS};
use super::strip::Strip;
use crate::models::{GROUP, Scheme};

const QUADS: usize = GROUP / QUAD;

const CENTRED: u8 = Scheme::Centred as u8;
const SHIFTED: u8 = Scheme::Shifted as u8;
const NESTED: u8 = Scheme::Nested as u8;
const HALVED: u8 = Scheme::Halved as u8;

fearless_simd::kernel!(
    /// The products of a strip.
    pub(super) fn multiply(avx512: Avx512, strip: &mut Strip<'_, Bytes>) {
        let form = strip.part.form;
        match (form.scheme, form.bits) {
            (Scheme::Centred, 4) => panels::<4, CENTRED>(avx512, strip),
            (Scheme::Centred, 5) => panels::<5, CENTRED>(avx512, strip),
            (Scheme::Centred, _) => panels::<8, CENTRED>(avx512, strip),
            (Scheme::Shifted, 4) => panels::<4, SHIFTED>(avx512, strip),
            (Scheme::Shifted, _) => panels::<5, SHIFTED>(avx512, strip),
            (Scheme::Nested, 4) => panels::<4, NESTED>(avx512, strip),
            (Scheme::Nested, _) => panels::<5, NESTED>(avx512, strip),
            (Scheme::Halved, _) => panels::<6, HALVED>(avx512, strip),
        }
    }
);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn panels<const B: usize, const S: u8>(t: Avx512, strip: &mut Strip<'_, Bytes>) {
    for j in 0..strip.n_panels() {
        if strip.x.n_rows >= MANY {
            fetch(t, strip.panel(j).lines);
        }
        let row = down::<B, S, 16>(t, strip, j, 0);
        let row = down::<B, S, 8>(t, strip, j, row);
        let row = down::<B, S, 4>(t, strip, j, row);
        let row = down::<B, S, 2>(t, strip, j, row);
        down::<B, S, 1>(t, strip, j, row);
    }
}

/// Rows whose products take so long that the machine does not see the next weights coming.
const MANY: usize = 8;

/// Has a panel brought from memory, all lines at once: with a wait for each group sixteen rows took
/// a fifth to a third longer.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn fetch(t: Avx512, lines: &[Line]) {
    let mut all = _mm512_setzero_si512();
    for line in lines {
        all = _mm512_or_si512(all, load(t, line));
    }
    std::hint::black_box(all);
}

/// Multiplies as many groups of `M` rows of activations as there are from `row` on with a panel.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn down<const B: usize, const S: u8, const M: usize>(
    t: Avx512,
    strip: &mut Strip<'_, Bytes>,
    j: usize,
    mut row: usize,
) -> usize {
    let panel = strip.panel(j);
    while row + M <= strip.x.n_rows {
        let sums = tile::<B, S, M>(t, panel, strip.x, row);
        for (i, sums) in sums.into_iter().enumerate() {
            let sums: f32x16<_> = sums.simd_into(t);
            strip.put(row + i, j * ROWS, &<[f32; ROWS]>::from(sums));
        }
        row += M;
    }
    row
}

/// The products of `M` rows of activations and a panel; each is summed in the same order whatever
/// `M` is.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn tile<const B: usize, const S: u8, const M: usize>(
    t: Avx512,
    panel: Panel<'_>,
    x: &Acts<Bytes>,
    row: usize,
) -> [__m512; M] {
    let mut sums = [_mm512_setzero_ps(); M];
    let (groups, _) = panel.lines.as_chunks::<B>();
    for (g, lines) in groups.iter().enumerate() {
        let w = weights(t, lines);
        let scales = scales::<S>(t, panel, g);
        let x = x.rows::<M>(g, row);
        for i in 0..M {
            sums[i] = step::<B, S>(&w, scales, &x[i], sums[i]);
        }
    }
    sums
}

/// `sum` and the product of one group.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn step<const B: usize, const S: u8>(
    w: &[__m512i; QUADS],
    (a, b): (__m512, __m512),
    x: &Rounded<Bytes>,
    sum: __m512,
) -> __m512 {
    let (numbers, d) = (&x.numbers, _mm512_set1_ps(x.d));
    match S {
        HALVED => {
            let left = dot::<B, 0, 4>(w, numbers, Some(0));
            let right = dot::<B, 4, 8>(w, numbers, Some(1));
            let sum = _mm512_fmadd_ps(left, _mm512_mul_ps(a, d), sum);
            _mm512_fmadd_ps(right, _mm512_mul_ps(b, d), sum)
        }
        CENTRED => {
            let dot = dot::<B, 0, 8>(w, numbers, Some(2));
            _mm512_fmadd_ps(dot, _mm512_mul_ps(a, d), sum)
        }
        _ => {
            let dot = dot::<B, 0, 8>(w, numbers, None);
            let sum = _mm512_fmadd_ps(dot, _mm512_mul_ps(a, d), sum);
            _mm512_fmadd_ps(b, _mm512_set1_ps(x.total), sum)
        }
    }
}

/// The product of some quads, in steps of the fine part; `less` says whose sum to take from it for
/// weights that have a centre.
#[allow(
    clippy::needless_range_loop,
    reason = "bounds that are constants unroll; slices of three arrays do not"
)]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dot<const B: usize, const FROM: usize, const TO: usize>(
    w: &[__m512i; QUADS],
    x: &Bytes,
    less: Option<usize>,
) -> __m512 {
    let start = |x: &Quads| match less {
        Some(i) => _mm512_sll_epi32(_mm512_set1_epi32(x.less[i]), shift(B - 1)),
        None => _mm512_setzero_si512(),
    };
    let (mut coarse, mut fine) = (start(&x.coarse), start(&x.fine));
    for q in FROM..TO {
        let x = (x.coarse.quads[q], x.fine.quads[q]);
        coarse = _mm512_dpbusd_epi32(coarse, w[q], _mm512_set1_epi32(x.0));
        fine = _mm512_dpbusd_epi32(fine, w[q], _mm512_set1_epi32(x.1));
    }
    let coarse = _mm512_cvtepi32_ps(coarse);
    _mm512_fmadd_ps(coarse, _mm512_set1_ps(FINE), _mm512_cvtepi32_ps(fine))
}

/// The quads of a group, in bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn weights<const B: usize>(t: Avx512, lines: &[Line; B]) -> [__m512i; QUADS] {
    let mut w = [_mm512_setzero_si512(); QUADS];
    for q in 0..QUADS {
        if B == 8 {
            w[q] = load(t, &lines[q]);
            continue;
        }
        let low = shifted_right(load(t, &lines[q % 4]), q / 4 * 4);
        w[q] = _mm512_and_si512(low, _mm512_set1_epi8(15));
        if B > 4 {
            // Where the upper bits are, and from where they go to bit 4.
            let (line, mask, at) = match B {
                5 => (4, 16, q),
                _ => (4 + q / 4, 48, 2 * (q % 4)),
            };
            let line = load(t, &lines[line.min(B - 1)]);
            let high = match at {
                0..4 => _mm512_sll_epi16(line, shift(4 - at)),
                _ => shifted_right(line, at - 4),
            };
            let high = _mm512_and_si512(high, _mm512_set1_epi8(mask));
            w[q] = _mm512_or_si512(w[q], high);
        }
    }
    w
}

/// What multiplies a group's sums: see [`Scheme`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn scales<const S: u8>(t: Avx512, panel: Panel<'_>, g: usize) -> (__m512, __m512) {
    let zero = _mm512_setzero_ps();
    match S {
        CENTRED => (floats(t, &panel.floats[g]), zero),
        SHIFTED => (
            floats(t, &panel.floats[2 * g]),
            floats(t, &panel.floats[2 * g + 1]),
        ),
        NESTED => {
            let small = |i| _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(small(t, panel, g, i)));
            let (d, m) = (&panel.floats[g / 8 * 2], &panel.floats[g / 8 * 2 + 1]);
            let m = _mm512_mul_ps(floats(t, m), small(1));
            (
                _mm512_mul_ps(floats(t, d), small(0)),
                _mm512_sub_ps(zero, m),
            )
        }
        _ => {
            let small = |i| _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(small(t, panel, g, i)));
            let d = floats(t, &panel.floats[g / 8]);
            (_mm512_mul_ps(d, small(0)), _mm512_mul_ps(d, small(1)))
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn floats(t: Avx512, bits: &[u16; ROWS]) -> __m512 {
    let bits: u16x16<_> = (*bits).simd_into(t);
    _mm512_cvtph_ps(__m256i::from(bits))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn small(t: Avx512, panel: Panel<'_>, g: usize, i: usize) -> core::arch::x86_64::__m128i {
    let small: u8x16<_> = panel.small[2 * g + i].simd_into(t);
    small.into()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn load(t: Avx512, line: &Line) -> __m512i {
    let line: u8x64<_> = (*line).simd_into(t);
    line.into()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn shifted_right(v: __m512i, n: usize) -> __m512i {
    _mm512_srl_epi16(v, shift(n))
}

/// A constant number of bits to shift by.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn shift(n: usize) -> core::arch::x86_64::__m128i {
    _mm_cvtsi32_si128(n as i32)
}

//! Numbers of 16 bits become f32, a vector at a time.

use core::arch::x86_64::{
    __m128i, __m256, __m256i, __m512, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps,
    _mm256_slli_epi32, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps,
    _mm512_slli_epi32,
};

use fearless_simd::{Avx2, f32x8, f32x16, prelude::*, u16x8, u16x16};
use pulp::x86::V4;

use crate::models::Half;

#[inline(always)]
pub(in crate::decoder::host) fn f16_16(v4: V4, bits: &[u16; 16]) -> __m512 {
    v4.avx512f._mm512_cvtph_ps(pulp::cast(*bits))
}

#[inline(always)]
pub(in crate::decoder::host) fn bf16_16(v4: V4, bits: &[u16; 16]) -> __m512 {
    let bits = v4.avx512f._mm512_cvtepu16_epi32(pulp::cast(*bits));
    pulp::cast(v4.avx512f._mm512_slli_epi32::<16>(bits))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(in crate::decoder::host) fn f16_8(avx2: Avx2, bits: &[u16; 8]) -> __m256 {
    let bits: u16x8<_> = (*bits).simd_into(avx2);
    _mm256_cvtph_ps(bits.into())
}

#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::decoder::host) fn bf16_8(avx2: Avx2, bits: &[u16; 8]) -> __m256 {
    let bits: u16x8<_> = (*bits).simd_into(avx2);
    let bits = _mm256_cvtepu16_epi32(__m128i::from(bits));
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
}

fearless_simd::kernel!(
    pub(super) fn widen_by_16(avx512: Avx512, half: Half, bits: &[u16], out: &mut [f32]) {
        let ((bits, bits_left), (out, out_left)) = (bits.as_chunks(), out.as_chunks_mut());
        for (bits, out) in bits.iter().zip(out) {
            let bits: u16x16<_> = (*bits).simd_into(avx512);
            let bits = __m256i::from(bits);
            let wide: __m512 = match half {
                Half::F16 => _mm512_cvtph_ps(bits),
                Half::Bf16 => {
                    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
                }
            };
            let wide: f32x16<_> = wide.simd_into(avx512);
            *out = wide.into();
        }
        one_by_one(half, bits_left, out_left);
    }
);

fearless_simd::kernel!(
    pub(super) fn widen_by_8(avx2: Avx2, half: Half, bits: &[u16], out: &mut [f32]) {
        let ((bits, bits_left), (out, out_left)) = (bits.as_chunks(), out.as_chunks_mut());
        for (bits, out) in bits.iter().zip(out) {
            let wide: f32x8<_> = match half {
                Half::F16 => f16_8(avx2, bits).simd_into(avx2),
                Half::Bf16 => bf16_8(avx2, bits).simd_into(avx2),
            };
            *out = wide.into();
        }
        one_by_one(half, bits_left, out_left);
    }
);

fn one_by_one(half: Half, bits: &[u16], out: &mut [f32]) {
    for (bits, out) in bits.iter().zip(out) {
        *out = half.widen(*bits);
    }
}

//! Numbers of 16 bits become f32, a vector at a time.

use core::arch::x86_64::{
    __m128i, __m256, __m256i, __m512, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps,
    _mm256_slli_epi32, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps,
    _mm512_slli_epi32,
};

use std::sync::atomic::{Ordering, compiler_fence};

use fearless_simd::{f32x8, f32x16, prelude::*, u16x8, u16x16};

use pulp::Simd;
use pulp::x86::V4;

use crate::decoder::host::tile::{Form, cut};
use crate::models::Half;

/// What a vector of AVX-512 holds.
type Wide = [u16; 16];

/// Weights in 16 bits that are widened on their way into registers: products of eight rows are as fast
/// as with f32.
#[derive(Clone, Copy)]
pub(in crate::decoder::host) struct InRegisters {
    half: Half,
    v4: V4,
}

impl InRegisters {
    /// Where `simd` stands for AVX-512.
    #[inline(always)]
    pub fn new<S: Simd>(simd: S, half: Half) -> Option<Self> {
        let v4 = (&simd as &dyn std::any::Any).downcast_ref().copied();
        v4.map(|v4| Self { half, v4 })
    }
}

impl Form for InRegisters {
    type Weight = u16;

    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(
        self,
        simd: S,
        x: [&[f32]; M],
        w: &[u16],
        acc: [[S::f32s; V]; M],
    ) -> [[S::f32s; V]; M] {
        match self.half {
            Half::Bf16 => tile::<S, M, V>(simd, |w| bf16(self.v4, w), x, w, acc),
            Half::F16 => tile::<S, M, V>(simd, |w| f16(self.v4, w), x, w, acc),
        }
    }
}

#[inline(always)]
fn f16(v4: V4, bits: &Wide) -> __m512 {
    v4.avx512f._mm512_cvtph_ps(pulp::cast(*bits))
}

#[inline(always)]
fn bf16(v4: V4, bits: &Wide) -> __m512 {
    let bits = v4.avx512f._mm512_cvtepu16_epi32(pulp::cast(*bits));
    pulp::cast(v4.avx512f._mm512_slli_epi32::<16>(bits))
}

/// The product of a panel whose vectors are widened on their way into registers, where `simd` is
/// AVX-512.
#[inline(always)]
fn tile<S: Simd, const M: usize, const V: usize>(
    simd: S,
    widen: impl Fn(&Wide) -> __m512,
    x: [&[f32]; M],
    w: &[u16],
    mut acc: [[S::f32s; V]; M],
) -> [[S::f32s; V]; M] {
    let (w, _) = w.as_chunks().0.as_chunks::<V>();
    let x = cut(x, w.len());
    for t in 0..w.len() {
        for j in 0..V {
            let wide = pulp::bytemuck::cast(widen(&w[t][j]));
            for i in 0..M {
                let xi = simd.splat_f32s(x[i][t]);
                acc[i][j] = simd.mul_add_f32s(xi, wide, acc[i][j]);
            }
            // Inputs are read anew for every vector of columns, as part of the multiplication: read
            // once into a register, they and the widening get into each other's way.
            compiler_fence(Ordering::AcqRel);
        }
    }
    acc
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
            let bits: u16x8<_> = (*bits).simd_into(avx2);
            let bits = __m128i::from(bits);
            let wide: __m256 = match half {
                Half::F16 => _mm256_cvtph_ps(bits),
                Half::Bf16 => {
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
                }
            };
            let wide: f32x8<_> = wide.simd_into(avx2);
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

//! Products with weights of 16 bits that are widened on their way into registers: on machines with
//! AVX-512 always, on those with AVX2 where all rows are one block: with a buffer in between memory
//! would rest while they are multiplied. Of several blocks each would widen the same weights again.

use core::arch::x86_64::__m256;

use pulp::x86::{V3, V4};
use pulp::{Arch, Simd, WithSimd};

use super::strip::{Strip, Weights};
use crate::decoder::host::halves::{EachWidened, bf16_8, bf16_16, f16_8, f16_16};
use crate::decoder::vectors::level;
use crate::models::Half;

/// Multiplies a strip that is one for this; gives back any other.
pub(super) fn multiply<'a>(arch: Arch, mut strip: Strip<'a>) -> Option<Strip<'a>> {
    let Weights::Halves(half, all) = strip.weights else {
        return Some(strip);
    };
    let weights = &all.all()[strip.from..];
    match (arch, level().as_avx2()) {
        (Arch::V4(v4), _) => {
            let (half, strip) = (*half, &mut strip);
            let by_16 = By16 {
                v4,
                half,
                weights,
                strip,
            };
            arch.dispatch(by_16);
        }
        (Arch::V3(v3), Some(avx2)) if strip.n_blocks::<V3>() == 1 => {
            by_8(avx2, v3, *half, weights, &mut strip);
        }
        _ => return Some(strip),
    }
    None
}

/// Where vectors hold sixteen numbers.
struct By16<'a, 'b> {
    v4: V4,
    half: Half,
    weights: &'a [u16],
    strip: &'a mut Strip<'b>,
}

impl WithSimd for By16<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let v4 = self.v4;
        match self.half {
            Half::F16 => {
                let widen = |bits: &[u16; 16]| f16_16(v4, bits);
                self.strip.panels(simd, EachWidened(widen), self.weights);
            }
            Half::Bf16 => {
                let widen = |bits: &[u16; 16]| bf16_16(v4, bits);
                self.strip.panels(simd, EachWidened(widen), self.weights);
            }
        }
    }
}

// What widens f16 is not among the instructions that pulp's V3 stands for.
fearless_simd::kernel!(
    fn by_8(avx2: Avx2, v3: V3, half: Half, weights: &[u16], strip: &mut Strip<'_>) {
        match half {
            Half::F16 => {
                let widen = |bits: &[u16; 8]| -> __m256 { f16_8(avx2, bits) };
                strip.panels(v3, EachWidened(widen), weights);
            }
            Half::Bf16 => {
                let widen = |bits: &[u16; 8]| -> __m256 { bf16_8(avx2, bits) };
                strip.panels(v3, EachWidened(widen), weights);
            }
        }
    }
);

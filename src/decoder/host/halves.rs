//! Weights in 16 bits, as most models are stored: half the memory, read in half the time by one row,
//! and the same numbers, since nothing is rounded and sums are made in the same order.

#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::atomic::{Ordering, compiler_fence};

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use pulp::Simd;
use pulp::bytemuck::{self, Pod};

use super::tile::{Form, cut};
#[cfg(target_arch = "x86_64")]
use crate::decoder::vectors::level;
use crate::models::Half;

impl Half {
    /// The number that 16 bits stand for.
    #[inline]
    pub(super) fn widen(self, bits: u16) -> f32 {
        match self {
            Self::Bf16 => bf16::from_bits(bits).to_f32_const(),
            Self::F16 => f16::from_bits(bits).to_f32_const(),
        }
    }

    /// The 16 bits nearest to each weight, of which there are as many.
    pub(super) fn narrow(self, weights: &[f32], bits: &mut [u16]) {
        match self {
            Self::Bf16 => {
                let bits = bits.reinterpret_cast_mut::<bf16>();
                bits.convert_from_f32_slice(weights);
            }
            Self::F16 => {
                let bits = bits.reinterpret_cast_mut::<f16>();
                bits.convert_from_f32_slice(weights);
            }
        }
    }

    /// Whether 16 bits hold some weights, at most [`SOME`], as they are.
    pub(super) fn holds(self, weights: &[f32]) -> bool {
        let (mut bits, mut back) = ([0; SOME], [0.0; SOME]);
        let (bits, back) = (&mut bits[..weights.len()], &mut back[..weights.len()]);
        self.narrow(weights, bits);
        Halves::new(self).widen(bits, back);
        let both = back.iter().zip(weights);
        both.fold(true, |same, (a, b)| same & (a.to_bits() == b.to_bits()))
    }
}

/// Weights that are looked at together.
pub(super) const SOME: usize = 256;

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{bf16_8, bf16_16, f16_8, f16_16};

/// Weights in 16 bits that something widens by vectors of `L`, on their way into registers: with
/// AVX-512 products of eight rows are as fast as with f32.
#[derive(Clone, Copy)]
pub(super) struct EachWidened<const L: usize, F>(pub F);

impl<const L: usize, W: Pod, F: Fn(&[u16; L]) -> W + Copy> Form for EachWidened<L, F> {
    type Weight = u16;

    #[inline(always)]
    fn tile<S: Simd, const M: usize, const P: usize, const V: usize>(
        self,
        simd: S,
        x: [&[f32]; M],
        panels: [&[u16]; P],
        mut acc: [[[S::f32s; V]; P]; M],
    ) -> [[[S::f32s; V]; P]; M] {
        let mut w = [&[][..]; P];
        for p in 0..P {
            w[p] = panels[p].as_chunks().0.as_chunks::<V>().0;
        }
        let n = w[0].len();
        let (x, w) = (cut(x, n), cut(w, n));
        for t in 0..n {
            for p in 0..P {
                for j in 0..V {
                    let wide = bytemuck::cast(self.0(&w[p][t][j]));
                    for i in 0..M {
                        let xi = simd.splat_f32s(x[i][t]);
                        acc[i][p][j] = simd.mul_add_f32s(xi, wide, acc[i][p][j]);
                    }
                    // AVX-512 reads inputs anew for every vector of columns, as part of the
                    // multiplication: read once into a register, they and the widening get into
                    // each other's way.
                    if S::F32_LANES == 16 {
                        compiler_fence(Ordering::AcqRel);
                    }
                }
            }
        }
        acc
    }
}

/// What widens weights in 16 bits.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    half: Half,
    #[cfg(target_arch = "x86_64")]
    level: fearless_simd::Level,
}

impl Halves {
    pub fn new(half: Half) -> Self {
        Self {
            half,
            #[cfg(target_arch = "x86_64")]
            level: level(),
        }
    }

    /// Widens numbers, of which `out` holds as many, with what the machine has for it.
    #[inline(always)]
    pub fn widen(self, bits: &[u16], out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx512) = self.level.as_avx512() {
            return x86::widen_by_16(avx512, self.half, bits, out);
        } else if let Some(avx2) = self.level.as_avx2() {
            return x86::widen_by_8(avx2, self.half, bits, out);
        }
        match self.half {
            Half::Bf16 => bits.reinterpret_cast::<bf16>().convert_to_f32_slice(out),
            Half::F16 => bits.reinterpret_cast::<f16>().convert_to_f32_slice(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Half; 2] = [Half::Bf16, Half::F16];

    #[test]
    fn every_number_of_16_bits_is_widened_as_it_is() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        for half in BOTH {
            let mut wide = vec![0.0; all.len()];
            Halves::new(half).widen(&all, &mut wide);
            for (bits, found) in all.iter().zip(wide) {
                let wanted = half.widen(*bits);
                assert!(found.to_bits() == wanted.to_bits() || wanted.is_nan());
            }
        }
    }

    #[test]
    fn a_tail_is_widened_too() {
        for half in BOTH {
            for n in 0..40 {
                let numbers: Vec<_> = (0..n).map(|i| i as f32).collect();
                let (mut bits, mut wide) = (vec![0; n], vec![-1.0; n]);
                half.narrow(&numbers, &mut bits);
                Halves::new(half).widen(&bits, &mut wide);
                assert_eq!(wide, numbers);
            }
        }
    }

    #[test]
    fn only_what_stays_the_same_is_halved() {
        for half in BOTH {
            let numbers: Vec<f32> = (0..40).map(|i| 0.37 * i as f32).collect();
            let mut bits = [0; 40];
            half.narrow(&numbers, &mut bits);
            let stored = bits.map(|bits| half.widen(bits));
            assert!(half.holds(&stored) && !half.holds(&numbers));
            assert!(!half.holds(&[0.5, 0.1]));
        }
        let large = [2f32.powi(99)];
        assert!(Half::Bf16.holds(&large) && !Half::F16.holds(&large));
    }
}

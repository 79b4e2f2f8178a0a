//! Weights in 16 bits, as most models are stored: half the memory, read in half the time by one row,
//! and the same numbers, since nothing is rounded and sums are made in the same order.
//!
//! Only bfloat16: it is widened by a shift. To widen an f16 takes so many steps that sixteen rows
//! took a fourth longer than with weights in f32.

use std::array::from_fn;

use pulp::Simd;

use super::tile::{Form, STRIDE, step};

/// The upper half of an f32.
pub(super) fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Whether bfloat16 holds a weight as it is.
pub(super) fn is_half(w: &f32) -> bool {
    w.to_bits() & 0xFFFF == 0
}

/// Such a weight in bfloat16.
pub(super) fn halved(w: f32) -> u16 {
    (w.to_bits() >> 16) as u16
}

/// The most weights of a panel for one k: two vectors of the widest machines.
const WIDTH: usize = 32;

/// Weights in bfloat16, widened just before they are multiplied.
pub(super) struct Halves;

/// A loop, not a closure: that would not be compiled for the widest vectors.
#[inline(always)]
fn widen_all(bits: &[u16], out: &mut [f32]) {
    for i in 0..bits.len().min(out.len()) {
        out[i] = widen(bits[i]);
    }
}

impl Form for Halves {
    type Weight = u16;

    #[inline(always)]
    fn widen(w: &[u16], out: &mut Vec<f32>) -> bool {
        out.resize(w.len(), 0.0);
        widen_all(w, out);
        true
    }

    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(
        simd: S,
        x: [&[f32]; M],
        w: &[u16],
        mut acc: [[S::f32s; V]; M],
    ) -> [[S::f32s; V]; M] {
        let width = V * S::F32_LANES;
        let mut wide = [0.0; STRIDE * WIDTH];
        let mut first = 0;
        for w in w.chunks(STRIDE * width) {
            widen_all(w, &mut wide);
            let (vectors, _) = S::as_simd_f32s(&wide[..w.len()]);
            let (vectors, _) = vectors.as_chunks::<V>();
            let x: [&[f32]; M] = from_fn(|i| &x[i][first..first + vectors.len()]);
            for t in 0..vectors.len() {
                step(simd, from_fn(|i| x[i][t]), &vectors[t], &mut acc);
            }
            first += vectors.len();
        }
        acc
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn every_number_of_16_bits_is_widened_as_it_is() {
        for bits in 0..=u16::MAX {
            assert_eq!(widen(bits).to_bits(), u32::from(bits) << 16);
            let number = bf16::from_bits(bits);
            assert!(number.is_nan() || widen(bits) == number.to_f32());
        }
    }

    #[test]
    fn only_what_stays_the_same_is_halved() {
        let number = |i: i32| bf16::from_f32(0.37 * i as f32).to_f32();
        let numbers: Vec<f32> = (-20..20).map(number).collect();
        let back: Vec<f32> = numbers.iter().map(|w| widen(halved(*w))).collect();
        assert!(back == numbers && numbers.iter().all(is_half));
        assert!(is_half(&0.5) && !is_half(&0.1));
    }
}

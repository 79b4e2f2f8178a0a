//! Blocks of quantised weights as f32, by the formats' definitions (`ggml-quants.c` of llama.cpp,
//! the `dequantize_row_*` functions).
//!
//! The loops are plain and without closures, which would not be compiled for the machine's widest
//! vectors with them: so they run several times as fast as candle's, which are compiled for any
//! machine. Formats that are rare are left to candle.

use std::borrow::Cow;
use std::hint::black_box;

use candle_core::quantized::GgmlDType;
use candle_core::{CpuStorage, Result};
use half::f16;
use pulp::{Arch, Simd, WithSimd, bytemuck};

/// Writes what `bytes`, whole blocks of `dtype`, stand for into `out`.
///
/// # Errors
/// None that is expected: sizes are checked when a file is opened.
pub(super) fn unpack(arch: Arch, dtype: GgmlDType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    if arch.dispatch(Unpack {
        dtype,
        bytes,
        out: &mut *out,
    }) {
        return Ok(());
    }
    // candle reads blocks from where blocks may lie: at a multiple of four.
    let mut aligned = vec![0u32; bytes.len().div_ceil(4)];
    let place: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut aligned)[..bytes.len()];
    place.copy_from_slice(bytes);
    match dtype
        .from_data(Cow::Borrowed(place))
        .dequantize(out.len())?
    {
        CpuStorage::F32(values) => out.copy_from_slice(&values),
        _ => candle_core::bail!("{dtype:?} did not become f32"),
    }
    Ok(())
}

/// Unpacks block after block; the sizes of a block are those that `$block` takes.
macro_rules! each {
    ($bytes:expr, $out:expr, $block:ident) => {{
        let (blocks, outs) = ($bytes.as_chunks().0, $out.as_chunks_mut().0);
        for i in 0..blocks.len().min(outs.len()) {
            // Opaque, so that the weights of a block are taken together, and not the same weight
            // of many blocks, which lie far apart.
            $block(black_box(&blocks[i]), &mut outs[i]);
        }
    }};
}

/// Whether the format was known is the answer.
struct Unpack<'a> {
    dtype: GgmlDType,
    bytes: &'a [u8],
    out: &'a mut [f32],
}

impl WithSimd for Unpack<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { dtype, bytes, out } = self;
        match dtype {
            GgmlDType::Q4_0 => each!(bytes, out, q4_0),
            GgmlDType::Q4_1 => each!(bytes, out, q4_1),
            GgmlDType::Q5_0 => each!(bytes, out, q5_0),
            GgmlDType::Q5_1 => each!(bytes, out, q5_1),
            GgmlDType::Q8_0 => each!(bytes, out, q8_0),
            GgmlDType::Q4K => each!(bytes, out, q4_k),
            GgmlDType::Q5K => each!(bytes, out, q5_k),
            GgmlDType::Q6K => each!(bytes, out, q6_k),
            GgmlDType::F32 => singles(bytes, out),
            GgmlDType::BF16 => uppers(bytes, out),
            GgmlDType::F16 => halves(bytes, out),
            _ => return false,
        }
        true
    }
}

/// The 16-bit float at `at`.
#[inline(always)]
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32_const()
}

#[inline(always)]
fn singles(bytes: &[u8], out: &mut [f32]) {
    let bytes = bytes.as_chunks().0;
    for i in 0..bytes.len().min(out.len()) {
        out[i] = f32::from_le_bytes(bytes[i]);
    }
}

#[inline(always)]
fn uppers(bytes: &[u8], out: &mut [f32]) {
    let bytes = bytes.as_chunks().0;
    for i in 0..bytes.len().min(out.len()) {
        out[i] = f32::from_bits(u32::from(u16::from_le_bytes(bytes[i])) << 16);
    }
}

/// The library's way, which asks whether the machine has an instruction for it.
fn halves(bytes: &[u8], out: &mut [f32]) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = f16::from_le_bytes(*bytes).to_f32();
    }
}

#[inline(always)]
fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let (d, qs) = (half(block, 0), &block[2..18]);
    for j in 0..16 {
        out[j] = (i32::from(qs[j] & 15) - 8) as f32 * d;
        out[j + 16] = (i32::from(qs[j] >> 4) - 8) as f32 * d;
    }
}

#[inline(always)]
fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m, qs) = (half(block, 0), half(block, 2), &block[4..20]);
    for j in 0..16 {
        out[j] = f32::from(qs[j] & 15) * d + m;
        out[j + 16] = f32::from(qs[j] >> 4) * d + m;
    }
}

/// The fifth bits of a block's weights, as 16 or 0.
#[inline(always)]
pub(super) fn fifths(block: &[u8], at: usize) -> [u8; 32] {
    let bits = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let mut fifths = [0; 32];
    for (j, fifth) in fifths.iter_mut().enumerate() {
        *fifth = ((bits >> j & 1) << 4) as u8;
    }
    fifths
}

#[inline(always)]
fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let (d, high, qs) = (half(block, 0), fifths(block, 2), &block[6..22]);
    for j in 0..16 {
        out[j] = (i32::from(qs[j] & 15 | high[j]) - 16) as f32 * d;
        out[j + 16] = (i32::from(qs[j] >> 4 | high[j + 16]) - 16) as f32 * d;
    }
}

#[inline(always)]
fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m, qs) = (half(block, 0), half(block, 2), &block[8..24]);
    let high = fifths(block, 4);
    for j in 0..16 {
        out[j] = f32::from(qs[j] & 15 | high[j]) * d + m;
        out[j + 16] = f32::from(qs[j] >> 4 | high[j + 16]) * d + m;
    }
}

#[inline(always)]
fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let (d, qs) = (half(block, 0), &block[2..34]);
    for j in 0..32 {
        out[j] = f32::from(qs[j] as i8) * d;
    }
}

/// Scale and minimum, 6 bits each, of part `j` of a block of eight.
#[inline(always)]
pub(super) fn scale_and_min(scales: &[u8], j: usize) -> (u8, u8) {
    match j {
        0..4 => (scales[j] & 63, scales[j + 4] & 63),
        _ => (
            scales[j + 4] & 15 | scales[j - 4] >> 6 << 4,
            scales[j + 4] >> 4 | scales[j] >> 6 << 4,
        ),
    }
}

/// The same in f32.
#[inline(always)]
fn scales(scales: &[u8], j: usize) -> (f32, f32) {
    let (scale, min) = scale_and_min(scales, j);
    (f32::from(scale), f32::from(min))
}

#[inline(always)]
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, least, small) = (half(block, 0), half(block, 2), &block[4..16]);
    for part in 0..4 {
        let qs = &block[16 + 32 * part..][..32];
        let (s1, m1) = scales(small, 2 * part);
        let (s2, m2) = scales(small, 2 * part + 1);
        let (s1, m1, s2, m2) = (d * s1, least * m1, d * s2, least * m2);
        let out = &mut out[64 * part..][..64];
        for l in 0..32 {
            out[l] = s1 * f32::from(qs[l] & 15) - m1;
            out[l + 32] = s2 * f32::from(qs[l] >> 4) - m2;
        }
    }
}

#[inline(always)]
fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, least, small) = (half(block, 0), half(block, 2), &block[4..16]);
    let high = &block[16..48];
    for part in 0..4 {
        let qs = &block[48 + 32 * part..][..32];
        let (s1, m1) = scales(small, 2 * part);
        let (s2, m2) = scales(small, 2 * part + 1);
        let (s1, m1, s2, m2) = (d * s1, least * m1, d * s2, least * m2);
        let out = &mut out[64 * part..][..64];
        for l in 0..32 {
            let fifths = high[l] >> (2 * part);
            let low = qs[l] & 15 | (fifths & 1) << 4;
            let top = qs[l] >> 4 | (fifths & 2) << 3;
            out[l] = s1 * f32::from(low) - m1;
            out[l + 32] = s2 * f32::from(top) - m2;
        }
    }
}

#[inline(always)]
fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = half(block, 208);
    // Sixteen weights share a scale; the four quarters of 128 share the bytes of `high`.
    for part in 0..4 {
        let (n, at) = (part / 2, part % 2 * 16);
        let (low, top) = (
            &block[64 * n + at..][..16],
            &block[64 * n + 32 + at..][..16],
        );
        let high = &block[128 + 32 * n + at..][..16];
        let scales = &block[192 + 8 * n + at / 16..][..7];
        let out = &mut out[128 * n + at..][..112];
        let (s0, s1) = (
            d * f32::from(scales[0] as i8),
            d * f32::from(scales[2] as i8),
        );
        let (s2, s3) = (
            d * f32::from(scales[4] as i8),
            d * f32::from(scales[6] as i8),
        );
        for l in 0..16 {
            let h = high[l];
            out[l] = s0 * (i32::from(low[l] & 15 | (h & 3) << 4) - 32) as f32;
            out[l + 32] = s1 * (i32::from(top[l] & 15 | (h >> 2 & 3) << 4) - 32) as f32;
            out[l + 64] = s2 * (i32::from(low[l] >> 4 | (h >> 4 & 3) << 4) - 32) as f32;
            out[l + 96] = s3 * (i32::from(top[l] >> 4 | h >> 6 << 4) - 32) as f32;
        }
    }
}

/// Every kind of machine that this one can stand in for.
#[cfg(test)]
pub(crate) fn archs() -> Vec<Arch> {
    let mut archs = vec![Arch::new(), Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    archs.extend(pulp::x86::V3::try_new().map(Arch::V3));
    archs
}

/// Bytes that look random, with scales that are finite.
#[cfg(test)]
pub(super) fn noise(n: usize, dtype: GgmlDType) -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as u8
    };
    let mut bytes: Vec<u8> = (0..n).map(|_| next()).collect();
    let halves: &[usize] = match dtype {
        GgmlDType::Q6K => &[208],
        GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 => &[0],
        GgmlDType::F16 | GgmlDType::BF16 => &[0],
        GgmlDType::F32 => &[2],
        _ => &[0, 2],
    };
    for block in bytes.chunks_exact_mut(dtype.type_size()) {
        for at in halves {
            let value = f16::from_f32(f32::from(block[*at]) / 900.0 - 0.1);
            block[*at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_means_what_candle_says() {
        use GgmlDType::{BF16, F16, F32, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
        let floats = [F32, F16, BF16];
        let blocks = [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4K, Q5K, Q6K, Q2K, Q3K];
        for dtype in blocks.into_iter().chain(floats) {
            let bytes = noise(12 * dtype.type_size(), dtype);
            let n = 12 * dtype.block_size();
            let candle = dtype
                .from_data(Cow::Borrowed(&bytes))
                .dequantize(n)
                .unwrap();
            let CpuStorage::F32(expected) = candle else {
                panic!("{dtype:?} did not become f32");
            };
            for arch in archs() {
                let mut out = vec![0.0; n];
                unpack(arch, dtype, &bytes, &mut out).unwrap();
                for (a, b) in out.iter().zip(&expected) {
                    assert!(
                        (a - b).abs() <= 1e-5 * b.abs().max(1.0),
                        "{dtype:?}: {a} is not {b}"
                    );
                }
            }
        }
    }
}

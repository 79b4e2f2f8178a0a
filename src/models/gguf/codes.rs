//! Blocks of quantised weights as the whole numbers that they are, with their scales, by the
//! formats' definitions (`ggml-common.h` of llama.cpp, the `block_*` structures).

use candle_core::quantized::GgmlDType;

use super::blocks::{fifths, scale_and_min};

/// Weights of a row that share a scale, at most.
pub(crate) const GROUP: usize = 32;

/// How the weights of a format follow from whole numbers `q` of so many bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub bits: usize,
    pub scheme: Scheme,
}

/// The scales of a group of 32 weights: floats `d` and `m` of its block, whole numbers `s` and `t`
/// of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `d (q - c)`, where `c` is half of what the bits can say: Q4_0, Q5_0, Q8_0.
    Centred,
    /// `d q + m`: Q4_1, Q5_1.
    Shifted,
    /// `d s q - m t`, where eight groups are a block: Q4_K, Q5_K.
    Nested,
    /// `d s (q - c)` for sixteen weights and `d t (q - c)` for the other sixteen, `s` and `t` with
    /// signs; eight groups are a block: Q6_K.
    Halved,
}

impl Scheme {
    /// Groups in a block.
    pub fn per_block(self) -> usize {
        match self {
            Self::Centred | Self::Shifted => 1,
            Self::Nested | Self::Halved => 8,
        }
    }

    /// Whether a block has a second float.
    pub fn has_second(self) -> bool {
        matches!(self, Self::Shifted | Self::Nested)
    }

    /// Whether groups have whole numbers.
    pub fn has_small(self) -> bool {
        matches!(self, Self::Nested | Self::Halved)
    }
}

impl Form {
    /// The form of a format; `None` for those that are rare.
    pub fn of(dtype: GgmlDType) -> Option<Self> {
        let (bits, scheme) = match dtype {
            GgmlDType::Q4_0 => (4, Scheme::Centred),
            GgmlDType::Q5_0 => (5, Scheme::Centred),
            GgmlDType::Q8_0 => (8, Scheme::Centred),
            GgmlDType::Q4_1 => (4, Scheme::Shifted),
            GgmlDType::Q5_1 => (5, Scheme::Shifted),
            GgmlDType::Q4K => (4, Scheme::Nested),
            GgmlDType::Q5K => (5, Scheme::Nested),
            GgmlDType::Q6K => (6, Scheme::Halved),
            _ => return None,
        };
        Some(Self { bits, scheme })
    }

    /// `c` of [`Scheme`].
    #[cfg(test)]
    pub fn centre(self) -> u8 {
        1 << (self.bits - 1)
    }
}

/// One row of weights as whole numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Codes {
    /// `q`, by weight.
    pub q: Vec<u8>,
    /// `d` and `m` in 16-bit floats, by block.
    pub floats: Vec<[u16; 2]>,
    /// `s` and `t`, by group.
    pub small: Vec<[u8; 2]>,
}

impl Codes {
    /// Takes a row of whole blocks for what was there.
    pub(super) fn read(&mut self, dtype: GgmlDType, row: &[u8]) {
        self.q.clear();
        self.floats.clear();
        self.small.clear();
        for block in row.chunks_exact(dtype.type_size()) {
            match dtype {
                GgmlDType::Q4_0 => self.legacy(block, &[], &block[2..], false),
                GgmlDType::Q4_1 => self.legacy(block, &[], &block[4..], true),
                GgmlDType::Q5_0 => self.legacy(block, &block[2..6], &block[6..], false),
                GgmlDType::Q5_1 => self.legacy(block, &block[4..8], &block[8..], true),
                GgmlDType::Q4K => self.nested(block, &[], &block[16..]),
                GgmlDType::Q5K => self.nested(block, &block[16..48], &block[48..]),
                GgmlDType::Q6K => self.halved(block),
                _ => self.eight(block),
            }
        }
    }

    fn legacy(&mut self, block: &[u8], high: &[u8], low: &[u8], has_second: bool) {
        let second = if has_second { bits(block, 2) } else { 0 };
        self.floats.push([bits(block, 0), second]);
        let mut q = [0; GROUP];
        if !high.is_empty() {
            q = fifths(high, 0);
        }
        for (j, byte) in low.iter().enumerate() {
            q[j] |= byte & 15;
            q[j + 16] |= byte >> 4;
        }
        self.q.extend_from_slice(&q);
    }

    fn eight(&mut self, block: &[u8]) {
        self.floats.push([bits(block, 0), 0]);
        // From -128..128 to 0..256.
        self.q.extend(block[2..].iter().map(|q| q ^ 128));
    }

    fn nested(&mut self, block: &[u8], high: &[u8], low: &[u8]) {
        self.floats.push([bits(block, 0), bits(block, 2)]);
        for group in 0..8 {
            let (scale, min) = scale_and_min(&block[4..16], group);
            self.small.push([scale, min]);
            let low = &low[32 * (group / 2)..][..32];
            let nibbles = low.iter().map(|byte| byte >> (4 * (group % 2)) & 15);
            let fifth = |j: usize| high.get(j).map_or(0, |byte| (byte >> group & 1) << 4);
            self.q
                .extend(nibbles.enumerate().map(|(j, q)| q | fifth(j)));
        }
    }

    fn halved(&mut self, block: &[u8]) {
        self.floats.push([bits(block, 208), 0]);
        for group in 0..8 {
            // 128 weights share 64 bytes of lower bits and 32 of upper ones.
            let (half, quarter) = (group / 4, group % 4);
            let low = &block[64 * half + 32 * (quarter % 2)..][..32];
            let high = &block[128 + 32 * half..][..32];
            let both = low.iter().zip(high);
            self.q.extend(both.map(|(low, high)| {
                low >> (4 * (quarter / 2)) & 15 | (high >> (2 * quarter) & 3) << 4
            }));
            self.small
                .push([block[192 + 2 * group], block[193 + 2 * group]]);
        }
    }
}

/// The 16 bits at `at`.
fn bits(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

#[cfg(test)]
mod tests {
    use half::f16;
    use pulp::Arch;

    use super::*;
    use crate::models::gguf::blocks::{noise, unpack};

    /// What a row's numbers stand for.
    fn meant(codes: &Codes, form: Form) -> Vec<f32> {
        let float = |bits| f16::from_bits(bits).to_f32();
        let weight = |(i, q): (usize, &u8)| {
            let group = i / GROUP;
            let [d, m] = codes.floats[group / form.scheme.per_block()].map(float);
            let [s, t] = *codes.small.get(group).unwrap_or(&[0, 0]);
            let centred = i32::from(*q) - i32::from(form.centre());
            match form.scheme {
                Scheme::Centred => d * centred as f32,
                Scheme::Shifted => d * f32::from(*q) + m,
                Scheme::Nested => d * f32::from(s) * f32::from(*q) - m * f32::from(t),
                Scheme::Halved => {
                    let scale = if i % GROUP < 16 { s } else { t } as i8;
                    d * f32::from(scale) * centred as f32
                }
            }
        };
        codes.q.iter().enumerate().map(weight).collect()
    }

    #[test]
    fn numbers_and_scales_give_the_weights_to_the_bit() {
        use GgmlDType::{Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
        for dtype in [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4K, Q5K, Q6K] {
            let row = noise(3 * dtype.type_size(), dtype);
            let mut wanted = vec![0.0; 3 * dtype.block_size()];
            unpack(Arch::new(), dtype, &row, &mut wanted).unwrap();
            let mut codes = Codes::default();
            codes.read(dtype, &row);
            assert_eq!(meant(&codes, Form::of(dtype).unwrap()), wanted, "{dtype:?}");
        }
    }
}

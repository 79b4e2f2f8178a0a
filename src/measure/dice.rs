//! Random numbers for what is measured: the same for the same seed.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Above 0 and at most 1.
    pub fn uniform(&mut self) -> f64 {
        1.0 - (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// The mean of as many draws with replacement.
    pub fn resampled(&mut self, values: &[f64]) -> f64 {
        let n = values.len() as u64;
        // The bias of the remainder is below n/2^64.
        let drawn = (0..n).map(|_| values[(self.next() % n) as usize]);
        drawn.sum::<f64>() / n as f64
    }
}

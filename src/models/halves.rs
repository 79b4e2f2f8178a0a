//! Floats of 16 bits, as most weights are stored.

/// Floats of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// The upper half of an f32.
    Bf16,
    /// IEEE's, with fewer bits for the exponent.
    F16,
}

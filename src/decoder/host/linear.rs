//! A linear layer on the CPU, in one of the forms in which weights are kept.

use candle_core::Result;
use pulp::Arch;

use super::lanes::Lanes;
use super::mat::Mat;
use super::panels::Panels;
use super::quant::Quant;

/// The weights of a linear layer.
#[derive(Debug)]
pub(crate) enum Linear {
    Panels(Panels),
    /// Multiplied as whole numbers, with rounded activations.
    Lanes(Lanes),
    /// Multiplied in f32.
    Quant(Quant),
}

impl Linear {
    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Panels(panels) => panels.bytes(),
            Self::Lanes(lanes) => lanes.bytes(),
            Self::Quant(quant) => quant.bytes(),
        }
    }

    /// Whether none of them lies on the heap.
    #[cfg(test)]
    pub fn is_in_large_pages(&self) -> bool {
        match self {
            Self::Panels(panels) => panels.is_in_large_pages(),
            Self::Lanes(lanes) => lanes.is_in_large_pages(),
            Self::Quant(_) => true,
        }
    }

    /// Row `j` of the weights, times `scale`.
    pub fn unpack(&self, j: usize, scale: f32, out: &mut [f32]) -> Result<()> {
        match self {
            Self::Panels(panels) => panels.unpack(j, scale, out),
            Self::Lanes(lanes) => return lanes.unpack(j, scale, out),
            Self::Quant(quant) => return quant.unpack(j, scale, out),
        }
        Ok(())
    }

    /// `x W^T + b` on up to `team` threads of the current pool.
    pub fn apply(&self, arch: Arch, team: usize, x: &Mat) -> Result<Mat> {
        match self {
            Self::Panels(panels) => Ok(panels.apply(arch, team, x)),
            Self::Lanes(lanes) => Ok(lanes.apply(arch, team, x)),
            Self::Quant(quant) => quant.apply(arch, team, x),
        }
    }
}

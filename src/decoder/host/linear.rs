//! A linear layer on the CPU, in one of the forms in which weights are kept.

use candle_core::Result;
use pulp::Arch;

use super::mat::Mat;
use super::panels::Panels;
use super::quant::Quant;

/// The weights of a linear layer.
#[derive(Debug)]
pub(crate) enum Linear {
    Panels(Panels),
    Quant(Quant),
}

impl Linear {
    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Panels(panels) => panels.bytes(),
            Self::Quant(quant) => quant.bytes(),
        }
    }

    /// The panels, where that is the form.
    pub fn panels_mut(&mut self) -> Option<&mut Panels> {
        match self {
            Self::Panels(panels) => Some(panels),
            Self::Quant(_) => None,
        }
    }

    /// Row `j` of the weights, times `scale`.
    pub fn unpack(&self, j: usize, scale: f32, out: &mut [f32]) -> Result<()> {
        match self {
            Self::Panels(panels) => panels.unpack(j, scale, out),
            Self::Quant(quant) => return quant.unpack(j, scale, out),
        }
        Ok(())
    }

    /// `x W^T + b` on up to `team` threads of the current pool.
    pub fn apply(&self, arch: Arch, team: usize, x: &Mat) -> Result<Mat> {
        match self {
            Self::Panels(panels) => Ok(panels.apply(arch, team, x)),
            Self::Quant(quant) => quant.apply(arch, team, x),
        }
    }
}

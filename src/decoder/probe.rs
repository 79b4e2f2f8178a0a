//! Reads a model without keeping it: whether all tensors are there, of the right shape and finite.

use candle_core::{Error, Result};

use super::pass::{Keep, Kinds};
use crate::models::Stored;

/// Keeps nothing.
pub(super) struct Probe;

impl Kinds for Probe {
    type Matrix = ();
    type Norm = ();
    type Table = ();
}

impl Keep for Probe {
    type Kinds = Self;

    fn matrix(&self, rows: Stored, _: usize, _: usize, _: Option<Vec<f32>>) -> Result<()> {
        look_through(&rows)
    }

    fn norm(&self, _: f64, _: Vec<f32>, _: Option<Vec<f32>>) -> Result<()> {
        Ok(())
    }

    fn table(&self, rows: Stored, _: usize) -> Result<()> {
        look_through(&rows)
    }

    fn tied(&self, (): &()) {}
}

/// What is stored plainly was looked at when it was read; blocks are, here, a few rows at a time.
fn look_through(rows: &Stored) -> Result<()> {
    let Stored::Quant(parts) = rows else {
        return Ok(());
    };
    for part in parts {
        for first in (0..part.n).step_by(64) {
            let values = part.read(first..part.n.min(first + 64))?;
            if !values.iter().all(|v| v.is_finite()) {
                return Err(Error::Msg("a weight is not finite".to_owned()));
            }
        }
    }
    Ok(())
}

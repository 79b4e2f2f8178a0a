//! Weights that are floats, on their way into panels.

use std::ops::Range;

use candle_core::Result;
use pulp::Arch;
use rayon::prelude::*;

use super::halves::is_half;
use super::quant::read_rows;
use crate::models::{QuantRows, Stored};

/// `n` rows of `k` weights that are no blocks, read as they are needed.
pub(crate) struct Floats<'a> {
    pub rows: &'a Stored,
    pub n: usize,
    pub k: usize,
}

/// Rows that are looked at together.
const SOME: usize = 64;

impl Floats<'_> {
    /// Some rows; `scratch` holds them where they are stored otherwise.
    pub fn rows<'s>(
        &'s self,
        arch: Arch,
        wanted: Range<usize>,
        scratch: &'s mut Vec<f32>,
    ) -> Result<&'s [f32]> {
        match self.rows {
            Stored::Plain(rows) => Ok(&rows[wanted.start * self.k..wanted.end * self.k]),
            Stored::Quant(parts) => {
                scratch.resize(wanted.len() * self.k, 0.0);
                read_rows(parts, arch, wanted, self.k, scratch)?;
                Ok(scratch)
            }
        }
    }

    /// Whether bfloat16 holds every weight as it is.
    pub fn are_halves(&self, arch: Arch) -> Result<bool> {
        if let Stored::Quant(parts) = self.rows
            && parts.iter().all(QuantRows::are_halves)
        {
            return Ok(true);
        }
        let starts = (0..self.n.div_ceil(SOME)).into_par_iter().map(|i| i * SOME);
        let found = starts.map_init(Vec::new, |scratch, first| {
            let rows = self.rows(arch, first..self.n.min(first + SOME), scratch)?;
            Ok(rows.iter().all(is_half))
        });
        let lost = found.find_any(|found| !matches!(found, Ok(true)));
        lost.unwrap_or(Ok(true))
    }
}

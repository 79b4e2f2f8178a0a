//! Weights that are floats, on their way into panels.

use std::ops::Range;

use candle_core::Result;
use pulp::Arch;
use rayon::prelude::*;

use super::halves::SOME;
use super::quant::read_rows;
use crate::models::{Half, QuantRows, Stored};

/// `n` rows of `k` weights that are no blocks, read as they are needed.
pub(crate) struct Floats<'a> {
    pub rows: &'a Stored,
    pub n: usize,
    pub k: usize,
}

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

    /// Some rows in 16 bits, which hold every weight as it is.
    pub fn halves<'s>(
        &self,
        half: Half,
        wanted: Range<usize>,
        scratch: &'s mut Vec<u16>,
    ) -> &'s [u16] {
        match self.rows {
            Stored::Plain(rows) => {
                scratch.resize(wanted.len() * self.k, 0);
                half.narrow(&rows[wanted.start * self.k..wanted.end * self.k], scratch);
            }
            Stored::Quant(parts) => {
                scratch.clear();
                for row in stored(parts, wanted) {
                    let bits = row.as_chunks().0.iter();
                    scratch.extend(bits.map(|bits| u16::from_le_bytes(*bits)));
                }
            }
        }
        scratch
    }

    /// Which 16 bits hold every weight as it is, if any do.
    pub fn half(&self) -> Option<Half> {
        match self.rows {
            Stored::Plain(rows) => {
                let holds = |half: &Half| rows.par_chunks(SOME).all(|some| half.holds(some));
                [Half::Bf16, Half::F16].into_iter().find(holds)
            }
            Stored::Quant(parts) => {
                let first = parts.first()?.half();
                first.filter(|_| parts.iter().all(|part| part.half() == first))
            }
        }
    }
}

/// Some of the rows of `parts` below each other, as they are stored.
fn stored(parts: &[QuantRows], wanted: Range<usize>) -> impl Iterator<Item = &[u8]> {
    let starts = parts.iter().scan(0, |next, part| {
        let start = *next;
        *next += part.n;
        Some(start)
    });
    parts.iter().zip(starts).flat_map(move |(part, start)| {
        let within = |row: usize| row.saturating_sub(start).min(part.n);
        (within(wanted.start)..within(wanted.end)).map(|row| part.bytes(row))
    })
}

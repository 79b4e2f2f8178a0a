//! What brings weights into the forms of the CPU's kernels.

use candle_core::Result;
use pulp::Arch;

use super::floats::Floats;
use super::lanes::{self, Lanes, Unit};
use super::linear::Linear;
use super::math::Gain;
use super::panels::{self, Panels};
use super::quant::Quant;
use super::store::Room;
use super::{Packed, Table, keeps_halves};
use crate::decoder::outline::Outline;
use crate::decoder::pass::Keep;
use crate::decoder::placement::Sums;
use crate::models::{QuantRows, Stored, StoredAs};

/// Packs weights for one kind of machine.
pub(in crate::decoder) struct Packer<'a> {
    how: How,
    room: Room<'a>,
}

/// Which forms weights are to have.
#[derive(Debug, Clone, Copy)]
pub(in crate::decoder) struct How {
    arch: Arch,
    /// Whether weights that were stored in 16 bits are kept so.
    in_halves: bool,
    /// What multiplies quantised weights as whole numbers, if anything does.
    unit: Option<Unit>,
}

impl How {
    /// For a model of so many weights.
    pub fn new(arch: Arch, n_weights: u64, sums: Sums) -> Self {
        let rounded = sums == Sums::Rounded;
        Self {
            arch,
            in_halves: keeps_halves(arch, n_weights),
            unit: Unit::all().next().filter(|_| rounded),
        }
    }

    /// Bytes that a linear layer takes packed, at most; `None` for one that stays in its file.
    pub fn n_bytes(&self, outline: &Outline) -> Option<usize> {
        if !outline.is_blocks() {
            let weight = match outline.half().filter(|_| self.in_halves) {
                Some(_) => size_of::<u16>(),
                None => size_of::<f32>(),
            };
            return Some(panels::n_bytes(self.arch, outline.n(), outline.k, weight));
        }
        self.unit?;
        let part = |(stored, n): &(StoredAs, usize)| {
            let form = stored.form()?;
            Some(lanes::n_bytes(form, *n, outline.k))
        };
        outline.parts.iter().map(part).sum()
    }
}

impl<'a> Packer<'a> {
    pub fn new(how: How, room: Room<'a>) -> Self {
        Self { how, room }
    }

    /// All in f32, on the heap.
    pub fn whole(arch: Arch) -> Self {
        let how = How {
            arch,
            in_halves: false,
            unit: None,
        };
        Self::new(how, Room::none())
    }

    /// Weights in blocks.
    fn blocks(&self, parts: Vec<QuantRows>, k: usize, bias: Option<Vec<f32>>) -> Linear {
        let Some(unit) = self.how.unit else {
            return Linear::Quant(Quant::new(parts, k, bias));
        };
        let packed = Lanes::pack(unit, parts, k, bias, &self.room);
        packed.map_or_else(Linear::Quant, Linear::Lanes)
    }

    fn panels(&self, rows: &Stored, n: usize, k: usize, bias: Option<Vec<f32>>) -> Result<Linear> {
        let rows = Floats { rows, n, k };
        let (arch, room) = (self.how.arch, &self.room);
        let half = self.how.in_halves.then(|| rows.half()).flatten();
        let panels = match half {
            Some(half) => Panels::pack_halves(arch, half, &rows, bias, room)?,
            None => Panels::pack(arch, &rows, bias, room)?,
        };
        Ok(Linear::Panels(panels))
    }
}

impl Keep for Packer<'_> {
    type Kinds = Packed;

    fn matrix(&self, rows: Stored, n: usize, k: usize, bias: Option<Vec<f32>>) -> Result<Linear> {
        match rows {
            Stored::Quant(parts) if !parts.iter().all(QuantRows::is_dense) => {
                Ok(self.blocks(parts, k, bias))
            }
            rows => self.panels(&rows, n, k, bias),
        }
    }

    fn norm(&self, eps: f64, gain: Vec<f32>, bias: Option<Vec<f32>>) -> Result<Gain> {
        let eps = eps as f32;
        Ok(Gain { gain, bias, eps })
    }

    fn table(&self, rows: Stored, width: usize) -> Result<Table> {
        Ok(match rows {
            Stored::Plain(rows) => Table::Rows(rows),
            Stored::Quant(parts) => Table::Packed(Linear::Quant(Quant::new(parts, width, None))),
        })
    }

    fn tied(&self, _: &Linear) -> Table {
        Table::Head
    }
}

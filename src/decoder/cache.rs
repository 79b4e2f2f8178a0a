//! The KV cache as callers see it.

use super::error::ForwardError;
use super::host::{Lane, PageShape};
use super::tensors::Tensors;

/// Keys and values of several rows, each with its own length. Made by
/// [`Decoder::cache`](super::Decoder::cache) and fed by that decoder only.
#[derive(Debug)]
pub struct KvCache(pub(super) Store);

#[derive(Debug)]
pub(super) enum Store {
    /// On the CPU: rows share pages.
    Lanes { shape: PageShape, lanes: Vec<Lane> },
    /// On any device.
    Tensors(Tensors),
}

impl KvCache {
    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        match &self.0 {
            Store::Lanes { lanes, .. } => lanes.len(),
            Store::Tensors(tensors) => tensors.n_rows(),
        }
    }

    /// How many tokens a row holds.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn len(&self, row: usize) -> usize {
        match &self.0 {
            Store::Lanes { lanes, .. } => lanes[row].len(),
            Store::Tensors(tensors) => tensors.len(row),
        }
    }

    /// Whether no row holds a token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (0..self.n_rows()).all(|row| self.len(row) == 0)
    }

    /// New row `i` becomes old row `rows[i]`: a row named twice is forked, one not named is
    /// dropped.
    ///
    /// # Errors
    /// The device is out of memory; the cache is then of no use.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn gather(&mut self, rows: &[usize]) -> Result<(), ForwardError> {
        match &mut self.0 {
            Store::Lanes { lanes, .. } => *lanes = rows.iter().map(|&r| lanes[r].clone()).collect(),
            Store::Tensors(tensors) => tensors.gather(rows)?,
        }
        Ok(())
    }

    /// Appends a fork of each of `rows`.
    ///
    /// # Errors
    /// As [`Self::gather`].
    ///
    /// # Panics
    /// When there is no such row.
    pub fn fork(&mut self, rows: &[usize]) -> Result<(), super::ForwardError> {
        match &mut self.0 {
            Store::Lanes { lanes, .. } => {
                let forks: Vec<Lane> = rows.iter().map(|&r| lanes[r].clone()).collect();
                lanes.extend(forks);
            }
            Store::Tensors(tensors) => {
                let all: Vec<usize> = (0..tensors.n_rows()).chain(rows.iter().copied()).collect();
                tensors.gather(&all)?;
            }
        }
        Ok(())
    }

    /// A cache of its own with a copy of one row.
    ///
    /// # Errors
    /// The device is out of memory.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn copy_of(&self, row: usize) -> Result<Self, super::ForwardError> {
        Ok(Self(match &self.0 {
            Store::Lanes { shape, lanes } => Store::Lanes {
                shape: *shape,
                lanes: vec![lanes[row].clone()],
            },
            Store::Tensors(tensors) => Store::Tensors(tensors.copy_of(row)?),
        }))
    }

    /// Forgets what follows the first `len` tokens of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn truncate(&mut self, row: usize, len: usize) {
        match &mut self.0 {
            Store::Lanes { lanes, .. } => lanes[row].truncate(len),
            Store::Tensors(tensors) => tensors.truncate(row, len),
        }
    }
}

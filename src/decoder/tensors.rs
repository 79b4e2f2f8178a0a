//! The KV cache of the plain implementation: two tensors a layer for what rows have of their own,
//! and long beginnings that rows share.
//!
//! A row is a beginning, which may be other rows' too, and what follows it. A prompt becomes a
//! beginning once it is read: its keys and values are there once, whatever the number of rows, and
//! a fork copies only what a row has of its own. One product attends to a beginning for all rows
//! that share it, one to their own parts ([`Step`](super::step::Step)). Both are tensors of heads,
//! positions and dimensions, as `flash-attn` would want them, too.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

/// Capacity grows in steps of so many positions.
const STEP: usize = 64;

/// From so many positions on a part of a row is worth being shared.
const LONG: usize = 128;

/// Keys and values per layer.
#[derive(Debug)]
pub(crate) struct Tensors {
    /// What rows have of their own, (rows, heads, capacity, dimensions); empty until something is
    /// cached.
    pub(super) layers: Vec<(Tensor, Tensor)>,
    n_layers: usize,
    /// Heads and dimensions.
    pub(super) shape: [usize; 2],
    rows: Vec<Row>,
    pub(super) capacity: usize,
    pub(super) device: Device,
    dtype: DType,
}

/// One row: `shared` positions of a beginning, then `own` ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub beginning: Option<Arc<Beginning>>,
    pub shared: usize,
    pub own: usize,
}

/// Positions that rows share, by layer (heads, positions, dimensions).
#[derive(Debug)]
pub(super) struct Beginning {
    pub layers: Vec<(Tensor, Tensor)>,
}

impl Row {
    fn len(&self) -> usize {
        self.shared + self.own
    }

    /// Whether no other row has its beginning.
    fn is_alone(&self) -> bool {
        let beginning = self.beginning.as_ref();
        beginning.is_none_or(|shared| Arc::strong_count(shared) == 1)
    }
}

impl Tensors {
    /// One empty row.
    pub fn new(n_layers: usize, shape: [usize; 2], device: &Device, dtype: DType) -> Self {
        Self {
            layers: Vec::new(),
            n_layers,
            shape,
            rows: vec![Row::default()],
            capacity: 0,
            device: device.clone(),
            dtype,
        }
    }

    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn row(&self, row: usize) -> &Row {
        &self.rows[row]
    }

    pub fn len(&self, row: usize) -> usize {
        self.rows[row].len()
    }

    pub fn truncate(&mut self, row: usize, len: usize) {
        let row = &mut self.rows[row];
        row.own = row.own.min(len.saturating_sub(row.shared));
        row.shared = row.shared.min(len);
        if row.shared == 0 {
            row.beginning = None;
        }
    }

    /// New row `i` becomes old row `rows[i]`. A long row that is named more than once is shared by
    /// all that it becomes.
    pub fn gather(&mut self, rows: &[usize]) -> Result<()> {
        let mut times = vec![0; self.rows.len()];
        rows.iter().for_each(|row| times[*row] += 1);
        for (row, times) in times.iter().enumerate() {
            if *times > 1 && self.rows[row].is_alone() {
                self.share(row)?;
            }
        }
        let kept: Vec<Row> = rows.iter().map(|row| self.rows[*row].clone()).collect();
        let longest = kept.iter().map(|row| row.own).max().unwrap_or(0);
        if longest == 0 {
            self.layers.clear();
            self.capacity = 0;
        } else if !rows.iter().copied().eq(0..self.rows.len()) {
            let index: Vec<_> = rows.iter().map(|row| *row as u32).collect();
            self.select(&Tensor::new(index, &self.device)?, longest)?;
        }
        self.rows = kept;
        Ok(())
    }

    /// These rows' own parts, with room for no more than they need.
    fn select(&mut self, index: &Tensor, longest: usize) -> Result<()> {
        let capacity = longest.next_multiple_of(STEP).min(self.capacity);
        let pick = |all: &Tensor| {
            let held = all.narrow(2, 0, capacity)?.contiguous()?;
            held.index_select(index, 0)
        };
        for (k, v) in &mut self.layers {
            (*k, *v) = (pick(k)?, pick(v)?);
        }
        self.capacity = capacity;
        Ok(())
    }

    /// One row alone, in tensors of its own but for its beginning.
    pub fn copy_of(&self, row: usize) -> Result<Self> {
        let mut copy = Self {
            layers: self.layers.clone(),
            rows: vec![self.rows[row].clone()],
            device: self.device.clone(),
            ..*self
        };
        if copy.rows[0].own > 0 {
            copy.select(
                &Tensor::new(vec![row as u32], &self.device)?,
                copy.rows[0].own,
            )?;
            return Ok(copy);
        }
        copy.layers.clear();
        Ok(Self {
            capacity: 0,
            ..copy
        })
    }

    /// Makes a beginning of all that a row holds, where its own part is long.
    fn share(&mut self, row: usize) -> Result<()> {
        let Row {
            beginning,
            shared,
            own,
        } = self.rows[row].clone();
        if own < LONG {
            return Ok(());
        }
        let whole = |layer: usize, all: &Tensor, which: fn(&(Tensor, Tensor)) -> &Tensor| {
            let own = all.get(row)?.narrow(1, 0, own)?;
            match &beginning {
                None => own.force_contiguous(),
                Some(before) => {
                    let before = which(&before.layers[layer]).narrow(1, 0, shared)?;
                    Tensor::cat(&[before, own], 1)
                }
            }
        };
        let both = |(layer, (k, v)): (usize, &(Tensor, Tensor))| {
            Ok((whole(layer, k, |kv| &kv.0)?, whole(layer, v, |kv| &kv.1)?))
        };
        let layers: Result<Vec<_>> = self.layers.iter().enumerate().map(both).collect();
        self.rows[row] = Row {
            beginning: Some(Arc::new(Beginning { layers: layers? })),
            shared: shared + own,
            own: 0,
        };
        Ok(())
    }

    /// Makes room for so many more positions of each of these rows, and counts them in. What a
    /// prompt that is read in pieces has grown to becomes a beginning, so that no other row needs
    /// room for as much.
    pub(super) fn grow(&mut self, fed: &[(usize, usize)]) -> Result<()> {
        for (row, n) in fed {
            if *n >= STEP && self.rows[*row].is_alone() {
                self.share(*row)?;
            }
        }
        for (row, n) in fed {
            self.rows[*row].own += n;
        }
        let own = fed.iter().map(|(row, _)| self.rows[*row].own);
        self.reserve(own.max().unwrap_or(0))
    }

    fn reserve(&mut self, needed: usize) -> Result<()> {
        if needed <= self.capacity {
            return Ok(());
        }
        let capacity = (needed + needed / 4).next_multiple_of(STEP);
        let more = capacity - self.capacity;
        let [heads, dim] = self.shape;
        let shape = (self.rows.len(), heads, more, dim);
        let zeros = Tensor::zeros(shape, self.dtype, &self.device)?;
        let grown = |old: &Tensor| Tensor::cat(&[old, &zeros], 2)?.contiguous();
        self.layers = match self.layers.is_empty() {
            true => (0..self.n_layers)
                .map(|_| Ok((zeros.copy()?, zeros.copy()?)))
                .collect::<Result<_>>()?,
            false => self
                .layers
                .iter()
                .map(|(k, v)| Ok((grown(k)?, grown(v)?)))
                .collect::<Result<_>>()?,
        };
        self.capacity = capacity;
        Ok(())
    }

    /// Writes keys and values (tokens, heads, dimensions) to the flat places `slots`.
    pub(super) fn write(&self, layer: usize, k: &Tensor, v: &Tensor, slots: &Tensor) -> Result<()> {
        let (keys, values) = &self.layers[layer];
        let put = |all: &Tensor, new: &Tensor| {
            let new = new.contiguous()?.reshape(((), self.shape[1]))?;
            all.reshape(((), self.shape[1]))?
                .scatter_set(slots, &new, 0)
        };
        put(keys, k)?;
        put(values, v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_there_once_whatever_the_number_of_rows() {
        let mut cache = Tensors::new(1, [2, 4], &Device::Cpu, DType::F32);
        cache.grow(&[(0, 200)]).unwrap();
        cache.gather(&[0; 5]).unwrap();
        let beginning = cache.row(0).beginning.clone().unwrap();
        assert_eq!((Arc::strong_count(&beginning), cache.capacity), (6, 0));
        cache.truncate(1, 150);
        cache.grow(&[(1, 3), (2, 1)]).unwrap();
        let sizes = [0, 1, 2].map(|row| (cache.row(row).shared, cache.row(row).own));
        assert_eq!(sizes, [(200, 0), (150, 3), (200, 1)]);
        assert_eq!(cache.capacity, STEP);
        // What is read in pieces becomes one beginning, and needs no room in other rows.
        cache.truncate(3, 0);
        for _ in 0..8 {
            cache.grow(&[(3, LONG)]).unwrap();
        }
        assert_eq!((cache.len(3), cache.row(3).own), (8 * LONG, LONG));
        assert!(cache.capacity < 2 * LONG);
    }
}

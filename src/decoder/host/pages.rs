//! The CPU's KV cache: pages of 16 positions that rows share until they write to them.

use std::sync::Arc;

/// Positions in a page.
pub(super) const PAGE: usize = 16;

/// Columns in a block of values.
pub(super) const BLOCK: usize = 16;

/// 16 floats in one cache line: the keys of 16 positions in one dimension, or a block of one
/// position's values.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Line(pub [f32; 16]);

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageShape {
    pub n_layers: usize,
    pub n_heads: usize,
    pub head_dim: usize,
}

impl PageShape {
    /// Blocks of values in a head.
    pub fn n_blocks(self) -> usize {
        self.head_dim.div_ceil(BLOCK)
    }

    /// Lines of one head in one layer: keys by dimension, then values by block and position.
    fn lines(self) -> usize {
        self.head_dim + self.n_blocks() * PAGE
    }

    fn blank(self) -> Vec<Line> {
        vec![Line([0.0; 16]); self.n_layers * self.n_heads * self.lines()]
    }

    /// One head's keys and values in one layer of a page.
    #[inline(always)]
    pub fn read(self, page: &[Line], layer: usize, head: usize) -> (&[Line], &[Line]) {
        let start = (layer * self.n_heads + head) * self.lines();
        page[start..start + self.lines()].split_at(self.head_dim)
    }

    /// Writes one position of all heads in one layer.
    fn write(self, page: &mut [Line], layer: usize, slot: usize, key: &[f32], value: &[f32]) {
        let layer = page
            .chunks_exact_mut(self.n_heads * self.lines())
            .nth(layer);
        let heads = layer
            .into_iter()
            .flat_map(|l| l.chunks_exact_mut(self.lines()));
        let key = key.chunks_exact(self.head_dim);
        let value = value.chunks_exact(self.head_dim);
        for ((lines, key), value) in heads.zip(key).zip(value) {
            let (keys, values) = lines.split_at_mut(self.head_dim);
            for (line, &k) in keys.iter_mut().zip(key) {
                line.0[slot] = k;
            }
            let slots = values.iter_mut().skip(slot).step_by(PAGE);
            for (line, v) in slots.zip(value.chunks(BLOCK)) {
                line.0[..v.len()].copy_from_slice(v);
            }
        }
    }
}

pub(super) type Page = Arc<Vec<Line>>;

/// One row of the cache. A clone shares all pages; writing copies the page written to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lane {
    pages: Vec<Page>,
    len: usize,
}

impl Lane {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// Makes room for `n` more positions and counts them in; they are to be written next.
    pub fn grow(&mut self, shape: PageShape, n: usize) {
        if let Some(page) = self.pages.get_mut(self.len / PAGE) {
            Arc::make_mut(page);
        }
        self.len += n;
        while self.pages.len() * PAGE < self.len {
            self.pages.push(Arc::new(shape.blank()));
        }
    }

    /// Writes all heads' keys and values of one layer at a position that [`Lane::grow`] made.
    pub fn write(
        &mut self,
        shape: PageShape,
        layer: usize,
        position: usize,
        (key, value): (&[f32], &[f32]),
    ) {
        let page = Arc::make_mut(&mut self.pages[position / PAGE]);
        shape.write(page, layer, position % PAGE, key, value);
    }

    /// Forgets what follows the first `len` positions.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.pages.truncate(self.len.div_ceil(PAGE));
    }
}

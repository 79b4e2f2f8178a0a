//! The CPU's KV cache: pages of 8 positions that rows share until they write to them, layer by
//! layer.

use std::sync::{Arc, Mutex, PoisonError};

/// Positions in a page: half a cache line of one dimension's keys. Rows fork every chunk and copy what
/// they share of a page, and what only they read comes from far away at every step: with pages of 16
/// positions they had twice as much of their own.
pub(super) const PAGE: usize = 8;

/// Columns in a block of values.
pub(super) const BLOCK: usize = 16;

/// 16 floats in one cache line: the keys of 8 positions in two dimensions, position by position, or a
/// block of one position's values.
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

    /// Lines of keys in a head: two dimensions each, the last one filled up with zeros.
    fn n_twos(self) -> usize {
        self.head_dim.div_ceil(2)
    }

    /// Lines of one head in one layer: keys by dimension, then values by position and block.
    fn lines(self) -> usize {
        self.n_twos() + self.n_blocks() * PAGE
    }

    /// Lines of all heads in one layer.
    fn n_lines(self) -> usize {
        self.n_heads * self.lines()
    }

    /// One head's keys and values in a layer of a page.
    #[inline(always)]
    pub fn read(self, layer: &Layer, head: usize) -> (&[Line], &[Line]) {
        let start = head * self.lines();
        layer.lines[start..start + self.lines()].split_at(self.n_twos())
    }

    /// Writes one position of all heads in a layer.
    fn write(self, layer: &mut [Line], slot: usize, key: &[f32], value: &[f32]) {
        let (d, n_blocks) = (self.head_dim, self.n_blocks());
        for (head, lines) in layer.chunks_exact_mut(self.lines()).enumerate() {
            let (keys, values) = lines.split_at_mut(self.n_twos());
            for (line, two) in key[head * d..][..d].chunks(2).enumerate() {
                keys[line].0[2 * slot] = two[0];
                keys[line].0[2 * slot + 1] = if let [_, second] = two { *second } else { 0.0 };
            }
            let values = &mut values[slot * n_blocks..][..n_blocks];
            for (block, v) in value[head * d..][..d].chunks(BLOCK).enumerate() {
                values[block].0[..v.len()].copy_from_slice(v);
            }
        }
    }
}

/// A page's layers. Each is copied when it is written to, not before: what is about to be read is
/// then in the cache.
pub(super) type Page = Arc<Vec<Arc<Layer>>>;

/// All heads of one layer in a page; nothing until it is written to.
#[derive(Debug)]
pub(crate) struct Layer {
    lines: Vec<Line>,
    spare: Arc<SpareLayers>,
}

impl Layer {
    fn blank(spare: &Arc<SpareLayers>) -> Self {
        let spare = Arc::clone(spare);
        let lines = Vec::new();
        Self { lines, spare }
    }

    fn is_blank(&self) -> bool {
        self.lines.is_empty()
    }

    /// To be written: positions hold what was there before, and nobody reads them until then.
    fn unwritten(shape: PageShape, spare: &Arc<SpareLayers>) -> Self {
        let lines = spare.take(shape.n_lines());
        let spare = Arc::clone(spare);
        Self { lines, spare }
    }
}

impl Clone for Layer {
    fn clone(&self) -> Self {
        let mut lines = self.spare.take(self.lines.len());
        lines.copy_from_slice(&self.lines);
        let spare = Arc::clone(&self.spare);
        Self { lines, spare }
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.spare.keep(std::mem::take(&mut self.lines));
    }
}

/// Layers of a model's pages that are over, for the next ones, the latest first: rows come and go
/// every round, and what was used a moment ago is still in the cache.
#[derive(Debug, Default)]
pub(crate) struct SpareLayers(Mutex<Vec<Vec<Line>>>);

impl SpareLayers {
    /// The most bytes that are kept.
    const MOST: usize = 16 << 20;

    /// As many lines, whatever they hold; where mistakes are looked for, what spoils every result.
    fn take(&self, n: usize) -> Vec<Line> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // All layers of a model are as long.
        let mut lines = held.pop().unwrap_or_default();
        drop(held);
        lines.resize(n, Line([0.0; 16]));
        if cfg!(debug_assertions) {
            lines.fill(Line([f32::NAN; 16]));
        }
        lines
    }

    fn keep(&self, lines: Vec<Line>) {
        let n_bytes = size_of_val(&lines[..]);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if n_bytes > 0 && held.len() * n_bytes < Self::MOST {
            held.push(lines);
        }
    }
}

/// One row of the cache. A clone shares all pages; writing copies what is written to.
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
    pub fn grow(&mut self, shape: PageShape, spare: &Arc<SpareLayers>, n: usize) {
        if let Some(page) = self.pages.get_mut(self.len / PAGE) {
            Arc::make_mut(page);
        }
        self.len += n;
        while self.pages.len() * PAGE < self.len {
            let blank = Arc::new(Layer::blank(spare));
            self.pages.push(Arc::new(vec![blank; shape.n_layers]));
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
        let layer = &mut page[layer];
        if layer.is_blank() {
            *layer = Arc::new(Layer::unwritten(shape, &layer.spare));
        }
        let lines = &mut Arc::make_mut(layer).lines;
        shape.write(lines, position % PAGE, key, value);
    }

    /// Forgets what follows the first `len` positions.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.pages.truncate(self.len.div_ceil(PAGE));
    }
}

//! What goes into a pass and what comes out of it.

use super::buffer::Buffer;

/// Tokens that continue one row of a cache.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    pub row: usize,
    pub tokens: &'a [u32],
}

/// Which positions' logits a pass returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// None; for prompts.
    None,
    /// The last of each feed, in the order of the feeds.
    Last,
    /// Every fed position, feed after feed.
    All,
    /// No logits, but what the head reads of every fed position: the last hidden states.
    States,
}

/// Raw logits on the host, one row per wanted position.
#[derive(Debug, Clone)]
pub struct Logits {
    /// Some rows each, as the threads that computed them left them.
    parts: Vec<Buffer>,
    vocab: usize,
}

impl Logits {
    pub(super) fn new(parts: Vec<Buffer>, vocab: usize) -> Self {
        Self { parts, vocab }
    }

    /// How many positions there are logits for.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.parts.iter().map(|part| part.len() / self.vocab).sum()
    }

    /// Length of a row: of the vocabulary, or of a classifier's list of labels.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// The logits that follow one position.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        let mut first = i * self.vocab;
        for part in &self.parts {
            match part.get(first..first + self.vocab) {
                Some(row) => return row,
                None => first -= part.len(),
            }
        }
        panic!("there is no row {i} of logits, but {}", self.n_rows());
    }

    /// All rows in their order.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        let parts = self.parts.iter();
        parts.flat_map(|part| part.chunks_exact(self.vocab))
    }
}

impl PartialEq for Logits {
    fn eq(&self, other: &Self) -> bool {
        self.vocab == other.vocab && self.rows().eq(other.rows())
    }
}

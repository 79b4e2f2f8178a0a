//! What goes into a pass and what comes out of it.

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
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    pub(super) values: Vec<f32>,
    pub(super) vocab: usize,
}

impl Logits {
    /// How many positions there are logits for.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.vocab
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
        &self.values[i * self.vocab..(i + 1) * self.vocab]
    }
}

//! Rows of tokens that training reads, one after the other.

use std::ops::Range;
use std::sync::Arc;

/// A text of which some tokens are to be learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub ids: Vec<u32>,
    /// The first token that counts; the first of all never does, since nothing precedes it.
    pub from: usize,
}

impl Row {
    /// A prompt's tokens and those of what follows it.
    #[must_use]
    pub fn new(prompt: &[u32], response: &[u32]) -> Self {
        Self {
            ids: [prompt, response].concat(),
            from: prompt.len().max(1),
        }
    }

    /// How many tokens count.
    #[must_use]
    pub fn n_targets(&self) -> usize {
        self.ids.len().saturating_sub(self.from)
    }
}

/// Many rows as one pass reads them.
pub(super) struct Packed {
    pub ids: Vec<u32>,
    pub positions: Vec<usize>,
    pub rows: Arc<Vec<Range<usize>>>,
    /// Which of all tokens something is wanted of.
    pub picked: Vec<u32>,
    /// The tokens that follow those.
    pub targets: Arc<Vec<u32>>,
}

impl Packed {
    /// For the probabilities of what counts: the last token of a row is not read.
    pub fn of_targets(rows: &[&Row]) -> Self {
        let read = rows
            .iter()
            .map(|row| &row.ids[..row.ids.len().saturating_sub(1)]);
        let mut packed = Self::of(read);
        let mut targets = Vec::new();
        for (row, place) in rows.iter().zip(packed.rows.iter()) {
            let first = place.start + row.from - 1;
            packed
                .picked
                .extend((first..first + row.n_targets()).map(|i| i as u32));
            targets.extend_from_slice(&row.ids[row.from.min(row.ids.len())..]);
        }
        packed.targets = Arc::new(targets);
        packed
    }

    /// For what is said after the last token of each row.
    pub fn of_ends(rows: &[&Row]) -> Self {
        let mut packed = Self::of(rows.iter().map(|row| &row.ids[..]));
        let ends = packed.rows.iter().map(|row| (row.end - 1) as u32);
        packed.picked = ends.collect();
        packed
    }

    fn of<'a>(rows: impl Iterator<Item = &'a [u32]>) -> Self {
        let (mut ids, mut positions, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            places.push(ids.len()..ids.len() + row.len());
            ids.extend_from_slice(row);
            positions.extend(0..row.len());
        }
        Self {
            ids,
            positions,
            rows: Arc::new(places),
            picked: Vec::new(),
            targets: Arc::default(),
        }
    }
}

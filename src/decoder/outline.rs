//! What a model's linear layers are made of, by the headers of its files.

use crate::models::{DecoderConfig, Half, Slot, Source, StoredAs};

/// A linear layer: matrices of `k` inputs below each other, each as it is stored and its rows.
pub(super) struct Outline {
    pub parts: Vec<(StoredAs, usize)>,
    pub k: usize,
}

impl Outline {
    pub fn n(&self) -> usize {
        self.parts.iter().map(|(_, n)| n).sum()
    }

    /// Whether some of it stays in blocks.
    pub fn is_blocks(&self) -> bool {
        let is_blocks = |stored: &StoredAs| matches!(stored, StoredAs::Blocks { .. });
        self.parts.iter().any(|(stored, _)| is_blocks(stored))
    }

    /// In which 16 bits all of it is stored, if in any.
    pub fn half(&self) -> Option<Half> {
        let half = |stored: &StoredAs| match stored {
            StoredAs::Halves(half) => Some(*half),
            _ => None,
        };
        let first = half(&self.parts.first()?.0);
        let is_like_it = |(stored, _): &(StoredAs, usize)| half(stored) == first;
        first.filter(|_| self.parts.iter().all(is_like_it))
    }

    /// Bytes that it takes in its file.
    pub fn n_stored(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|(stored, n)| stored.n_bytes(n * self.k)).sum()
    }
}

/// All linear layers of a model, the head included.
pub(super) fn outlines(config: &DecoderConfig, source: &Source<'_>) -> Vec<Outline> {
    let matrix = |name: &str| source.stored_as(named(config, source, &format!("{name}.weight")));
    let layers = (0..config.n_layers).flat_map(|index| {
        let layer = config.layer_name(index);
        Slot::ALL.map(|slot| {
            let stack = config.stack(slot);
            let part = |(name, n): &(&str, usize)| (matrix(&format!("{layer}.{name}")), *n);
            Outline {
                parts: stack.parts.iter().map(part).collect(),
                k: stack.k,
            }
        })
    });
    let names = &config.names;
    let head = if config.tied {
        names.embedding
    } else {
        names.head
    };
    let head = Outline {
        parts: vec![(matrix(head), config.n_outputs())],
        k: config.hidden,
    };
    layers.chain([head]).collect()
}

/// How the rows of the embedding are stored, where the head has others.
pub(super) fn table(config: &DecoderConfig, source: &Source<'_>) -> Option<Outline> {
    let name = format!("{}.weight", config.names.embedding);
    (!config.tied).then(|| Outline {
        parts: vec![(
            source.stored_as(named(config, source, &name)),
            config.vocab_size,
        )],
        k: config.hidden,
    })
}

/// The name itself, or without the family's prefix where only that is there.
pub(super) fn named<'n>(config: &DecoderConfig, source: &Source<'_>, name: &'n str) -> &'n str {
    let short = name.strip_prefix(config.names.prefix);
    short
        .filter(|short| !source.has(name) && source.has(short))
        .unwrap_or(name)
}

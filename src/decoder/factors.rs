//! An adapter's factors, read for the model that they change.

use std::collections::{HashMap, HashSet};

use super::build::parts_first;
use super::net::{Change, LowRank};
use super::pass::Keep;
use super::probe::Probe;
use crate::models::{Adapter, DecoderConfig, LoadError, Slot, Source, Stored};

/// The factors of an adapter by the matrices of a model.
pub(crate) struct Factors<'a> {
    adapter: &'a Adapter,
    config: &'a DecoderConfig,
    source: Source<'a>,
    /// By the matrix's name in the model: what the names of its factors begin with.
    roots: HashMap<String, String>,
}

/// What is added to one stored matrix: `a` is (rank, k), `b` is (n, rank), both row-major.
#[derive(Default)]
struct Pair {
    a: Vec<f32>,
    b: Vec<f32>,
    /// 0 where nothing is added.
    rank: usize,
}

impl<'a> Factors<'a> {
    /// Reads the header of `adapter` against the model that it is to change.
    ///
    /// # Errors
    /// The file is cut short; a tensor that changes something else than a linear layer of this
    /// model: of those, the first in the order of names is told.
    pub fn open(adapter: &'a Adapter, config: &'a DecoderConfig) -> Result<Self, LoadError> {
        let source = Source::open(&adapter.weights)?;
        let known = config.linear_names();
        let mut names = source.names();
        names.sort();
        let mut roots = HashMap::new();
        for name in names {
            let (matrix, root) = place(&name, config, &known).map_err(|e| adapter.refused(&e))?;
            roots.insert(matrix, root);
        }
        Ok(Self {
            adapter,
            config,
            source,
            roots,
        })
    }

    /// All factors, kept as `keep` keeps matrices.
    ///
    /// # Errors
    /// [`LoadError::Adapter`] for a factor that is missing or does not fit;
    /// [`LoadError::NotFinite`].
    pub(super) fn change<K: Keep>(&self, keep: &K) -> Result<Change<K::Kinds>, LoadError> {
        let c = self.config;
        let layer = |index| self.layer(keep, &c.layer_name(index));
        let head = self.pair(c.names.head, c.vocab_size, c.hidden)?;
        Ok(Change {
            layers: (0..c.n_layers).map(layer).collect::<Result<_, _>>()?,
            head: kept(
                keep,
                stacked(&[(head, c.vocab_size)]),
                c.vocab_size,
                c.hidden,
            )?,
            n_params: self.n_params(),
        })
    }

    /// Reads all factors and keeps none of them.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub fn probe(&self) -> Result<(), LoadError> {
        self.change(&Probe).map(drop)
    }

    /// How many parameters the file holds.
    pub fn n_params(&self) -> u64 {
        let names = self.source.names();
        let sizes = names.iter().filter_map(|name| self.source.shape(name));
        sizes.map(|s| s.iter().product::<usize>() as u64).sum()
    }

    /// Bytes of factors on the CPU, in f32, with the zeros that [`stacked`] puts between them.
    pub fn n_bytes(&self) -> u64 {
        let c = self.config;
        let head = self.rank(c.names.head) * (c.vocab_size + c.hidden);
        let layers = (0..c.n_layers).map(|index| {
            let layer = c.layer_name(index);
            let weights = Slot::ALL.map(|slot| self.n_weights(&layer, slot));
            weights.into_iter().sum::<usize>()
        });
        ((head + layers.sum::<usize>()) * size_of::<f32>()) as u64
    }

    fn n_weights(&self, layer: &str, slot: Slot) -> usize {
        let stack = self.config.stack(slot);
        let ranks = stack.parts.iter();
        let ranks = ranks.map(|(name, _)| self.rank(&format!("{layer}.{name}")));
        ranks.sum::<usize>() * (stack.n() + stack.k)
    }

    fn layer<K: Keep>(&self, keep: &K, name: &str) -> Result<Added<K::Kinds>, LoadError> {
        Ok([
            self.slot(keep, name, Slot::Qkv)?,
            self.slot(keep, name, Slot::Out)?,
            self.slot(keep, name, Slot::Up)?,
            self.slot(keep, name, Slot::Down)?,
        ])
    }

    /// The factors of all parts of a linear layer as one pair.
    fn slot<K: Keep>(
        &self,
        keep: &K,
        layer: &str,
        slot: Slot,
    ) -> Result<Option<LowRank<K::Kinds>>, LoadError> {
        let stack = self.config.stack(slot);
        let part = |(name, n): &(&str, usize)| {
            let pair = self.pair(&format!("{layer}.{name}"), *n, stack.k)?;
            Ok((pair, *n))
        };
        let parts = stack.parts.iter().map(part);
        let mut whole = stacked(&parts.collect::<Result<Vec<_>, LoadError>>()?);
        if stack.per_head && whole.rank > 0 {
            whole.b = parts_first(&whole.b, self.config.head_dim * whole.rank);
        }
        kept(keep, whole, stack.n(), stack.k)
    }

    /// What is added to the stored matrix of `n` rows of `k` weights, the scale included.
    fn pair(&self, matrix: &str, n: usize, k: usize) -> Result<Pair, LoadError> {
        let Some(root) = self.roots.get(matrix) else {
            return Ok(Pair::default());
        };
        // A rank of 0 is not one: then A is told to have the wrong shape.
        let rank = self.rank(matrix).max(1);
        let a = self.read(&name_of_a(root), [rank, k])?;
        let mut b = self.read(&format!("{root}{B}"), [n, rank])?;
        b.iter_mut().for_each(|b| *b *= self.adapter.scale);
        Ok(Pair { a, b, rank })
    }

    /// By how many inner dimensions a stored matrix is changed.
    fn rank(&self, matrix: &str) -> usize {
        let root = self.roots.get(matrix);
        let shape = root.and_then(|root| self.source.shape(&name_of_a(root)));
        shape.and_then(|s| s.first()).copied().unwrap_or(0)
    }

    fn read(&self, name: &str, wanted: [usize; 2]) -> Result<Vec<f32>, LoadError> {
        let Some(found) = self.source.shape(name) else {
            return Err(self
                .adapter
                .refused(&format!("its tensor '{name}' is missing")));
        };
        if found != wanted {
            return Err(self.adapter.refused(&format!(
                "its tensor '{name}' has shape {found:?} where the base model needs {wanted:?}"
            )));
        }
        self.source.read(name, &wanted)
    }
}

/// What is added to a layer's matrices.
type Added<K> = [Option<LowRank<K>>; 4];

const A: &str = ".lora_A.weight";
const B: &str = ".lora_B.weight";

fn name_of_a(root: &str) -> String {
    format!("{root}{A}")
}

/// The matrix that the factor `name` changes, and what both factors' names begin with; or else
/// why it changes none.
fn place(
    name: &str,
    config: &DecoderConfig,
    known: &HashSet<String>,
) -> Result<(String, String), String> {
    if name.contains(".lora_embedding_") {
        return Err(format!(
            "its tensor '{name}' changes the embedding, which is not supported"
        ));
    }
    let Some(root) = name.strip_suffix(A).or(name.strip_suffix(B)) else {
        return Err(format!("its tensor '{name}' is no factor of a matrix"));
    };
    let module = root.strip_prefix("base_model.model.").unwrap_or(root);
    // A model without its head is trained under shorter names, one inside another under longer.
    let longer = format!("{}{module}", config.names.prefix);
    let shorter = module.split_once('.').map_or("", |(_, rest)| rest);
    let names = [module, &longer, shorter];
    let matrix = names.into_iter().find(|name| known.contains(*name));
    let there = matrix.map(|matrix| (matrix.to_owned(), root.to_owned()));
    there.ok_or_else(|| format!("the base model has no matrix for its tensor '{name}'"))
}

/// Pairs of matrices below each other, of as many rows as said, as one pair: every part has its
/// own inner dimensions, and zeros in those of the others. (The zeros cost a few multiplications,
/// and save each implementation a product that writes to some columns only.)
fn stacked(parts: &[(Pair, usize)]) -> Pair {
    let rank = parts.iter().map(|(pair, _)| pair.rank).sum();
    let n: usize = parts.iter().map(|(_, n)| n).sum();
    let a = parts.iter().flat_map(|(pair, _)| &pair.a).copied();
    let mut whole = Pair {
        a: a.collect(),
        b: vec![0.0; n * rank],
        rank,
    };
    let (mut row, mut column) = (0, 0);
    for (pair, n) in parts.iter().filter(|_| rank > 0) {
        let rows = whole.b[row * rank..].chunks_exact_mut(rank);
        for (to, from) in rows.zip(pair.b.chunks_exact(pair.rank.max(1))) {
            to[column..column + pair.rank].copy_from_slice(from);
        }
        row += n;
        column += pair.rank;
    }
    whole
}

fn kept<K: Keep>(
    keep: &K,
    pair: Pair,
    n: usize,
    k: usize,
) -> Result<Option<LowRank<K::Kinds>>, LoadError> {
    let Pair { a, b, rank } = pair;
    if rank == 0 {
        return Ok(None);
    }
    Ok(Some(LowRank {
        a: keep.matrix(Stored::Plain(a), rank, k, None)?,
        b: keep.matrix(Stored::Plain(b), n, rank, None)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_to_their_rows_and_inner_dimensions() {
        let pair = |rank: usize, n: usize, from: f32| Pair {
            a: (0..rank).map(|i| from + i as f32).collect(),
            b: (0..n * rank).map(|i| from * 10.0 + i as f32).collect(),
            rank,
        };
        let parts = [
            (pair(1, 2, 1.0), 2),
            (Pair::default(), 1),
            (pair(2, 1, 5.0), 1),
        ];
        let whole = stacked(&parts);
        assert_eq!((whole.rank, whole.a), (3, vec![1.0, 5.0, 6.0]));
        let rows = [
            [10.0, 0.0, 0.0],
            [11.0, 0.0, 0.0],
            [0.0; 3],
            [0.0, 50.0, 51.0],
        ];
        assert_eq!(whole.b, rows.concat());
    }
}

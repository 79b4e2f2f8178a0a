//! The operations that a forward pass is made of.

use candle_core::Result;

use crate::models::{Activation, Arithmetic, LayerKind, Stored};

/// The forms in which an implementation keeps weights.
pub(super) trait Kinds {
    /// A linear layer.
    type Matrix: Send + Sync;
    type Norm: Send + Sync;
    /// Rows to look up.
    type Table: Send + Sync;
}

/// What brings weights into these forms.
pub(super) trait Keep: Sync {
    type Kinds: Kinds;

    /// From `n` rows of `k` weights and `n` biases.
    fn matrix(
        &self,
        rows: Stored,
        n: usize,
        k: usize,
        bias: Option<Vec<f32>>,
    ) -> Result<<Self::Kinds as Kinds>::Matrix>;
    /// A root-mean-square norm, or with a bias a layer norm.
    fn norm(
        &self,
        eps: f64,
        gain: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> Result<<Self::Kinds as Kinds>::Norm>;
    /// The last matrix, from `n` rows of `k` weights.
    fn head(&self, rows: Stored, n: usize, k: usize) -> Result<<Self::Kinds as Kinds>::Matrix> {
        self.matrix(rows, n, k, None)
    }
    /// From rows of `width`.
    fn table(&self, rows: Stored, width: usize) -> Result<<Self::Kinds as Kinds>::Table>;
    /// The rows of a matrix as a table, without a copy.
    fn tied(&self, matrix: &<Self::Kinds as Kinds>::Matrix) -> <Self::Kinds as Kinds>::Table;
}

/// One layer's attention.
pub(super) struct Attention<'a, N> {
    pub layer: usize,
    pub kind: LayerKind,
    pub q_norm: Option<&'a N>,
    pub k_norm: Option<&'a N>,
    pub arithmetic: &'a Arithmetic,
}

/// One forward pass under way: the fed tokens, their positions and their rows' caches.
/// Activations have one row per fed token.
pub(super) trait Pass {
    type Kinds: Kinds;
    type Acts;

    /// The embeddings of the fed tokens, times `scale`.
    fn embed(&mut self, table: &Table<Self>, scale: f64) -> Result<Self::Acts>;
    /// Adds the learned embedding of every token's position, `skip` rows into the table.
    fn place(&mut self, table: &Table<Self>, skip: usize, x: &mut Self::Acts) -> Result<()>;
    /// `x W^T + b`
    fn linear(&mut self, matrix: &Matrix<Self>, x: &Self::Acts) -> Result<Self::Acts>;
    fn norm(&mut self, norm: &Norm<Self>, x: &Self::Acts) -> Result<Self::Acts>;
    /// From queries, keys and values side by side: appends keys and values to the cache and
    /// attends to all of it.
    fn attend(&mut self, how: &Attention<'_, Norm<Self>>, qkv: Self::Acts) -> Result<Self::Acts>;
    /// `act(x)`, or where gated `act(left half) * right half`.
    fn activate(&mut self, how: Activation, gated: bool, x: Self::Acts) -> Result<Self::Acts>;
    /// `x += scale * y`
    fn add(&mut self, x: &mut Self::Acts, y: Self::Acts, scale: f64) -> Result<()>;
    /// The rows whose logits are wanted.
    fn pick(&mut self, x: Self::Acts) -> Result<Self::Acts>;
}

pub(super) type Matrix<P> = <<P as Pass>::Kinds as Kinds>::Matrix;
pub(super) type Norm<P> = <<P as Pass>::Kinds as Kinds>::Norm;
pub(super) type Table<P> = <<P as Pass>::Kinds as Kinds>::Table;

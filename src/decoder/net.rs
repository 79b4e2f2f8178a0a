//! The decoder's forward pass, once for all families and all implementations.

use std::sync::Arc;

use candle_core::Result;

use super::pass::{Attention, Kinds, Matrix, Pass};
use crate::models::{Arithmetic, LayerKind, Order, Slot};

/// A model's weights, kept as `K` likes them.
pub(super) struct Net<K: Kinds> {
    pub embedding: K::Table,
    pub positions: Option<K::Table>,
    pub layers: Vec<Layer<K>>,
    pub norm: Option<K::Norm>,
    pub head: K::Matrix,
    pub arithmetic: Arithmetic,
}

/// One layer's weights.
pub(super) struct Layer<K: Kinds> {
    pub kind: LayerKind,
    /// By [`Slot`].
    pub linears: [K::Matrix; 4],
    pub q_norm: Option<K::Norm>,
    pub k_norm: Option<K::Norm>,
    /// Before attention, after it, before the feed-forward layer, after it.
    pub norms: [Option<K::Norm>; 4],
}

/// What one adapter adds to a net.
pub(super) struct Change<K: Kinds> {
    /// Layer by layer, by [`Slot`].
    pub layers: Vec<[Option<LowRank<K>>; 4]>,
    pub head: Option<LowRank<K>>,
    /// As the adapter's file has them.
    pub n_params: u64,
}

/// `B A`, to be added to a matrix: `a` is (rank, k), `b` is (n, rank).
pub(super) struct LowRank<K: Kinds> {
    pub a: K::Matrix,
    pub b: K::Matrix,
}

/// A net that others may share, and what adapters add to it in this model.
pub(super) struct Tuned<K: Kinds> {
    net: Arc<Net<K>>,
    changes: Vec<Arc<Change<K>>>,
}

impl<K: Kinds> Net<K> {
    /// Every linear layer, the head included.
    pub fn matrices(&self) -> impl Iterator<Item = &K::Matrix> {
        let layers = self.layers.iter();
        layers.flat_map(|l| &l.linears).chain([&self.head])
    }
}

impl<K: Kinds> Tuned<K> {
    pub fn new(net: Net<K>) -> Self {
        Self {
            net: Arc::new(net),
            changes: Vec::new(),
        }
    }

    /// The same net with one more change.
    pub fn with(&self, change: Change<K>) -> Self {
        let mut changes = self.changes.clone();
        changes.push(Arc::new(change));
        Self {
            net: self.net.clone(),
            changes,
        }
    }

    pub fn net(&self) -> &Net<K> {
        &self.net
    }

    pub fn shares_net(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.net, &other.net)
    }

    /// How many parameters the changes have.
    pub fn n_added(&self) -> u64 {
        self.changes.iter().map(|c| c.n_params).sum()
    }

    /// Runs the fed tokens through all layers and returns the logits that are wanted, without
    /// scale and cap; `None` when none are.
    pub fn run<P: Pass<Kinds = K>>(&self, pass: &mut P, logits: bool) -> Result<Option<P::Acts>> {
        let x = self.layers(pass)?;
        if !logits {
            return Ok(None);
        }
        let x = self.picked(pass, x)?;
        let added = self.changes.iter().filter_map(|c| c.head.as_ref());
        linear(pass, &self.net.head, added, &x).map(Some)
    }

    /// What the head reads of the tokens whose logits are wanted.
    pub fn hidden<P: Pass<Kinds = K>>(&self, pass: &mut P) -> Result<P::Acts> {
        let x = self.layers(pass)?;
        self.picked(pass, x)
    }

    fn picked<P: Pass<Kinds = K>>(&self, pass: &mut P, x: P::Acts) -> Result<P::Acts> {
        let x = pass.pick(x)?;
        match &self.net.norm {
            Some(norm) => pass.norm(norm, &x),
            None => Ok(x),
        }
    }

    fn layers<P: Pass<Kinds = K>>(&self, pass: &mut P) -> Result<P::Acts> {
        let (net, a) = (&self.net, &self.net.arithmetic);
        let mut x = pass.embed(&net.embedding, a.embedding_scale)?;
        if let (Some(table), Some(skip)) = (&net.positions, a.learned) {
            pass.place(table, skip, &mut x)?;
        }
        for (index, layer) in net.layers.iter().enumerate() {
            let changes = &self.changes;
            let step = Step {
                layer,
                changes,
                index,
            };
            step.run(pass, a, &mut x)?;
        }
        Ok(x)
    }
}

/// `x W^T + b`, and `x (B A)^T` of whatever is added.
fn linear<'a, P: Pass>(
    pass: &mut P,
    matrix: &Matrix<P>,
    added: impl Iterator<Item = &'a LowRank<P::Kinds>>,
    x: &P::Acts,
) -> Result<P::Acts>
where
    P::Kinds: 'a,
{
    let mut y = pass.linear(matrix, x)?;
    for low in added {
        let inner = pass.linear(&low.a, x)?;
        let outer = pass.linear(&low.b, &inner)?;
        pass.add(&mut y, outer, 1.0)?;
    }
    Ok(y)
}

/// One layer in a pass.
struct Step<'a, K: Kinds> {
    layer: &'a Layer<K>,
    changes: &'a [Arc<Change<K>>],
    index: usize,
}

impl<K: Kinds> Step<'_, K> {
    fn run<P: Pass<Kinds = K>>(&self, pass: &mut P, a: &Arithmetic, x: &mut P::Acts) -> Result<()> {
        let attended = self.attend(pass, a, x)?;
        if a.order == Order::Parallel {
            let fed = self.feed(pass, a, x)?;
            pass.add(x, attended, a.residual_scale)?;
            return pass.add(x, fed, a.residual_scale);
        }
        pass.add(x, attended, a.residual_scale)?;
        let fed = self.feed(pass, a, x)?;
        pass.add(x, fed, a.residual_scale)
    }

    fn attend<P: Pass<Kinds = K>>(
        &self,
        pass: &mut P,
        arithmetic: &Arithmetic,
        x: &P::Acts,
    ) -> Result<P::Acts> {
        let normed = self.normed(pass, 0, x)?;
        let qkv = self.linear(pass, Slot::Qkv, normed.as_ref().unwrap_or(x))?;
        let how = Attention {
            layer: self.index,
            kind: self.layer.kind,
            q_norm: self.layer.q_norm.as_ref(),
            k_norm: self.layer.k_norm.as_ref(),
            arithmetic,
        };
        let heads = pass.attend(&how, qkv)?;
        let out = self.linear(pass, Slot::Out, &heads)?;
        Ok(self.normed(pass, 1, &out)?.unwrap_or(out))
    }

    fn feed<P: Pass<Kinds = K>>(
        &self,
        pass: &mut P,
        a: &Arithmetic,
        x: &P::Acts,
    ) -> Result<P::Acts> {
        let normed = self.normed(pass, 2, x)?;
        let inner = self.linear(pass, Slot::Up, normed.as_ref().unwrap_or(x))?;
        let inner = pass.activate(a.activation, a.gated, inner)?;
        let out = self.linear(pass, Slot::Down, &inner)?;
        Ok(self.normed(pass, 3, &out)?.unwrap_or(out))
    }

    fn linear<P: Pass<Kinds = K>>(&self, pass: &mut P, slot: Slot, x: &P::Acts) -> Result<P::Acts> {
        let (index, slot) = (self.index, slot as usize);
        let changes = self.changes.iter();
        let added = changes.filter_map(|c| c.layers[index][slot].as_ref());
        linear(pass, &self.layer.linears[slot], added, x)
    }

    fn normed<P: Pass<Kinds = K>>(
        &self,
        pass: &mut P,
        which: usize,
        x: &P::Acts,
    ) -> Result<Option<P::Acts>> {
        self.layer.norms[which]
            .as_ref()
            .map(|n| pass.norm(n, x))
            .transpose()
    }
}

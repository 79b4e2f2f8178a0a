//! The decoder's forward pass, once for all families and all implementations.

use candle_core::Result;

use super::config::{Arithmetic, LayerKind, Order};
use super::pass::{Attention, Kinds, Pass};

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
    pub qkv: K::Matrix,
    pub q_norm: Option<K::Norm>,
    pub k_norm: Option<K::Norm>,
    pub out: K::Matrix,
    pub up: K::Matrix,
    pub down: K::Matrix,
    /// Before attention, after it, before the feed-forward layer, after it.
    pub norms: [Option<K::Norm>; 4],
}

impl<K: Kinds> Net<K> {
    /// Every linear layer, the head included.
    pub fn matrices(&self) -> impl Iterator<Item = &K::Matrix> {
        let layers = self.layers.iter();
        let inner = layers.flat_map(|l| [&l.qkv, &l.out, &l.up, &l.down]);
        inner.chain([&self.head])
    }

    /// The same, to be changed.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut K::Matrix> {
        let layers = self.layers.iter_mut();
        let inner = layers.flat_map(|l| [&mut l.qkv, &mut l.out, &mut l.up, &mut l.down]);
        inner.chain([&mut self.head])
    }

    /// Runs the fed tokens through all layers and returns the logits that are wanted, without
    /// scale and cap; `None` when none are.
    pub fn run<P: Pass<Kinds = K>>(&self, pass: &mut P, logits: bool) -> Result<Option<P::Acts>> {
        let a = &self.arithmetic;
        let mut x = pass.embed(&self.embedding, a.embedding_scale)?;
        if let (Some(table), Some(skip)) = (&self.positions, a.learned) {
            pass.place(table, skip, &mut x)?;
        }
        for (i, layer) in self.layers.iter().enumerate() {
            layer.run(pass, a, i, &mut x)?;
        }
        if !logits {
            return Ok(None);
        }
        let x = pass.pick(x)?;
        let normed = self.norm.as_ref().map(|n| pass.norm(n, &x)).transpose()?;
        pass.linear(&self.head, normed.as_ref().unwrap_or(&x))
            .map(Some)
    }
}

impl<K: Kinds> Layer<K> {
    fn run<P: Pass<Kinds = K>>(
        &self,
        pass: &mut P,
        a: &Arithmetic,
        index: usize,
        x: &mut P::Acts,
    ) -> Result<()> {
        let attended = self.attend(pass, a, index, x)?;
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
        layer: usize,
        x: &P::Acts,
    ) -> Result<P::Acts> {
        let normed = self.normed(pass, 0, x)?;
        let qkv = pass.linear(&self.qkv, normed.as_ref().unwrap_or(x))?;
        let how = Attention {
            layer,
            kind: self.kind,
            q_norm: self.q_norm.as_ref(),
            k_norm: self.k_norm.as_ref(),
            arithmetic,
        };
        let heads = pass.attend(&how, qkv)?;
        let out = pass.linear(&self.out, &heads)?;
        Ok(self.normed(pass, 1, &out)?.unwrap_or(out))
    }

    fn feed<P: Pass<Kinds = K>>(
        &self,
        pass: &mut P,
        a: &Arithmetic,
        x: &P::Acts,
    ) -> Result<P::Acts> {
        let normed = self.normed(pass, 2, x)?;
        let inner = pass.linear(&self.up, normed.as_ref().unwrap_or(x))?;
        let inner = pass.activate(a.activation, a.gated, inner)?;
        let out = pass.linear(&self.down, &inner)?;
        Ok(self.normed(pass, 3, &out)?.unwrap_or(out))
    }

    fn normed<P: Pass<Kinds = K>>(
        &self,
        pass: &mut P,
        which: usize,
        x: &P::Acts,
    ) -> Result<Option<P::Acts>> {
        self.norms[which]
            .as_ref()
            .map(|n| pass.norm(n, x))
            .transpose()
    }
}

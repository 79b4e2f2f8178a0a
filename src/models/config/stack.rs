//! Which stored matrices the linear layers are put together from.

use std::collections::HashSet;

use super::names::{Ffn, Qkv};
use super::{Bias, DecoderConfig};

/// A linear layer's place in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Queries, keys and values.
    Qkv,
    /// After attention.
    Out,
    /// The inner feed-forward matrix, gate first where there is one.
    Up,
    /// The outer one.
    Down,
}

impl Slot {
    pub const ALL: [Self; 4] = [Self::Qkv, Self::Out, Self::Up, Self::Down];
}

/// A linear layer as it is stored: matrices below each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack {
    /// The matrices' names within the layer, and their numbers of rows.
    pub parts: Vec<(&'static str, usize)>,
    /// Inputs.
    pub k: usize,
    pub bias: bool,
    /// Whether rows are stored as (head, q|k|v, dimension).
    pub per_head: bool,
}

impl Stack {
    /// Outputs.
    pub fn n(&self) -> usize {
        self.parts.iter().map(|(_, n)| n).sum()
    }
}

impl DecoderConfig {
    /// The name that the tensors of layer `index` begin with.
    pub(crate) fn layer_name(&self, index: usize) -> String {
        self.names.layer.replace("{}", &index.to_string())
    }

    /// What the linear layer in `slot` is made of, the same in every layer.
    pub(crate) fn stack(&self, slot: Slot) -> Stack {
        let Bias { qkv, out, ffn } = self.arithmetic.bias;
        let (parts, k, bias) = match slot {
            Slot::Qkv => (self.qkv_parts(), self.hidden, qkv),
            Slot::Out => (vec![(self.names.out, self.hidden)], self.q_width(), out),
            Slot::Up => (self.up_parts(), self.hidden, ffn),
            Slot::Down => (vec![(self.down_name(), self.hidden)], self.ffn, ffn),
        };
        let per_head = slot == Slot::Qkv && matches!(self.names.qkv, Qkv::PerHead(_));
        Stack {
            parts,
            k,
            bias,
            per_head,
        }
    }

    /// The names of all matrices that linear layers are made of, the head's included.
    pub(crate) fn linear_names(&self) -> HashSet<String> {
        let stacks = Slot::ALL.map(|slot| self.stack(slot));
        let inner = (0..self.n_layers).flat_map(|index| {
            let layer = self.layer_name(index);
            let parts = stacks.iter().flat_map(|stack| &stack.parts);
            parts.map(move |(name, _)| format!("{layer}.{name}"))
        });
        inner.chain([self.names.head.to_owned()]).collect()
    }

    fn qkv_parts(&self) -> Vec<(&'static str, usize)> {
        match self.names.qkv {
            Qkv::Fused(name) | Qkv::PerHead(name) => vec![(name, self.qkv_width())],
            Qkv::Apart => vec![
                ("self_attn.q_proj", self.q_width()),
                ("self_attn.k_proj", self.kv_width()),
                ("self_attn.v_proj", self.kv_width()),
            ],
        }
    }

    fn up_parts(&self) -> Vec<(&'static str, usize)> {
        match self.names.ffn {
            Ffn::Pair(inner, _) => vec![(inner, self.up_width())],
            Ffn::Fused => vec![("mlp.gate_up_proj", self.up_width())],
            Ffn::Gated => vec![("mlp.gate_proj", self.ffn), ("mlp.up_proj", self.ffn)],
        }
    }

    fn down_name(&self) -> &'static str {
        match self.names.ffn {
            Ffn::Pair(_, outer) => outer,
            Ffn::Fused | Ffn::Gated => "mlp.down_proj",
        }
    }
}

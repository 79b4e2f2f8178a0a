//! What each family calls its tensors.

/// Names of a model's tensors; `{}` in a layer's name is its number. Where a name begins with
/// `prefix`, a checkpoint without it is as good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Names {
    pub prefix: &'static str,
    pub embedding: &'static str,
    pub positions: &'static str,
    pub layer: &'static str,
    pub qkv: Qkv,
    pub out: &'static str,
    pub ffn: Ffn,
    /// Before attention, after it, before the feed-forward layer, after it.
    pub norms: [&'static str; 4],
    pub final_norm: &'static str,
    pub head: &'static str,
    /// Whether linear weights are stored as (in, out).
    pub transposed: bool,
}

/// How queries, keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qkv {
    Apart,
    /// One matrix: all queries, all keys, all values.
    Fused(&'static str),
    /// One matrix: for each head its query, key and value.
    PerHead(&'static str),
}

/// How the feed-forward layer is stored: the names of its inner and its outer matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ffn {
    /// `gate_proj` and `up_proj`, `down_proj`.
    Gated,
    /// Gate and up in one matrix.
    Fused,
    /// Not gated.
    Pair(&'static str, &'static str),
}

const BEFORE: [&str; 4] = ["input_layernorm", "", "post_attention_layernorm", ""];

pub(crate) const LLAMA: Names = Names {
    prefix: "model.",
    embedding: "model.embed_tokens",
    positions: "",
    layer: "model.layers.{}",
    qkv: Qkv::Apart,
    out: "self_attn.o_proj",
    ffn: Ffn::Gated,
    norms: BEFORE,
    final_norm: "model.norm",
    head: "lm_head",
    transposed: false,
};

pub(crate) const GEMMA2: Names = Names {
    norms: [
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ],
    ..LLAMA
};

pub(crate) const OLMO2: Names = Names {
    norms: [
        "",
        "post_attention_layernorm",
        "",
        "post_feedforward_layernorm",
    ],
    ..LLAMA
};

pub(crate) const PHI3: Names = Names {
    qkv: Qkv::Fused("self_attn.qkv_proj"),
    ffn: Ffn::Fused,
    ..LLAMA
};

pub(crate) const STARCODER2: Names = Names {
    ffn: Ffn::Pair("mlp.c_fc", "mlp.c_proj"),
    ..LLAMA
};

pub(crate) const GPT2: Names = Names {
    prefix: "transformer.",
    embedding: "transformer.wte",
    positions: "transformer.wpe",
    layer: "transformer.h.{}",
    qkv: Qkv::Fused("attn.c_attn"),
    out: "attn.c_proj",
    ffn: Ffn::Pair("mlp.c_fc", "mlp.c_proj"),
    norms: ["ln_1", "", "ln_2", ""],
    final_norm: "transformer.ln_f",
    transposed: true,
    ..LLAMA
};

pub(crate) const GPT_NEOX: Names = Names {
    prefix: "gpt_neox.",
    embedding: "gpt_neox.embed_in",
    layer: "gpt_neox.layers.{}",
    qkv: Qkv::PerHead("attention.query_key_value"),
    out: "attention.dense",
    ffn: Ffn::Pair("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
    final_norm: "gpt_neox.final_layer_norm",
    head: "embed_out",
    ..LLAMA
};

pub(crate) const OPT: Names = Names {
    embedding: "model.decoder.embed_tokens",
    positions: "model.decoder.embed_positions",
    layer: "model.decoder.layers.{}",
    out: "self_attn.out_proj",
    ffn: Ffn::Pair("fc1", "fc2"),
    norms: ["self_attn_layer_norm", "", "final_layer_norm", ""],
    final_norm: "model.decoder.final_layer_norm",
    ..LLAMA
};

//! What GGUF calls the tensors that Hugging Face names.

use super::GgufFile;

const PARTS: [(&str, &str); 15] = [
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

impl GgufFile {
    /// The tensor's name in this file.
    pub(super) fn stored(&self, name: &str) -> String {
        if let Some(inner) = name.strip_prefix("model.layers.") {
            return self.in_layer(inner).unwrap_or_else(|| name.to_owned());
        }
        match name {
            "model.embed_tokens.weight" => "token_embd.weight".to_owned(),
            "model.norm.weight" => "output_norm.weight".to_owned(),
            "lm_head.weight" => "output.weight".to_owned(),
            other => other.to_owned(),
        }
    }

    /// From `3.self_attn.q_proj.weight` to `blk.3.attn_q.weight`.
    fn in_layer(&self, name: &str) -> Option<String> {
        let (layer, rest) = name.split_once('.')?;
        let (part, kind) = rest.rsplit_once('.')?;
        let (_, stored) = PARTS.iter().find(|(hf, _)| *hf == part)?;
        // Gemma has norms on both sides, so this one is not the one before the feed-forward.
        let stored = match part {
            "post_attention_layernorm" if self.is_gemma() => "post_attention_norm",
            _ => stored,
        };
        Some(format!("blk.{layer}.{stored}.{kind}"))
    }

    /// How many heads the rows of a matrix are permuted in; `None` where they are not.
    pub(super) fn permuted(&self, name: &str) -> Option<usize> {
        if self.architecture() != "llama" {
            return None;
        }
        let heads = self.own("attention.head_count")?;
        let Some((name, "weight" | "bias")) = name.rsplit_once('.') else {
            return None;
        };
        if name.ends_with("self_attn.q_proj") {
            return Some(heads as usize);
        }
        let kv_heads = self.own("attention.head_count_kv").unwrap_or(heads);
        let is_key = name.ends_with("self_attn.k_proj");
        is_key.then_some(kv_heads as usize)
    }

    pub(super) fn is_gemma(&self) -> bool {
        self.architecture() == "gemma3"
    }
}

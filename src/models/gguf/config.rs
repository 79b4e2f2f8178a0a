//! A GGUF file's metadata as a [`DecoderConfig`].

use serde_json::{Map, Value, json};

use super::GgufFile;
use crate::models::config::{DecoderConfig, NormKind, PART};
use crate::models::error::LoadError;

/// What GGUF calls a number, and what `config.json` calls it.
const NUMBERS: [(&str, &str); 12] = [
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("feed_forward_length", "intermediate_size"),
    ("context_length", "max_position_embeddings"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("rope.freq_base", "rope_theta"),
    ("attention.sliding_window", "sliding_window"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
];

/// Tokens that end a text or a turn whatever a file says of them (llama.cpp, `llama-vocab.cpp`,
/// `special_eog_ids`).
pub(super) const ENDS: [&str; 20] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
];

impl GgufFile {
    /// The model's shape and arithmetic.
    ///
    /// # Errors
    /// An architecture or a setting that the decoder does not run; a number that is missing.
    pub fn config(&self) -> Result<DecoderConfig, LoadError> {
        let mut config = DecoderConfig::from_json(&self.as_json()?)?;
        if self.is_gemma() {
            // The converter has added the one already.
            config.arithmetic.norm = NormKind::Rms;
        }
        self.stretch(&mut config)?;
        Ok(config)
    }

    /// The metadata as the `config.json` that it was made from.
    fn as_json(&self) -> Result<Value, LoadError> {
        let family = match self.architecture() {
            "gemma3" => "gemma3_text",
            family @ ("llama" | "qwen2" | "qwen3" | "phi3") => family,
            other => return Err(LoadError::Architecture(other.to_owned())),
        };
        let mut json = Map::new();
        for (key, name) in NUMBERS {
            if let Some(value) = self.own(key) {
                json.insert(name.to_owned(), number(value));
            }
        }
        json.insert("model_type".to_owned(), family.into());
        json.insert("vocab_size".to_owned(), self.vocab_size()?.into());
        let tied = !self.has("lm_head.weight");
        json.insert("tie_word_embeddings".to_owned(), tied.into());
        let biased = self.has("model.layers.0.self_attn.q_proj.bias");
        json.insert("attention_bias".to_owned(), biased.into());
        json.insert("bos_token_id".to_owned(), json!(self.bos()));
        json.insert("eos_token_id".to_owned(), json!(self.eos()));
        self.rotary(&mut json)?;
        Ok(Value::Object(json))
    }

    fn vocab_size(&self) -> Result<usize, LoadError> {
        let table = self.info("token_embd.weight");
        let (_, table) = table.ok_or_else(|| LoadError::Missing("token_embd.weight".to_owned()))?;
        Ok(table.shape.dims().first().copied().unwrap_or(0))
    }

    /// Head width, the rotated part of it and its scaling.
    fn rotary(&self, json: &mut Map<String, Value>) -> Result<(), LoadError> {
        let whole = |key| self.own(key).unwrap_or(0.0);
        let (hidden, heads) = (whole("embedding_length"), whole("attention.head_count"));
        let head_dim = self.own("attention.key_length").unwrap_or(hidden / heads);
        if let Some(rotated) = self.own("rope.dimension_count") {
            json.insert(PART.to_owned(), json!(rotated / head_dim));
        }
        // Gemma 3 27B alone scales by the width that its heads would have.
        let scalar = if whole("block_count") == 62.0 {
            hidden / heads
        } else {
            head_dim
        };
        json.insert("query_pre_attn_scalar".to_owned(), json!(scalar));
        let kind = format!("{}.rope.scaling.type", self.architecture());
        // Where no kind is said, it is linear.
        let mut kind = self.text(&kind).unwrap_or("linear");
        if self.has("rope_factors_long.weight") {
            kind = "longrope";
        }
        if kind != "none" {
            let older = || self.own("rope.scale_linear");
            let factor = self.own("rope.scaling.factor").or_else(older);
            let factor = factor.filter(|factor| *factor != 0.0).unwrap_or(1.0);
            json.insert(
                "rope_scaling".to_owned(),
                json!({"type": kind, "factor": factor}),
            );
        }
        Ok(())
    }

    /// Llama 3's scaling stands in a tensor of divisors.
    fn stretch(&self, config: &mut DecoderConfig) -> Result<(), LoadError> {
        let Some(rope) = config.arithmetic.ropes.first_mut() else {
            return Ok(());
        };
        if self.has("rope_freqs.weight") {
            let factors = self.read("rope_freqs.weight", &[rope.half()])?;
            for (frequency, factor) in rope.frequencies.iter_mut().zip(factors) {
                *frequency /= f64::from(factor);
            }
        }
        Ok(())
    }

    pub(super) fn bos(&self) -> Option<u32> {
        self.id("tokenizer.ggml.bos_token_id")
    }

    /// What ends a text and what ends a turn, by id or by name.
    pub(super) fn eos(&self) -> Vec<u32> {
        let keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
        let by_id = keys
            .iter()
            .filter_map(|key| self.id(&format!("tokenizer.ggml.{key}")));
        let tokens = self.texts("tokenizer.ggml.tokens").unwrap_or_default();
        let named = tokens
            .iter()
            .enumerate()
            .filter(|(_, text)| ENDS.contains(text));
        let mut ids = Vec::new();
        for id in by_id.chain(named.map(|(id, _)| id as u32)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// Whole numbers as such: sizes are read as integers.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value >= 0.0 {
        true => json!(value as u64),
        false => json!(value),
    }
}

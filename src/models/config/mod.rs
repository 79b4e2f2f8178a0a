//! What a model is, as data: every family that the decoder runs is a value of [`DecoderConfig`].
//!
//! | `config.json` | |
//! | --- | --- |
//! | read | sizes, activation, biases, norms, `rope_parameters` or `rope_theta` and `rope_scaling` (linear, llama3), `tie_word_embeddings`, `bos_token_id`, `eos_token_id`; what else the family's code in transformers reads ([`family`]) |
//! | ignored | keys that the family's code does not read (`sliding_window` outside mistral, phi3, qwen, gemma, smollm3 and starcoder2; `mlp_bias` outside llama, granite and smollm3; a partial rotary factor outside phi3 and gpt_neox), dropout, dtypes, initialisation, caches |
//! | refused | other families, activations, kinds of attention and of rotary scaling; `quantization_config`, by its method; sizes that no model has, before they size anything |

mod classifier;
mod encoder;
mod family;
mod json;
mod names;
mod rope;
mod stack;

pub(crate) use classifier::{Body, ClassifierConfig};
pub(crate) use encoder::{Deberta, Encoder, EncoderConfig, Modern};
pub(crate) use names::Names;
pub(super) use rope::PART;
pub(crate) use rope::Rope;
pub(crate) use stack::Slot;

use crate::models::error::{LoadError, short};

/// A decoder's shape and arithmetic, read from a Hugging Face `config.json` of either generation
/// (`rope_theta`/`rope_scaling`/`torch_dtype` or `rope_parameters`/`dtype`).
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// `model_type`.
    pub family: String,
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
    /// Inner width of the feed-forward layer.
    pub ffn: usize,
    /// The most tokens a row can hold, `max_position_embeddings`.
    pub context: usize,
    pub bos: Option<u32>,
    /// Any of these ends a text; the first is the one to score.
    pub eos: Vec<u32>,
    /// Whether the head is the embedding table.
    pub tied: bool,
    /// Of a classifier: how many labels its head has, in place of the vocabulary.
    pub n_labels: Option<usize>,
    pub(crate) arithmetic: Arithmetic,
    pub(crate) names: Names,
}

/// What differs between families in the forward pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arithmetic {
    pub norm: NormKind,
    pub eps: f64,
    pub order: Order,
    pub qk_norm: QkNorm,
    pub activation: Activation,
    /// Whether the feed-forward layer is `act(gate) * up`.
    pub gated: bool,
    pub bias: Bias,
    /// The rotary embeddings that layers refer to.
    pub ropes: Vec<Rope>,
    pub layers: Vec<LayerKind>,
    /// Learned positions: how many unused rows their table begins with.
    pub learned: Option<usize>,
    /// Multiplies the scores.
    pub attention_scale: f64,
    pub attention_cap: Option<f64>,
    pub logit_cap: Option<f64>,
    /// Multiplies the logits, before the cap.
    pub logit_scale: f64,
    pub embedding_scale: f64,
    pub residual_scale: f64,
    /// Whether there is a norm before the head.
    pub final_norm: bool,
}

/// What one layer's attention sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerKind {
    /// The last so many positions, its own included.
    pub window: Option<usize>,
    /// Index into [`Arithmetic::ropes`]; `None` is no rotary embedding.
    pub rope: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// `x / rms(x) * w`
    Rms,
    /// `x / rms(x) * (1 + w)`
    RmsPlusOne,
    /// `(x - mean) / deviation * w + b`
    Layer,
}

/// Where norms stand in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Before attention and before the feed-forward layer.
    Before,
    /// After each, before the residual sum.
    After,
    /// Both.
    Around,
    /// Both branches read the same residual, each through its own norm.
    Parallel,
}

/// Norm of queries and keys before the rotary embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkNorm {
    None,
    /// Over each head, one gain for all.
    Head,
    /// Over all heads at once.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Silu,
    /// With the error function.
    Gelu,
    /// With the hyperbolic tangent.
    GeluTanh,
    Relu,
}

/// Which linear layers have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bias {
    pub qkv: bool,
    pub out: bool,
    pub ffn: bool,
}

/// More than any model has: these two size tables before all else is known.
const MAX_LAYERS: usize = 1 << 12;
const MAX_HEAD_DIM: usize = 1 << 14;

/// The method by which a checkpoint is quantised, if it says so.
fn quantised(config: &serde_json::Value) -> Option<String> {
    let quantised = &config["quantization_config"];
    let table = quantised.as_object().filter(|table| !table.is_empty())?;
    let method = table.get("quant_method").and_then(|method| method.as_str());
    // bitsandbytes did not name itself at first.
    let old = table.contains_key("load_in_4bit") || table.contains_key("load_in_8bit");
    let unnamed = if old {
        "bitsandbytes"
    } else {
        "an unknown method"
    };
    Some(short(method.unwrap_or(unnamed)))
}

impl DecoderConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// [`LoadError::Config`] when it is malformed, [`LoadError::Family`] or
    /// [`LoadError::Setting`] when the decoder cannot run it.
    pub fn parse(json: &str) -> Result<Self, LoadError> {
        let value = serde_json::from_str(json).map_err(|e| LoadError::Config(e.to_string()))?;
        Self::from_json(&value)
    }

    /// The same from JSON that is parsed already.
    pub(crate) fn from_json(value: &serde_json::Value) -> Result<Self, LoadError> {
        if let Some(method) = quantised(value) {
            return Err(LoadError::Quantised(method));
        }
        let config = family::read(&json::Json::new(value))?;
        config.check()?;
        Ok(config)
    }

    /// Takes in a `generation_config.json`: what ends a text there ends it too, as the ends of
    /// turns of models that chat do.
    ///
    /// # Errors
    /// [`LoadError::Generation`] when it is malformed.
    pub(crate) fn add_generation(&mut self, json: &str) -> Result<(), LoadError> {
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|e| LoadError::Generation(e.to_string()))?;
        let wrong = |_| LoadError::Generation(format!("eos_token_id is {}", value["eos_token_id"]));
        let ids = json::Json::new(&value).ids("eos_token_id");
        let ids = ids.map_err(wrong)?;
        for id in ids {
            if !self.eos.contains(&id) {
                self.eos.push(id);
            }
        }
        Ok(())
    }

    /// How many parameters the model has, a tied head counted once.
    #[must_use]
    pub fn n_params(&self) -> u64 {
        let (d, q, kv) = (self.hidden, self.q_width(), self.kv_width());
        let fan = if self.arithmetic.gated { 3 } else { 2 };
        let layer = d * (2 * q + 2 * kv) + fan * d * self.ffn + self.small_params();
        let positions = self
            .arithmetic
            .learned
            .map_or(0, |skip| self.context + skip);
        let head = if self.tied { 0 } else { self.n_outputs() };
        let tables = self.vocab_size + head + positions;
        let last = self.norm_params() * usize::from(self.arithmetic.final_norm);
        (self.n_layers * layer + tables * d + last) as u64
    }

    /// How many numbers the head gives for a position: one a token of the vocabulary, or one a
    /// label.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.n_labels.unwrap_or(self.vocab_size)
    }

    /// The same body with the head of `…ForSequenceClassification`, `score`: nothing of what a
    /// family does to logits is done to labels.
    pub(crate) fn with_labels(mut self, n_labels: usize) -> Self {
        self.n_labels = Some(n_labels);
        self.tied = false;
        self.names.head = "score";
        self.arithmetic.logit_scale = 1.0;
        self.arithmetic.logit_cap = None;
        self
    }

    /// Width of all query heads.
    pub(crate) fn q_width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of all key heads, and of all value heads.
    pub(crate) fn kv_width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// The fused projection's width.
    pub(crate) fn qkv_width(&self) -> usize {
        self.q_width() + 2 * self.kv_width()
    }

    /// Width that leaves the first feed-forward matrix.
    pub(crate) fn up_width(&self) -> usize {
        self.ffn * if self.arithmetic.gated { 2 } else { 1 }
    }

    /// Biases and norms of one layer.
    fn small_params(&self) -> usize {
        let Bias { qkv, out, ffn } = self.arithmetic.bias;
        let biases = usize::from(qkv) * self.qkv_width()
            + usize::from(out) * self.hidden
            + usize::from(ffn) * (self.up_width() + self.hidden);
        let n_norms = if self.arithmetic.order == Order::Around {
            4
        } else {
            2
        };
        let qk = match self.arithmetic.qk_norm {
            QkNorm::None => 0,
            QkNorm::Head => 2 * self.head_dim,
            QkNorm::All => self.q_width() + self.kv_width(),
        };
        biases + n_norms * self.norm_params() + qk
    }

    fn norm_params(&self) -> usize {
        self.hidden
            * if self.arithmetic.norm == NormKind::Layer {
                2
            } else {
                1
            }
    }

    /// Refuses shapes that no model has, before they reach an allocation.
    fn check(&self) -> Result<(), LoadError> {
        // So that no product of them overflows either.
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden, 1 << 18),
            ("num_hidden_layers", self.n_layers, MAX_LAYERS),
            ("num_attention_heads", self.n_heads, 1 << 12),
            ("num_key_value_heads", self.n_kv_heads, 1 << 12),
            ("head_dim", self.head_dim, MAX_HEAD_DIM),
            ("intermediate_size", self.ffn, 1 << 22),
            ("max_position_embeddings", self.context, 1 << 28),
        ];
        for (name, size, most) in sizes {
            if size == 0 || size > most {
                return Err(LoadError::Config(format!("{name} is {size}")));
            }
        }
        self.check_heads()
    }

    fn check_heads(&self) -> Result<(), LoadError> {
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Err(LoadError::Config(format!(
                "{} query heads cannot share {} key heads evenly",
                self.n_heads, self.n_kv_heads
            )));
        }
        match self
            .arithmetic
            .ropes
            .iter()
            .find(|r| 2 * r.half() > self.head_dim)
        {
            Some(rope) => Err(LoadError::Config(format!(
                "{} rotary dimensions do not fit a head of {}",
                2 * rope.half(),
                self.head_dim
            ))),
            None => Ok(()),
        }
    }
}

//! Encoders that classify: what each family reads from its `config.json`.
//!
//! | family | read | refused |
//! | --- | --- | --- |
//! | all | sizes, activation, epsilon | other activations than relu and the two of gelu; sizes that no model has |
//! | bert, roberta, xlm-roberta | `type_vocab_size`, `pad_token_id` | relative positions, decoders |
//! | distilbert | `dim`, `hidden_dim`, `n_layers`, `n_heads` | |
//! | modernbert | rotary bases, `local_attention`, `layer_types`, `classifier_pooling` | biases, other orders of layers, scaled rotary embeddings |
//! | deberta-v2 | `pos_att_type`, `position_buckets`, `share_att_key`, what else its attention reads | convolutions |

use super::Activation;
use super::family::{activation, n_layers, refused};
use super::json::Json;
use crate::models::error::LoadError;

/// An encoder's shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EncoderConfig {
    pub kind: Encoder,
    pub vocab_size: usize,
    pub hidden: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    /// Inner width of the feed-forward layer.
    pub ffn: usize,
    /// `max_position_embeddings`.
    pub positions: usize,
    /// Rows of the table of token types; 0 where there is none.
    pub n_types: usize,
    pub eps: f64,
    pub activation: Activation,
    /// The token that fills up batches; RoBERTa counts positions from it.
    pub pad: u32,
}

/// What differs between families.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Encoder {
    Bert,
    DistilBert,
    /// XLM-RoBERTa too: both have the same arithmetic and the same names.
    Roberta,
    ModernBert(Modern),
    Deberta(Deberta),
}

/// ModernBERT's own settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Modern {
    /// Every so many layers one sees all positions, the first among them.
    pub global_every: usize,
    /// Positions that a local layer sees, half of them on either side.
    pub window: usize,
    pub global_theta: f64,
    pub local_theta: f64,
    /// Whether the mean of all tokens is judged, not the first one.
    pub mean: bool,
}

/// DeBERTa's own settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deberta {
    /// Whether there is attention to relative positions.
    pub relative: bool,
    /// As configurations write them: what is not above 0 is the family's default.
    pub max_relative: isize,
    pub buckets: isize,
    /// Of `c2p` and `p2c`.
    pub attends: Vec<String>,
    pub shares_keys: bool,
    /// Whether positions are added to the embeddings too.
    pub biased: bool,
    pub norm: Option<String>,
    pub head_dim: Option<usize>,
    pub embedding: Option<usize>,
    pub pooler: usize,
    pub pooler_activation: Activation,
}

/// More than any encoder has: these size tables that no file holds.
const MAX_POSITIONS: usize = 1 << 16;
const MAX_HEAD_DIM: usize = 1 << 10;

impl EncoderConfig {
    /// `None` where `model_type` names no family of encoders.
    ///
    /// # Errors
    /// A size is missing or no model's, or the family has a setting that is not implemented.
    pub fn read(json: &Json<'_>) -> Result<Option<Self>, LoadError> {
        let config = match json.text(&["model_type"]).unwrap_or_default() {
            "bert" => bert_like(json, Encoder::Bert, 0)?,
            "roberta" | "xlm-roberta" => bert_like(json, Encoder::Roberta, 1)?,
            "distilbert" => distilbert(json)?,
            "modernbert" => modernbert(json)?,
            "deberta-v2" => deberta(json)?,
            _ => return Ok(None),
        };
        config.check()?;
        Ok(Some(config))
    }

    /// The most tokens that a text can have.
    pub fn room(&self) -> usize {
        match self.kind {
            // Its positions begin behind the padding's.
            Encoder::Roberta => self.positions.saturating_sub(self.pad as usize + 1),
            _ => self.positions,
        }
    }

    fn check(&self) -> Result<(), LoadError> {
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden, 1 << 16),
            ("num_hidden_layers", self.n_layers, 1 << 12),
            ("num_attention_heads", self.n_heads, 1 << 12),
            ("intermediate_size", self.ffn, 1 << 20),
            ("max_position_embeddings", self.positions, MAX_POSITIONS),
            ("pad_token_id", self.pad as usize + 1, 1 << 24),
            ("type_vocab_size", self.n_types + 1, 1 << 16),
        ];
        for (name, size, most) in sizes {
            if size == 0 || size > most {
                return Err(LoadError::Config(format!("{name} is {size}")));
            }
        }
        self.check_heads()
    }

    fn check_heads(&self) -> Result<(), LoadError> {
        let (hidden, n) = (self.hidden, self.n_heads);
        let is_even = hidden.is_multiple_of(n) && hidden / n <= MAX_HEAD_DIM;
        let rotates = matches!(self.kind, Encoder::ModernBert(_));
        match is_even && (!rotates || (hidden / n).is_multiple_of(2)) {
            true => Ok(()),
            false => Err(LoadError::Config(format!(
                "{n} heads cannot share a width of {hidden}"
            ))),
        }
    }
}

fn bert_like(json: &Json<'_>, kind: Encoder, pad: usize) -> Result<EncoderConfig, LoadError> {
    for key in ["is_decoder", "add_cross_attention"] {
        if json.is(key, false) {
            return Err(refused(json, key));
        }
    }
    let positions = json.text(&["position_embedding_type"]);
    if let Some(other) = positions.filter(|how| *how != "absolute") {
        return Err(refused(json, &format!("positions of type '{other}'")));
    }
    Ok(EncoderConfig {
        kind,
        vocab_size: json.size(&["vocab_size"])?,
        hidden: json.size(&["hidden_size"])?,
        n_layers: n_layers(json, &["num_hidden_layers"])?,
        n_heads: json.size(&["num_attention_heads"])?,
        ffn: json.size(&["intermediate_size"])?,
        positions: json.size(&["max_position_embeddings"])?,
        n_types: json.size_or(&["type_vocab_size"], Some(2))?,
        eps: json.number(&["layer_norm_eps"], 1e-12)?,
        activation: gelu(json, &["hidden_act"])?,
        pad: json.size_or(&["pad_token_id"], Some(pad))? as u32,
    })
}

fn distilbert(json: &Json<'_>) -> Result<EncoderConfig, LoadError> {
    Ok(EncoderConfig {
        kind: Encoder::DistilBert,
        vocab_size: json.size(&["vocab_size"])?,
        hidden: json.size(&["dim"])?,
        n_layers: n_layers(json, &["n_layers"])?,
        n_heads: json.size(&["n_heads"])?,
        ffn: json.size(&["hidden_dim"])?,
        positions: json.size(&["max_position_embeddings"])?,
        n_types: 0,
        eps: 1e-12,
        activation: gelu(json, &["activation"])?,
        pad: json.size_or(&["pad_token_id"], Some(0))? as u32,
    })
}

fn modernbert(json: &Json<'_>) -> Result<EncoderConfig, LoadError> {
    for key in ["attention_bias", "mlp_bias", "norm_bias", "classifier_bias"] {
        if json.is(key, false) {
            return Err(refused(json, key));
        }
    }
    for key in ["hidden_activation", "classifier_activation"] {
        if activation(json, &[key], "gelu")? != Activation::Gelu {
            return Err(refused(json, key));
        }
    }
    let n_layers = n_layers(json, &["num_hidden_layers"])?;
    Ok(EncoderConfig {
        kind: Encoder::ModernBert(modern(json, n_layers)?),
        vocab_size: json.size(&["vocab_size"])?,
        hidden: json.size(&["hidden_size"])?,
        n_layers,
        n_heads: json.size(&["num_attention_heads"])?,
        ffn: json.size(&["intermediate_size"])?,
        positions: json.size(&["max_position_embeddings"])?,
        n_types: 0,
        eps: json.number(&["norm_eps"], 1e-5)?,
        activation: Activation::Gelu,
        pad: json.size_or(&["pad_token_id"], Some(0))? as u32,
    })
}

fn modern(json: &Json<'_>, n_layers: usize) -> Result<Modern, LoadError> {
    let global_theta = theta(json, "full_attention", "global_rope_theta", 160_000.0)?;
    let local = if json.mentions("local_rope_theta") {
        global_theta
    } else {
        10_000.0
    };
    Ok(Modern {
        global_every: global_every(json, n_layers)?,
        window: json.size_or(&["local_attention"], Some(128))?,
        global_theta,
        local_theta: theta(json, "sliding_attention", "local_rope_theta", local)?,
        mean: match json.text(&["classifier_pooling"]).unwrap_or("cls") {
            "cls" => false,
            "mean" => true,
            other => return Err(refused(json, &format!("pooling '{other}'"))),
        },
    })
}

/// The rotary base of one kind of layers, in either generation's words.
fn theta(json: &Json<'_>, kind: &str, key: &str, usual: f64) -> Result<f64, LoadError> {
    let Some(table) = json.object("rope_parameters").and_then(|t| t.object(kind)) else {
        return json.number(&[key], usual);
    };
    match table.text(&["rope_type"]).unwrap_or("default") {
        "default" => table.number(&["rope_theta"], usual),
        other => Err(refused(
            json,
            &format!("rotary embeddings of type '{other}'"),
        )),
    }
}

/// Every how many layers one sees all, as `layer_types` or else an interval says.
fn global_every(json: &Json<'_>, n_layers: usize) -> Result<usize, LoadError> {
    let types = json.any(&["layer_types"]).and_then(|v| v.as_array());
    let Some(types) = types else {
        let every = json.size_or(&["global_attn_every_n_layers"], Some(3))?;
        return Ok(every.max(1));
    };
    let sees_all = |i: usize| types.get(i).is_some_and(|kind| kind == "full_attention");
    let every = (1..n_layers)
        .find(|i| sees_all(*i))
        .unwrap_or(n_layers)
        .max(1);
    match (0..n_layers).all(|i| sees_all(i) == i.is_multiple_of(every)) {
        true => Ok(every),
        false => Err(refused(json, "these layer_types")),
    }
}

fn deberta(json: &Json<'_>) -> Result<EncoderConfig, LoadError> {
    if json.size_or(&["conv_kernel_size"], Some(0))? > 0 {
        return Err(refused(json, "conv_kernel_size"));
    }
    let hidden = json.size(&["hidden_size"])?;
    let config = bert_like(json, Encoder::Deberta(disentangled(json, hidden)?), 0)?;
    Ok(EncoderConfig {
        n_types: json.size_or(&["type_vocab_size"], Some(0))?,
        eps: json.number(&["layer_norm_eps"], 1e-7)?,
        ..config
    })
}

fn disentangled(json: &Json<'_>, hidden: usize) -> Result<Deberta, LoadError> {
    let size_if = |key: &str| json.any(&[key]).map(|_| json.size(&[key])).transpose();
    let pooler = json.size_or(&["pooler_hidden_size"], Some(hidden))?;
    if pooler != hidden {
        return Err(refused(json, "pooler_hidden_size other than hidden_size"));
    }
    Ok(Deberta {
        relative: json.is("relative_attention", false),
        max_relative: span(json, "max_relative_positions", 1)?,
        // Half a bucket or none at all would divide by nothing.
        buckets: span(json, "position_buckets", 4)?,
        attends: attends(json),
        shares_keys: json.is("share_att_key", false),
        biased: json.is("position_biased_input", true),
        norm: json.text(&["norm_rel_ebd"]).map(str::to_owned),
        head_dim: size_if("attention_head_size")?.filter(|n| *n <= MAX_HEAD_DIM),
        embedding: size_if("embedding_size")?,
        pooler,
        pooler_activation: gelu(json, &["pooler_hidden_act"])?,
    })
}

/// A number of relative positions; -1 where it is not set.
fn span(json: &Json<'_>, key: &str, least: isize) -> Result<isize, LoadError> {
    let span = json.number(&[key], -1.0)? as isize;
    match span < 1 || (least..=MAX_POSITIONS as isize).contains(&span) {
        true => Ok(span.max(-1)),
        false => Err(LoadError::Config(format!("{key} is {span}"))),
    }
}

/// A list, or in older files a text with bars.
fn attends(json: &Json<'_>) -> Vec<String> {
    let key = ["pos_att_type"];
    let listed = json.any(&key).and_then(|v| v.as_array());
    let listed = listed.into_iter().flatten().filter_map(|v| v.as_str());
    let barred = json.text(&key).into_iter().flat_map(|text| text.split('|'));
    listed
        .chain(barred)
        .map(|how| how.trim().to_owned())
        .collect()
}

fn gelu(json: &Json<'_>, keys: &[&str]) -> Result<Activation, LoadError> {
    match activation(json, keys, "gelu")? {
        Activation::Silu => Err(refused(json, "activation 'silu'")),
        known => Ok(known),
    }
}

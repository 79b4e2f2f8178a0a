//! Encoders as candle-transformers runs them, on the CPU; heads of our own where it has none that
//! returns logits.
//!
//! | family | body | head |
//! | --- | --- | --- |
//! | bert | `BertModel` | pooler: tanh(dense) of the first token, then the classifier |
//! | distilbert | `BertModel` under other names: candle's own takes GELU's tanh form for the one with the error function | relu(`pre_classifier`) of the first token, then the classifier |
//! | roberta, xlm-roberta | `XLMRobertaForSequenceClassification`, which has one | |
//! | deberta-v2 | `DebertaV2SeqClassificationModel`, which has one | |
//! | modernbert | `ModernBert`: its classifier returns probabilities | norm(gelu(dense)) of the first token or of the mean, then the classifier |

use std::borrow::Cow;
use std::collections::HashMap;

use candle_core::{Module, Result, Tensor};
use candle_nn::{LayerNorm, Linear, VarBuilder, layer_norm_no_bias, linear, linear_no_bias};
use candle_transformers::models::{bert, debertav2, modernbert, xlm_roberta};

use super::tensors::build;
use crate::models::{
    Activation, Deberta, Encoder, EncoderConfig, LoadError, Meter, Modern, Source,
};

/// A body with its head.
pub(super) trait Net: Send + Sync {
    /// Logits (rows, labels) of ids (rows, tokens).
    fn forward(&self, ids: &Tensor) -> Result<Tensor>;
}

/// ModernBERT's first layer has no norm of its own: the embeddings have one.
const NO_NORM: &str = "model.layers.0.attn_norm.weight";

/// The net that `config` tells of, with `n_labels` labels.
///
/// # Errors
/// A tensor is missing, of another shape, or not finite.
pub(super) fn net(
    config: &EncoderConfig,
    n_labels: usize,
    source: &Source<'_>,
    meter: &Meter<'_>,
) -> std::result::Result<Box<dyn Net>, LoadError> {
    match &config.kind {
        Encoder::Bert => build(source, meter, same, "", |vb| bert(config, n_labels, vb)),
        Encoder::DistilBert => build(source, meter, distil, "", |vb| {
            distilbert(config, n_labels, vb)
        }),
        Encoder::Roberta => build(source, meter, same, "", |vb| roberta(config, n_labels, vb)),
        Encoder::ModernBert(own) => build(source, meter, same, NO_NORM, |vb| {
            modern(config, own, n_labels, vb)
        }),
        Encoder::Deberta(own) => build(source, meter, same, "", |vb| {
            deberta(config, own, n_labels, vb)
        }),
    }
}

fn same(name: &str) -> Cow<'_, str> {
    name.into()
}

/// What BERT's tensors are called in DistilBERT; token types it has none, and a name that is
/// empty stands for zeros.
fn distil(name: &str) -> Cow<'_, str> {
    if name.contains("token_type_embeddings") {
        return "".into();
    }
    let pairs = [
        ("encoder.layer", "transformer.layer"),
        ("attention.self.query", "attention.q_lin"),
        ("attention.self.key", "attention.k_lin"),
        ("attention.self.value", "attention.v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.dense", "ffn.lin2"),
        ("output.LayerNorm", "output_layer_norm"),
    ];
    let renamed = |name: String, (from, to): &(&str, &str)| name.replace(from, to);
    pairs.iter().fold(name.to_owned(), renamed).into()
}

/// The first token's vector of each row, (rows, width), from (rows, tokens, width).
fn first(hidden: &Tensor) -> Result<Tensor> {
    hidden.narrow(1, 0, 1)?.squeeze(1)?.contiguous()
}

/// BERT, or DistilBERT: they differ in what is done to the first token before it is classified.
struct Bert {
    body: bert::BertModel,
    pooler: Linear,
    bend: fn(&Tensor) -> Result<Tensor>,
    classifier: Linear,
}

impl Net for Bert {
    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let hidden = self.body.forward(ids, &ids.zeros_like()?, None)?;
        let pooled = self.pooler.forward(&first(&hidden)?)?;
        self.classifier.forward(&(self.bend)(&pooled)?)
    }
}

fn bert(c: &EncoderConfig, n_labels: usize, vb: VarBuilder<'_>) -> Result<Box<dyn Net>> {
    Ok(Box::new(Bert {
        body: bert::BertModel::load(vb.pp("bert"), &bert_config(c, c.n_types))?,
        pooler: linear(c.hidden, c.hidden, vb.pp("bert.pooler.dense"))?,
        bend: Tensor::tanh,
        classifier: linear(c.hidden, n_labels, vb.pp("classifier"))?,
    }))
}

fn distilbert(c: &EncoderConfig, n_labels: usize, vb: VarBuilder<'_>) -> Result<Box<dyn Net>> {
    Ok(Box::new(Bert {
        body: bert::BertModel::load(vb.pp("distilbert"), &bert_config(c, 1))?,
        pooler: linear(c.hidden, c.hidden, vb.pp("pre_classifier"))?,
        bend: Tensor::relu,
        classifier: linear(c.hidden, n_labels, vb.pp("classifier"))?,
    }))
}

fn bert_config(c: &EncoderConfig, n_types: usize) -> bert::Config {
    bert::Config {
        vocab_size: c.vocab_size,
        hidden_size: c.hidden,
        num_hidden_layers: c.n_layers,
        num_attention_heads: c.n_heads,
        intermediate_size: c.ffn,
        hidden_act: match c.activation {
            Activation::Relu => bert::HiddenAct::Relu,
            Activation::GeluTanh => bert::HiddenAct::GeluApproximate,
            Activation::Gelu | Activation::Silu => bert::HiddenAct::Gelu,
        },
        max_position_embeddings: c.positions,
        type_vocab_size: n_types,
        layer_norm_eps: c.eps,
        pad_token_id: c.pad as usize,
        // Else it would look for other names once these are not there.
        model_type: None,
        ..bert::Config::default()
    }
}

impl Net for xlm_roberta::XLMRobertaForSequenceClassification {
    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Self::forward(self, ids, &ids.ones_like()?, &ids.zeros_like()?)
    }
}

fn roberta(c: &EncoderConfig, n_labels: usize, vb: VarBuilder<'_>) -> Result<Box<dyn Net>> {
    let config = xlm_roberta::Config {
        hidden_size: c.hidden,
        layer_norm_eps: c.eps,
        attention_probs_dropout_prob: 0.0,
        hidden_dropout_prob: 0.0,
        num_attention_heads: c.n_heads,
        position_embedding_type: "absolute".to_owned(),
        intermediate_size: c.ffn,
        hidden_act: match c.activation {
            Activation::Relu => candle_nn::Activation::Relu,
            Activation::GeluTanh => candle_nn::Activation::NewGelu,
            Activation::Gelu | Activation::Silu => candle_nn::Activation::Gelu,
        },
        num_hidden_layers: c.n_layers,
        vocab_size: c.vocab_size,
        max_position_embeddings: c.positions,
        type_vocab_size: c.n_types,
        pad_token_id: c.pad,
    };
    let net = xlm_roberta::XLMRobertaForSequenceClassification::new(n_labels, &config, vb)?;
    Ok(Box::new(net))
}

/// ModernBERT.
struct Modernbert {
    body: modernbert::ModernBert,
    mean: bool,
    dense: Linear,
    norm: LayerNorm,
    classifier: Linear,
}

impl Net for Modernbert {
    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let hidden = self.body.forward(ids, &ids.ones_like()?)?;
        let pooled = match self.mean {
            true => hidden.mean(1)?,
            false => first(&hidden)?,
        };
        let bent = self.dense.forward(&pooled)?.gelu_erf()?;
        self.classifier.forward(&self.norm.forward(&bent)?)
    }
}

fn modern(
    c: &EncoderConfig,
    own: &Modern,
    n_labels: usize,
    vb: VarBuilder<'_>,
) -> Result<Box<dyn Net>> {
    let config = modernbert::Config {
        vocab_size: c.vocab_size,
        hidden_size: c.hidden,
        num_hidden_layers: c.n_layers,
        num_attention_heads: c.n_heads,
        intermediate_size: c.ffn,
        max_position_embeddings: c.positions,
        layer_norm_eps: c.eps,
        pad_token_id: c.pad,
        global_attn_every_n_layers: own.global_every,
        global_rope_theta: own.global_theta,
        local_attention: own.window,
        local_rope_theta: own.local_theta,
        classifier_config: None,
    };
    Ok(Box::new(Modernbert {
        body: modernbert::ModernBert::load(vb.clone(), &config)?,
        mean: own.mean,
        dense: linear_no_bias(c.hidden, c.hidden, vb.pp("head.dense"))?,
        norm: layer_norm_no_bias(c.hidden, c.eps, vb.pp("head.norm"))?,
        classifier: linear(c.hidden, n_labels, vb.pp("classifier"))?,
    }))
}

impl Net for debertav2::DebertaV2SeqClassificationModel {
    fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Self::forward(self, ids, None, None)
    }
}

fn deberta(
    c: &EncoderConfig,
    own: &Deberta,
    n_labels: usize,
    vb: VarBuilder<'_>,
) -> Result<Box<dyn Net>> {
    let config = deberta_config(c, own);
    // It counts labels by their names.
    let labels: HashMap<u32, String> = (0..n_labels as u32).map(|i| (i, i.to_string())).collect();
    let vb = vb.pp("deberta");
    let net = debertav2::DebertaV2SeqClassificationModel::load(vb, &config, Some(labels))?;
    Ok(Box::new(net))
}

fn deberta_config(c: &EncoderConfig, own: &Deberta) -> debertav2::Config {
    debertav2::Config {
        vocab_size: c.vocab_size,
        hidden_size: c.hidden,
        num_hidden_layers: c.n_layers,
        num_attention_heads: c.n_heads,
        intermediate_size: c.ffn,
        hidden_act: act(c.activation),
        hidden_dropout_prob: 0.0,
        attention_probs_dropout_prob: 0.0,
        max_position_embeddings: c.positions,
        type_vocab_size: c.n_types,
        initializer_range: 0.0,
        layer_norm_eps: c.eps,
        relative_attention: own.relative,
        max_relative_positions: own.max_relative,
        pad_token_id: Some(c.pad as usize),
        position_biased_input: own.biased,
        pos_att_type: own.attends.clone(),
        position_buckets: Some(own.buckets),
        share_att_key: Some(own.shares_keys),
        attention_head_size: own.head_dim,
        embedding_size: own.embedding,
        norm_rel_ebd: own.norm.clone(),
        conv_kernel_size: None,
        conv_groups: None,
        conv_act: None,
        id2label: None,
        label2id: None,
        pooler_dropout: Some(0.0),
        pooler_hidden_act: Some(act(own.pooler_activation)),
        pooler_hidden_size: Some(own.pooler),
        cls_dropout: None,
    }
}

fn act(activation: Activation) -> debertav2::HiddenAct {
    match activation {
        Activation::Relu => debertav2::HiddenAct::Relu,
        Activation::GeluTanh => debertav2::HiddenAct::GeluApproximate,
        Activation::Gelu | Activation::Silu => debertav2::HiddenAct::Gelu,
    }
}

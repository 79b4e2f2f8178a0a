//! Sequence classifiers: an encoder or a decoder with a head of labels.
//!
//! | `config.json` | |
//! | --- | --- |
//! | read | `architectures`, `id2label`, `pad_token_id`; what the body reads ([`encoder`](super::encoder), [`DecoderConfig`]) |
//! | ignored | `label2id`, `problem_type`, dropout |
//! | refused | models that are no sequence classifiers, labels that are not numbered from 0 on |

use serde_json::Value;

use super::encoder::EncoderConfig;
use super::json::Json;
use super::{DecoderConfig, quantised};
use crate::models::error::{LoadError, short};

/// A classifier's labels, and what reads the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassifierConfig {
    /// By their numbers, one or more.
    pub labels: Vec<String>,
    /// The token that fills up batches.
    pub pad: Option<u32>,
    pub body: Body,
}

/// What reads the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// Judges by the first token, or by all.
    Encoder(EncoderConfig),
    /// Judges by the last token.
    Decoder(Box<DecoderConfig>),
}

impl ClassifierConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// It is malformed, or of something else than a classifier that can be run.
    pub fn parse(json: &str) -> Result<Self, LoadError> {
        let value = serde_json::from_str(json).map_err(|e| LoadError::Config(e.to_string()))?;
        if let Some(method) = quantised(&value) {
            return Err(LoadError::Quantised(method));
        }
        check_architecture(&value)?;
        let labels = labels(&value)?;
        let body = match EncoderConfig::read(&Json::new(&value))? {
            Some(encoder) => Body::Encoder(encoder),
            None => Body::Decoder(Box::new(decoder(&value)?.with_labels(labels.len()))),
        };
        let pad = value["pad_token_id"].as_u64();
        Ok(Self {
            labels,
            pad: pad.and_then(|id| u32::try_from(id).ok()),
            body,
        })
    }

    /// How many tokens there are rows for.
    pub fn vocab_size(&self) -> usize {
        match &self.body {
            Body::Encoder(encoder) => encoder.vocab_size,
            Body::Decoder(decoder) => decoder.vocab_size,
        }
    }

    /// The most tokens that a text can have.
    pub fn room(&self) -> usize {
        match &self.body {
            Body::Encoder(encoder) => encoder.room(),
            Body::Decoder(decoder) => decoder.context,
        }
    }
}

fn check_architecture(value: &Value) -> Result<(), LoadError> {
    let named = value["architectures"].as_array();
    let named: Vec<&str> = named
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let is_one = |name: &&str| name.ends_with("ForSequenceClassification");
    match named.is_empty() || named.iter().any(is_one) {
        true => Ok(()),
        false => Err(LoadError::NoClassifier(short(&named.join(", ")))),
    }
}

/// The names of the labels by their numbers; two where none are named, as in transformers.
fn labels(value: &Value) -> Result<Vec<String>, LoadError> {
    let Some(named) = value["id2label"].as_object().filter(|map| !map.is_empty()) else {
        return Ok(vec!["LABEL_0".to_owned(), "LABEL_1".to_owned()]);
    };
    let name = |i: usize| {
        let name = named.get(&i.to_string()).and_then(Value::as_str);
        let missing = || LoadError::Config(format!("id2label has no label {i}"));
        name.map(str::to_owned).ok_or_else(missing)
    };
    (0..named.len()).map(name).collect()
}

fn decoder(value: &Value) -> Result<DecoderConfig, LoadError> {
    match DecoderConfig::from_json(value) {
        Err(LoadError::Family(family)) => Err(LoadError::Encoder(family)),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> String {
        ClassifierConfig::parse(json).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_classifier_is_refused() {
        let lm = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}"#;
        assert!(told(lm).contains("LlamaForCausalLM"), "{}", told(lm));
        let unknown = told(r#"{"model_type": "t5"}"#);
        assert!(
            unknown.contains("'t5'") && unknown.contains("modernbert"),
            "{unknown}"
        );
        let gaps = told(r#"{"model_type": "bert", "id2label": {"0": "a", "2": "b"}}"#);
        assert!(gaps.contains("no label 1"), "{gaps}");
    }

    #[test]
    fn labels_are_those_of_transformers() {
        let labels = |json: &str| labels(&serde_json::from_str(json).unwrap()).unwrap();
        assert_eq!(labels("{}"), ["LABEL_0", "LABEL_1"]);
        let named = r#"{"id2label": {"1": "POSITIVE", "0": "NEGATIVE"}}"#;
        assert_eq!(labels(named), ["NEGATIVE", "POSITIVE"]);
    }
}

//! What a model folder says of words: its tokenizer's files and its chat template.
//!
//! | file | read | ignored | refused |
//! | --- | --- | --- | --- |
//! | `tokenizer.json` | all but | `padding`, and `truncation` but for classifiers, as transformers resets both | what the tokenizers crate refuses, ids far beyond the number of tokens |
//! | `vocab.json`, `merges.txt` | where there is no `tokenizer.json` | | other classes than those of GPT-2 and RoBERTa ([`merges`]) |
//! | `vocab.txt` | where there is neither | | other classes than those of BERT and DistilBERT ([`pieces`]) |
//! | `tokenizer_config.json` | `*_token`, `added_tokens_decoder`, `additional_special_tokens`, `extra_special_tokens`, `chat_template`; for classifiers `model_max_length`, `truncation_side` | classes, clean-up of spaces | what is no JSON; tokens that would get other ids |
//! | `special_tokens_map.json` | where `added_tokens_decoder` is not there; goes before the configuration | | what is no JSON |
//! | `config.json` | `bos_token_id`, `eos_token_id`, where no token is named | | |
//! | `chat_template.jinja`, `chat_template.json` | goes before the configuration's | templates with other names than `default` | what is no text |

use std::path::Path;

use serde_json::Value;

use super::error::LoadError;
use super::load::{bytes, first_of, is_there, model_config, object};
use super::{merges, pieces};

/// The files that make a tokenizer, best first.
pub(super) const TOKENIZERS: [&[&str]; 3] = [
    &["tokenizer.json"],
    &["vocab.json", "merges.txt"],
    &["vocab.txt"],
];

/// What a folder says of words, as [`Tokenizer::from_bytes`](super::Tokenizer::from_bytes) takes
/// it.
pub(crate) struct WordFiles {
    /// A `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// A `tokenizer_config.json`, with what other files say of special tokens.
    pub config: Vec<u8>,
    pub chat_template: Option<String>,
    /// For messages.
    pub name: String,
}

impl WordFiles {
    /// Reads `tokenizer.json`, or makes one of `vocab.json` and `merges.txt`, or of `vocab.txt`.
    ///
    /// # Errors
    /// None is there, or what is there is not usable.
    pub fn read(folder: &Path) -> Result<Self, LoadError> {
        let file = folder.join(TOKENIZERS[0][0]);
        let mut config = config(folder)?;
        let chat_template = chat_template(folder, &config)?;
        let names = TOKENIZERS.map(|files| files[0]);
        let tokenizer = match first_of(folder, &names)? {
            "vocab.json" => merges::tokenizer(folder, &mut config)?,
            "vocab.txt" => pieces::tokenizer(folder, &mut config)?,
            _ => bytes(&file)?,
        };
        Ok(Self {
            tokenizer,
            config: config.to_string().into_bytes(),
            chat_template,
            name: file.display().to_string(),
        })
    }
}

/// How long texts are cut for a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The most tokens, special ones included.
    pub most: usize,
    /// Whether the beginning goes, not the end.
    pub from_left: bool,
}

impl WordFiles {
    /// What the tokenizer's files say of texts that are too long, with `room` for tokens in the
    /// model: the least of `truncation.max_length`, `model_max_length` and `room`; the side of
    /// `truncation_side`, else of `truncation.direction`.
    pub fn cut(&self, room: usize) -> Cut {
        let read = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        let (tokenizer, config): (Value, Value) = (read(&self.tokenizer), read(&self.config));
        let set = &tokenizer["truncation"];
        let length = |value: &Value| value.as_f64().filter(|n| (1.0..1e9).contains(n));
        let most = [&set["max_length"], &config["model_max_length"]];
        let most = most.into_iter().filter_map(length).map(|n| n as usize);
        let side = config["truncation_side"].as_str();
        let side = side.or(set["direction"].as_str()).unwrap_or_default();
        Cut {
            most: most.fold(room, usize::min),
            from_left: side.eq_ignore_ascii_case("left"),
        }
    }
}

/// `tokenizer_config.json`, and what other files say of special tokens in its place.
fn config(folder: &Path) -> Result<Value, LoadError> {
    let mut config = object(folder, "tokenizer_config.json")?;
    if !config.contains_key("added_tokens_decoder") {
        config.extend(object(folder, "special_tokens_map.json")?);
    }
    for key in ["bos_token_id", "eos_token_id"] {
        config.remove(key);
    }
    let model = model_config(folder)?;
    let ids = model
        .into_iter()
        .filter(|(key, _)| key.ends_with("os_token_id"));
    config.extend(ids);
    Ok(Value::Object(config))
}

/// A folder's chat template: a file of its own, or a text or the list's `default` in
/// `tokenizer_config.json`.
fn chat_template(folder: &Path, config: &Value) -> Result<Option<String>, LoadError> {
    let path = folder.join("chat_template.jinja");
    if is_there(&path)? {
        let text = String::from_utf8(bytes(&path)?);
        return text.map(Some).map_err(|e| LoadError::Tokenizer {
            name: folder.display().to_string(),
            reason: format!("chat_template.jinja: {e}"),
        });
    }
    let older = object(folder, "chat_template.json")?;
    let template = older
        .get("chat_template")
        .unwrap_or(&config["chat_template"]);
    let named = |list: &Vec<Value>| {
        let default = list.iter().find(|t| t["name"] == "default")?;
        default["template"].as_str().map(str::to_owned)
    };
    let text = template.as_str().map(str::to_owned);
    Ok(text.or_else(|| template.as_array().and_then(named)))
}

//! What a model folder says of words: its tokenizer's files and its chat template.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::error::LoadError;
use super::load::bytes;
use super::merges;

/// The files that make a tokenizer, best first.
pub(super) const TOKENIZERS: [&[&str]; 2] = [&["tokenizer.json"], &["vocab.json", "merges.txt"]];

/// What a folder says of words, as [`Tokenizer::from_bytes`](super::Tokenizer::from_bytes) takes
/// it.
pub(crate) struct WordFiles {
    /// A `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// A `tokenizer_config.json`; may be empty.
    pub config: Vec<u8>,
    pub chat_template: Option<String>,
    /// For messages.
    pub name: String,
}

impl WordFiles {
    /// Reads `tokenizer.json`, or makes one of `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// Neither is there, or what is there is not usable.
    pub fn read(folder: &Path) -> Result<Self, LoadError> {
        let file = folder.join(TOKENIZERS[0][0]);
        let config = fs::read(folder.join("tokenizer_config.json")).unwrap_or_default();
        let chat_template = chat_template(folder, &config);
        let older = !file.exists() && folder.join(TOKENIZERS[1][0]).exists();
        let (tokenizer, config) = match older {
            true => merges::tokenizer(folder, &config)?,
            false => (bytes(&file)?, config),
        };
        Ok(Self {
            tokenizer,
            config,
            chat_template,
            name: file.display().to_string(),
        })
    }
}

/// A folder's chat template: a file of its own, or a text or the list's `default` in
/// `tokenizer_config.json`.
fn chat_template(folder: &Path, config: &[u8]) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("chat_template.jinja")) {
        return Some(text);
    }
    let config: Value = serde_json::from_slice(config).ok()?;
    let template = &config["chat_template"];
    let named = |list: &Vec<Value>| {
        let default = list.iter().find(|t| t["name"] == "default")?;
        default["template"].as_str().map(str::to_owned)
    };
    let text = template.as_str().map(str::to_owned);
    text.or_else(|| template.as_array().and_then(named))
}

//! `vocab.txt`: the WordPiece of BERT and DistilBERT as their older repositories keep it, made into
//! the `tokenizer.json` that transformers makes of it (`BertConverter`).

use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::LoadError;
use super::load::{model_config, text};
use super::special::content;

/// Special tokens, and what they are where no file names them.
const SPECIALS: [(&str, &str); 5] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

/// The text of a `tokenizer.json`, from `vocab.txt` and `config`, which is the folder's
/// `tokenizer_config.json` with `special_tokens_map.json`. BERT's special tokens are added to it
/// where it names none.
///
/// # Errors
/// [`LoadError::File`] for a file that is missing, [`LoadError::Tokenizer`] for a tokenizer of
/// another kind, and for a vocabulary without special tokens.
pub(super) fn tokenizer(folder: &Path, config: &mut Value) -> Result<Vec<u8>, LoadError> {
    let unusable = |reason| LoadError::Tokenizer {
        name: folder.display().to_string(),
        reason,
    };
    let model = Value::Object(model_config(folder)?);
    check_kind(&model, config).map_err(unusable)?;
    for (key, token) in SPECIALS {
        if config.get(key).is_none() {
            config[key] = json!(token);
        }
    }
    let lines = text(&folder.join("vocab.txt"))?;
    let vocab = lines.lines().enumerate();
    let vocab: Map<String, Value> = vocab
        .map(|(id, token)| (token.to_owned(), id.into()))
        .collect();
    let tokenizer = made(&vocab, config).map_err(unusable)?;
    Ok(tokenizer.to_string().into_bytes())
}

fn check_kind(model: &Value, config: &Value) -> Result<(), String> {
    let class = [config, model].map(|file| file["tokenizer_class"].as_str());
    let family = model["model_type"].as_str().unwrap_or_default();
    let class = class.into_iter().flatten().next();
    let kind = class.map(|class| class.trim_end_matches("Fast"));
    match kind.unwrap_or(family) {
        "BertTokenizer" | "DistilBertTokenizer" => Ok(()),
        "bert" | "distilbert" if kind.is_none() => Ok(()),
        other => Err(format!(
            "it has no tokenizer.json, and its vocab.txt is for {other}, not for BertTokenizer"
        )),
    }
}

fn made(vocab: &Map<String, Value>, config: &Value) -> Result<Value, String> {
    let is = |key: &str, usual: bool| config[key].as_bool().unwrap_or(usual);
    let mut specials = Vec::new();
    for (key, _) in SPECIALS {
        specials.push(special(vocab, config, key)?);
    }
    let pair = |i: usize| json!([specials[i]["content"], specials[i]["id"]]);
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": specials,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": is("tokenize_chinese_chars", true),
            "strip_accents": config["strip_accents"].as_bool(),
            "lowercase": is("do_lower_case", true),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": pair(1), "cls": pair(3)},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": specials[0]["content"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    }))
}

/// A special token as `tokenizer.json` lists it.
fn special(vocab: &Map<String, Value>, config: &Value, key: &str) -> Result<Value, String> {
    let text = content(&config[key]).unwrap_or_default();
    let id = vocab.get(text);
    let id = id.ok_or_else(|| format!("vocab.txt has no {key} '{text}'"))?;
    Ok(json!({
        "id": id,
        "content": text,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": false,
        "special": true,
    }))
}

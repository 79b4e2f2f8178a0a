//! `vocab.json` and `merges.txt`: the byte-level BPE of GPT-2, OPT and RoBERTa as their older
//! repositories keep it, made into the `tokenizer.json` that transformers makes of it
//! (`GPT2Converter`, `RobertaConverter`).

use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::LoadError;
use super::load::{bytes, model_config, object};
use super::special::content;

/// Special tokens, in the order in which transformers adds them.
const SPECIALS: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];
const MORE: &str = "additional_special_tokens";

/// Whose tokenizer it is: they differ in special tokens only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gpt2,
    Roberta,
}

impl Kind {
    /// A special token that no file names.
    fn default(self, key: &str) -> Option<Value> {
        match (self, key) {
            (Self::Gpt2, "bos_token" | "eos_token" | "unk_token") => Some(json!("<|endoftext|>")),
            (Self::Gpt2, _) => None,
            (Self::Roberta, "bos_token" | "cls_token") => Some(json!("<s>")),
            (Self::Roberta, "eos_token" | "sep_token") => Some(json!("</s>")),
            (Self::Roberta, "unk_token") => Some(json!("<unk>")),
            (Self::Roberta, "pad_token") => Some(json!("<pad>")),
            (Self::Roberta, "mask_token") => Some(json!({"content": "<mask>", "lstrip": true})),
            (Self::Roberta, _) => None,
        }
    }
}

/// A folder's files, all of JSON parsed.
struct Files {
    kind: Kind,
    vocab: Map<String, Value>,
    merges: String,
    config: Value,
    /// `added_tokens.json`.
    added: Map<String, Value>,
}

/// The text of a `tokenizer.json`, from `vocab.json`, `merges.txt` and `config`, which is the
/// folder's `tokenizer_config.json` with `special_tokens_map.json`. The kind's special tokens
/// are added to it where it names none.
///
/// # Errors
/// [`LoadError::File`] for a file that is missing, [`LoadError::Tokenizer`] for a malformed one,
/// and for a tokenizer of another kind.
pub(super) fn tokenizer(folder: &Path, config: &mut Value) -> Result<Vec<u8>, LoadError> {
    let unusable = |reason| LoadError::Tokenizer {
        name: folder.display().to_string(),
        reason,
    };
    let model = Value::Object(model_config(folder)?);
    let kind = kind(&model, config).map_err(unusable)?;
    for key in SPECIALS {
        if let (None, Some(token)) = (config.get(key), kind.default(key)) {
            config[key] = token;
        }
    }
    let text = String::from_utf8(bytes(&folder.join("merges.txt"))?);
    let files = Files {
        kind,
        vocab: serde_json::from_slice(&bytes(&folder.join("vocab.json"))?)
            .map_err(|e| unusable(format!("vocab.json: {e}")))?,
        merges: text.map_err(|e| unusable(format!("merges.txt: {e}")))?,
        config: config.clone(),
        added: object(folder, "added_tokens.json")?,
    };
    let tokenizer = files.tokenizer().map_err(unusable)?;
    Ok(tokenizer.to_string().into_bytes())
}

/// Others split words by rules that only a `tokenizer.json` tells.
fn kind(model: &Value, config: &Value) -> Result<Kind, String> {
    let class = [config, model].map(|file| file["tokenizer_class"].as_str());
    let family = model["model_type"].as_str().unwrap_or_default();
    let kind = class.into_iter().flatten().next();
    match kind.unwrap_or(family) {
        "GPT2Tokenizer" | "GPT2TokenizerFast" => Ok(Kind::Gpt2),
        "RobertaTokenizer" | "RobertaTokenizerFast" => Ok(Kind::Roberta),
        "gpt2" | "opt" if kind.is_none() => Ok(Kind::Gpt2),
        "roberta" if kind.is_none() => Ok(Kind::Roberta),
        other => Err(format!(
            "it has no tokenizer.json, and its vocab.json is for {other}, not for GPT2Tokenizer"
        )),
    }
}

impl Files {
    fn tokenizer(&self) -> Result<Value, String> {
        let added = self.added_tokens()?;
        let prefix = self.config["add_prefix_space"].as_bool().unwrap_or(false);
        let byte_level = |prefix: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true});
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "normalizer": null,
            "pre_tokenizer": byte_level(prefix),
            "post_processor": match self.kind {
                Kind::Gpt2 => self.template(&added),
                Kind::Roberta => self.between(&added, prefix),
            },
            "decoder": byte_level(true),
            "model": self.model(),
            "added_tokens": added,
        }))
    }

    fn model(&self) -> Value {
        let mut lines = self.merges.lines().peekable();
        lines.next_if(|line| line.starts_with("#version"));
        let merges: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": self.vocab,
            "merges": merges,
        })
    }

    /// Texts begin with BOS where `add_bos_token` says so.
    fn template(&self, added: &[Value]) -> Value {
        let bos = self.special("bos_token").unwrap_or_default();
        let id = added.iter().find(|token| token["content"] == bos);
        let adds_bos = self.config["add_bos_token"].as_bool().unwrap_or(false);
        let Some(id) = id.filter(|_| adds_bos).map(|token| &token["id"]) else {
            return Value::Null;
        };
        let first = json!({"SpecialToken": {"id": bos, "type_id": 0}});
        let text = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
        json!({
            "type": "TemplateProcessing",
            "single": [first, text("A", 0)],
            "pair": [first, text("A", 0), text("B", 1)],
            "special_tokens": {&bos: {"id": bos, "ids": [id], "tokens": [bos]}},
        })
    }

    /// Texts stand between the token that is judged and the one that parts them.
    fn between(&self, added: &[Value], prefix: bool) -> Value {
        let token = |key| {
            let text = self.special(key).unwrap_or_default();
            let id = added.iter().find(|token| token["content"] == text);
            json!([text, id.map(|token| &token["id"])])
        };
        json!({
            "type": "RobertaProcessing",
            "sep": token("sep_token"),
            "cls": token("cls_token"),
            "trim_offsets": true,
            "add_prefix_space": prefix,
        })
    }

    /// What the files say of one special token: a text, or an object with its `content`.
    fn said(&self, key: &str) -> Option<&Value> {
        self.config.get(key)
    }

    fn special(&self, key: &str) -> Option<String> {
        self.said(key).and_then(content).map(str::to_owned)
    }

    /// All special tokens, in the order in which transformers adds them.
    fn specials(&self) -> Vec<Value> {
        let named = SPECIALS.iter().filter_map(|key| self.said(key));
        let more = self.said(MORE).and_then(Value::as_array);
        named.chain(more.into_iter().flatten()).cloned().collect()
    }

    /// Tokens with ids of their own beside the vocabulary, by id.
    fn numbered(&self) -> Result<Vec<(u64, Value)>, String> {
        let newer = self.config["added_tokens_decoder"].as_object();
        let number = |(id, token): (&String, &Value)| Some((id.parse().ok()?, token.clone()));
        let older = self.added.iter();
        let turned = |(text, id): (&String, &Value)| Some((id.as_u64()?, json!(text)));
        let all: Option<Vec<_>> = match newer {
            Some(newer) => newer.iter().map(number).collect(),
            None => older.map(turned).collect(),
        };
        let mut all = all.ok_or("the id of an added token is no number")?;
        all.sort_by_key(|(id, _)| *id);
        Ok(all)
    }

    /// Tokens that are looked for in a text before it is split, with their ids.
    fn added_tokens(&self) -> Result<Vec<Value>, String> {
        let specials = self.specials();
        let is_special = |text: &str| specials.iter().any(|token| content(token) == Some(text));
        let numbered = self
            .numbered()?
            .into_iter()
            .map(|(id, token)| (Some(id), token));
        let unnumbered = specials.iter().map(|token| (None, token.clone()));
        let mut added: Vec<Value> = Vec::new();
        // The next id that the vocabulary does not have.
        let mut free = self.vocab.len() as u64;
        for (wanted, token) in numbered.chain(unnumbered) {
            let Some(text) = content(&token) else {
                continue;
            };
            if added.iter().any(|known| known["content"] == text) {
                continue;
            }
            let known = self.vocab.get(text).and_then(Value::as_u64);
            let id = known.unwrap_or(free);
            if let Some(wanted) = wanted.filter(|wanted| *wanted != id) {
                return Err(format!(
                    "its token '{text}' is to have the id {wanted} where {id} is next"
                ));
            }
            free += u64::from(known.is_none());
            added.push(entry(id, text, &token, is_special(text)));
        }
        Ok(added)
    }
}

/// A token as `tokenizer.json` lists it.
fn entry(id: u64, text: &str, token: &Value, is_special: bool) -> Value {
    let is = |key: &str| token[key].as_bool().unwrap_or(false);
    json!({
        "id": id,
        "content": text,
        "single_word": is("single_word"),
        "lstrip": is("lstrip"),
        "rstrip": is("rstrip"),
        "normalized": is("normalized"),
        "special": is_special || is("special"),
    })
}

//! Special tokens, as transformers finds them (`tokenization_utils_base.py`, `from_pretrained`).

use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

/// As [`TokenId`](super::TokenId).
type Id = u32;

/// Every special token that a configuration names: keys that end in `_token`, and the entries of
/// `extra_special_tokens` where that is a table.
pub(super) fn names(config: &Value) -> Vec<(String, String)> {
    let own = config.as_object().into_iter().flatten();
    let own = own.filter(|(key, _)| key.ends_with("_token"));
    let extra = config["extra_special_tokens"].as_object();
    let all = own.chain(extra.into_iter().flatten());
    let named = |(key, token): (&String, &Value)| Some((key.clone(), content(token)?.to_owned()));
    all.filter_map(named).collect()
}

/// A token's text, alone or in a table.
pub(super) fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

/// The tokens of `added_tokens_decoder`, which `tokenizer.json` may lack.
///
/// # Errors
/// One that would get another id than it is to have.
pub(super) fn add_tokens(tokenizer: &mut Tokenizer, config: &Value) -> Result<(), String> {
    let named = config["added_tokens_decoder"].as_object();
    let mut tokens = Vec::new();
    for (id, token) in named.into_iter().flatten() {
        let id: Id = id
            .parse()
            .map_err(|_| format!("an added token has the id '{id}'"))?;
        let text = content(token).ok_or_else(|| format!("the added token {id} has no text"))?;
        tokens.push((id, added(text, token)));
    }
    tokens.sort_by_key(|(id, _)| *id);
    let fresh = tokens.iter().map(|(_, token)| token.clone());
    tokenizer.add_tokens(fresh).map_err(|e| e.to_string())?;
    for (id, token) in tokens {
        let found = tokenizer.token_to_id(&token.content);
        if found != Some(id) {
            return Err(format!(
                "its token '{}' is to have the id {id} and would get {}",
                token.content,
                found.unwrap_or_default()
            ));
        }
    }
    Ok(())
}

fn added(text: &str, token: &Value) -> AddedToken {
    let is = |key: &str| token[key].as_bool().unwrap_or(false);
    AddedToken {
        content: text.to_owned(),
        single_word: is("single_word"),
        lstrip: is("lstrip"),
        rstrip: is("rstrip"),
        normalized: is("normalized"),
        special: is("special"),
    }
}

/// Marks the tokens that are named as special, whatever their entries say, so that they never show
/// in text. Names of tokens that the vocabulary has not are left alone: transformers would give
/// them ids beyond it.
///
/// # Errors
/// None that is expected.
pub(super) fn mark(
    tokenizer: &mut Tokenizer,
    config: &Value,
    names: &[(String, String)],
) -> Result<(), String> {
    let known = tokenizer.get_added_tokens_decoder();
    let entry = |text: &str| known.values().find(|token| token.content == text);
    let lists = ["additional_special_tokens", "extra_special_tokens"];
    let more = lists
        .iter()
        .filter_map(|key| config[*key].as_array())
        .flatten();
    // Of these an entry holds.
    let more = more
        .filter_map(content)
        .filter(|text| entry(text).is_none());
    let named = names.iter().map(|(_, text)| text.as_str());
    let there = |text: &&str| tokenizer.token_to_id(text).is_some();
    let special = |text: &str| match entry(text) {
        Some(token) => token.clone().special(true),
        None => AddedToken::from(text, true),
    };
    let tokens: Vec<_> = named.chain(more).filter(there).map(special).collect();
    tokenizer
        .add_special_tokens(tokens)
        .map_err(|e| e.to_string())?;
    Ok(())
}

/// The id of a named token, or else the one that `config.json` gives for it.
pub(super) fn id(
    tokenizer: &Tokenizer,
    config: &Value,
    names: &[(String, String)],
    key: &str,
) -> Option<Id> {
    let named = names.iter().find(|(name, _)| name == key);
    if let Some((_, text)) = named {
        return tokenizer.token_to_id(text);
    }
    let id = &config[format!("{key}_id")];
    let id = id
        .as_array()
        .map_or(id, |ids| ids.first().unwrap_or(&Value::Null));
    let id = Id::try_from(id.as_u64()?).ok()?;
    tokenizer.id_to_token(id).map(|_| id)
}

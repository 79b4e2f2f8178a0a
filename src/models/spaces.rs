//! The space that SentencePiece's tokenizers put before a text, and take away when they read one;
//! and whether any token reaches into the space after a word.
//!
//! Responses follow a prompt, so what is read goes on after something: transformers' streamers
//! decode with what precedes, and keep the space of the first token. Here the decoder keeps it.
//! Where the prompt is no text (it is empty, or a special token alone) nothing precedes, and the
//! decoder as it was takes that space away.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokenizers::{AddedToken, DecoderWrapper, Tokenizer};

use crate::caught::caught;

/// Makes the decoder keep a space at the beginning; the one that did not, where there was one.
///
/// # Errors
/// None that is expected: what was written is read again.
pub(super) fn keep_first(tokenizer: &mut Tokenizer) -> Result<Option<DecoderWrapper>, String> {
    let Some(first) = tokenizer.get_decoder().cloned() else {
        return Ok(None);
    };
    let value = serde_json::to_value(&first).map_err(|e| e.to_string())?;
    let mut kept = value.clone();
    keep(&mut kept);
    if kept == value {
        return Ok(None);
    }
    let decoder: DecoderWrapper = serde_json::from_value(kept).map_err(|e| e.to_string())?;
    tokenizer.with_decoder(Some(decoder));
    Ok(Some(first))
}

fn keep(decoder: &mut Value) {
    match decoder["type"].as_str() {
        Some("Metaspace") => decoder["prepend_scheme"] = json!("never"),
        Some("Strip") if decoder["content"] == " " => decoder["start"] = json!(0),
        Some("Sequence") => {
            let inner = decoder["decoders"].as_array_mut();
            inner.into_iter().flatten().for_each(keep);
        }
        _ => {}
    }
}

/// Whether texts are taken to begin with a space.
///
/// # Errors
/// A tokenizer that panics on the shortest of texts is none.
pub(super) fn adds_first(tokenizer: &Tokenizer) -> Result<bool, String> {
    // Some tokenizers have no word for it, which is no fault.
    let encoded = caught(|| Ok::<_, String>(tokenizer.encode_fast("a", false)))?;
    let first = encoded.ok().and_then(|e| e.get_ids().first().copied());
    let first = first.and_then(|id| tokenizer.id_to_token(id));
    Ok(first.is_some_and(|token| token.starts_with('▁')))
}

/// What stands for a space in vocabularies: of bytes, of SentencePiece, of words.
const SPACES: [char; 3] = ['Ġ', '▁', ' '];

/// What stands for other white space in vocabularies of bytes.
const BLANKS: [char; 3] = ['Ċ', 'ĉ', 'č'];

/// Whether tokens reach from a word to the space after it.
pub(super) fn joins_words(tokenizer: &Tokenizer, vocab: &HashMap<String, u32>) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    vocab.keys().any(|token| reaches_into_space(token)) || added.values().any(takes_space)
}

fn reaches_into_space(token: &str) -> bool {
    let is_blank = |c: char| SPACES.contains(&c) || BLANKS.contains(&c) || c.is_whitespace();
    // Of a letter beyond ASCII the last byte may be any sign that is not in ASCII.
    let is_letter = |c: char| !is_blank(c) && (c.is_alphabetic() || !c.is_ascii());
    let pairs = token.chars().zip(token.chars().skip(1));
    pairs
        .into_iter()
        .any(|(a, b)| is_letter(a) && SPACES.contains(&b))
}

/// Whether an added token takes the space between two words with it.
fn takes_space(token: &AddedToken) -> bool {
    let mut chars = token.content.chars();
    let (first, last) = (chars.next(), chars.next_back());
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    token.lstrip && is_letter(first) || token.rstrip && is_letter(last.or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_hold_spaces_but_none_after_a_letter() {
        for token in ["Ġthe", "▁the", "ĊĠĠ", "▁▁", ")Ġ", "the", "<a b"] {
            assert_eq!(reaches_into_space(token), token == "<a b", "{token}");
        }
        for token in ["eĠ", "▁of▁the", "Ã©Ġ"] {
            assert!(reaches_into_space(token), "{token}");
        }
    }
}

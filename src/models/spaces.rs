//! The space that SentencePiece's tokenizers put before a text, and take away when they read one.
//!
//! Responses follow a prompt, so what is read goes on after something: transformers' streamers
//! decode with what precedes, and keep the space of the first token. Here the decoder keeps it.
//! Where the prompt is no text (it is empty, or a special token alone) nothing precedes, and the
//! decoder as it was takes that space away.

use serde_json::{Value, json};
use tokenizers::{DecoderWrapper, Tokenizer};

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

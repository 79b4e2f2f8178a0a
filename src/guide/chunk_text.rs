//! The text of a chunk while it grows, at a cost that does not grow with the response: only the
//! last few tokens are decoded, with what precedes them, since a token's text may depend on it
//! (a SentencePiece token's leading space, a character of several tokens).

use crate::models::Tokenizer;
use crate::search::{Hypothesis, Rope, Text, TokenId};

/// How many tokens before the chunk are at hand as context: a character has at most four bytes,
/// and a token at least one.
const CONTEXT: usize = 8;

/// Text that follows a parent's, token by token.
#[derive(Debug, Clone)]
pub(super) struct ChunkText {
    /// The parent's.
    before: Text,
    /// What follows it, as far as it is certain.
    fresh: String,
    /// The end of what precedes the chunk, then the chunk.
    tokens: Vec<TokenId>,
    /// `tokens[context..read]` are decoded again as context; `fresh` covers `tokens[..read]`.
    context: usize,
    read: usize,
    /// Whether nothing before is text, so that the first token is the first of all.
    is_first: bool,
}

impl ChunkText {
    /// Goes on after `parent`, or after the prompt.
    pub fn after(prompt: &[TokenId], parent: Option<&Hypothesis>, tokenizer: &Tokenizer) -> Self {
        let before = parent.map(|p| p.text.clone()).unwrap_or_default();
        let response = parent.map(|p| p.tokens.clone()).unwrap_or_default();
        let tokens = tail(prompt, &response);
        let (context, read) = settled(&tokens, tokenizer);
        let is_first = before.is_empty()
            && tokenizer.is_before_text(prompt)
            && tokenizer.is_before_text(&response.to_vec());
        Self {
            before,
            fresh: String::new(),
            context,
            read,
            tokens,
            is_first,
        }
    }

    /// One token more; the text of the response so far. The bytes of an incomplete last
    /// character are held back.
    pub fn push(&mut self, token: TokenId, tokenizer: &Tokenizer) -> Text {
        self.tokens.push(token);
        let new = self.untold(tokenizer);
        let whole = new.trim_end_matches(char::REPLACEMENT_CHARACTER);
        if whole.len() == new.len() {
            self.fresh.push_str(whole);
            (self.context, self.read) = (self.read, self.tokens.len());
            self.is_first &= tokenizer.is_before_text(&[token]);
            return self.text("");
        }
        self.text(whole)
    }

    /// The text that is not told yet.
    fn untold(&self, tokenizer: &Tokenizer) -> String {
        if self.is_first {
            return tokenizer.decode_first(&self.tokens);
        }
        let context = tokenizer.decode(&self.tokens[self.context..self.read]);
        let mut grown = tokenizer.decode(&self.tokens[self.context..]);
        let start = common_bytes(&context, &grown);
        grown.drain(..start);
        grown
    }

    fn text(&self, held: &str) -> Text {
        let kept = self.before.len();
        match held.is_empty() {
            true => self.before.extended(kept, &self.fresh),
            false => self.before.extended(kept, &format!("{}{held}", self.fresh)),
        }
    }
}

/// The last tokens before a chunk.
fn tail(prompt: &[TokenId], response: &Rope<TokenId>) -> Vec<TokenId> {
    let from = response.len().saturating_sub(CONTEXT);
    let of_prompt = CONTEXT.saturating_sub(response.len()).min(prompt.len());
    let mut tail = prompt[prompt.len() - of_prompt..].to_vec();
    tail.extend(response.since(from));
    tail
}

/// Up to where the text of `tokens` is told, and where the context before that begins: bytes of an
/// incomplete last character are held back, with the tokens that they are of.
fn settled(tokens: &[TokenId], tokenizer: &Tokenizer) -> (usize, usize) {
    let is_told = |n: &usize| {
        let text = tokenizer.decode(&tokens[..*n]);
        !text.ends_with(char::REPLACEMENT_CHARACTER)
    };
    let read = (0..=tokens.len()).rev().find(is_told).unwrap_or(0);
    (read.saturating_sub(1), read)
}

/// Where `grown` leaves `context`, at a character's end.
fn common_bytes(context: &str, grown: &str) -> usize {
    let pairs = context.char_indices().zip(grown.chars());
    let parting = pairs
        .clone()
        .find(|((_, a), b)| a != b)
        .map(|((at, _), _)| at);
    parting.unwrap_or(context.len().min(grown.len()))
}

/// The text of a whole response as the reference has it: decoded at once, bytes of an incomplete
/// character as U+FFFD.
pub(super) fn decoded(
    prompt: &[TokenId],
    parent: Option<&Hypothesis>,
    chunk: &[TokenId],
    tokenizer: &Tokenizer,
) -> Text {
    let mut ids = parent.map(|p| p.tokens.to_vec()).unwrap_or_default();
    ids.extend_from_slice(chunk);
    let before = parent.map(|p| p.text.clone()).unwrap_or_default();
    before.grown_to(&match tokenizer.is_before_text(prompt) {
        true => tokenizer.decode_first(&ids),
        false => tokenizer.decode(&ids),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decoder::DeviceChoice;
    use crate::library::Library;
    use crate::models::ModelSpec;
    use crate::search::{Growth, Lineage, Scores, Successor};

    fn tokenizer() -> std::sync::Arc<Tokenizer> {
        let mut library = Library::open(DeviceChoice::Cpu).unwrap();
        let model = library.model(&ModelSpec::parse("bundled:strong")).unwrap();
        model.tokenizer
    }

    fn continued(parent: Option<&Hypothesis>, growth: &Growth) -> Hypothesis {
        let tokens = parent.map(|p| p.tokens.clone()).unwrap_or_default();
        Hypothesis {
            id: crate::search::HypothesisId(0),
            parent: None,
            round: 1,
            successor: Successor::Sampled(0),
            lineage: Lineage::root(0),
            chunk_start: tokens.len(),
            tokens: tokens.extended(tokens.len(), growth.tokens.clone()),
            text: growth.text.clone(),
            text_start: 0,
            log_probs: Rope::default(),
            finish: None,
            drawn: None,
            scores: Scores::default(),
            chunk_terms: Vec::new(),
        }
    }

    proptest! {
        /// Wherever chunks end, also inside a character of several tokens, the text is that of
        /// all tokens at once.
        #[test]
        fn chunks_read_as_the_whole(words in prop::collection::vec("[a-z é日😀.]{1,6}", 1..5), l in 1..6usize) {
            static TOKENIZER: std::sync::LazyLock<std::sync::Arc<Tokenizer>> =
                std::sync::LazyLock::new(tokenizer);
            let prompt = TOKENIZER.encode("The film");
            let ids = TOKENIZER.encode(&words.concat());
            let mut parent: Option<Hypothesis> = None;
            let mut n = 0;
            for chunk in ids.chunks(l) {
                let mut text = ChunkText::after(&prompt, parent.as_ref(), &TOKENIZER);
                let mut growth = Growth::after(parent.as_ref());
                for id in chunk {
                    n += 1;
                    growth.tokens.push(*id);
                    growth.text = text.push(*id, &TOKENIZER);
                    let whole = TOKENIZER.decode_whole_characters(&ids[..n]);
                    prop_assert_eq!(&growth.text, &whole);
                }
                parent = Some(continued(parent.as_ref(), &growth));
            }
        }
    }
}

//! The text of a chunk while it grows, at a cost that does not grow with the response: only the
//! last few tokens are decoded, with what precedes them, since a token's text may depend on it
//! (a SentencePiece token's leading space, a character of several tokens).

use crate::models::Tokenizer;
use crate::search::{Hypothesis, Rope, Rules, Text, TokenId};

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
}

impl ChunkText {
    /// Goes on after `parent`, or after the prompt.
    pub fn after(prompt: &[TokenId], parent: Option<&Hypothesis>, tokenizer: &Tokenizer) -> Self {
        let before = parent.map(|p| p.text.clone()).unwrap_or_default();
        let tokens = parent.map(|p| p.tokens.clone()).unwrap_or_default();
        let tokens = tail(prompt, &tokens);
        let (context, read) = settled(&tokens, tokenizer);
        Self {
            before,
            fresh: String::new(),
            context,
            read,
            tokens,
        }
    }

    /// One token more; the text of the response so far. The bytes of an incomplete last
    /// character are held back.
    pub fn push(&mut self, token: TokenId, tokenizer: &Tokenizer) -> Text {
        self.tokens.push(token);
        let context = tokenizer.decode(&self.tokens[self.context..self.read]);
        let grown = tokenizer.decode(&self.tokens[self.context..]);
        let start = common_bytes(&context, &grown);
        let new = &grown[start..];
        let whole = new.trim_end_matches(char::REPLACEMENT_CHARACTER);
        if whole.len() == new.len() {
            self.fresh.push_str(new);
            (self.context, self.read) = (self.read, self.tokens.len());
            return self.text("");
        }
        self.text(whole)
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

/// The text of a whole response under the reference's rules: decoded at once, bytes of an
/// incomplete character as U+FFFD.
pub(super) fn decoded(
    parent: Option<&Hypothesis>,
    chunk: &[TokenId],
    tokenizer: &Tokenizer,
    rules: Rules,
) -> Text {
    let mut ids = parent.map(|p| p.tokens.to_vec()).unwrap_or_default();
    ids.extend_from_slice(chunk);
    let before = parent.map(|p| p.text.clone()).unwrap_or_default();
    before.grown_to(&match rules {
        Rules::Reference => tokenizer.decode(&ids),
        Rules::Fixed => tokenizer.decode_whole_characters(&ids),
    })
}

//! What models say of a candidate and see of its prompt, as plain data: found by the executors,
//! shown by whoever asks.

use std::sync::Arc;

use crate::search::{HypothesisId, PairId, TokenId};

/// A token that a model finds likely.
#[derive(Debug, Clone, PartialEq)]
pub struct Likely {
    pub piece: Arc<str>,
    /// Raw, in nats.
    pub log_prob: f64,
}

/// One token of a text that the model did not necessarily write.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub piece: Arc<str>,
    /// Raw, in nats: before temperature and filters.
    pub log_prob: f64,
    /// The probability it was drawn with, after temperature, top-k and top-p; 0 when the filters
    /// as they are now leave it out.
    pub drawn: f64,
    /// Raw, likeliest first.
    pub likeliest: Vec<Likely>,
    /// The same of softmax(strong + β (tuned − untuned)), where the method draws from that; empty
    /// otherwise.
    pub proposed: Vec<Likely>,
}

/// What both halves of a pair say at one place; neither draws, so all of it is raw.
#[derive(Debug, Clone, PartialEq)]
pub struct WeakPlace {
    pub tuned: Place,
    pub untuned: Place,
}

/// All that the models say about one candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub id: HypothesisId,
    /// The pair that this is of.
    pub pair: PairId,
    /// The prompt's last weak tokens: what the response joins on to.
    pub joins: Vec<Arc<str>>,
    /// One for each term of the log-ratio.
    pub weak: Vec<WeakPlace>,
    /// One for each sampled token.
    pub strong: Vec<Place>,
    /// The same for all candidates of a run under one pair.
    pub xray: Arc<Xray>,
    pub seams: Seams,
    /// What the independent judge found strongest in prompt + response: words with their weights in
    /// nats, the largest by magnitude first.
    pub judged: Vec<(String, f64)>,
}

/// A prompt as one model sees it, template applied.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptView {
    pub model: String,
    pub text: String,
    /// Ids with the text of each alone.
    pub tokens: Vec<(TokenId, Arc<str>)>,
    /// Whether the tokens begin with BOS.
    pub bos: bool,
    /// With a response after it, where there is one.
    pub joint: Option<Joint>,
}

/// Prompt and response tokenised as one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    pub ids: Vec<TokenId>,
    /// How many leading ids are those of the prompt alone.
    pub shared: usize,
    /// Whether a token spans the join, so that the prompt's own ids do not all stand.
    pub merges: bool,
}

/// How the pair scores what the strong model samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoring {
    /// The sampled ids as they are: strong model and pair share a vocabulary.
    Ids,
    /// prompt + response as text, tokenised jointly (`scorers.py` of the reference): the join
    /// may merge tokens, and accepted text may be tokenised anew.
    Text,
}

/// What the three models of a search see.
#[derive(Debug, Clone, PartialEq)]
pub struct Xray {
    pub strong: PromptView,
    pub tuned: PromptView,
    pub untuned: PromptView,
    pub vocabularies: Vocabularies,
    pub scoring: Scoring,
}

/// The vocabularies of strong model and pair, compared by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabularies {
    /// Whether ids mean the same in both, merges included.
    pub same: bool,
    pub strong: usize,
    pub pair: usize,
    /// Tokens that the other has not, or under another id; both sides counted.
    pub differing: usize,
}

/// How a response holds together: with its prompt, with what was accepted of it before its last
/// chunk, and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seams {
    /// Weak tokens at the prompt's end that do not stand where prompt and response are tokenised
    /// as one text. Only under [`Scoring::Text`] does the pair read them so.
    pub merged: usize,
    /// Weak tokens of the accepted response, and how many of them its last chunk changed.
    pub accepted: usize,
    pub changed: usize,
    /// The last bytes are no whole character yet.
    pub in_character: bool,
    /// The text ends with a letter or a digit: in a word or at its end, as what follows will tell.
    pub after_letter: bool,
}

/// How far a prompt is read that takes several passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptRead {
    /// By the weak pair, not by the strong model.
    pub by_pair: bool,
    /// Tokens.
    pub done: usize,
    pub total: usize,
}

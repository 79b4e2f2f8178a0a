//! Responses as the weak pair reads them: sampled ids as they are, or text tokenised jointly with
//! the prompt.

use std::sync::Arc;

use super::evidence::Place;
use super::strong::common_prefix;
use crate::library::{Model, WeakPair};
use crate::models::Prompt;
use crate::search::{ModelError, Response, Rules, Sampling, TokenId};

/// How a response becomes weak tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// The sampled ids as they are: strong model and pair share a vocabulary.
    Ids,
    /// prompt + response as text, tokenised jointly (`scorers.py` of the reference): the join
    /// may merge tokens, and accepted text may be tokenised anew.
    Text,
}

impl Join {
    /// Ids where the rules and the vocabularies allow it.
    #[must_use]
    pub fn choose(rules: Rules, strong: &Model, pair: &WeakPair) -> Self {
        let same = strong.tokenizer.same_vocabulary(&pair.tuned.tokenizer);
        if rules == Rules::Fixed && same {
            Self::Ids
        } else {
            Self::Text
        }
    }
}

/// Turns responses to one prompt into weak tokens.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) pair: WeakPair,
    join: Join,
    prompt: Prompt,
    pub(super) prompt_ids: Vec<TokenId>,
}

impl Reader {
    /// `prompt` is templated for the pair already.
    ///
    /// # Errors
    /// An empty prompt for a pair without BOS (where ids are scored); a prompt that does not
    /// leave room for `max_new_tokens` in the context.
    pub fn new(
        pair: WeakPair,
        prompt: &Prompt,
        join: Join,
        max_new_tokens: usize,
    ) -> Result<Self, ModelError> {
        let prompt_ids = match join {
            Join::Ids => pair.tuned.prompt_ids(prompt, max_new_tokens)?,
            Join::Text => pair.tuned.try_text_ids(prompt, "")?,
        };
        let prompt = prompt.clone();
        Ok(Self {
            pair,
            join,
            prompt,
            prompt_ids,
        })
    }

    /// Prompt and response in weak tokens, and where the response begins: the length of the
    /// common prefix with the prompt alone, at least 1 since nothing predicts the first token.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub(super) fn read(
        &self,
        response: &Response<'_>,
    ) -> Result<(Vec<TokenId>, usize), ModelError> {
        let mut ids = match self.join {
            Join::Ids => self.joined_ids(response.tokens),
            Join::Text => self.joined_text(response.text)?,
        };
        if response.ended {
            ids.extend(self.pair.tuned.tokenizer.eos());
        }
        let first = common_prefix(&ids, &self.prompt_ids).max(1);
        Ok((ids, first))
    }

    fn joined_ids(&self, tokens: &[TokenId]) -> Vec<TokenId> {
        let ended = tokens.last().is_some_and(|t| self.pair.tuned.is_eos(*t));
        let text = &tokens[..tokens.len() - usize::from(ended)];
        [&self.prompt_ids, text].concat()
    }

    fn joined_text(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        Ok(self.pair.tuned.try_text_ids(&self.prompt, text)?)
    }

    /// How many tokens at the prompt's end do not stand where prompt and text are tokenised as
    /// one, whether the pair reads them so or not.
    pub(super) fn merged(&self, text: &str) -> Result<usize, ModelError> {
        let alone = self.joined_text("")?;
        let stand = common_prefix(&alone, &self.joined_text(text)?);
        Ok(alone.len() - stand)
    }

    /// The weak tokens of `accepted`, and how many of them are others once it goes on as
    /// `response`: those from the first change on.
    pub(super) fn changed(
        &self,
        accepted: &Response<'_>,
        response: &Response<'_>,
    ) -> Result<(usize, usize), ModelError> {
        let (before, first) = self.read(accepted)?;
        let (after, _) = self.read(response)?;
        let stand = common_prefix(&before, &after).max(first);
        let from = |at: usize| before.len().saturating_sub(at);
        Ok((from(first), from(stand)))
    }

    /// What both models say of the response, from the first scored token on: the tuned one's
    /// places, the untuned one's, and the last tokens of the prompt that the response joins.
    ///
    /// # Errors
    /// [`ModelError`] when the text outgrows the context.
    pub fn evidence(
        &self,
        response: &Response<'_>,
        n_likeliest: usize,
    ) -> Result<PairEvidence, ModelError> {
        const JOINS: usize = 3;
        let (ids, first) = self.read(response)?;
        let raw = Sampling::default();
        let of = |model: &Model| model.places(&ids, first, n_likeliest, &raw, Rules::Fixed);
        let before = &ids[first.min(ids.len()).saturating_sub(JOINS)..first.min(ids.len())];
        let piece = |id: &TokenId| self.pair.tuned.tokenizer.piece(*id);
        Ok(PairEvidence {
            joins: before.iter().map(piece).collect(),
            tuned: of(&self.pair.tuned)?,
            untuned: of(&self.pair.untuned)?,
        })
    }
}

/// See [`Reader::evidence`].
#[derive(Debug, Clone, PartialEq)]
pub struct PairEvidence {
    pub joins: Vec<Arc<str>>,
    pub tuned: Vec<Place>,
    pub untuned: Vec<Place>,
}

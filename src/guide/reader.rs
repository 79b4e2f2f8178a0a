//! Responses as the weak pair reads them: sampled ids as they are, or text tokenised jointly with
//! the prompt.

use std::sync::Arc;

use super::rows::common_prefix;
use crate::evidence::Scoring;
use crate::library::{Model, WeakPair};
use crate::models::{Prompt, Tokenised};
use crate::search::{ModelError, Response, Rules, TokenId};

/// Ids where the rules and the vocabularies allow it.
pub(super) fn scoring(rules: Rules, strong: &Model, pair: &WeakPair) -> Scoring {
    let same = strong.tokenizer.same_vocabulary(&pair.tuned.tokenizer);
    match rules == Rules::Fixed && same {
        true => Scoring::Ids,
        false => Scoring::Text,
    }
}

/// A response in weak tokens, after its prompt's.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub ids: Vec<TokenId>,
    /// Where the response begins.
    pub first: usize,
    /// Its text with the prompt's, where text is scored.
    pub tokenised: Option<Arc<Tokenised>>,
}

/// Turns responses to one prompt into weak tokens.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) pair: WeakPair,
    scoring: Scoring,
    prompt: Prompt,
    pub(super) prompt_ids: Vec<TokenId>,
    /// The prompt's text, where text is scored.
    tokenised: Option<Arc<Tokenised>>,
    /// The strong model's ids that end a response.
    ends: Vec<TokenId>,
}

impl Reader {
    /// `prompt` is templated for the pair already; `ends` are the ids that end a response of the
    /// strong model.
    ///
    /// # Errors
    /// An empty prompt for a pair without BOS (where ids are scored); a prompt that does not
    /// leave room for `max_new_tokens` in the context of either half.
    pub fn new(
        pair: WeakPair,
        prompt: &Prompt,
        scoring: Scoring,
        ends: Vec<TokenId>,
        max_new_tokens: usize,
    ) -> Result<Self, ModelError> {
        let (prompt_ids, tokenised) = match scoring {
            Scoring::Ids => (pair.tuned.prompt_ids(prompt, max_new_tokens)?, None),
            Scoring::Text => {
                let (ids, tokenised) = pair.tuned.try_text_ids_after(prompt, "", None)?;
                (ids, Some(Arc::new(tokenised)))
            }
        };
        // Sampled text may be fewer tokens here or more: only ids are known to count the same.
        let n_new = if scoring == Scoring::Ids {
            max_new_tokens
        } else {
            0
        };
        for half in [&pair.tuned, &pair.untuned] {
            half.check_context(prompt_ids.len() + n_new)?;
        }
        let prompt = prompt.clone();
        Ok(Self {
            pair,
            scoring,
            prompt,
            prompt_ids,
            tokenised,
            ends,
        })
    }

    /// Prompt and response in weak tokens, and where the response begins: the length of the
    /// common prefix with the prompt alone, at least 1 since nothing predicts the first token.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub(super) fn read(&self, response: &Response) -> Result<(Vec<TokenId>, usize), ModelError> {
        let read = self.read_after(response, None)?;
        Ok((read.ids, read.first))
    }

    /// [`Self::read`] of a response whose beginning was read before, in `known`: only what follows
    /// the last boundary that they share is tokenised.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_after(
        &self,
        response: &Response,
        known: Option<&Tokenised>,
    ) -> Result<Read, ModelError> {
        let (ids, tokenised) = match self.scoring {
            Scoring::Ids => (self.joined_ids(response), None),
            Scoring::Text => {
                let known = known.or(self.tokenised.as_deref());
                let text = response.text.to_string();
                let read = self
                    .pair
                    .tuned
                    .try_text_ids_after(&self.prompt, &text, known);
                let (mut ids, tokenised) = read?;
                ids.extend(self.eos().filter(|_| response.ended));
                (ids, Some(Arc::new(tokenised)))
            }
        };
        Ok(Read {
            first: common_prefix(&ids, &self.prompt_ids).max(1),
            ids,
            tokenised,
        })
    }

    /// Prompt and sampled ids as they are, whatever the rules: what a pair reads that has a say in
    /// the next token. Where the response begins, as of [`Self::read`].
    pub(super) fn follow(&self, response: &Response) -> (Vec<TokenId>, usize) {
        let mut ids = self.prompt_ids.clone();
        ids.extend(response.tokens.iter());
        (ids, self.prompt_ids.len().max(1))
    }

    fn eos(&self) -> Option<TokenId> {
        self.pair.tuned.tokenizer.eos()
    }

    /// The sampled ids as they are, the one that ended them included: a model may have several
    /// such ids, and the pair's own EOS is only one of them.
    fn joined_ids(&self, response: &Response) -> Vec<TokenId> {
        let mut ids = self.prompt_ids.clone();
        ids.extend(response.tokens.iter());
        let is_end = response
            .tokens
            .last()
            .is_some_and(|id| self.ends.contains(id));
        ids.extend(self.eos().filter(|_| response.ended && !is_end));
        ids
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
        accepted: &Response,
        response: &Response,
    ) -> Result<(usize, usize), ModelError> {
        let (before, first) = self.read(accepted)?;
        let (after, _) = self.read(response)?;
        let stand = common_prefix(&before, &after).max(first);
        let from = |at: usize| before.len().saturating_sub(at);
        Ok((from(first), from(stand)))
    }
}

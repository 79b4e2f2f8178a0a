//! A loaded model: decoder, tokenizer and a name for messages.

use std::sync::Arc;

use crate::decoder::Decoder;
use crate::models::{EncodeError, Prompt, TokenId, Tokenised, Tokenizer};

/// A decoder with its tokenizer. Cheap to clone: weights are shared.
#[derive(Debug, Clone)]
pub struct Model {
    pub name: String,
    pub decoder: Arc<Decoder>,
    pub tokenizer: Arc<Tokenizer>,
    /// The source of its chat template, where it has one.
    pub chat_template: Option<Arc<str>>,
}

impl Model {
    /// Whether its caches are in the machine's own memory.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.decoder.on_host()
    }

    /// Prompt and response tokenised jointly, with BOS where prompt and tokenizer have it.
    ///
    /// # Errors
    /// A text that the tokenizer refuses, or with a token that the weights do not have.
    pub fn try_text_ids(
        &self,
        prompt: &Prompt,
        response: &str,
    ) -> Result<Vec<TokenId>, EncodeError> {
        let ids = self.try_encode(&format!("{}{response}", prompt.text))?;
        Ok(self.with_bos(prompt, ids))
    }

    /// [`Self::try_text_ids`] of a text that goes on where another one was; what is known of this
    /// one, for the next.
    ///
    /// # Errors
    /// As [`Self::try_text_ids`].
    pub fn try_text_ids_after(
        &self,
        prompt: &Prompt,
        response: &str,
        known: Option<&Tokenised>,
    ) -> Result<(Vec<TokenId>, Tokenised), EncodeError> {
        let text = format!("{}{response}", prompt.text);
        let tokenised = self.tokenizer.try_encode_after(text, known)?;
        let ids = self.with_rows(tokenised.ids().to_vec())?;
        Ok((self.with_bos(prompt, ids), tokenised))
    }

    fn with_bos(&self, prompt: &Prompt, mut ids: Vec<TokenId>) -> Vec<TokenId> {
        let bos = self.tokenizer.bos();
        // Nothing else would say what comes first where there is no prompt.
        let begins = self.tokenizer.adds_bos() || prompt.text.is_empty();
        let adds = prompt.bos && begins && ids.first().copied() != bos;
        if let Some(bos) = bos.filter(|_| adds) {
            ids.insert(0, bos);
        }
        ids
    }

    /// Token ids of `text`.
    ///
    /// # Errors
    /// As [`Self::try_text_ids`].
    pub fn try_encode(&self, text: &str) -> Result<Vec<TokenId>, EncodeError> {
        self.with_rows(self.tokenizer.try_encode(text)?)
    }

    /// Token ids of `text` where it goes on after another.
    ///
    /// # Errors
    /// As [`Self::try_text_ids`].
    pub fn try_encode_on(&self, text: &str) -> Result<Vec<TokenId>, EncodeError> {
        self.with_rows(self.tokenizer.try_encode_on(text)?)
    }

    fn with_rows(&self, ids: Vec<TokenId>) -> Result<Vec<TokenId>, EncodeError> {
        let n_rows = self.decoder.config().vocab_size;
        match ids.iter().find(|id| **id as usize >= n_rows) {
            Some(&id) => Err(EncodeError::NoRow {
                token: self.tokenizer.piece(id).to_string(),
                id,
                n_rows,
            }),
            None => Ok(ids),
        }
    }

    /// The ids that end a response: the tokenizer's EOS and the configuration's.
    #[must_use]
    pub fn ends(&self) -> Vec<TokenId> {
        let configured = self.decoder.config().eos.iter().copied();
        self.tokenizer.eos().into_iter().chain(configured).collect()
    }

    /// Whether `token` ends a response: the tokenizer's EOS or one of the configuration's.
    #[must_use]
    pub fn is_eos(&self, token: TokenId) -> bool {
        self.tokenizer.eos() == Some(token) || self.decoder.config().eos.contains(&token)
    }
}

//! A loaded model: decoder, tokenizer and a name for messages.

use std::sync::Arc;

use super::decoder::Decoder;
use super::prompt::Prompt;
use super::tokenizer::Tokenizer;
use crate::search::{ModelError, TokenId};

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
    /// The ids that a response follows: those of `prompt`, or BOS alone when it is empty.
    ///
    /// # Errors
    /// An empty prompt for a model without BOS; a prompt that does not leave room for
    /// `max_new_tokens` in the context.
    pub fn prompt_ids(
        &self,
        prompt: &Prompt,
        max_new_tokens: usize,
    ) -> Result<Vec<TokenId>, ModelError> {
        let mut ids = self.text_ids(prompt, "");
        if ids.is_empty() {
            ids.push(self.tokenizer.bos().ok_or_else(|| self.needs_a_prompt())?);
        }
        self.check_context(ids.len() + max_new_tokens)?;
        Ok(ids)
    }

    /// Prompt and response tokenised jointly, with BOS where prompt and tokenizer have it.
    #[must_use]
    pub fn text_ids(&self, prompt: &Prompt, response: &str) -> Vec<TokenId> {
        let mut ids = self.tokenizer.encode(&format!("{}{response}", prompt.text));
        let bos = self.tokenizer.bos();
        let adds = prompt.bos && self.tokenizer.adds_bos() && ids.first().copied() != bos;
        if let Some(bos) = bos.filter(|_| adds) {
            ids.insert(0, bos);
        }
        ids
    }

    /// # Errors
    /// [`ModelError::ContextFull`] when `needed` tokens are more than the model can hold.
    pub fn check_context(&self, needed: usize) -> Result<(), ModelError> {
        let context = self.decoder.config().context;
        if needed <= context {
            return Ok(());
        }
        Err(ModelError::ContextFull {
            who: self.name.clone(),
            context,
            needed,
        })
    }

    /// Whether `token` ends a response: the tokenizer's EOS or one of the configuration's.
    #[must_use]
    pub fn is_eos(&self, token: TokenId) -> bool {
        self.tokenizer.eos() == Some(token) || self.decoder.config().eos.contains(&token)
    }

    #[must_use]
    pub fn not_finite(&self) -> ModelError {
        ModelError::NotFinite {
            who: self.name.clone(),
        }
    }

    fn needs_a_prompt(&self) -> ModelError {
        ModelError::Other(format!(
            "the prompt is empty and {} has no BOS token to start from: write a prompt",
            self.name
        ))
    }
}

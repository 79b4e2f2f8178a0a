//! A loaded model: decoder, tokenizer and a name for messages.

use std::sync::Arc;

use crate::decoder::Decoder;
use crate::models::{Prompt, TokenId, Tokenizer};

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

//! A weak pair: two loaded models of one vocabulary.

use super::model::Model;
use crate::models::LoadError;

/// Two models that share one vocabulary.
#[derive(Debug, Clone)]
pub struct WeakPair {
    pub name: String,
    pub tuned: Model,
    pub untuned: Model,
}

impl WeakPair {
    /// # Errors
    /// When the halves' vocabularies differ.
    pub fn new(name: &str, tuned: Model, untuned: Model) -> Result<Self, LoadError> {
        if tuned.tokenizer.same_vocabulary(&untuned.tokenizer) {
            return Ok(Self {
                name: name.to_owned(),
                tuned,
                untuned,
            });
        }
        Err(LoadError::Halves {
            n_tuned: tuned.tokenizer.n_ids(),
            tuned: tuned.name,
            n_untuned: untuned.tokenizer.n_ids(),
            untuned: untuned.name,
        })
    }
}

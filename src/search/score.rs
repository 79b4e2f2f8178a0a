//! The log-ratio of a response and the per-token terms it is the sum of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hypothesis::TokenId;

/// What one weak token adds to a log-ratio: both models' raw log-probabilities, in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenTerm {
    /// An id of the weak pair's vocabulary.
    pub id: TokenId,
    /// The token's own text (lossy where it ends inside a character).
    pub piece: Arc<str>,
    /// log p_tuned(token | prompt, tokens before it)
    pub tuned: f64,
    /// log p_untuned(token | prompt, tokens before it)
    pub untuned: f64,
}

impl TokenTerm {
    /// log p_tuned − log p_untuned.
    #[must_use]
    pub fn delta(&self) -> f64 {
        self.tuned - self.untuned
    }
}

/// log p_tuned(y | x) − log p_untuned(y | x) of a response y (paper §3.1), as its terms.
///
/// Terms are shared with the parent hypothesis where nothing was re-tokenised.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogRatio {
    pub terms: Vec<TokenTerm>,
}

impl LogRatio {
    /// Σ log p_tuned, in nats.
    #[must_use]
    pub fn tuned(&self) -> f64 {
        self.terms.iter().fold(0.0, |sum, term| sum + term.tuned)
    }

    /// Σ log p_untuned, in nats.
    #[must_use]
    pub fn untuned(&self) -> f64 {
        self.terms.iter().fold(0.0, |sum, term| sum + term.untuned)
    }

    /// What the terms from `first_term` on add to the score.
    #[must_use]
    pub fn value_since(&self, first_term: usize) -> f64 {
        let terms = self.terms.get(first_term..).unwrap_or_default();
        terms.iter().fold(0.0, |sum, term| sum + term.delta())
    }

    /// The score: Σ (log p_tuned − log p_untuned). Not normalised by length.
    #[must_use]
    pub fn value(&self) -> f64 {
        // Not `sum()`, whose empty sum is -0.0 and would rank below 0.0.
        self.terms.iter().fold(0.0, |sum, term| sum + term.delta())
    }
}

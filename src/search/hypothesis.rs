//! Hypotheses as plain data: ids, text, score and a parent, no tensors.

use serde::{Deserialize, Serialize};

use super::draw::Lineage;
use super::params::Rules;
use super::port::Response;
use super::score::LogRatio;

/// A token id of the strong model's vocabulary (or the weak pair's, in [`super::score::TokenTerm`]).
pub type TokenId = u32;

/// Names a hypothesis within one run; given in the order of creation, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HypothesisId(pub u64);

/// Why a response is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The strong model emitted its end-of-sequence token.
    Eos,
    /// The token budget is used up.
    Length,
}

/// A response so far, sampled from the strong model and scored by the weak pair.
///
/// It is a candidate until its round's selection, and keeps its id when it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    pub id: HypothesisId,
    /// `None` for the candidates of round 1.
    pub parent: Option<HypothesisId>,
    /// The round that sampled it, from 1.
    pub round: usize,
    /// Which successor of its parent it is, from 0.
    pub successor: usize,
    pub lineage: Lineage,
    /// Sampled ids since the prompt, EOS included where it was emitted.
    pub tokens: Vec<TokenId>,
    /// The whole response as text, special tokens left out.
    pub text: String,
    /// How many of `tokens` came from the parent: the chunk is `tokens[chunk_start..]`.
    pub chunk_start: usize,
    /// The strong model's raw log-probability of each of `tokens`, in nats: before temperature
    /// and filters.
    #[serde(default)]
    pub log_probs: Vec<f64>,
    pub finish: Option<Finish>,
    pub score: LogRatio,
    /// How many terms of `score` came from the parent: the chunk's are `terms[chunk_term..]`.
    #[serde(default)]
    pub chunk_term: usize,
}

impl Hypothesis {
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// What the weak pair is asked to score of it under `rules`.
    #[must_use]
    pub fn response(&self, rules: Rules) -> Response<'_> {
        Response {
            id: self.id,
            parent: self.parent,
            tokens: &self.tokens,
            text: &self.text,
            ended: match rules {
                Rules::Fixed => self.finish == Some(Finish::Eos),
                // The reference's length limit finishes all rows at once, so the EOS is scored
                // even after text cut mid-word.
                Rules::Reference => self.is_finished(),
            },
        }
    }

    /// What the chunk alone adds to the log-ratio.
    #[must_use]
    pub fn chunk_value(&self) -> f64 {
        self.score.value_since(self.chunk_term)
    }

    /// The strong model's raw log-probability of the response, a token; `None` when it is empty.
    #[must_use]
    pub fn log_prob_per_token(&self) -> Option<f64> {
        let n = self.log_probs.len();
        (n > 0).then(|| self.log_probs.iter().sum::<f64>() / n as f64)
    }
}

//! Hypotheses as plain data: ids, text, scores and a parent, no tensors.

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};

use super::draw::Lineage;
use super::ids::{HypothesisId, Successor, TokenId};
use super::params::Rules;
use super::rope::{Rope, Text};
use super::score::{LogRatio, PairId, Scores};

/// Why a response is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, DeriveSerialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The strong model emitted its end-of-sequence token.
    Eos,
    /// The token budget is used up.
    Length,
}

/// How a chunk was drawn: of the distributions after temperature and filters.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Drawn {
    /// Of all its tokens, in nats.
    pub log_prob: f64,
    /// The entropy of the distribution of its first token, in nats.
    pub first_entropy: f64,
}

/// A response so far, sampled from the strong model and scored by weak pairs.
///
/// It is a candidate until its round's selection, and keeps its id when it is kept. What it has
/// of its parent is shared with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    pub id: HypothesisId,
    /// `None` for the candidates of round 1.
    pub parent: Option<HypothesisId>,
    /// The round that sampled it, from 1.
    pub round: usize,
    pub successor: Successor,
    pub lineage: Lineage,
    /// Sampled ids since the prompt, EOS included where it was emitted.
    pub tokens: Rope<TokenId>,
    /// The whole response as text, special tokens left out.
    pub text: Text,
    /// How many of `tokens` came from the parent: the chunk is `tokens[chunk_start..]`.
    pub chunk_start: usize,
    /// Where `text` leaves the parent's, in bytes.
    pub text_start: usize,
    /// The strong model's raw log-probability of each of `tokens`, in nats: before temperature
    /// and filters. Shorter than `tokens` where the sampler was not told them.
    pub log_probs: Rope<f64>,
    pub finish: Option<Finish>,
    /// How its chunk was drawn, where the method asked for it.
    pub drawn: Option<Drawn>,
    /// Of the response so far, each under the name of its pair.
    pub scores: Scores,
    /// What the chunk adds is the rest.
    pub chunk_terms: ChunkTerms,
}

/// How many terms the parent's score has under each pair that has scored it.
pub type ChunkTerms = Vec<(PairId, usize)>;

/// The score of what nobody has scored.
static UNSCORED: std::sync::LazyLock<LogRatio> = std::sync::LazyLock::new(LogRatio::default);

impl Hypothesis {
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Whether the user wrote its chunk.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        matches!(self.successor, Successor::Typed { .. })
    }

    /// The log-ratio under the pair that spoke last; empty before any did.
    #[must_use]
    pub fn score(&self) -> &LogRatio {
        self.scores.last().map_or(&UNSCORED, |(_, score)| score)
    }

    /// The pair that spoke last.
    #[must_use]
    pub fn scored_by(&self) -> Option<&PairId> {
        self.scores.last().map(|(pair, _)| pair)
    }

    /// How many tokens its chunk has: those that were sampled for it alone.
    #[must_use]
    pub fn n_new(&self) -> usize {
        self.tokens.len().saturating_sub(self.chunk_start)
    }

    /// The text of the chunk alone.
    #[must_use]
    pub fn chunk_text(&self) -> String {
        self.text.since(self.text_start)
    }

    /// Takes a pair's score in; `parent` is the score of what the chunk continues.
    pub fn score_by(&mut self, pair: &PairId, score: LogRatio, parent: Option<&LogRatio>) {
        self.scores.add(pair.clone(), score);
        let kept = match self.parent {
            None => Some(0),
            Some(_) => parent.map(LogRatio::len),
        };
        kept.into_iter()
            .for_each(|kept| self.begin_chunk(pair, kept));
    }

    /// The parent's score under `pair` has `kept` terms.
    pub(super) fn begin_chunk(&mut self, pair: &PairId, kept: usize) {
        let is_panel = pair.is_panel();
        self.chunk_terms
            .retain(|(name, _)| name != pair && !(is_panel && name.is_panel()));
        self.chunk_terms.push((pair.clone(), kept));
    }

    /// What `pair` finds of the chunk alone; `None` when it has not scored it or its parent.
    #[must_use]
    pub fn chunk_value(&self, pair: &PairId) -> Option<f64> {
        let (_, kept) = self.chunk_terms.iter().find(|(name, _)| name == pair)?;
        Some(self.scores.by(pair)?.value_since(*kept))
    }

    /// How many leading terms of its score are its parent's, by the pair that spoke last.
    #[must_use]
    pub fn terms_before_chunk(&self) -> usize {
        let known = self
            .chunk_terms
            .iter()
            .find(|(pair, _)| Some(pair) == self.scored_by());
        known.map_or(0, |(_, kept)| *kept)
    }

    /// Whether the weak pair's EOS counts after the text, under `rules`.
    #[must_use]
    pub fn ended(&self, rules: Rules) -> bool {
        match rules {
            Rules::Fixed => self.finish == Some(Finish::Eos),
            // The reference's length limit finishes all rows at once, so the EOS is scored even
            // after text cut mid-word.
            Rules::Reference => self.is_finished(),
        }
    }

    /// The strong model's raw log-probability of the response, a token; `None` when it is empty.
    #[must_use]
    pub fn log_prob_per_token(&self) -> Option<f64> {
        let n = self.log_probs.len();
        (n > 0).then(|| self.log_probs.iter().sum::<f64>() / n as f64)
    }
}

impl Serialize for Hypothesis {
    /// Whole, for readers of the events: tokens, text and the terms of the score given last.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Hypothesis", 12)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("parent", &self.parent)?;
        out.serialize_field("round", &self.round)?;
        out.serialize_field("successor", &self.successor)?;
        out.serialize_field("lineage", &self.lineage)?;
        out.serialize_field("tokens", &self.tokens)?;
        out.serialize_field("text", &self.text)?;
        out.serialize_field("chunk_start", &self.chunk_start)?;
        out.serialize_field("log_probs", &self.log_probs)?;
        out.serialize_field("finish", &self.finish)?;
        out.serialize_field("pair", &self.scored_by())?;
        out.serialize_field("score", self.score())?;
        out.end()
    }
}

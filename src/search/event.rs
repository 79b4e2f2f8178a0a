//! Everything a watcher can learn. All state on screen is a fold over these.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hypothesis::{Hypothesis, HypothesisId};
use super::params::SearchParams;
use super::score::LogRatio;

/// The place of a candidate that a round is about to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateSlot {
    pub id: HypothesisId,
    pub parent: Option<HypothesisId>,
    pub successor: usize,
}

/// A candidate while its chunk grows. `score` is the log-ratio of the response so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    pub id: HypothesisId,
    pub text: String,
    pub n_tokens: usize,
    pub score: Option<f64>,
}

/// Why a search is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// Every hypothesis of the beam has emitted EOS.
    Eos,
    /// The token budget is used up.
    Length,
}

/// The user's hand on one candidate, for the cut of its round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Kept whatever its score.
    Pin,
    /// Pruned whatever its score.
    Kill,
    /// So many nats are added to what it is ranked by.
    Boost(f64),
}

/// A step of the search, in the order in which they happen within a round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SearchEvent {
    /// A round begins under `params`: together W·K candidates. `slots` are new ones, about to be
    /// sampled (under [`Rules::Reference`](super::Rules) clones of finished hypotheses among
    /// them, which do not grow); `standing` are finished hypotheses that compete as they are.
    RoundStarted {
        round: usize,
        params: SearchParams,
        slots: Vec<CandidateSlot>,
        standing: Vec<HypothesisId>,
    },
    /// Chunks grew by a token. May be dropped: the next one says all of it again.
    Grown {
        round: usize,
        partials: Vec<Partial>,
    },
    /// Chunks are complete and scored: all candidates of the round, standing ones included.
    Scored {
        round: usize,
        candidates: Vec<Arc<Hypothesis>>,
    },
    /// The cut: `kept` best first, `pruned` best first.
    Selected {
        round: usize,
        kept: Vec<HypothesisId>,
        pruned: Vec<HypothesisId>,
        /// What the user had a hand in.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        marks: Vec<(HypothesisId, Mark)>,
    },
    /// The user marked a candidate for the coming cut, or took the mark away.
    Marked {
        id: HypothesisId,
        mark: Option<Mark>,
    },
    /// The user wants `extra` more successors of a hypothesis in the next round.
    Spent { id: HypothesisId, extra: usize },
    /// The user wrote a candidate of their own into a round.
    Added {
        round: usize,
        candidate: Arc<Hypothesis>,
    },
    /// All rounds after `round` are undone; what they were comes again if they are restored.
    Rewound { round: usize },
    /// The weak pair changed: the beam's scores under the new one, best first.
    Rescored {
        round: usize,
        scores: Vec<(HypothesisId, LogRatio)>,
    },
    /// The search is over; `best` is the best response ever seen complete.
    Finished {
        best: Arc<Hypothesis>,
        reason: EndReason,
    },
}

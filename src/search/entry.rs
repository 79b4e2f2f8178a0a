//! The entries of a search's history. All state, the engine's and the screen's, is a fold over
//! them ([`History`](super::History)).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hypothesis::Hypothesis;
use super::ids::{HypothesisId, Successor};
use super::params::SearchParams;
use super::score::{LogRatio, PairId};

/// Names a round that made its cut; given in the order of the cuts, never reused. Number 0 is
/// the bare prompt.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub usize);

impl NodeId {
    /// The bare prompt: what the first round sets out from.
    pub const ROOT: Self = Self(0);
}

/// The place of a candidate that a round is about to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateSlot {
    pub id: HypothesisId,
    pub parent: Option<HypothesisId>,
    pub successor: Successor,
}

/// A candidate while its chunk grows, for those who watch; no entry of the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Partial {
    pub id: HypothesisId,
    /// Of the chunk alone; what precedes it is the parent's, up to `text_start`.
    pub chunk: String,
    /// Where the chunk's text leaves the parent's, in bytes.
    pub text_start: usize,
    /// Of the whole response so far.
    pub n_tokens: usize,
    /// The log-ratio of the response so far; `None` where it was not scored in between.
    pub score: Option<f64>,
    /// Of a panel what each pair says, in its order; the score is their weighted sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voices: Vec<f64>,
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
    /// Kept whatever its score; before all pinned ones. The cut was made again for it.
    Take,
    /// Kept whatever its score.
    Pin,
    /// Pruned whatever its score.
    Kill,
    /// So many nats are added to what it is ranked by.
    Boost(f64),
}

/// Whether a move of the head can be taken back, or takes one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Move {
    Go,
    Undo,
}

/// What a kept hypothesis has of the next round, where a method does not treat all alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub id: HypothesisId,
    /// How many equal particles it is.
    pub copies: usize,
    /// Of each copy, since particles were drawn last; in nats.
    pub log_weight: f64,
}

/// A step of the search, in the order in which they happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry {
    /// A round sets out from `after` under `params`: together W·K candidates. `slots` are new
    /// ones, about to be sampled (under [`Rules::Reference`](super::Rules) clones of finished
    /// hypotheses among them, which do not grow); `standing` are finished hypotheses that
    /// compete as they are.
    RoundStarted {
        round: usize,
        after: NodeId,
        params: SearchParams,
        pair: PairId,
        slots: Vec<CandidateSlot>,
        standing: Vec<HypothesisId>,
    },
    /// The round under way was broken off: nothing of it remains.
    Dropped { round: usize },
    /// Chunks are complete and scored: all candidates of the round, standing ones included.
    Scored {
        round: usize,
        pair: PairId,
        candidates: Vec<Arc<Hypothesis>>,
    },
    /// The cut, which makes a node of the round: `kept` best first, `pruned` best first.
    Selected {
        round: usize,
        node: NodeId,
        /// The node whose candidates are cut again; `None` for the round under way.
        #[serde(skip_serializing_if = "Option::is_none")]
        again: Option<NodeId>,
        pair: PairId,
        kept: Vec<HypothesisId>,
        pruned: Vec<HypothesisId>,
        /// What the user had a hand in.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        marks: Vec<(HypothesisId, Mark)>,
        /// What the kept ones have of the next round, where the method says so.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
    },
    /// The method wants more candidates before the cut: as many successors of the same parent.
    Widened {
        round: usize,
        slots: Vec<CandidateSlot>,
    },
    /// The user marked a candidate for the coming cut, or took the mark away.
    Marked {
        id: HypothesisId,
        mark: Option<Mark>,
    },
    /// The last mark is taken back: the candidate has the one before it again.
    Unmarked {
        id: HypothesisId,
        mark: Option<Mark>,
    },
    /// The user has the rounds after the head drawn anew: with other numbers than those that
    /// followed it before. `draws` says how often that makes.
    Redrawn { after: NodeId, draws: u64 },
    /// The user wants `extra` more successors of a hypothesis: in the round under way, which
    /// `slots` then join, or else in the next one.
    Spent {
        id: HypothesisId,
        extra: usize,
        slots: Vec<CandidateSlot>,
    },
    /// The user wrote a candidate of their own: into the round under way, or beside the
    /// candidates of the node `late`, whose cut it comes too late for.
    Added {
        round: usize,
        late: Option<NodeId>,
        candidate: Arc<Hypothesis>,
    },
    /// The head is another node from here on. Nothing is forgotten.
    Moved { to: NodeId, by: Move },
    /// Scores under `pair`, which is in use from here on; of a panel also those that its pairs
    /// have given since.
    Rescored {
        pair: PairId,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        members: Vec<(PairId, Vec<(HypothesisId, LogRatio)>)>,
        scores: Vec<(HypothesisId, LogRatio)>,
    },
    /// Lowered settings left nothing to sample: the beam ends where it stands, best first.
    CutOff { beam: Vec<Arc<Hypothesis>> },
    /// The search is over; `best` is the best response ever seen complete.
    Finished {
        best: Arc<Hypothesis>,
        reason: EndReason,
    },
}

//! The engine: chunk-level beam search (Zhou et al. 2024, Algorithm 1) as a machine that asks and
//! is answered. Knows no model library, no terminal, no files and no clock.

pub mod ask;
pub mod draw;
pub mod engine;
pub mod entry;
pub mod error;
mod hand;
pub mod history;
pub mod hypothesis;
pub mod ids;
pub mod lanes;
mod layout;
mod method;
pub mod panel;
pub mod params;
pub mod rope;
pub mod score;
mod scoring;
pub mod select;
mod spread;
pub mod trace;
mod work;

pub use ask::{Answer, Ask, Grow, Growth, Hesitation, ModelError, Response, Score, Slot, Tilted};
pub use draw::Lineage;
pub use engine::ChunkBeamSearch;
pub use entry::{CandidateSlot, EndReason, Entry, Mark, Move, NodeId, Partial, Share};
pub use error::{Refused, SearchError};
pub use history::{Cut, Ending, Fate, Figures, History, Node, Products, Round, Turn};
pub use hypothesis::{Drawn, Finish, Hypothesis};
pub use ids::{ById, HypothesisId, Ids, Successor, TokenId};
pub use lanes::{Executor, LaneId, Lanes, Motion, Progress, Served};
pub use panel::Panel;
pub use params::{
    BeamWidth, ChunkLen, Draft, Finite, Fraction, MaxNewTokens, Method, MethodName, PanelRule,
    ParamError, Ranking, Rules, Sampling, SearchParams, Successors, Tilt, Weight,
};
pub use rope::{Rope, Text};
pub use score::{LogRatio, PairId, Scores, TokenTerm};
pub use spread::{Span, spans, spread};
pub use trace::{CandidateTrace, SearchTrace};

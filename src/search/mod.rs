//! The engine: chunk-level beam search (Zhou et al. 2024, Algorithm 1), one round at a time.
//! Knows no model library, no terminal, no files and no clock.

pub mod draw;
pub mod engine;
pub mod error;
pub mod event;
pub mod hypothesis;
mod layout;
pub mod params;
pub mod port;
pub mod score;
mod scoring;
pub mod select;
pub mod trace;
mod wheel;

pub use draw::Lineage;
pub use engine::{ChunkBeamSearch, OnEvent, Status};
pub use error::SearchError;
pub use event::{CandidateSlot, EndReason, Mark, Partial, SearchEvent};
pub use hypothesis::{Finish, Hypothesis, HypothesisId, TokenId};
pub use params::{
    BeamWidth, ChunkLen, MaxNewTokens, ParamError, Ranking, Rules, Sampling, SearchParams,
    Successors, Weight,
};
pub use port::{ChunkSampler, Growth, ModelError, OnGrowth, Response, SamplePlan, Scorer, Slot};
pub use score::{LogRatio, TokenTerm};
pub use trace::{CandidateTrace, Cut, Ending, Fate, RoundTrace, SearchTrace};

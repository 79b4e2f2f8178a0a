//! Names that everything here knows.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

/// A token id of the strong model's vocabulary (or the weak pair's, in [`super::score::TokenTerm`]).
pub type TokenId = u32;

/// Names a hypothesis within one run; given in the order of creation, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HypothesisId(pub u64);

/// Something for each of many hypotheses. Their ids are given one after the other, so that nobody
/// can choose them to collide; maps of them are asked for every candidate of every frame.
pub type ById<V> = HashMap<HypothesisId, V, FixedState>;

/// Some hypotheses, as quick to ask.
pub type Ids = HashSet<HypothesisId, FixedState>;

/// Which successor of its parent a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Successor {
    /// Sampled by the strong model, counted from 0.
    Sampled(usize),
    /// Written by the user, counted from 0 within the run.
    Typed { typed: usize },
}

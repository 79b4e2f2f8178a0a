//! The pairs that searches may name, each by itself or as one of a panel.

use std::collections::HashMap;

use super::pair::Pair;
use crate::library::WeakPair;
use crate::search::{ModelError, PairId};

/// Pairs by their names.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    own: HashMap<PairId, Pair>,
    /// What pairs that are let go had scored.
    n_scored_before: u64,
}

impl Pairs {
    /// One that is here already stays, with what it has cached.
    pub fn add(&mut self, id: PairId, pair: WeakPair) {
        self.own.entry(id).or_insert_with(|| Pair::new(pair));
    }

    /// Whether a pair, or all of a panel's, are here.
    pub fn has(&self, id: &PairId) -> bool {
        let mut members = id.members().into_iter();
        members.all(|(member, _)| self.own.contains_key(&member))
    }

    /// # Errors
    /// It is not here.
    pub fn get(&self, id: &PairId) -> Result<&Pair, ModelError> {
        self.own.get(id).ok_or_else(|| unknown(id))
    }

    /// # Errors
    /// As [`Self::get`].
    pub fn get_mut(&mut self, id: &PairId) -> Result<&mut Pair, ModelError> {
        self.own.get_mut(id).ok_or_else(|| unknown(id))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&PairId, &mut Pair)> {
        self.own.iter_mut()
    }

    /// Lets go of the others.
    pub fn keep(&mut self, is_kept: impl Fn(&PairId) -> bool) {
        let gone = self.own.extract_if(|id, _| !is_kept(id));
        self.n_scored_before += gone.map(|(_, pair)| pair.n_scored()).sum::<u64>();
    }

    /// Weak tokens scored so far by all, those that are let go included.
    pub fn n_scored(&self) -> u64 {
        self.n_scored_before + self.own.values().map(Pair::n_scored).sum::<u64>()
    }
}

fn unknown(pair: &PairId) -> ModelError {
    ModelError::Other(format!("the weak pair {pair} is not loaded"))
}

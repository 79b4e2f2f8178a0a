//! The pairs that searches may name: each by itself, and several that speak as one.

use std::collections::HashMap;

use super::pair::Pair;
use crate::library::WeakPair;
use crate::search::{LogRatio, ModelError, PairId};

/// Pairs by their names.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    own: HashMap<PairId, Pair>,
    /// Pairs with weights, under one name.
    mixes: HashMap<PairId, Vec<(PairId, f64)>>,
    /// What pairs that are let go had scored.
    n_scored_before: u64,
}

impl Pairs {
    /// One that is here already stays, with what it has cached.
    pub fn add(&mut self, id: PairId, pair: WeakPair) {
        self.own.entry(id).or_insert_with(|| Pair::new(pair));
    }

    /// Several that speak as one: their log-ratios count by their weights.
    pub fn add_mix(&mut self, id: PairId, members: Vec<(PairId, f64)>) {
        self.mixes.insert(id, members);
    }

    pub fn has(&self, id: &PairId) -> bool {
        self.own.contains_key(id) || self.mixes.contains_key(id)
    }

    /// Who speaks under a name, with which weights; a pair by itself with 1.
    pub fn members(&self, id: &PairId) -> Vec<(PairId, f64)> {
        let alone = || vec![(id.clone(), 1.0)];
        self.mixes.get(id).cloned().unwrap_or_else(alone)
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

    /// Lets go of those that are neither named nor members of one that is.
    pub fn keep(&mut self, is_kept: impl Fn(&PairId) -> bool) {
        self.mixes.retain(|id, _| is_kept(id));
        let mixes = &self.mixes;
        let is_member = |id: &PairId| mixes.values().flatten().any(|(member, _)| member == id);
        let gone = self.own.extract_if(|id, _| !is_kept(id) && !is_member(id));
        self.n_scored_before += gone.map(|(_, pair)| pair.n_scored()).sum::<u64>();
    }

    /// Weak tokens scored so far by all, those that are let go included.
    pub fn n_scored(&self) -> u64 {
        self.n_scored_before + self.own.values().map(Pair::n_scored).sum::<u64>()
    }
}

/// Σ w · log-ratio of one response, term by term.
///
/// # Errors
/// The pairs read the response as different tokens.
pub(super) fn mixed(parts: &[(f64, LogRatio)]) -> Result<LogRatio, ModelError> {
    match parts {
        [(weight, only)] if *weight == 1.0 => Ok(only.clone()),
        _ => LogRatio::mixed(parts).ok_or_else(|| {
            ModelError::Other(
                "pairs with different vocabularies cannot speak as one: choose pairs with one \
                 tokenizer"
                    .to_owned(),
            )
        }),
    }
}

fn unknown(pair: &PairId) -> ModelError {
    ModelError::Other(format!("the weak pair {pair} is not loaded"))
}

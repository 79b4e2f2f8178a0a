//! A round while its chunks grow: places, and what has come of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::ask::{Grow, Growth, Slot, Tilted};
use super::draw::Lineage;
use super::error::SearchError;
use super::hypothesis::{Finish, Hypothesis};
use super::ids::{HypothesisId, Successor};
use super::layout::{Place, Seat};
use super::method;
use super::params::SearchParams;
use super::score::{LogRatio, PairId, Scores};

/// The round under way, until its candidates are scored.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub round: usize,
    pub params: SearchParams,
    /// The pair that the round began with.
    pair: PairId,
    places: Vec<Place>,
    slots: Arc<[Slot]>,
    grown: HashMap<HypothesisId, Growth>,
}

impl Work {
    pub fn new(round: usize, params: SearchParams, pair: PairId, places: Vec<Place>) -> Self {
        let slots = slots(&places);
        Self {
            round,
            params,
            pair,
            places,
            slots,
            grown: HashMap::new(),
        }
    }

    /// One more joins, behind the last of its parent's, or at the end.
    pub fn join(&mut self, place: Place) {
        let parent = place.parent_id();
        let is_sibling = |other: &Place| other.parent_id() == parent;
        let at = self.places.iter().rposition(is_sibling);
        self.places
            .insert(at.map_or(self.places.len(), |at| at + 1), place);
        self.slots = slots(&self.places);
    }

    pub fn ask(&self) -> Grow {
        Grow {
            slots: Arc::clone(&self.slots),
            sampling: self.params.sampling(),
            rules: self.params.rules(),
            tilted: self.tilted(),
            hesitation: method::hesitation(&self.params),
            wants_drawn: method::wants_drawn(&self.params),
        }
    }

    fn tilted(&self) -> Option<Tilted> {
        let tilt = self.params.tilt();
        let tilted = || Tilted {
            pair: self.pair.clone(),
            beta: tilt.get(),
        };
        tilt.is_any().then(tilted)
    }

    /// Takes in what has grown; what is of no slot here is dropped.
    ///
    /// # Errors
    /// [`SearchError::ShortChunk`]; nothing of the answer is taken in then.
    pub fn take_in(&mut self, grown: Vec<(HypothesisId, Growth)>) -> Result<(), SearchError> {
        for (id, growth) in &grown {
            let slot = self.slots.iter().find(|slot| slot.id == *id);
            if let Some(slot) = slot.filter(|slot| !growth.is_complete(slot)) {
                return Err(SearchError::ShortChunk {
                    got: growth.tokens.len(),
                    expected: slot.n_tokens,
                });
            }
        }
        let is_ours = |id: &HypothesisId| self.slots.iter().any(|slot| slot.id == *id);
        let ours: Vec<_> = grown.into_iter().filter(|(id, _)| is_ours(id)).collect();
        for (id, growth) in ours {
            // What may be scored by now stays as it is.
            self.grown.entry(id).or_insert(growth);
        }
        Ok(())
    }

    pub fn is_complete(&self) -> bool {
        self.grown.len() == self.slots.len()
    }

    /// All candidates in the order of their places, once all chunks are complete. New ones are
    /// not scored yet.
    pub fn candidates(&self) -> Vec<Arc<Hypothesis>> {
        let whole = |place: &Place| match place {
            Place::Whole(known) => Some(Arc::clone(known)),
            Place::New(seat) => match &seat.parent {
                Some(parent) if !seat.grows() => Some(Arc::new(self.cloned(seat, parent))),
                _ => Some(Arc::new(self.hypothesis(seat, self.grown.get(&seat.id)?))),
            },
        };
        self.places.iter().filter_map(whole).collect()
    }

    /// A hypothesis that is not scored yet.
    fn hypothesis(&self, seat: &Seat, growth: &Growth) -> Hypothesis {
        let origin = Origin {
            id: seat.id,
            round: self.round,
            successor: seat.successor,
            lineage: seat.lineage,
        };
        continued(seat.parent.as_deref(), growth, &self.params, origin)
    }

    /// Reference rules: a finished row tiled once more, its score copied.
    fn cloned(&self, seat: &Seat, finished: &Hypothesis) -> Hypothesis {
        let n_terms = |(pair, score): (&PairId, &LogRatio)| (pair.clone(), score.len());
        Hypothesis {
            id: seat.id,
            parent: Some(finished.id),
            round: self.round,
            successor: seat.successor,
            lineage: seat.lineage,
            chunk_start: finished.tokens.len(),
            text_start: finished.text.len(),
            chunk_terms: finished.scores.iter().map(n_terms).collect(),
            ..finished.clone()
        }
    }
}

fn slots(places: &[Place]) -> Arc<[Slot]> {
    let seats = places.iter().filter_map(Place::seat);
    seats.filter(|seat| seat.grows()).map(Seat::slot).collect()
}

/// Where a new hypothesis comes from.
pub(super) struct Origin {
    pub id: HypothesisId,
    pub round: usize,
    pub successor: Successor,
    pub lineage: Lineage,
}

/// What `growth` makes of `parent`, unscored.
pub(super) fn continued(
    parent: Option<&Hypothesis>,
    growth: &Growth,
    params: &SearchParams,
    origin: Origin,
) -> Hypothesis {
    let tokens = parent.map(|p| p.tokens.clone()).unwrap_or_default();
    let log_probs = parent.map(|p| p.log_probs.clone()).unwrap_or_default();
    let chunk_start = tokens.len();
    let tokens = tokens.extended(chunk_start, growth.tokens.clone());
    let is_spent = tokens.len() >= params.max_new_tokens().get();
    Hypothesis {
        id: origin.id,
        parent: parent.map(|p| p.id),
        round: origin.round,
        successor: origin.successor,
        lineage: origin.lineage,
        chunk_start,
        tokens,
        text_start: parent.map_or(0, |p| growth.text.leaves(&p.text)),
        text: growth.text.clone(),
        log_probs: log_probs.extended(log_probs.len(), growth.log_probs.clone()),
        finish: growth.finish.or(is_spent.then_some(Finish::Length)),
        drawn: growth.drawn,
        scores: Scores::default(),
        chunk_terms: Vec::new(),
    }
}

//! Who is continued how often: the W·K candidates of a round, before anything is sampled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::Slot;
use super::draw::{Deal, Lineage};
use super::entry::CandidateSlot;
use super::history::Round;
use super::hypothesis::Hypothesis;
use super::ids::{HypothesisId, Successor};
use super::params::SearchParams;

/// A new candidate: one more chunk after `parent`, or after the prompt.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub id: HypothesisId,
    pub parent: Option<Arc<Hypothesis>>,
    pub successor: Successor,
    pub lineage: Lineage,
    pub n_tokens: usize,
}

impl Seat {
    /// False for the clone of a finished hypothesis, which only [`Rules::Reference`](super::params::Rules) makes.
    pub fn grows(&self) -> bool {
        self.parent.as_ref().is_none_or(|p| !p.is_finished())
    }

    pub fn slot(&self) -> Slot {
        Slot {
            id: self.id,
            parent: self.parent.clone(),
            lineage: self.lineage,
            n_tokens: self.n_tokens,
        }
    }

    pub fn public(&self) -> CandidateSlot {
        CandidateSlot {
            id: self.id,
            parent: self.parent.as_ref().map(|p| p.id),
            successor: self.successor,
        }
    }
}

/// One candidate's place in the round.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// One that competes as it is, under its own id: a finished hypothesis.
    Whole(Arc<Hypothesis>),
    New(Seat),
}

impl Place {
    pub fn seat(&self) -> Option<&Seat> {
        match self {
            Self::Whole(_) => None,
            Self::New(seat) => Some(seat),
        }
    }

    /// What it continues.
    pub fn parent_id(&self) -> Option<HypothesisId> {
        match self {
            Self::Whole(known) => known.parent,
            Self::New(seat) => seat.parent.as_ref().map(|p| p.id),
        }
    }
}

/// Who has a place, before it is known under which id.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// Competes as it is.
    Stand(Arc<Hypothesis>),
    /// A successor of this number, of the prompt or of a hypothesis.
    Continue(Option<Arc<Hypothesis>>, usize),
}

/// The places of a round, with the extra successors that the user spends on hypotheses; new ids
/// count up from `first_id`.
pub(super) fn lay_out(
    params: &SearchParams,
    mut plans: Vec<Plan>,
    extra: &BTreeMap<HypothesisId, usize>,
    deal: Deal,
    first_id: HypothesisId,
) -> Vec<Place> {
    for (id, extra) in extra {
        spend(&mut plans, *id, *extra);
    }
    let mut next = first_id.0;
    let place = |plan| match plan {
        Plan::Stand(known) => Place::Whole(known),
        Plan::Continue(parent, successor) => {
            let (id, successor) = (HypothesisId(next), Successor::Sampled(successor));
            next += 1;
            Place::New(seat(params, deal, id, parent, successor))
        }
    };
    plans.into_iter().map(place).collect()
}

/// The new candidates, in the order of their places.
pub(super) fn seats(places: &[Place]) -> impl Iterator<Item = &Seat> {
    places.iter().filter_map(Place::seat)
}

/// More seats of `parent` in a round under way, with these successor numbers.
pub(super) fn more_seats(
    params: &SearchParams,
    deal: Deal,
    first_id: HypothesisId,
    parent: Option<&Arc<Hypothesis>>,
    successors: std::ops::Range<usize>,
) -> Vec<Seat> {
    let ids = (first_id.0..).map(HypothesisId);
    let more = ids.zip(successors);
    more.map(|(id, n)| {
        let successor = Successor::Sampled(n);
        seat(params, deal, id, parent.cloned(), successor)
    })
    .collect()
}

/// So many successors of the prompt.
pub(super) fn from_prompt(total: usize) -> Vec<Plan> {
    (0..total).map(|i| Plan::Continue(None, i)).collect()
}

/// Reference rules: rows `[b1..bW, b1..bW, ...]`, finished ones tiled like any other.
pub(super) fn tiled(front: &[Arc<Hypothesis>], total: usize) -> Vec<Plan> {
    (0..total)
        .map(|i| Plan::Continue(Some(Arc::clone(&front[i % front.len()])), i / front.len()))
        .collect()
}

/// Fixed rules: a finished hypothesis stands once; what is left is shared evenly among the live
/// ones, the remainder to the best-ranked first. Grouped by parent, best-ranked parent first.
pub(super) fn shared(front: &[Arc<Hypothesis>], total: usize) -> Vec<Plan> {
    let n_live = front.iter().filter(|h| !h.is_finished()).count();
    // Never below 0: total = W·K ≥ W ≥ front. `max(1)`: without live ones nothing is shared.
    let n_slots = total - (front.len() - n_live);
    let (share, extra) = (n_slots / n_live.max(1), n_slots % n_live.max(1));
    let mut plans = Vec::with_capacity(total);
    let mut n_served = 0;
    for hypothesis in front {
        if hypothesis.is_finished() {
            plans.push(Plan::Stand(Arc::clone(hypothesis)));
            continue;
        }
        let n = share + usize::from(n_served < extra);
        n_served += 1;
        plans.extend((0..n).map(|i| Plan::Continue(Some(Arc::clone(hypothesis)), i)));
    }
    plans
}

/// One successor of each live hypothesis; finished ones stand.
pub(super) fn onwards(beam: &[Arc<Hypothesis>]) -> Vec<Plan> {
    let plan = |h: &Arc<Hypothesis>| match h.is_finished() {
        true => Plan::Stand(Arc::clone(h)),
        false => Plan::Continue(Some(Arc::clone(h)), 0),
    };
    beam.iter().map(plan).collect()
}

/// `extra` more successors of a hypothesis that has some, behind those.
fn spend(plans: &mut Vec<Plan>, id: HypothesisId, extra: usize) {
    let is_its = |plan: &Plan| match plan {
        Plan::Continue(Some(parent), successor) if parent.id == id => {
            Some((Arc::clone(parent), *successor))
        }
        _ => None,
    };
    let Some(last) = plans.iter().rposition(|plan| is_its(plan).is_some()) else {
        return;
    };
    let Some((parent, successor)) = is_its(&plans[last]) else {
        return;
    };
    let more = (1..=extra).map(|n| Plan::Continue(Some(Arc::clone(&parent)), successor + n));
    plans.splice(last + 1..last + 1, more.collect::<Vec<_>>());
}

/// The seat of one candidate.
pub(super) fn seat(
    params: &SearchParams,
    deal: Deal,
    id: HypothesisId,
    parent: Option<Arc<Hypothesis>>,
    successor: Successor,
) -> Seat {
    let (lineage, used) = parent.as_ref().map_or_else(
        || (Lineage::root(params.seed()), 0),
        |p| (p.lineage, p.tokens.len()),
    );
    let budget = params.max_new_tokens().get().saturating_sub(used);
    Seat {
        id,
        parent,
        successor,
        lineage: deal.lineage(lineage, successor),
        n_tokens: params.chunk_len().within(budget),
    }
}

/// The number of the successor that follows those of `parent` in a round.
pub(super) fn next_successor(round: &Round, parent: Option<HypothesisId>) -> usize {
    let own = round.slots.iter().filter(|slot| slot.parent == parent);
    let sampled = own.filter_map(|slot| match slot.successor {
        Successor::Sampled(n) => Some(n + 1),
        Successor::Typed { .. } => None,
    });
    sampled.max().unwrap_or(0)
}

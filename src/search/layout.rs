//! Who is continued how often: the W·K candidates of a round, before anything is sampled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::Slot;
use super::draw::{Deal, Lineage};
use super::entry::CandidateSlot;
use super::hypothesis::Hypothesis;
use super::ids::{HypothesisId, Successor};
use super::params::{Rules, SearchParams};

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
    /// False for the clone of a finished hypothesis, which only [`Rules::Reference`] makes.
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

/// The best W of the beam: all of it, unless W was lowered since the last round.
pub(super) fn front<'a>(
    params: &SearchParams,
    beam: &'a [Arc<Hypothesis>],
) -> &'a [Arc<Hypothesis>] {
    &beam[..beam.len().min(params.beam_width().get())]
}

/// What a round continues: hypotheses best first, and the extra successors the user spends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beam<'a> {
    pub hypotheses: &'a [Arc<Hypothesis>],
    pub extra: &'a BTreeMap<HypothesisId, usize>,
}

/// Lays out a round over the beam; new ids count up from `first_id`.
///
/// Exactly W·K places, as long as a live hypothesis is among the [`front`], and those that the
/// user spends beyond.
pub(super) fn lay_out(
    params: &SearchParams,
    beam: Beam<'_>,
    deal: Deal,
    first_id: HypothesisId,
) -> Vec<Place> {
    let front = front(params, beam.hypotheses);
    let total = params.n_candidates();
    let mut parents = match (front.is_empty(), params.rules()) {
        (true, _) => from_prompt(total),
        (false, Rules::Reference) => tiled(front, total),
        (false, Rules::Fixed) => shared(front, total),
    };
    for hypothesis in front {
        let extra = beam.extra.get(&hypothesis.id).copied().unwrap_or(0);
        spend(&mut parents, hypothesis, extra);
    }
    let mut next = first_id.0;
    parents
        .into_iter()
        .map(|plan| match plan {
            Plan::Stand(finished) => Place::Whole(finished),
            Plan::Continue(parent, successor) => {
                let id = HypothesisId(next);
                next += 1;
                Place::New(seat(
                    params,
                    deal,
                    id,
                    parent,
                    Successor::Sampled(successor),
                ))
            }
        })
        .collect()
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
    parent: &Arc<Hypothesis>,
    successors: std::ops::Range<usize>,
) -> Vec<Seat> {
    let ids = (first_id.0..).map(HypothesisId);
    let more = ids.zip(successors);
    more.map(|(id, n)| {
        let successor = Successor::Sampled(n);
        seat(params, deal, id, Some(Arc::clone(parent)), successor)
    })
    .collect()
}

enum Plan {
    Stand(Arc<Hypothesis>),
    Continue(Option<Arc<Hypothesis>>, usize),
}

fn from_prompt(total: usize) -> Vec<Plan> {
    (0..total).map(|i| Plan::Continue(None, i)).collect()
}

/// Reference rules: rows `[b1..bW, b1..bW, ...]`, finished ones tiled like any other.
fn tiled(front: &[Arc<Hypothesis>], total: usize) -> Vec<Plan> {
    (0..total)
        .map(|i| Plan::Continue(Some(Arc::clone(&front[i % front.len()])), i / front.len()))
        .collect()
}

/// Fixed rules: a finished hypothesis stands once; what is left is shared evenly among the live
/// ones, the remainder to the best-ranked first. Grouped by parent, best-ranked parent first.
fn shared(front: &[Arc<Hypothesis>], total: usize) -> Vec<Plan> {
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

/// `extra` more successors of a live hypothesis, behind those it has.
fn spend(plans: &mut Vec<Plan>, hypothesis: &Arc<Hypothesis>, extra: usize) {
    let is_its = |plan: &Plan| match plan {
        Plan::Continue(Some(parent), successor) if parent.id == hypothesis.id => Some(*successor),
        _ => None,
    };
    let Some(last) = plans.iter().rposition(|plan| is_its(plan).is_some()) else {
        return;
    };
    let next = is_its(&plans[last]).map_or(0, |successor| successor + 1);
    let more = (next..next + extra).map(|n| Plan::Continue(Some(Arc::clone(hypothesis)), n));
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

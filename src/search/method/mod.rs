//! Methods: who is continued in a round, and who survives it. A method has no state of its own:
//! what it needs to know stands in the history, so that going back, forking and taking work with
//! every one, and settings may turn from one into another between rounds.
//!
//! | method | file | a law that ties it to another |
//! | --- | --- | --- |
//! | chunk-level beam search | [`cbs`] | W = K = 1 is sampling, W = 1 without chunks is best-of-K |
//! | diverse verifier tree search | [`dvts`] | W = 1 is CBS with W = 1 |
//! | sequential Monte Carlo | [`smc`] | α = 0 is so many samples of the strong model |
//! | entropy-aware tree search | [`tree`] | W = 1 is CBS with W = 1, as long as nothing ends early |
//! | cascade reward sampling | [`cards`] | a target that everything passes is sampling |
//! | speculative rejection | [`rejection`] | dropping nothing is best-of-N |
//!
//! Emulated fine-tuning is a way to propose, not to choose: it stands in the settings
//! ([`Tilt`](super::params::Tilt)) beside any of these; β = 0 is the strong model alone.

mod cards;
mod cbs;
mod dvts;
mod rejection;
mod smc;
mod tree;

use std::sync::Arc;

use super::ask::Hesitation;
use super::entry::{Mark, Share};
use super::history::{History, Round};
use super::hypothesis::Hypothesis;
use super::ids::HypothesisId;
use super::layout::Plan;
use super::params::{Method, SearchParams};
use super::select::{Keys, Marks, Ranker, boost_of, key_in, precedence, rank_by};

/// What a round sets out from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub params: &'a SearchParams,
    /// Best first; none at the bare prompt.
    pub beam: &'a [Arc<Hypothesis>],
    pub history: &'a History,
    pub ranker: Ranker<'a>,
}

/// A round whose candidates are all scored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Court<'a> {
    pub round: &'a Round,
    pub ranker: Ranker<'a>,
    pub marks: &'a Marks,
    /// What the candidates are ranked by, marks aside.
    pub keys: &'a Keys,
    /// What each particle had before the round; empty where that is nothing.
    pub shares: &'a [Share],
}

/// The outcome of a cut: each list best first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Verdict {
    pub kept: Vec<Arc<Hypothesis>>,
    pub pruned: Vec<Arc<Hypothesis>>,
    /// What the kept ones have of the next round, where that is not the same for all.
    pub shares: Vec<Share>,
}

/// The candidates of the next round, in the order of their places.
pub(super) fn plan(scene: Scene<'_>) -> Vec<Plan> {
    match scene.params.method() {
        Method::Cbs => cbs::plan(scene),
        Method::Dvts => dvts::plan(scene),
        Method::Smc { .. } => smc::plan(scene),
        Method::TreeSearch { exploration } => tree::plan(scene, exploration.get()),
        Method::Cards { .. } => cards::plan(scene),
        Method::SpeculativeRejection { .. } => rejection::plan(scene),
    }
}

/// The cut.
pub(super) fn cut(court: Court<'_>, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
    match court.ranker.params.method() {
        Method::Cbs => cbs::cut(court, candidates),
        Method::Dvts => dvts::cut(court, candidates),
        Method::Smc { alpha } => smc::cut(court, alpha.get(), candidates),
        Method::TreeSearch { .. } => tree::cut(court, candidates),
        Method::Cards { target } => cards::cut(court, target.get(), candidates),
        Method::SpeculativeRejection { drop } => rejection::cut(court, drop.get(), candidates),
    }
}

/// How many more successors the round needs before its cut.
pub(super) fn more(court: Court<'_>) -> usize {
    match court.ranker.params.method() {
        Method::Cards { target } => cards::more(court, target.get()),
        _ => 0,
    }
}

/// Where the method has chunks end before their length.
pub(super) fn hesitation(params: &SearchParams) -> Option<Hesitation> {
    match params.method() {
        Method::Cards { .. } => Some(cards::HESITATION),
        _ => None,
    }
}

/// Whether the method asks how chunks were drawn.
pub(super) fn wants_drawn(params: &SearchParams) -> bool {
    matches!(params.method(), Method::TreeSearch { .. })
}

/// What of the beam a round continues: all of it, or the best W where the cut leaves no more.
pub(super) fn front<'a>(
    params: &SearchParams,
    beam: &'a [Arc<Hypothesis>],
) -> &'a [Arc<Hypothesis>] {
    let width = match params.method() {
        Method::Cbs | Method::Dvts => params.beam_width().get(),
        Method::Cards { .. } => 1,
        _ => beam.len(),
    };
    &beam[..beam.len().min(width)]
}

/// Whether so many rounds are all that there are, whatever still lives.
pub(super) fn is_spent(params: &SearchParams, n_rounds: usize) -> bool {
    match params.method() {
        Method::TreeSearch { .. } => n_rounds >= tree::n_rounds(params),
        _ => false,
    }
}

/// The answer, where it is not simply the best: `None` leaves it at that.
pub(super) fn answer(
    params: &SearchParams,
    beam: &[Arc<Hypothesis>],
    shares: &[Share],
) -> Option<Arc<Hypothesis>> {
    match params.method() {
        Method::Smc { .. } => smc::answer(params, beam, shares),
        // What was rejected is not the answer, whatever its score.
        Method::Cards { .. } => beam.first().cloned(),
        _ => None,
    }
}

impl Court<'_> {
    fn mark(&self, candidate: &Hypothesis) -> Option<Mark> {
        self.marks.get(&candidate.id).copied()
    }

    fn is_killed(&self, candidate: &Hypothesis) -> bool {
        self.mark(candidate) == Some(Mark::Kill)
    }

    /// Whether the user wants it kept.
    fn is_held(&self, candidate: &Hypothesis) -> bool {
        matches!(self.mark(candidate), Some(Mark::Take | Mark::Pin))
    }

    /// What a candidate is ranked by, the user's boost included.
    fn key(&self, candidate: &Hypothesis) -> f64 {
        key_in(self.keys, candidate) + boost_of(self.mark(candidate))
    }

    /// Best first; taken before pinned ones, those before all others, killed ones last.
    fn ranked(&self, candidates: Vec<Arc<Hypothesis>>) -> Vec<Arc<Hypothesis>> {
        let mut ranked = rank_by(candidates, |c| self.key(c));
        ranked.sort_by_key(|c| precedence(self.mark(c)));
        ranked
    }

    /// The first `n` of the ranked ones that live are kept.
    fn keep(&self, n: usize, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
        let mut kept = self.ranked(candidates);
        let n_alive = kept.iter().filter(|c| !self.is_killed(c)).count();
        let pruned = kept.split_off(n.min(n_alive));
        self.verdict(kept, pruned)
    }

    fn verdict(&self, kept: Vec<Arc<Hypothesis>>, pruned: Vec<Arc<Hypothesis>>) -> Verdict {
        Verdict {
            kept: rank_by(kept, |c| self.key(c)),
            pruned: rank_by(pruned, |c| self.key(c)),
            shares: Vec::new(),
        }
    }

    /// Those that `is_kept` names are kept.
    fn keep_those(
        &self,
        candidates: Vec<Arc<Hypothesis>>,
        is_kept: impl Fn(&Hypothesis) -> bool,
    ) -> Verdict {
        let (kept, pruned) = candidates.into_iter().partition(|c| is_kept(c));
        self.verdict(kept, pruned)
    }

    fn share_of(&self, id: HypothesisId) -> Option<&Share> {
        self.shares.iter().find(|share| share.id == id)
    }
}

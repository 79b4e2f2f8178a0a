//! Sequential Monte Carlo (arXiv 2404.17546; `particle_gibbs.py` of its_hub): N = W·K particles
//! whose target is the strong model times (tuned / untuned)^α.
//!
//! After a chunk a particle's weight is multiplied by exp(α Δr), Δr what the chunk adds to the
//! log-ratio. Once the effective sample size (Σw)²/Σw² is below N/2, N particles are drawn anew
//! in proportion to their weights, systematically: one random number and N equal steps. The
//! answer is one particle, drawn by weight. With α = 0 all weights stay equal and each particle is
//! a sample of the strong model.
//!
//! Particles that are equal are one hypothesis with so many copies; it is continued as often.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Court, Scene, Verdict};
use crate::search::draw::Lineage;
use crate::search::entry::Share;
use crate::search::hypothesis::Hypothesis;
use crate::search::layout::{Plan, from_prompt, shared};
use crate::search::params::SearchParams;

pub(super) fn plan(scene: Scene<'_>) -> Vec<Plan> {
    let (n, shares) = (scene.params.n_candidates(), scene.history.here().shares());
    match (scene.beam.is_empty(), shares.is_empty()) {
        (true, _) => return from_prompt(n),
        // Another method kept this beam.
        (false, true) => return shared(front(&scene, n), n),
        (false, false) => {}
    }
    let copies = |h: &Hypothesis| shares.iter().find(|s| s.id == h.id).map_or(1, |s| s.copies);
    let plans = scene.beam.iter().flat_map(|h| match h.is_finished() {
        true => vec![Plan::Stand(Arc::clone(h))],
        false => (0..copies(h).max(1))
            .map(|i| Plan::Continue(Some(Arc::clone(h)), i))
            .collect(),
    });
    plans.collect()
}

/// No more than there are particles.
fn front<'a>(scene: &Scene<'a>, n: usize) -> &'a [Arc<Hypothesis>] {
    &scene.beam[..scene.beam.len().min(n)]
}

/// A candidate as particles: equal ones together.
struct Particles {
    candidate: Arc<Hypothesis>,
    copies: usize,
    log_weight: f64,
}

pub(super) fn cut(court: Court<'_>, alpha: f64, candidates: Vec<Arc<Hypothesis>>) -> Verdict {
    let mut all: Vec<Particles> = candidates
        .into_iter()
        .map(|c| particles(&court, alpha, c))
        .collect();
    let n = court.ranker.params.n_candidates();
    let weights = weights(&all);
    if effective(&copies(&all), &weights) < n as f64 / 2.0 {
        let stream = Lineage::root(court.ranker.params.seed()).aside(court.round.draws);
        let u = stream.uniform(court.round.number);
        let counts = systematic(&copies(&all), &weights, n, u);
        for (particles, copies) in all.iter_mut().zip(counts) {
            (particles.copies, particles.log_weight) = (copies, 0.0);
        }
    }
    verdict(&court, all)
}

/// With the weight after its chunk. What stands gains nothing.
fn particles(court: &Court<'_>, alpha: f64, candidate: Arc<Hypothesis>) -> Particles {
    let stands = court.round.standing.contains(&candidate.id);
    let from = match stands {
        true => Some(candidate.id),
        false => candidate.parent,
    };
    let before = from.and_then(|id| court.share_of(id));
    let gained = match (court.is_killed(&candidate), stands) {
        (true, _) => f64::NEG_INFINITY,
        (false, true) => 0.0,
        (false, false) => candidate.chunk_value(court.ranker.pair).unwrap_or(0.0),
    };
    let boost = super::boost_of(court.mark(&candidate));
    let gained = court.ranker.params.weight().get() * gained + boost;
    // 0 times −∞ is no number; a killed particle weighs nothing whatever α is.
    let step = match gained == f64::NEG_INFINITY || court.is_killed(&candidate) {
        true => f64::NEG_INFINITY,
        false => alpha * gained,
    };
    Particles {
        copies: match stands {
            true => before.map_or(1, |share| share.copies),
            false => 1,
        },
        log_weight: before.map_or(0.0, |share| share.log_weight) + step,
        candidate,
    }
}

/// Of one copy each, so that the largest is 1.
fn weights(all: &[Particles]) -> Vec<f64> {
    let top = all
        .iter()
        .map(|p| p.log_weight)
        .fold(f64::NEG_INFINITY, f64::max);
    let weight = |p: &Particles| match top.is_finite() {
        true => (p.log_weight - top).exp(),
        false => 1.0,
    };
    all.iter().map(weight).collect()
}

/// (Σw)²/Σw² over all copies.
fn effective(copies: &[usize], weights: &[f64]) -> f64 {
    let both = || copies.iter().map(|n| *n as f64).zip(weights);
    let sum: f64 = both().map(|(n, w)| n * w).sum();
    let squares: f64 = both().map(|(n, w)| n * w * w).sum();
    sum * sum / squares
}

/// How often each is drawn, of `n` draws at (u + i)/n of the total weight.
fn systematic(copies: &[usize], weights: &[f64], n: usize, u: f64) -> Vec<usize> {
    let both = copies.iter().map(|n| *n as f64).zip(weights);
    let mass: Vec<f64> = both.map(|(n, w)| n * w).collect();
    let step = mass.iter().sum::<f64>() / n as f64;
    let (mut sum, mut drawn) = (0.0, 0);
    let mut counts: Vec<usize> = Vec::with_capacity(mass.len());
    for weight in &mass {
        sum += weight;
        let before = drawn;
        while drawn < n && (drawn as f64 + u) * step < sum {
            drawn += 1;
        }
        counts.push(drawn - before);
    }
    // Rounding may leave the last draw at the very end.
    if let Some(last) = mass.iter().rposition(|weight| *weight > 0.0) {
        counts[last] += n - drawn;
    }
    counts
}

fn copies(all: &[Particles]) -> Vec<usize> {
    all.iter().map(|p| p.copies).collect()
}

fn verdict(court: &Court<'_>, all: Vec<Particles>) -> Verdict {
    let is_kept = |p: &Particles| p.copies > 0 && !court.is_killed(&p.candidate);
    let kept: HashSet<_> = all
        .iter()
        .filter(|p| is_kept(p) || court.is_held(&p.candidate))
        .map(|p| p.candidate.id)
        .collect();
    let candidates = all.iter().map(|p| Arc::clone(&p.candidate)).collect();
    let mut verdict = court.keep_those(candidates, |c| kept.contains(&c.id));
    let share = |p: &Particles| Share {
        id: p.candidate.id,
        copies: p.copies.max(1),
        log_weight: p.log_weight,
    };
    let kept = all.iter().filter(|p| kept.contains(&p.candidate.id));
    verdict.shares = kept.map(share).collect();
    verdict
}

/// One particle, drawn by weight.
pub(super) fn answer(
    params: &SearchParams,
    beam: &[Arc<Hypothesis>],
    shares: &[Share],
) -> Option<Arc<Hypothesis>> {
    let particles = |h: &Arc<Hypothesis>| {
        let share = shares.iter().find(|share| share.id == h.id);
        Particles {
            candidate: Arc::clone(h),
            copies: share.map_or(1, |share| share.copies),
            log_weight: share.map_or(0.0, |share| share.log_weight),
        }
    };
    let mut all: Vec<Particles> = beam.iter().map(particles).collect();
    // In the order in which they were drawn, not by rank.
    all.sort_by_key(|p| p.candidate.id);
    let u = Lineage::root(params.seed()).aside(u64::MAX).uniform(0);
    let counts = systematic(&copies(&all), &weights(&all), 1, u);
    let drawn = counts.iter().position(|n| *n > 0)?;
    Some(Arc::clone(&all[drawn].candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_as_even_as_can_be() {
        for u in [0.0, 0.5, 0.999_999] {
            let equal = systematic(&[1, 2, 1], &[1.0; 3], 4, u);
            assert_eq!(equal, [1, 2, 1], "equal weights");
            let counts = systematic(&[1, 2, 1], &[0.1, 0.0, 0.9], 10, u);
            assert_eq!(counts, [1, 0, 9], "{u}");
        }
        assert_eq!(systematic(&[1; 3], &[1.0, 0.0, 0.0], 4, 0.3), [4, 0, 0]);
    }

    #[test]
    fn the_effective_size_counts_copies() {
        assert_eq!(effective(&[1, 2, 1], &[1.0; 3]), 4.0);
        assert_eq!(effective(&[1, 2, 1], &[1.0, 0.0, 0.0]), 1.0);
    }
}

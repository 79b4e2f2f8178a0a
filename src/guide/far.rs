//! Draws from logits that are on a device: the same choices as [`sample`](super::sample) makes of
//! a whole vocabulary, of the few blocks that they depend on.

use super::sample::{
    entropy, entropy_of, inverse_cdf, keep_largest, temperature, top_p_of, weights,
};
use crate::decoder::{BLOCK, ForwardError, Mass, Place};
use crate::search::{Rules, Sampling, TokenId};

/// Ids in ascending order with their logits.
pub(super) type Kept = Vec<(TokenId, f32)>;

/// A position whose blocks are fetched as they are needed.
pub(super) struct Far<'a> {
    place: &'a Place,
    /// Ids that have a name.
    named: usize,
    /// Blocks by what is known to be their highest logit, the highest first.
    order: Vec<usize>,
    n_fetched: usize,
    found: Kept,
}

impl<'a> Far<'a> {
    pub fn new(place: &'a Place, named: usize) -> Self {
        let tops = place.tops();
        let n_blocks = named.div_ceil(BLOCK).min(tops.len());
        let mut order: Vec<usize> = (0..n_blocks).collect();
        order.sort_by(|a, b| tops[*b].total_cmp(&tops[*a]).then(a.cmp(b)));
        Self {
            place,
            named,
            order,
            n_fetched: 0,
            found: Vec::new(),
        }
    }

    /// At most what an unfetched logit can be.
    fn bound(&self) -> Option<f32> {
        let next = self.order.get(self.n_fetched)?;
        Some(self.place.tops()[*next])
    }

    /// Fetches `n` blocks more.
    fn fetch(&mut self, n: usize) -> Result<(), ForwardError> {
        let end = self.order.len().min(self.n_fetched + n);
        let blocks = &self.order[self.n_fetched..end];
        let logits = self.place.fetch(blocks)?;
        for (block, logits) in blocks.iter().zip(logits.chunks(BLOCK)) {
            let ids = (block * BLOCK) as TokenId..;
            let named = ids.zip(logits.iter().copied());
            self.found
                .extend(named.filter(|(id, _)| (*id as usize) < self.named));
        }
        self.n_fetched = end;
        Ok(())
    }

    /// All that are at least the k-th largest.
    fn largest(&mut self, k: usize) -> Result<Kept, ForwardError> {
        self.fetch(k)?;
        loop {
            let mut kept = self.found.clone();
            keep_largest(&mut kept, k);
            let least = kept
                .iter()
                .map(|(_, logit)| *logit)
                .fold(f32::INFINITY, f32::min);
            let (tops, beyond) = (self.place.tops(), &self.order[self.n_fetched..]);
            let may_be = |block: &&usize| kept.len() < k || tops[**block] >= least;
            let more = beyond.iter().take_while(may_be).count();
            if more == 0 {
                kept.sort_by_key(|(id, _)| *id);
                return Ok(kept);
            }
            self.fetch(more)?;
        }
    }
}

/// What temperature and filters leave of a position.
pub(super) enum Left {
    /// This one for certain.
    Greedy(TokenId, f32),
    /// These, at a temperature.
    Some(Kept, f64),
    All(All),
}

/// All ids that have a name: what their blocks weigh, beside the highest logit, at a temperature.
pub(super) struct All {
    masses: Vec<Mass>,
    top: f32,
    temperature: f64,
}

impl All {
    fn total(&self) -> f64 {
        self.masses.iter().map(|mass| mass.sum).sum()
    }

    fn weight(&self, logit: f32) -> f64 {
        (f64::from(logit - self.top) / self.temperature).exp()
    }
}

/// A token that was drawn.
pub(super) struct FarDrawn {
    pub id: TokenId,
    /// Raw.
    pub logit: f32,
    /// Its log-probability in what was left, and the entropy of that, in nats.
    pub how: (f64, f64),
}

impl Far<'_> {
    /// What `sampling` leaves.
    ///
    /// # Errors
    /// A failing device.
    pub fn left(&mut self, sampling: &Sampling, rules: Rules) -> Result<Left, ForwardError> {
        let Some(t) = temperature(sampling, rules) else {
            let best = self.largest(1)?;
            let (id, logit) = best.first().copied().unwrap_or_default();
            return Ok(Left::Greedy(id, logit));
        };
        let (k, p) = (sampling.top_k(), sampling.top_p());
        if k > 0 && k < self.named {
            let mut kept = self.largest(k)?;
            if p < 1.0 {
                let total = weights(&kept, t).iter().sum();
                top_p_of(&mut kept, p, t, total);
            }
            return Ok(Left::Some(kept, t));
        }
        let all = self.all(t)?;
        match p < 1.0 {
            true => Ok(Left::Some(self.nucleus(&all, p)?, t)),
            false => Ok(Left::All(all)),
        }
    }

    /// What all blocks weigh; of the last one only what has a name.
    fn all(&mut self, t: f64) -> Result<All, ForwardError> {
        let tops = self.place.tops().iter().copied();
        let mut all = All {
            masses: self.place.masses(t)?,
            top: tops.fold(f32::NEG_INFINITY, f32::max),
            temperature: t,
        };
        all.masses.truncate(self.order.len());
        let rest = self.named % BLOCK;
        if let Some(last) = all.masses.len().checked_sub(1).filter(|_| rest > 0) {
            let logits = self.place.fetch(&[last])?;
            let x = logits[..rest].iter().map(|l| f64::from(l - all.top) / t);
            let x = x.filter(|x| x.is_finite());
            let (sum, moment) = x.fold((0.0, 0.0), |(sum, moment), x| {
                (sum + x.exp(), moment + x * x.exp())
            });
            all.masses[last] = Mass { sum, moment };
        }
        Ok(all)
    }

    /// The smallest set of likeliest tokens whose probability reaches `p`.
    fn nucleus(&mut self, all: &All, p: f64) -> Result<Kept, ForwardError> {
        loop {
            self.fetch(8)?;
            let bound = self.bound().unwrap_or(f32::NEG_INFINITY);
            let mut kept = self.found.clone();
            kept.retain(|(_, logit)| *logit >= bound);
            let sum: f64 = kept.iter().map(|(_, logit)| all.weight(*logit)).sum();
            if self.bound().is_some() && sum < p * all.total() {
                continue;
            }
            kept.sort_by_key(|(id, _)| *id);
            let highest = kept
                .iter()
                .map(|(_, logit)| *logit)
                .fold(f32::NEG_INFINITY, f32::max);
            let total = all.total() / all.weight(highest);
            top_p_of(&mut kept, p, all.temperature, total);
            return Ok(kept);
        }
    }

    /// The token that `u` in [0, 1) decides on.
    ///
    /// # Errors
    /// A failing device.
    pub fn draw(&mut self, left: &Left, u: f64) -> Result<FarDrawn, ForwardError> {
        match left {
            Left::Greedy(id, logit) => Ok(FarDrawn {
                id: *id,
                logit: *logit,
                how: (0.0, 0.0),
            }),
            Left::Some(kept, t) => {
                let id = inverse_cdf(kept, *t, u);
                let at = kept.iter().position(|(kept, _)| *kept == id).unwrap_or(0);
                let weights = weights(kept, *t);
                let total: f64 = weights.iter().sum();
                Ok(FarDrawn {
                    id,
                    logit: kept.get(at).map_or(0.0, |(_, logit)| *logit),
                    how: ((weights[at] / total).ln(), entropy_of(&weights, total)),
                })
            }
            Left::All(all) => self.draw_of_all(all, u),
        }
    }

    fn draw_of_all(&mut self, all: &All, u: f64) -> Result<FarDrawn, ForwardError> {
        let total = all.total();
        let (block, before) = block_of(&all.masses, u * total);
        let logits = self.place.fetch(&[block])?;
        let first = block * BLOCK;
        let n = (self.named - first).min(BLOCK);
        let weights: Vec<f64> = logits[..n].iter().map(|l| all.weight(*l)).collect();
        // The device has added the block up in f32: its share is what is gone into.
        let own: f64 = weights.iter().sum();
        let mut rest = (u * total - before) / all.masses[block].sum * own;
        let mut at = 0;
        for (i, weight) in weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0)
        {
            at = i;
            rest -= weight;
            if rest < 0.0 {
                break;
            }
        }
        let moment: f64 = all.masses.iter().map(|mass| mass.moment).sum();
        Ok(FarDrawn {
            id: (first + at) as TokenId,
            logit: logits[at],
            how: ((weights[at] / total).ln(), total.ln() - moment / total),
        })
    }

    /// The probability with which [`Self::draw`] gives the token with this id and logit.
    pub fn probability(left: &Left, id: TokenId, logit: f32) -> f64 {
        match left {
            Left::Greedy(best, _) => f64::from(u8::from(*best == id)),
            Left::Some(kept, t) => {
                let weights = weights(kept, *t);
                let at = kept.iter().position(|(kept, _)| *kept == id);
                at.map_or(0.0, |at| weights[at]) / weights.iter().sum::<f64>()
            }
            Left::All(all) => all.weight(logit) / all.total(),
        }
    }

    /// The `n` likeliest, the likeliest first; of equals those with lower ids.
    ///
    /// # Errors
    /// A failing device.
    pub fn likeliest(&mut self, n: usize) -> Result<Kept, ForwardError> {
        let mut best = self.largest(n)?;
        best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        best.truncate(n);
        Ok(best)
    }
}

/// The block in which the sum over blocks passes `target`, and the sum before it.
fn block_of(masses: &[Mass], target: f64) -> (usize, f64) {
    let (mut block, mut before, mut sum) = (0, 0.0, 0.0);
    for (i, mass) in masses.iter().enumerate().filter(|(_, mass)| mass.sum > 0.0) {
        (block, before) = (i, sum);
        sum += mass.sum;
        if target < sum {
            break;
        }
    }
    (block, before)
}

/// The entropy of what is said raw, in nats.
///
/// # Errors
/// A failing device.
pub(super) fn entropy_at(place: &Place) -> Result<f64, ForwardError> {
    if let Some(logits) = place.here() {
        return Ok(entropy(logits));
    }
    let masses = place.masses(1.0)?;
    let total: f64 = masses.iter().map(|mass| mass.sum).sum();
    let moment: f64 = masses.iter().map(|mass| mass.moment).sum();
    Ok(total.ln() - moment / total)
}

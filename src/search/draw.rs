//! Randomness as a pure function, so that batching, order and K never change what is drawn.
//!
//! The reference implementation draws from one global generator: there, raising K changes every
//! candidate. Here the number behind a token depends on (seed, round, lineage, successor,
//! position) alone, and where the user has a round drawn anew, on how often. Successor 0 goes on with its parent's stream, so W = K = 1 draws the same
//! response whatever L is; every other successor opens a stream of its own.

use serde::{Deserialize, Serialize};

use super::ids::Successor;

/// Which stream of random numbers a hypothesis draws from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lineage(u64);

impl Lineage {
    /// The stream of the prompt under `seed`.
    #[must_use]
    pub fn root(seed: u64) -> Self {
        Self(mix(seed ^ 0x5752_5332_5345_4544))
    }

    /// The stream of one of the parent's successors, opened in `round`.
    #[must_use]
    pub fn successor(self, round: usize, successor: Successor) -> Self {
        let key = match successor {
            Successor::Sampled(0) => return self,
            Successor::Sampled(n) => !(n as u64),
            // No sampled successor has a key below 2^63.
            Successor::Typed { typed } => typed as u64,
        };
        Self(mix(mix(self.0 ^ mix(round as u64)) ^ mix(key)))
    }

    /// The stream of what is drawn anew after it for the `n`-th time; its own where n is 0.
    #[must_use]
    pub fn redrawn(self, n: u64) -> Self {
        match n {
            0 => self,
            n => Self(mix(mix(self.0 ^ 0x7265_6472_6177_6E21) ^ mix(n))),
        }
    }

    /// A stream beside this one, for what a method draws that is no token.
    #[must_use]
    pub fn aside(self, n: u64) -> Self {
        Self(mix(mix(self.0 ^ 0x6173_6964_6521_2121) ^ mix(n)))
    }

    /// A number in [0, 1) for the token at `position` (tokens since the prompt, from 0).
    #[must_use]
    pub fn uniform(self, position: usize) -> f64 {
        let bits = mix(self.0 ^ mix(position as u64 ^ 0x706F_7369_7469_6F6E));
        // 53 random bits fill the mantissa of an f64 exactly.
        (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

/// What the draws of one round depend on beside its hypotheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deal {
    /// The round's number.
    pub round: usize,
    /// How often the rounds after the same node have been drawn anew.
    pub draws: u64,
}

impl Deal {
    /// The stream of a successor of what draws from `parent`.
    pub fn lineage(self, parent: Lineage, successor: Successor) -> Lineage {
        parent.redrawn(self.draws).successor(self.round, successor)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that avalanches.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nth(n: usize) -> Successor {
        Successor::Sampled(n)
    }

    #[test]
    fn successor_zero_continues_its_parents_stream() {
        let root = Lineage::root(7);
        assert_eq!(root.successor(1, nth(0)).successor(2, nth(0)), root);
        assert_ne!(root.successor(1, nth(1)), root.successor(2, nth(1)));
        assert_ne!(root.successor(1, Successor::Typed { typed: 0 }), root);
    }

    #[test]
    fn what_is_drawn_anew_is_another_stream_each_time() {
        let root = Lineage::root(7);
        assert_eq!(root.redrawn(0), root);
        let deal = |draws| Deal { round: 2, draws };
        let first: std::collections::HashSet<Lineage> = (0..100)
            .flat_map(|draws| (0..4).map(move |n| deal(draws).lineage(root, nth(n))))
            .collect();
        assert_eq!(first.len(), 400);
    }

    #[test]
    fn uniform_fills_the_unit_interval_evenly() {
        let root = Lineage::root(0);
        let mut bins = [0usize; 10];
        for i in 0..10_000 {
            let u = root.successor(1, nth(i % 100)).uniform(i / 100);
            assert!((0.0..1.0).contains(&u));
            bins[(u * 10.0) as usize] += 1;
        }
        // 1000 expected a bin, standard deviation 30: five of them either way.
        assert!(bins.iter().all(|n| (850..1150).contains(n)), "{bins:?}");
    }
}

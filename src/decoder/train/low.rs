//! Factors of low rank beside frozen matrices (Hu et al. 2021, LoRA), in PEFT's layout.

use std::collections::BTreeSet;

use candle_core::{Device, Result, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::param::{Linear, Low, Trained};
use super::stored::{Named, parts_first_order};
use crate::decoder::net::Net;
use crate::models::{DecoderConfig, LoadError, Slot};

/// Which matrices get factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// All in the layers: PEFT's `all-linear`.
    All,
    /// By the last part of their names, such as `q_proj`.
    Named(Vec<String>),
}

/// Factors' size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LowRank {
    /// Inner dimensions; at most as many as each matrix has inputs.
    pub rank: usize,
    /// What `B A` is multiplied with, times the rank.
    pub alpha: f64,
    pub targets: Targets,
}

impl LowRank {
    /// Puts factors on a net: `A` at random as in PEFT, `B` zero, so that nothing changes at
    /// first. A full rank begins with the identity as `A`: then the first step is that of full
    /// training.
    ///
    /// # Errors
    /// A target that the model does not have, or no rank.
    pub(super) fn attach(
        &self,
        net: &mut Net<Trained>,
        config: &DecoderConfig,
        seed: u64,
        device: &Device,
    ) -> std::result::Result<(), LoadError> {
        self.check(config)?;
        for (index, layer) in net.layers.iter_mut().enumerate() {
            for slot in Slot::ALL {
                let place = (config, config.layer_name(index), slot);
                self.attach_to(&mut layer.linears[slot as usize], &place, seed, device)?;
            }
        }
        Ok(())
    }

    fn attach_to(
        &self,
        linear: &mut Linear,
        (config, layer, slot): &(&DecoderConfig, String, Slot),
        seed: u64,
        device: &Device,
    ) -> Result<()> {
        let stack = config.stack(*slot);
        let mut first = 0;
        for (name, n) in &stack.parts {
            if self.targets.has(name) {
                let name = format!("{layer}.{name}");
                let rank = self.rank.min(stack.k);
                let a = start(&name, seed, rank, stack.k);
                let order = match stack.per_head {
                    true => Some(Tensor::new(parts_first_order(*n, config.head_dim), device)?),
                    false => None,
                };
                linear.low.push(Low {
                    a: Var::from_vec(a, (rank, stack.k), device)?,
                    b: Var::from_vec(vec![0.0_f32; n * rank], (*n, rank), device)?,
                    scale: self.alpha / self.rank as f64,
                    name,
                    first,
                    order,
                });
            }
            first += n;
        }
        Ok(())
    }

    fn check(&self, config: &DecoderConfig) -> std::result::Result<(), LoadError> {
        let refused = |what: String| Err(LoadError::Config(what));
        if self.rank == 0 {
            return refused("a rank of 0 trains nothing".to_owned());
        }
        let Targets::Named(names) = &self.targets else {
            return Ok(());
        };
        let parts = Slot::ALL.map(|slot| config.stack(slot).parts);
        let known: BTreeSet<_> = parts.iter().flatten().map(|(name, _)| last(name)).collect();
        match names.iter().find(|name| !known.contains(name.as_str())) {
            None if names.is_empty() => refused("no target is named".to_owned()),
            None => Ok(()),
            Some(name) => refused(format!(
                "this model has no matrices called '{name}'; it has {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            )),
        }
    }
}

impl Targets {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|n| n == last(name)),
        }
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `A` of (rank, k): uniform within `1 / sqrt(k)`, or the identity where the rank is full.
fn start(name: &str, seed: u64, rank: usize, k: usize) -> Vec<f32> {
    if rank == k {
        let at = |i: usize| f32::from(u8::from(i / k == i % k));
        return (0..k * k).map(at).collect();
    }
    let bound = 1.0 / (k as f32).sqrt();
    let mut random = Random::new(seed, name);
    (0..rank * k)
        .map(|_| (2.0 * random.next() - 1.0) * bound)
        .collect()
}

/// `n` numbers of the standard normal distribution, those of `seed` and `name`.
pub(super) fn normal(seed: u64, name: &str, n: usize) -> Vec<f32> {
    let mut random = Random::new(seed, name);
    let mut one = || {
        // Box and Muller; the first is never 0.
        let (a, b) = (1.0 - random.next(), random.next());
        (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
    };
    (0..n).map(|_| one()).collect()
}

/// A stream of numbers in [0, 1) for each name.
struct Random(u64);

impl Random {
    fn new(seed: u64, name: &str) -> Self {
        // FNV-1a.
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, hash))
    }

    /// SplitMix64 (Steele et al. 2014).
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    }
}

/// All factors under PEFT's names.
pub(super) fn tensors(net: &Net<Trained>) -> Vec<Named> {
    let factors = all(net).flat_map(|low| {
        let root = format!("base_model.model.{}", low.name);
        [
            (format!("{root}.lora_A.weight"), low.a.detach()),
            (format!("{root}.lora_B.weight"), low.b.detach()),
        ]
    });
    factors.collect()
}

/// PEFT's `target_modules`.
pub(super) fn modules(net: &Net<Trained>) -> Vec<String> {
    let names: BTreeSet<_> = all(net).map(|low| last(&low.name).to_owned()).collect();
    names.into_iter().collect()
}

fn all(net: &Net<Trained>) -> impl Iterator<Item = &Low> {
    net.matrices().flat_map(|linear| &linear.low)
}

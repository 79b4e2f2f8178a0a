//! The forward pass on the CPU: f32, own SIMD kernels, all cores.

mod attend;
mod floats;
mod halves;
mod lanes;
mod linear;
mod mat;
pub(super) mod math;
mod memory;
mod packer;
mod pages;
mod panels;
mod plan;
mod quant;
mod run;
mod store;
mod tile;

use std::ops::Range;
use std::sync::Arc;

use candle_core::Result;
use pulp::Arch;
use rayon::prelude::*;

use crate::decoder::buffer::Buffer;
use crate::decoder::factors::Factors;
use crate::decoder::feed::{Feed, Want};
use crate::decoder::net::{Net, Tuned};
use crate::decoder::pass::Kinds;
use crate::decoder::rope::RopeTable;
use crate::decoder::vectors::arch;
use crate::models::{DecoderConfig, LoadError};
pub(super) use linear::Linear;
use math::Gain;
use run::HostPass;

pub(super) use packer::{How, Packer};
use pages::SpareLayers;
pub(super) use pages::{Lane, PageShape};
pub(super) use store::in_large_pages;

/// Models up to this size stay in the caches of the cores, so that threads may each run their
/// own rows through all layers, without waiting for each other inside.
const IN_CACHE: usize = 32 << 20;

/// Whether weights that were stored in 16 bits stay so, in a model of so many. Where they stream from
/// memory, one row is done 1.7 times as fast in f16, sixteen 1.2 (SmolLM2 of 135 M on two cores with
/// AVX-512; with the kernels for AVX2 about as fast, in half the memory). Where they stay in caches, only the widest
/// vectors are faster than what brings weights in f32 (1.3 times).
fn keeps_halves(arch: Arch, n_weights: u64) -> bool {
    panels::lanes(arch) == 16 || n_weights.saturating_mul(4) > IN_CACHE as u64
}

/// log Σ exp(logits), in nats.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    arch().dispatch(math::LogSumExp(logits))
}

/// The highest logit; −∞ of none.
pub(crate) fn max(logits: &[f32]) -> f32 {
    // Too little to be worth asking for the machine's widest vectors.
    math::max(logits)
}

/// A model on the CPU.
pub(super) struct Host {
    net: Tuned<Packed>,
    ropes: Arc<[RopeTable]>,
    shape: PageShape,
    spare: Arc<SpareLayers>,
    arch: Arch,
    small: bool,
    hidden: usize,
    /// Query heads per key head.
    group: usize,
}

/// One row's part in a pass.
pub(super) struct Fed {
    pub lane: Lane,
    /// Positions cached before the pass.
    pub start: usize,
    /// Which of the pass's tokens are this row's.
    pub tokens: Range<usize>,
}

/// A share of a pass: neighbouring feeds.
struct Part {
    fed: Vec<Fed>,
    ids: Vec<u32>,
}

impl Host {
    pub fn new(net: Net<Packed>, config: &DecoderConfig, arch: Arch) -> Self {
        let ropes = config.arithmetic.ropes.iter();
        Self {
            small: net.matrices().map(Linear::bytes).sum::<usize>() <= IN_CACHE,
            net: Tuned::new(net),
            ropes: ropes
                .map(|r| RopeTable::new(r.clone(), config.context))
                .collect(),
            shape: PageShape {
                n_layers: config.n_layers,
                n_heads: config.n_kv_heads,
                head_dim: config.head_dim,
            },
            spare: Arc::default(),
            arch,
            hidden: config.hidden,
            group: config.n_heads / config.n_kv_heads,
        }
    }

    /// The same weights with an adapter's factors beside them. Threads share out the rows as
    /// without them, so that factors of zero change nothing at all.
    ///
    /// # Errors
    /// As [`Factors::change`].
    pub fn adapted(&self, factors: &Factors<'_>) -> std::result::Result<Self, LoadError> {
        Ok(Self {
            net: self.net.with(factors.change(&Packer::whole(self.arch))?),
            ropes: self.ropes.clone(),
            spare: Arc::clone(&self.spare),
            ..*self
        })
    }

    pub fn net(&self) -> &Tuned<Packed> {
        &self.net
    }

    pub fn shape(&self) -> PageShape {
        self.shape
    }

    /// Feeds checked tokens to their rows on `team` threads; returns the wanted logits, row
    /// after row, as many of them together as one thread computed.
    pub fn forward(
        &self,
        lanes: &mut [Lane],
        feeds: &[Feed<'_>],
        want: Want,
        team: usize,
    ) -> Result<Vec<Buffer>> {
        let n_parts = if self.small { team.min(feeds.len()) } else { 1 };
        let mut parts: Vec<_> = shares(feeds, n_parts)
            .into_iter()
            .map(|share| self.part(share, lanes))
            .collect();
        let team = if parts.len() == 1 { team } else { 1 };
        let logits = parts.par_iter_mut().map(|part| self.run(part, team, want));
        let logits = logits.collect::<Result<Vec<_>>>();
        let fed = parts.into_iter().flat_map(|part| part.fed);
        for (feed, fed) in feeds.iter().zip(fed) {
            lanes[feed.row] = fed.lane;
        }
        logits
    }

    /// Takes the rows of some feeds out of the cache.
    fn part(&self, feeds: &[Feed<'_>], lanes: &mut [Lane]) -> Part {
        let mut ids = Vec::new();
        let mut take = |feed: &Feed<'_>| {
            let mut lane = std::mem::take(&mut lanes[feed.row]);
            let (start, first) = (lane.len(), ids.len());
            lane.grow(self.shape, &self.spare, feed.tokens.len());
            ids.extend_from_slice(feed.tokens);
            let tokens = first..ids.len();
            Fed {
                lane,
                start,
                tokens,
            }
        };
        let fed = feeds.iter().map(&mut take).collect();
        Part { fed, ids }
    }

    fn run(&self, part: &mut Part, team: usize, want: Want) -> Result<Buffer> {
        let mut pass = HostPass::new(self, part, team, want);
        if want == Want::States {
            return Ok(self.net.hidden(&mut pass)?.data);
        }
        let logits = self.net.run(&mut pass, want != Want::None)?;
        Ok(logits.map_or_else(Buffer::default, |mat| mat.data))
    }
}

/// Cuts feeds into at most `n` runs of about as many tokens each.
fn shares<'a, 'b>(feeds: &'a [Feed<'b>], n: usize) -> Vec<&'a [Feed<'b>]> {
    let total: usize = feeds.iter().map(|f| f.tokens.len()).sum();
    let mut before = 0;
    let mut share = |feed: &Feed<'_>| {
        // The share in which the feed's middle token falls.
        let middle = before + feed.tokens.len() / 2;
        before += feed.tokens.len();
        (feed.row, middle * n / total.max(1))
    };
    let shares: Vec<_> = feeds.iter().map(&mut share).collect();
    let mut rest = feeds;
    let sizes = shares.chunk_by(|a, b| a.1 == b.1).map(<[_]>::len);
    let mut cut = |n| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head
    };
    sizes.map(&mut cut).collect()
}

/// Weights as the CPU's kernels like them.
pub(super) struct Packed;

/// Rows to look up.
pub(super) enum Table {
    Rows(Vec<f32>),
    /// The head's.
    Head,
    /// Rows that are unpacked when they are looked up.
    Packed(Linear),
}

impl Kinds for Packed {
    type Matrix = Linear;
    type Norm = Gain;
    type Table = Table;
}

impl Host {
    /// `out = scale * row i` of a table.
    fn look_up(&self, table: &Table, i: usize, scale: f32, out: &mut [f32]) -> Result<()> {
        match table {
            Table::Head => return self.net.net().head.unpack(i, scale, out),
            Table::Packed(linear) => return linear.unpack(i, scale, out),
            Table::Rows(rows) => {
                let row = &rows[i * out.len()..];
                for (out, v) in out.iter_mut().zip(row) {
                    *out = v * scale;
                }
            }
        }
        Ok(())
    }
}

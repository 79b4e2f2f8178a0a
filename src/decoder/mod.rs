//! What computes: a language model that continues rows of tokens.
//!
//! One [`Decoder`] serves every family; what differs is data in [`DecoderConfig`]. The forward
//! pass is written once (`net`) over a small set of operations (`pass`) with three
//! implementations: `host`, own SIMD kernels in f32 for the CPU, `plain`, candle tensors on
//! any device, which is also the oracle that the kernels are tested against, and [`train`],
//! which reads whole texts and has gradients.

mod buffer;
mod build;
mod cache;
mod composed;
mod error;
mod factors;
mod feed;
mod host;
mod net;
mod outline;
mod pass;
mod placement;
mod plain;
mod pool;
mod probe;
mod rope;
mod said;
mod step;
mod tensors;
pub mod train;
mod vectors;

use std::sync::Arc;

use pulp::Arch;

use crate::models::{Adapter, DecoderConfig, Doing, LoadError, Meter, Source, Watch, Weights};
use build::Builder;
use cache::Store;
use host::{Host, How, Lane, Packer, in_large_pages};
use net::Net;
use outline::{Outline, outlines, table};
use pass::Keep;
use plain::{OnDevice, Plain};
use probe::Probe;
use vectors::arch;

pub use cache::KvCache;
pub use error::ForwardError;
pub use feed::{Feed, Logits, Want};
pub use placement::{DeviceChoice, Kernels, Placement, Sums};
pub use pool::{pool, start as start_threads};
pub use said::{BLOCK, Mass, Place, Said};
pub use vectors::use_vectors;

pub(crate) use factors::Factors;
pub(crate) use host::{log_sum_exp, max};

/// A loaded model: immutable, to be shared between threads.
pub struct Decoder {
    config: DecoderConfig,
    body: Body,
}

enum Body {
    Host(Box<Host>),
    Plain(Box<Plain>),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = &self.config.family;
        f.debug_struct("Decoder")
            .field("family", family)
            .finish_non_exhaustive()
    }
}

fn host(builder: &Parts<'_>, arch: Arch, sums: Sums) -> Result<Body, LoadError> {
    let how = How::new(arch, builder.config.n_params(), sums);
    let outlines = outlines(builder.config, builder.source);
    let n_bytes = outlines.iter().filter_map(|o| how.n_bytes(o)).sum();
    let net = in_large_pages(n_bytes, |room| builder.net(&Packer::new(how, room)))?;
    Ok(Body::Host(Box::new(Host::new(net, builder.config, arch))))
}

fn plain(builder: &Parts<'_>, place: &Placement) -> Result<Body, LoadError> {
    let net = builder.net(&OnDevice(place.clone()))?;
    let plain = Plain::new(net, builder.config, place);
    Ok(Body::Plain(Box::new(plain)))
}

/// What a decoder is made of.
struct Parts<'a> {
    config: &'a DecoderConfig,
    source: &'a Source<'a>,
    meter: &'a Meter<'a>,
}

impl Parts<'_> {
    fn net<K: Keep>(&self, keep: &K) -> Result<Net<K::Kinds>, LoadError> {
        let builder = Builder {
            keep,
            config: self.config,
            source: self.source,
            meter: self.meter,
        };
        pool().install(|| builder.net())
    }
}

impl Decoder {
    /// Reads all weights onto the device.
    ///
    /// # Errors
    /// A tensor is missing, of the wrong shape or not finite, a file is damaged, or the device
    /// is out of memory.
    pub fn load(
        config: DecoderConfig,
        weights: &Weights,
        place: &Placement,
    ) -> Result<Self, LoadError> {
        Self::load_watched(config, weights, place, ("", &Watch::default()))
    }

    /// [`Self::load`], telling how many parameters of the model of this name are read.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_watched(
        config: DecoderConfig,
        weights: &Weights,
        place: &Placement,
        (name, watch): (&str, &Watch),
    ) -> Result<Self, LoadError> {
        let parts = Parts {
            config: &config,
            source: &Source::open(weights)?,
            meter: &Meter::start(watch, Doing::Loading, name, config.n_params()),
        };
        let body = match place.kernels {
            Kernels::Fast => host(&parts, arch(), place.sums)?,
            Kernels::Plain => plain(&parts, place)?,
        };
        Ok(Self { config, body })
    }

    /// This model with an adapter on it: all weights are shared, and the adapter's factors are
    /// multiplied beside them.
    ///
    /// # Errors
    /// An adapter of another model, or one that changes more than linear layers; the device is
    /// out of memory.
    pub fn adapted(&self, adapter: &Adapter) -> Result<Self, LoadError> {
        let factors = Factors::open(adapter, &self.config)?;
        let body = pool().install(|| match &self.body {
            Body::Host(host) => host.adapted(&factors).map(Box::new).map(Body::Host),
            Body::Plain(plain) => plain.adapted(&factors).map(Box::new).map(Body::Plain),
        });
        Ok(Self {
            config: self.config.clone(),
            body: body?,
        })
    }

    /// Reads all weights and keeps none of them.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn probe(config: &DecoderConfig, weights: &Weights) -> Result<(), LoadError> {
        let nobody = Watch::default();
        let parts = Parts {
            config,
            source: &Source::open(weights)?,
            meter: &Meter::start(&nobody, Doing::Loading, "", 0),
        };
        parts.net(&Probe).map(drop)
    }

    /// A model of random weights on the CPU; for benches and tests.
    ///
    /// # Errors
    /// None that is expected.
    pub fn random(config: DecoderConfig, seed: u64) -> Result<Self, LoadError> {
        let place = Placement::cpu(Kernels::Fast);
        Self::load(config, &Weights::Random { seed }, &place)
    }

    /// Bytes of weights on the CPU: as its kernels keep them, blocks that are left in their file as
    /// that stores them, all else in f32.
    #[must_use]
    pub fn n_bytes(config: &DecoderConfig, weights: &Weights, sums: Sums) -> u64 {
        let Ok(source) = Source::open(weights) else {
            return config.n_params() * 4;
        };
        let how = How::new(arch(), config.n_params(), sums);
        let outlines = outlines(config, &source);
        let kept = outlines
            .iter()
            .map(|o| how.n_bytes(o).unwrap_or(o.n_stored()));
        let table = table(config, &source);
        let all = table.iter().chain(&outlines).map(|o| (o.n() * o.k) as u64);
        let rest = config.n_params().saturating_sub(all.sum());
        kept.chain(table.iter().map(Outline::n_stored))
            .map(|n| n as u64)
            .sum::<u64>()
            + 4 * rest
    }

    /// Bytes of weights on a device with memory of its own: the head in f32, all else as the device
    /// computes.
    #[must_use]
    pub fn n_bytes_on(config: &DecoderConfig, place: &Placement) -> u64 {
        let head = (config.n_outputs() * config.hidden) as u64;
        let each = place.dtype.size_in_bytes() as u64;
        head * 4 + config.n_params().saturating_sub(head) * each
    }

    /// Bytes that are free where its caches are, and of a number in them; `None` in the machine's
    /// own memory, and where it is not told.
    #[must_use]
    pub fn room_for_caches(&self) -> Option<(u64, usize)> {
        match &self.body {
            Body::Host(_) => None,
            Body::Plain(plain) => {
                let free = plain.place().free_memory()?;
                Some((free, plain.place().dtype.size_in_bytes()))
            }
        }
    }

    /// The model's shape.
    #[must_use]
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Whether its caches are in the machine's own memory.
    #[must_use]
    pub fn on_host(&self) -> bool {
        matches!(self.body, Body::Host(_))
    }

    /// How many parameters it has, a tied head counted once, adapters included.
    #[must_use]
    pub fn n_params(&self) -> u64 {
        let added = match &self.body {
            Body::Host(host) => host.net().n_added(),
            Body::Plain(plain) => plain.net().n_added(),
        };
        self.config.n_params() + added
    }

    /// Whether both read one copy of the weights: they are one model but for adapters.
    #[must_use]
    pub fn shares_weights(&self, other: &Self) -> bool {
        match (&self.body, &other.body) {
            (Body::Host(a), Body::Host(b)) => a.net().shares_net(b.net()),
            (Body::Plain(a), Body::Plain(b)) => a.net().shares_net(b.net()),
            _ => false,
        }
    }

    /// A cache of one empty row.
    #[must_use]
    pub fn cache(&self) -> KvCache {
        KvCache(match &self.body {
            Body::Host(host) => Store::Lanes {
                shape: host.shape(),
                lanes: vec![Lane::default()],
            },
            Body::Plain(plain) => Store::Tensors(plain.cache()),
        })
    }

    /// Appends each feed's tokens to its row and returns the logits that are wanted, of the
    /// vocabulary or of a classifier's labels. Rows may
    /// be of different lengths and may be fed different numbers of tokens; rows that are not
    /// fed stay as they are.
    ///
    /// # Errors
    /// A token, row or length that the model does not have (nothing is changed then), or a
    /// failure of the device.
    pub fn forward(
        &self,
        cache: &mut KvCache,
        feeds: &[Feed<'_>],
        want: Want,
    ) -> Result<Logits, ForwardError> {
        self.forward_on(cache, feeds, want, pool().current_num_threads())
    }

    /// The same without the head: what it reads of every fed position, the last hidden states,
    /// one row after the other, as wide as the model is.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn states(
        &self,
        cache: &mut KvCache,
        feeds: &[Feed<'_>],
    ) -> Result<Vec<f32>, ForwardError> {
        self.check(cache, feeds)?;
        let team = pool().current_num_threads();
        Ok(match (&self.body, &mut cache.0) {
            _ if feeds.is_empty() => Vec::new(),
            (Body::Host(host), Store::Lanes { shape, lanes }) if *shape == host.shape() => {
                let parts = pool().install(|| host.forward(lanes, feeds, Want::States, team))?;
                parts.concat()
            }
            (Body::Plain(plain), Store::Tensors(tensors)) => plain.states(tensors, feeds)?,
            _ => return Err(ForwardError::Foreign),
        })
    }

    /// [`Self::forward`] on at most `team` of the CPU's threads: 1 leaves the others to a pass
    /// of another model.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_on(
        &self,
        cache: &mut KvCache,
        feeds: &[Feed<'_>],
        want: Want,
        team: usize,
    ) -> Result<Logits, ForwardError> {
        let said = self.say(cache, feeds, want, team)?;
        match said {
            Said::Here(logits) => Ok(Arc::unwrap_or_clone(logits)),
            far => far.whole(),
        }
    }

    /// [`Self::forward_on`] where logits stay on a device of their own.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn say(
        &self,
        cache: &mut KvCache,
        feeds: &[Feed<'_>],
        want: Want,
        team: usize,
    ) -> Result<Said, ForwardError> {
        self.check(cache, feeds)?;
        let vocab = self.config.n_outputs();
        let mut parts = Vec::new();
        match (&self.body, &mut cache.0) {
            _ if feeds.is_empty() => {}
            (Body::Host(host), Store::Lanes { shape, lanes }) if *shape == host.shape() => {
                parts = pool().install(|| host.forward(lanes, feeds, want, team))?;
                parts.iter_mut().for_each(|part| self.finish(part));
            }
            (Body::Plain(plain), Store::Tensors(tensors)) => {
                return Ok(plain.say(tensors, feeds, want, &self.config)?);
            }
            _ => return Err(ForwardError::Foreign),
        }
        Ok(Said::Here(Arc::new(Logits::new(parts, vocab))))
    }

    /// Scales and caps logits where the family does.
    fn finish(&self, logits: &mut [f32]) {
        let a = &self.config.arithmetic;
        let scale = a.logit_scale as f32;
        if scale != 1.0 {
            logits.iter_mut().for_each(|l| *l *= scale);
        }
        if let Some(cap) = a.logit_cap.map(|c| c as f32) {
            logits.iter_mut().for_each(|l| *l = cap * (*l / cap).tanh());
        }
    }

    fn check(&self, cache: &KvCache, feeds: &[Feed<'_>]) -> Result<(), ForwardError> {
        let n_rows = cache.n_rows();
        let mut fed = vec![false; n_rows];
        for &Feed { row, tokens } in feeds {
            match fed.get_mut(row) {
                None => return Err(ForwardError::Row { row, n_rows }),
                Some(true) => return Err(ForwardError::Twice(row)),
                Some(seen) => *seen = true,
            }
            self.check_tokens(row, cache.len(row), tokens)?;
        }
        Ok(())
    }

    fn check_tokens(&self, row: usize, len: usize, tokens: &[u32]) -> Result<(), ForwardError> {
        let DecoderConfig {
            vocab_size: vocab,
            context,
            ..
        } = self.config;
        if tokens.is_empty() {
            return Err(ForwardError::Empty(row));
        }
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(ForwardError::Token { id, vocab });
        }
        match len + tokens.len() {
            needed if needed > context => Err(ForwardError::Context {
                row,
                needed,
                context,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::archs;

    /// All logits of a ragged batch on a given kind of machine.
    fn logits(arch: Arch) -> Logits {
        let json = r#"{"model_type": "gemma2", "vocab_size": 67, "hidden_size": 60,
            "head_dim": 40, "num_attention_heads": 6, "num_key_value_heads": 2,
            "intermediate_size": 33, "num_hidden_layers": 2, "sliding_window": 21,
            "max_position_embeddings": 512}"#;
        let config = DecoderConfig::parse(json).unwrap();
        let nobody = Watch::default();
        let parts = Parts {
            config: &config,
            source: &Source::open(&Weights::Random { seed: 3 }).unwrap(),
            meter: &Meter::start(&nobody, Doing::Loading, "", 0),
        };
        let body = host(&parts, arch, Sums::Exact).unwrap();
        let decoder = Decoder { config, body };
        let mut cache = decoder.cache();
        let tokens: Vec<_> = (0..120).map(|i| i * 31 % 67).collect();
        let feed = |row, n| Feed {
            row,
            tokens: &tokens[row..][..n],
        };
        decoder
            .forward(&mut cache, &[feed(0, 37)], Want::None)
            .unwrap();
        cache.gather(&[0; 7]).unwrap();
        let feeds = [
            feed(0, 1),
            feed(1, 30),
            feed(2, 1),
            feed(4, 2),
            feed(3, 1),
            feed(6, 80),
        ];
        decoder.forward(&mut cache, &feeds, Want::All).unwrap()
    }

    #[test]
    fn weights_take_as_much_as_is_said_and_lie_together() {
        let json = include_str!("../../assets/models/strong/config.json");
        let config = DecoderConfig::parse(json).unwrap();
        let weights = Weights::Random { seed: 3 };
        let place = Placement::cpu(Kernels::Fast);
        let decoder = Decoder::load(config.clone(), &weights, &place).unwrap();
        let Body::Host(host) = &decoder.body else {
            panic!("the CPU has kernels of its own");
        };
        let matrices = || host.net().net().matrices();
        assert!(matrices().all(host::Linear::is_in_large_pages));
        let n_bytes: usize = matrices().map(host::Linear::bytes).sum();
        let said = Decoder::n_bytes(&config, &weights, Sums::Exact);
        // Norms come on top.
        assert!((n_bytes as u64) < said && said < n_bytes as u64 + (1 << 16));
    }

    #[test]
    fn every_kind_of_machine_computes_the_same() {
        let best = logits(Arch::new());
        for arch in archs() {
            let other = logits(arch);
            for (a, b) in other.rows().flatten().zip(best.rows().flatten()) {
                assert!((a - b).abs() < 1e-4, "{arch:?}: {a} is not {b}");
            }
        }
    }

    #[test]
    fn decoders_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Decoder>();
        shared::<KvCache>();
    }
}

//! Models that write for long: a Llama of 135 M parameters in f32 and a small pair, both of random
//! weights, with the bundled tokenizers.

use std::sync::Arc;

use w2s::decoder::{Decoder, DeviceChoice};
use w2s::library::{Library, Model, WeakPair};
use w2s::models::{DecoderConfig, ModelSpec, PairSpec};

/// A strong model and a pair whose responses nothing ends.
pub fn models() -> (Model, WeakPair) {
    let mut library = Library::open(DeviceChoice::Cpu).expect("a CPU");
    let known = library
        .model(&ModelSpec::parse("bundled:strong"))
        .expect("bundled");
    let pair = PairSpec::parse("positive").expect("bundled");
    let pair = library.pair(&pair).expect("bundled");
    let strong = Model {
        decoder: random(include_str!("../llama-135m.json"), 1),
        ..known
    };
    let small = include_str!("../../assets/models/untuned/config.json");
    let half = |model: Model, seed| Model {
        decoder: random(small, seed),
        ..model
    };
    let (tuned, untuned) = (half(pair.tuned, 2), half(pair.untuned, 3));
    (
        strong,
        WeakPair::new("random", tuned, untuned).expect("one vocabulary"),
    )
}

fn random(config: &str, seed: u64) -> Arc<Decoder> {
    let mut config = DecoderConfig::parse(config).expect("a configuration");
    config.context = 4096;
    config.eos.clear();
    Arc::new(Decoder::random(config, seed).expect("random weights"))
}

/// Memory of this process, in MiB; 0 where the system does not say.
pub fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4096.0 / f64::from(1 << 20)
}

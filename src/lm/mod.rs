//! Language models: the only place that knows candle.
//!
//! One [`Decoder`] serves every family; what differs is data in [`DecoderConfig`]. The forward
//! pass is written once (`net`) over a small set of operations (`pass`) with two
//! implementations: `host`, own SIMD kernels in f32 for the CPU, and `plain`, candle tensors on
//! any device, which is also the oracle that the kernels are tested against.

mod adapter;
mod build;
mod bundled;
mod cache;
mod config;
mod decoder;
mod error;
mod evidence;
mod factors;
mod fit;
mod gguf;
mod host;
mod hub;
mod inspect;
mod library;
mod load;
mod map;
mod merges;
mod model;
mod net;
mod pass;
mod placement;
mod plain;
mod presets;
mod probe;
mod prompt;
mod reader;
mod rope;
mod sample;
mod setting;
mod spec;
mod strong;
mod template;
mod tensors;
mod tokenizer;
mod torch;
mod watch;
mod weak_pair;
mod weights;
mod words;

use std::sync::OnceLock;

pub use crate::template::{Template, Templates};
pub use adapter::Adapter;
pub use bundled::{PAIRS, about, bundled_names};
pub use cache::KvCache;
pub use config::DecoderConfig;
pub use decoder::{Decoder, Feed, Logits, Want};
pub use error::{ForwardError, LoadError};
pub use evidence::Place;
pub use fit::{cache_bytes, free_memory, gib, weight_bytes};
pub use gguf::GgufFile;
pub use hub::Hub;
pub use inspect::{JoinView, Position, Seams, View, Xray, positions, seams, text_seams, xray};
pub use library::{Checked, Library};
pub use load::read_folder;
pub use model::Model;
pub use placement::{DeviceChoice, Kernels, Placement};
pub use presets::{ModelPreset, PairPreset, Presets, presets};
pub use prompt::Prompt;
pub use reader::Join;
pub use setting::Setting;
pub use spec::{HubSpec, ModelSpec, PairSpec};
pub use strong::StrongSampler;
pub use tokenizer::{Tokenizer, VocabularyDiff};
pub use watch::{Doing, Stage, Watch};
pub use weak_pair::{PairScorer, WeakPair};
pub use weights::Weights;

/// The threads for arithmetic, one per physical core (or `RAYON_NUM_THREADS`). Work that is
/// installed here runs its forward passes without changing threads.
///
/// # Panics
/// When the system refuses to start threads.
pub fn pool() -> &'static rayon::ThreadPool {
    static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(candle_core::utils::get_num_threads())
            .thread_name(|i| format!("lm-{i}"))
            .build()
            // Without a thread nothing can be computed: there is no state to save, nor a way on.
            .expect("the system starts a few threads")
    })
}

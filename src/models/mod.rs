//! What files say of models: where they are, what they hold, how text is put to them.
//!
//! Every family is a value of [`DecoderConfig`], whatever file it was read from; weights are read
//! tensor by tensor. Nothing is computed here.

mod adapter;
pub(crate) mod bundled;
mod chat;
mod config;
mod error;
#[cfg(test)]
mod faulty;
mod files;
mod gguf;
mod halves;
mod hub;
mod load;
mod map;
mod merges;
mod pickle;
mod pieces;
mod presets;
mod prompt;
mod raw;
mod spaces;
mod spec;
mod special;
mod tokenised;
mod tokenizer;
mod torch;
mod watch;
mod weights;
mod words;

pub use adapter::Adapter;
pub use bundled::{PAIRS, about, bundled_names};
pub use config::DecoderConfig;
pub use error::{EncodeError, LoadError};
pub use gguf::GgufFile;
pub use hub::Hub;
pub use load::read_folder;
pub use presets::{ModelPreset, PairPreset, Presets, presets};
pub use prompt::Prompt;
pub use spec::{AdapterSpec, HubSpec, ModelSpec, PairSpec};
pub use tokenised::Tokenised;
pub use tokenizer::{TokenId, Tokenizer};
pub use watch::{Doing, Stage, Stop, Watch};
pub use weights::Weights;

pub(crate) use adapter::{base_of, is_adapter};
pub use chat::Message;
pub(crate) use chat::{Talk, render};
pub(crate) use config::{Activation, Arithmetic, LayerKind, NormKind, Order, QkNorm, Rope, Slot};
pub(crate) use config::{Body, ClassifierConfig, Deberta, Encoder, EncoderConfig, Modern};
pub(crate) use error::{brief, short};
pub(crate) use files::text as file_text;
#[cfg(test)]
pub(crate) use gguf::archs;
pub(crate) use gguf::{Codes, Form, GROUP, QuantRows, Scheme};
pub(crate) use halves::Half;
pub(crate) use load::read_classifier;
pub(crate) use watch::Meter;
pub(crate) use weights::{Source, Stored, StoredAs};
pub(crate) use words::{Cut, WordFiles};

//! What can go wrong with a model, each in one sentence that says what, where and what to do.

use std::path::PathBuf;

/// The families, as an error message lists them.
const KNOWN: &str = "gemma, gemma2, gemma3_text, gpt2, gpt_neox, granite, llama, \
     mistral, olmo2, opt, phi3, qwen2, qwen3, smollm3, starcoder2";

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody wants the model any more.
    #[error("given up")]
    Stopped,
    /// A file is missing or unreadable.
    #[error("cannot read {path}: {source}; a model folder needs config.json, and model.safetensors or pytorch_model.bin", path = path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A bundled model or pair that there is not.
    #[error("there is no bundled {kind} called '{name}': choose one of {known}")]
    Unknown {
        kind: &'static str,
        name: String,
        known: String,
    },
    /// tokenizer.json is no tokenizer.
    #[error("{name} has no usable tokenizer ({reason}): download it again or choose another model")]
    Tokenizer { name: String, reason: String },
    /// The tokenizer has ids that the embedding table does not, or far fewer than it.
    #[error(
        "the tokenizer of {name} has {tokenizer} tokens and its weights have {vocab_size}: take both from the same model"
    )]
    TokenizerDoesNotFit {
        name: String,
        tokenizer: usize,
        vocab_size: usize,
    },
    /// The halves of a pair do not fit.
    #[error(
        "the halves of a weak pair must share one vocabulary: {tuned} has {n_tuned} tokens, \
         {untuned} has {n_untuned}, and their contents differ; choose an untuned model that \
         {tuned} was tuned from"
    )]
    Halves {
        tuned: String,
        n_tuned: usize,
        untuned: String,
        n_untuned: usize,
    },
    /// config.json is not JSON, or a value in it has the wrong type.
    #[error("config.json is not usable: {0}")]
    Config(String),
    /// generation_config.json is not JSON, or says something else than ids.
    #[error("generation_config.json is not usable ({0}): download it again")]
    Generation(String),
    /// `model_type` names no family that the decoder knows.
    #[error("model type '{0}' is not supported: choose one of {KNOWN}")]
    Family(String),
    /// A setting that changes the arithmetic and that the decoder does not implement.
    #[error("{family} with {setting} is not supported: choose another model")]
    Setting { family: String, setting: String },
    /// A classifier of a family that is not known.
    #[error(
        "model type '{0}' cannot judge here: choose a classifier of bert, deberta-v2, distilbert, modernbert, roberta or xlm-roberta, or one of {KNOWN}"
    )]
    Encoder(String),
    /// A model for something else.
    #[error("it is no sequence classifier but {0}: choose one with labels")]
    NoClassifier(String),
    /// Weights in a form of their own.
    #[error(
        "its weights are quantised by {0}, which is not read: choose the model before it was quantised, or a GGUF file of it"
    )]
    Quantised(String),
    /// Why a model that runs is not one that can be trained.
    #[error("{0}")]
    Untrainable(&'static str),
    /// What is wrong with the model called `name`.
    #[error("{name}: {source}")]
    At { name: String, source: Box<Self> },
    /// The safetensors file is cut short or is no safetensors file at all.
    #[error("{path} is not a complete safetensors file ({reason}): download it again")]
    Broken { path: String, reason: String },
    /// The list of a model's shards is damaged.
    #[error("{path} does not say where the weights are ({reason}): download it again", path = path.display())]
    Index { path: PathBuf, reason: String },
    /// The file of `torch.save` is cut short, or holds no weights that can be used.
    #[error("{path} cannot be used as PyTorch weights ({reason}): download it again, or convert it to safetensors", path = path.display())]
    Torch { path: PathBuf, reason: String },
    /// A file of `torch.save` from before PyTorch 1.6.
    #[error("{path} is in PyTorch's format from before 1.6, which is not read: convert it to safetensors", path = .0.display())]
    TorchLegacy(PathBuf),
    /// The GGUF file is cut short, damaged or something else.
    #[error("{path} cannot be used as GGUF ({reason}): download it again or choose another file", path = path.display())]
    Gguf { path: PathBuf, reason: String },
    /// A LoRA adapter that cannot be put on its base.
    #[error("the adapter {path} cannot be used ({reason}): choose its own base model, or another adapter", path = path.display())]
    Adapter { path: PathBuf, reason: String },
    /// A hub model that is not on this machine, and the hub is not to be asked.
    #[error("{missing} of {spec} is not in {cache} and HF_HUB_OFFLINE is set: unset it to fetch the model", cache = cache.display())]
    NotCached {
        spec: String,
        missing: String,
        cache: PathBuf,
    },
    /// A hub model that cannot be fetched.
    #[error("{spec} cannot be fetched ({reason}): {advice}")]
    Fetch {
        spec: String,
        reason: String,
        advice: String,
    },
    /// Weights that memory does not hold.
    #[error("{name} needs {needed} of memory and {free} are free: {advice}")]
    TooLarge {
        name: String,
        needed: String,
        free: String,
        advice: String,
    },
    /// A GGUF architecture that the decoder does not run.
    #[error(
        "GGUF architecture '{0}' is not supported: choose one of llama, qwen2, qwen3, gemma3, phi3"
    )]
    Architecture(String),
    /// A tensor that the configuration calls for is not in the weights.
    #[error(
        "tensor '{0}' is missing from the weights: they do not belong to this config.json, download both again"
    )]
    Missing(String),
    /// A tensor is there with another shape.
    #[error(
        "tensor '{name}' has shape {found:?} where {wanted:?} is needed: the weights do not belong to this config.json"
    )]
    Shape {
        name: String,
        found: Vec<usize>,
        wanted: Vec<usize>,
    },
    /// A tensor is stored in a type that is not a plain float.
    #[error("tensor '{name}' is stored as {dtype}: only f32, f16, bf16 and f64 are supported")]
    Dtype { name: String, dtype: String },
    /// A tensor of a PyTorch file that has no storage of its own, or leaves gaps in it.
    #[error(
        "tensor '{0}' is stored as part of a larger one, which is not read: convert the weights to safetensors"
    )]
    View(String),
    /// NaN or infinity among the weights.
    #[error(
        "tensor '{0}' has a value that is not finite: the weights are damaged, download them again"
    )]
    NotFinite(String),
    /// The device cannot be had.
    #[error("{0}")]
    Device(String),
    /// The device failed while weights were moved to it.
    #[error("the device failed while loading: {}", brief(.0))]
    Backend(#[from] candle_core::Error),
}

/// Why a text does not become tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("the tokenizer refuses the text ({0}): change the text or choose another model")]
    Refused(String),
    /// The tokenizer has more ids than the embedding has rows.
    #[error(
        "the token '{token}' in the text has the id {id}, and the weights end at {n_rows}: leave it out"
    )]
    NoRow {
        token: String,
        id: u32,
        n_rows: usize,
    },
}

impl LoadError {
    /// Says of which model, where the words do not say it yet.
    pub(crate) fn of(self, name: &str) -> Self {
        match self {
            Self::Config(_)
            | Self::Generation(_)
            | Self::Family(_)
            | Self::Setting { .. }
            | Self::Encoder(_)
            | Self::NoClassifier(_)
            | Self::Quantised(_)
            | Self::Untrainable(_)
            | Self::Missing(_)
            | Self::Shape { .. }
            | Self::Dtype { .. }
            | Self::View(_)
            | Self::NotFinite(_) => Self::At {
                name: name.to_owned(),
                source: Box::new(self),
            },
            told => told,
        }
    }
}

/// What candle says, without the backtrace that it appends where `RUST_BACKTRACE` is set.
pub(crate) fn brief(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What a file says, for a sentence: one line, and not longer than one.
pub(crate) fn short(told: &str) -> String {
    const MOST: usize = 200;
    let line = told.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

//! The library of loaded models: each is loaded once, pairs are put together, prompts templated.

mod fit;
mod model;
mod pair;
mod trainee;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use fit::check_factors;

pub use fit::{cache_bytes, free_memory, gib, weight_bytes};
pub(crate) use fit::{check_room, check_weights};
pub use model::Model;
pub use pair::WeakPair;

use crate::decoder::{Decoder, DeviceChoice, Factors, Placement, Sums};
use crate::models::bundled::{self, BundledModel};
use crate::models::{
    Adapter, AdapterSpec, DecoderConfig, GgufFile, Hub, LoadError, ModelSpec, PairSpec, Tokenizer,
    Watch, Weights, WordFiles, base_of, is_adapter, read_folder,
};
use crate::template::Templates;

/// All models loaded so far, on one device, or the weak models on another. Cheap to clone:
/// weights are shared.
#[derive(Debug, Clone)]
pub struct Library {
    placement: Placement,
    /// The weak models, where they have a device of their own.
    pairs: Option<Box<Library>>,
    templates: Templates,
    hub: Hub,
    watch: Watch,
    /// By canonical specs.
    models: HashMap<ModelSpec, Model>,
    /// Weights that were asked for without a tokenizer, by canonical specs.
    bare: HashMap<ModelSpec, Arc<Decoder>>,
    /// By the bytes of `tokenizer.json` and of `tokenizer_config.json`, which names BOS and EOS:
    /// equal files are read once.
    tokenizers: Vec<([Vec<u8>; 2], Arc<Tokenizer>)>,
}

/// A model that was read through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub family: String,
    pub n_params: u64,
    /// Of weights in memory, on the CPU.
    pub n_bytes: u64,
    pub context: usize,
    /// In its vocabulary.
    pub n_tokens: usize,
    pub has_chat_template: bool,
}

/// What a model needs besides its weights.
type Words = (Arc<Tokenizer>, Option<Arc<str>>);

impl Library {
    /// # Errors
    /// A device that was asked for by name and is not there.
    pub fn open(device: DeviceChoice) -> Result<Self, LoadError> {
        Ok(Self::on(Placement::pick(device)?))
    }

    /// An empty library in a place of its own.
    #[must_use]
    pub fn on(placement: Placement) -> Self {
        Self {
            placement,
            pairs: None,
            templates: Templates::default(),
            hub: Hub::from_env(),
            watch: Watch::default(),
            models: HashMap::new(),
            bare: HashMap::new(),
            tokenizers: Vec::new(),
        }
    }

    /// The same library with weak pairs elsewhere.
    #[must_use]
    pub fn with_pairs_on(mut self, placement: Placement) -> Self {
        self.pairs = Some(Box::new(Self::on(placement)));
        self
    }

    /// The same library with other sums for the models to come, pairs' included.
    #[must_use]
    pub fn with_sums(self, sums: Sums) -> Self {
        let pairs = self.pairs.map(|pairs| Box::new(pairs.with_sums(sums)));
        Self {
            placement: self.placement.with_sums(sums),
            pairs,
            ..self
        }
    }

    /// The same library with templates for the prompts to come.
    #[must_use]
    pub fn with_templates(self, templates: Templates) -> Self {
        Self { templates, ..self }
    }

    /// The same library, telling `watch` how far fetches and loads are.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        if let Some(pairs) = &mut self.pairs {
            pairs.watch = watch.clone();
        }
        Self { watch, ..self }
    }

    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The user's templates.
    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Where models run, in words.
    #[must_use]
    pub fn device(&self) -> String {
        let device = self.placement.describe();
        match &self.pairs {
            Some(pairs) => format!("{device}; pair: {}", pairs.placement.describe()),
            None => device,
        }
    }

    /// The model of `spec`, loaded at the first call. Under an adapter lies its base, which is
    /// loaded under its own spec, so that both share its weights.
    ///
    /// # Errors
    /// [`LoadError`], in one sentence.
    pub fn model(&mut self, spec: &ModelSpec) -> Result<Model, LoadError> {
        let (name, key) = (spec.to_string(), spec.canonical());
        if let Some(model) = self.models.get(&key) {
            let known = model.clone();
            return Ok(Model { name, ..known });
        }
        let model = self.load_model(spec).map_err(|error| error.of(&name))?;
        self.models.insert(key, model.clone());
        Ok(model)
    }

    fn load_model(&mut self, spec: &ModelSpec) -> Result<Model, LoadError> {
        let name = spec.to_string();
        let ready = self.bare.remove(&spec.canonical());
        let place = self.resolved(spec)?;
        if let ModelSpec::Adapted { base, adapter } = &place {
            let base = self.model(base)?;
            let decoder = match ready {
                Some(decoder) => decoder,
                None => self.adapt(&name, &base.decoder, adapter)?,
            };
            return Ok(Model {
                name,
                decoder,
                ..base
            });
        }
        let (config, weights) = stored(&place)?;
        let (tokenizer, chat_template) = self.words(&place, &weights)?;
        check_tokenizer(&name, &tokenizer, &config)?;
        let decoder = match ready {
            Some(decoder) => decoder,
            None => self.load(&name, config, &weights)?,
        };
        Ok(Model {
            name,
            decoder,
            tokenizer,
            chat_template,
        })
    }

    /// Brings the files of `spec` to this machine; where they are.
    ///
    /// # Errors
    /// What cannot be fetched.
    pub fn fetch(&self, spec: &ModelSpec) -> Result<ModelSpec, LoadError> {
        Ok(match self.resolved(spec)? {
            ModelSpec::Adapted { base, adapter } => ModelSpec::Adapted {
                base: Box::new(self.fetch(&base)?),
                adapter,
            },
            place => place,
        })
    }

    /// Reads all of `spec` without keeping it.
    ///
    /// # Errors
    /// As [`Self::model`], but for the memory that it needs.
    pub fn check(&mut self, spec: &ModelSpec) -> Result<Checked, LoadError> {
        let read = self.read_all(spec);
        read.map(|(checked, _)| checked)
            .map_err(|error| error.of(&spec.to_string()))
    }

    fn read_all(&mut self, spec: &ModelSpec) -> Result<(Checked, DecoderConfig), LoadError> {
        let place = self.resolved(spec)?;
        if let ModelSpec::Adapted { base, adapter } = &place {
            let (mut checked, config) = self.read_all(base)?;
            let adapter = open_adapter(adapter)?;
            let factors = Factors::open(&adapter, &config)?;
            factors.probe()?;
            checked.n_params += factors.n_params();
            checked.n_bytes += factors.n_bytes();
            return Ok((checked, config));
        }
        let (config, weights) = stored(&place)?;
        let (tokenizer, chat_template) = self.words(&place, &weights)?;
        check_tokenizer(&spec.to_string(), &tokenizer, &config)?;
        Decoder::probe(&config, &weights)?;
        let checked = Checked {
            n_params: config.n_params(),
            n_bytes: weight_bytes(&config, &weights, self.placement.sums()),
            context: config.context,
            n_tokens: tokenizer.n_ids(),
            has_chat_template: chat_template.is_some(),
            family: config.family.clone(),
        };
        Ok((checked, config))
    }

    /// Takes in what another library in the same place has loaded. A model that is here already
    /// stays: adapters may share it.
    pub fn take_in(&mut self, other: &Self) {
        for (spec, model) in &other.models {
            let known = self.models.entry(spec.clone());
            known.or_insert_with(|| model.clone());
        }
        if let (Some(pairs), Some(others)) = (&mut self.pairs, &other.pairs) {
            pairs.take_in(others);
        }
    }

    /// Lets go of the models that nobody holds but this library, other than `kept` and the
    /// bundled ones, which are small. A base goes with the last adapter on it.
    pub fn let_go(&mut self, kept: &ModelSpec) {
        let kept = kept.canonical();
        let is_held = |spec: &ModelSpec, model: &Model| {
            let is_small = matches!(spec, ModelSpec::Bundled(_));
            is_small || *spec == kept || Arc::strong_count(&model.decoder) > 1
        };
        let held: Vec<Arc<Decoder>> = self
            .models
            .iter()
            .filter(|(spec, model)| is_held(spec, model))
            .map(|(_, model)| model.decoder.clone())
            .collect();
        let shares = |model: &Model| held.iter().any(|d| d.shares_weights(&model.decoder));
        self.models.retain(|_, model| shares(model));
        self.bare.clear();
        let words: Vec<&Arc<Tokenizer>> = self.models.values().map(|m| &m.tokenizer).collect();
        self.tokenizers
            .retain(|(_, known)| words.iter().any(|used| Arc::ptr_eq(used, known)));
        if let Some(pairs) = &mut self.pairs {
            pairs.let_go(&kept);
        }
    }

    /// Whether a pair would have to be read first.
    #[must_use]
    pub fn has_pair(&self, spec: &PairSpec) -> bool {
        let library = self.pairs.as_deref().unwrap_or(self);
        let has = |half: &ModelSpec| library.models.contains_key(&half.canonical());
        has(&spec.tuned) && has(&spec.untuned)
    }

    /// The weights of `spec` alone: no tokenizer is needed.
    ///
    /// # Errors
    /// [`LoadError`], in one sentence.
    pub fn decoder(&mut self, spec: &ModelSpec) -> Result<Arc<Decoder>, LoadError> {
        let key = spec.canonical();
        let known = self.models.get(&key).map(|m| &m.decoder);
        if let Some(decoder) = known.or(self.bare.get(&key)) {
            return Ok(decoder.clone());
        }
        let name = spec.to_string();
        let decoder = match self.resolved(spec)? {
            ModelSpec::Adapted { base, adapter } => {
                let base = self.decoder(&base)?;
                self.adapt(&name, &base, &adapter)?
            }
            place => {
                let (config, weights) = stored(&place)?;
                self.load(&name, config, &weights)?
            }
        };
        self.bare.insert(key, decoder.clone());
        Ok(decoder)
    }

    /// Both halves of `spec`.
    ///
    /// # Errors
    /// As [`Self::model`]; halves whose vocabularies differ.
    pub fn pair(&mut self, spec: &PairSpec) -> Result<WeakPair, LoadError> {
        let library = match &mut self.pairs {
            Some(pairs) => pairs,
            None => self,
        };
        let tuned = library.model(&spec.tuned)?;
        let untuned = library.model(&spec.untuned)?;
        WeakPair::new(&spec.to_string(), tuned, untuned)
    }

    /// Where a model's files are: hub names are looked up or fetched, and an adapter alone is put
    /// on the base that it names. Bases stay as they are called.
    fn resolved(&self, spec: &ModelSpec) -> Result<ModelSpec, LoadError> {
        match spec {
            ModelSpec::Hub(hub) => self.resolved(&self.hub.resolve(hub, &self.watch)?),
            ModelSpec::Folder(path) if is_adapter(path)? => Ok(ModelSpec::Adapted {
                base: Box::new(adapter_base(path)?),
                adapter: AdapterSpec::Folder(path.clone()),
            }),
            ModelSpec::Bundled(name) if bundled::adapter(name).is_some() => {
                Ok(ModelSpec::Adapted {
                    base: Box::new(ModelSpec::Bundled(bundled::UNTUNED.to_owned())),
                    adapter: AdapterSpec::Bundled(name.clone()),
                })
            }
            other => Ok(other.clone()),
        }
    }

    fn load(
        &self,
        name: &str,
        config: DecoderConfig,
        weights: &Weights,
    ) -> Result<Arc<Decoder>, LoadError> {
        if self.placement.device().is_cpu() {
            check_weights(
                name,
                &config,
                (weights, self.placement.sums()),
                free_memory(),
            )?;
        } else {
            let needed = Decoder::n_bytes_on(&config, &self.placement);
            let advice = |_| "choose a smaller model, or --device cpu".to_owned();
            check_room(name, needed, self.placement.free_memory(), advice)?;
        }
        let watch = (name, &self.watch);
        let decoder = Decoder::load_watched(config, weights, &self.placement, watch)?;
        Ok(Arc::new(decoder))
    }

    /// `base` with an adapter on it.
    fn adapt(
        &self,
        name: &str,
        base: &Decoder,
        adapter: &AdapterSpec,
    ) -> Result<Arc<Decoder>, LoadError> {
        let adapter = open_adapter(adapter)?;
        if self.placement.device().is_cpu() {
            let needed = Factors::open(&adapter, base.config())?.n_bytes();
            check_factors(name, needed, free_memory())?;
        }
        Ok(Arc::new(base.adapted(&adapter)?))
    }

    /// Tokenizer and chat template of a model that is on this machine.
    fn words(&mut self, place: &ModelSpec, weights: &Weights) -> Result<Words, LoadError> {
        match (place, weights) {
            (_, Weights::Gguf(file)) => {
                let tokenizer = Arc::new(Tokenizer::from_gguf(file)?);
                Ok((tokenizer, file.chat_template().map(Arc::from)))
            }
            (ModelSpec::Bundled(name), _) => {
                let files = find(name)?;
                let tokenizer = self.tokenizer(files.tokenizer, files.tokenizer_config, name)?;
                Ok((tokenizer, None))
            }
            (ModelSpec::Folder(path), _) => self.folder_words(path),
            (other, _) => Err(LoadError::Config(format!("{other} has no tokenizer"))),
        }
    }

    fn folder_words(&mut self, path: &Path) -> Result<Words, LoadError> {
        let files = WordFiles::read(path)?;
        let tokenizer = self.tokenizer(&files.tokenizer, &files.config, &files.name)?;
        Ok((tokenizer, files.chat_template.map(Arc::from)))
    }

    fn tokenizer(
        &mut self,
        json: &[u8],
        config: &[u8],
        name: &str,
    ) -> Result<Arc<Tokenizer>, LoadError> {
        let mut known = self.tokenizers.iter();
        if let Some((_, known)) = known.find(|(files, _)| *files == [json, config]) {
            return Ok(known.clone());
        }
        let tokenizer = Arc::new(Tokenizer::from_bytes(json, config, name)?);
        let files = [json.to_vec(), config.to_vec()];
        self.tokenizers.push((files, tokenizer.clone()));
        Ok(tokenizer)
    }
}

fn check_tokenizer(
    name: &str,
    tokenizer: &Tokenizer,
    config: &DecoderConfig,
) -> Result<(), LoadError> {
    // Tables are padded to round sizes, but never to twice the vocabulary. Some tokens have no row
    // (Gemma 3's for images, Code Llama's for infilling): none of them may be used.
    let (n_ids, n_rows) = (tokenizer.n_ids(), config.vocab_size);
    if n_ids <= n_rows + n_rows / 8 && n_ids * 2 > n_rows {
        return Ok(());
    }
    Err(LoadError::TokenizerDoesNotFit {
        name: name.to_owned(),
        tokenizer: tokenizer.n_ids(),
        vocab_size: config.vocab_size,
    })
}

fn open_adapter(adapter: &AdapterSpec) -> Result<Adapter, LoadError> {
    match adapter {
        AdapterSpec::Folder(path) => Adapter::open(path),
        AdapterSpec::Bundled(name) => match bundled::adapter(name) {
            Some(adapter) => Adapter::bundled(adapter),
            None => Err(unknown(name)),
        },
    }
}

/// The base that an adapter names: a bundled model, a folder here, or else a model of the hub.
fn adapter_base(adapter: &Path) -> Result<ModelSpec, LoadError> {
    let name = base_of(adapter)?;
    match name.starts_with("bundled:") || Path::new(&name).exists() {
        true => Ok(ModelSpec::parse(&name)),
        false => Ok(ModelSpec::parse(&format!("hf:{name}"))),
    }
}

/// Configuration and weights of a model that is on this machine.
fn stored(place: &ModelSpec) -> Result<(DecoderConfig, Weights), LoadError> {
    match place {
        ModelSpec::Bundled(name) => {
            let files = find(name)?;
            let json = String::from_utf8_lossy(files.config);
            Ok((DecoderConfig::parse(&json)?, Weights::Bytes(files.weights)))
        }
        ModelSpec::Folder(path) => read_folder(path),
        ModelSpec::Gguf(path) => {
            let file = GgufFile::open(path)?;
            Ok((file.config()?, Weights::Gguf(file)))
        }
        ModelSpec::Hub(_) | ModelSpec::Adapted { .. } => Err(LoadError::Config(format!(
            "{place} has no weights of its own here"
        ))),
    }
}

fn find(name: &str) -> Result<&'static BundledModel, LoadError> {
    bundled::find(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> LoadError {
    LoadError::Unknown {
        kind: "model",
        name: name.to_owned(),
        known: format!("{}, or give a folder", bundled::names()),
    }
}

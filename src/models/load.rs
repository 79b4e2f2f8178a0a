//! Model folders in Hugging Face layout.

use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::sync::Arc;

use super::config::{ClassifierConfig, DecoderConfig};
use super::error::{LoadError, short};
use super::files;
use super::map::map;
use super::raw::MappedFile;
use super::weights::Weights;

/// Files of weights or of their index, best first.
pub(super) const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Reads `config.json`, with the ends of text of `generation_config.json` where that is there,
/// and maps the first of `model.safetensors`, the shards that `model.safetensors.index.json`
/// names, `pytorch_model.bin` and the shards that `pytorch_model.bin.index.json` names.
///
/// # Errors
/// A file is missing or unreadable, or the configuration is not one that the decoder runs.
pub fn read_folder(path: impl AsRef<Path>) -> Result<(DecoderConfig, Weights), LoadError> {
    let folder = path.as_ref();
    let mut config = DecoderConfig::parse(&text(&folder.join("config.json"))?)?;
    let generation = folder.join("generation_config.json");
    if is_there(&generation)? {
        config.add_generation(&text(&generation)?)?;
    }
    Ok((config, weights(folder)?))
}

/// [`read_folder`] of a sequence classifier.
///
/// # Errors
/// A file is missing or unreadable, or the configuration is of no classifier that can be run.
pub(crate) fn read_classifier(folder: &Path) -> Result<(ClassifierConfig, Weights), LoadError> {
    let config = ClassifierConfig::parse(&text(&folder.join("config.json"))?)?;
    Ok((config, weights(folder)?))
}

fn weights(folder: &Path) -> Result<Weights, LoadError> {
    let name = first_of(folder, &WEIGHTS)?;
    let names = match name.ends_with(".index.json") {
        true => own_shards(&folder.join(name))?,
        false => BTreeSet::from([name.to_owned()]),
    };
    let files = names.iter().map(|name| open(&folder.join(name)));
    let files = files.collect::<Result<_, _>>()?;
    Ok(match name.starts_with("pytorch_model") {
        true => Weights::Torch(files),
        false => Weights::Mapped(files),
    })
}

/// The first of `names` that is there, or the best that could be.
pub(super) fn first_of<'a>(folder: &Path, names: &[&'a str]) -> Result<&'a str, LoadError> {
    for name in names {
        if is_there(&folder.join(name))? {
            return Ok(name);
        }
    }
    Ok(names.first().copied().unwrap_or_default())
}

/// The files that a shard index names, all of them in its folder or below: an index may come from
/// anyone, and is not to say which files of others are read.
fn own_shards(index: &Path) -> Result<BTreeSet<String>, LoadError> {
    let names = shards(index)?;
    let leads_out = |name: &&String| {
        let mut parts = Path::new(name).components();
        let leads_down = parts.all(|part| matches!(part, Component::Normal(_)));
        name.is_empty() || name.contains('\\') || !leads_down
    };
    match names.iter().find(leads_out) {
        None => Ok(names),
        Some(name) => Err(LoadError::Index {
            path: index.into(),
            reason: short(&format!("it names {name:?}, which is not in its folder")),
        }),
    }
}

/// The files that a shard index names.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>, LoadError> {
    let broken = |reason: &str| LoadError::Index {
        path: index.into(),
        reason: reason.into(),
    };
    let json: serde_json::Value =
        serde_json::from_str(&text(index)?).map_err(|e| broken(&e.to_string()))?;
    let files = json.get("weight_map").and_then(|m| m.as_object());
    let files = files.ok_or_else(|| broken("weight_map is missing"))?;
    Ok(files
        .values()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect())
}

/// Maps one file of weights.
pub(super) fn open(path: &Path) -> Result<MappedFile, LoadError> {
    let map = map(path).map_err(|source| file(path, source))?;
    Ok(MappedFile {
        path: path.into(),
        map: Arc::new(map),
    })
}

/// All of a file.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, LoadError> {
    files::read(path).map_err(|source| file(path, source))
}

/// A file with an object of JSON in it; empty where there is no such file.
///
/// # Errors
/// The file cannot be read, or is something else.
pub(super) fn object(
    folder: &Path,
    name: &str,
) -> Result<serde_json::Map<String, serde_json::Value>, LoadError> {
    let path = folder.join(name);
    if !is_there(&path)? {
        return Ok(serde_json::Map::new());
    }
    serde_json::from_slice(&bytes(&path)?).map_err(|e| LoadError::Tokenizer {
        name: folder.display().to_string(),
        reason: format!("{name}: {e}"),
    })
}

/// What `config.json` says of words; its faults are told by those who read it for the model.
///
/// # Errors
/// It cannot be read.
pub(super) fn model_config(
    folder: &Path,
) -> Result<serde_json::Map<String, serde_json::Value>, LoadError> {
    match object(folder, "config.json") {
        Err(LoadError::Tokenizer { .. }) => Ok(serde_json::Map::new()),
        read => read,
    }
}

/// Whether something is at a place.
pub(super) fn is_there(path: &Path) -> Result<bool, LoadError> {
    files::is_there(path).map_err(|source| file(path, source))
}

/// All of a file of text.
pub(super) fn text(path: &Path) -> Result<String, LoadError> {
    files::text(path).map_err(|source| file(path, source))
}

fn file(path: &Path, source: std::io::Error) -> LoadError {
    LoadError::File {
        path: path.into(),
        source,
    }
}

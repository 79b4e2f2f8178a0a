//! Model folders in Hugging Face layout.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::config::DecoderConfig;
use super::error::LoadError;
use super::map::map;
use super::weights::{MappedFile, Weights};

/// Reads `config.json` and maps `model.safetensors`, or the shards that
/// `model.safetensors.index.json` names.
///
/// # Errors
/// A file is missing or unreadable, or the configuration is not one that the decoder runs.
pub fn read_folder(path: impl AsRef<Path>) -> Result<(DecoderConfig, Weights), LoadError> {
    let folder = path.as_ref();
    let config = DecoderConfig::parse(&text(&folder.join("config.json"))?)?;
    let index = folder.join("model.safetensors.index.json");
    let names = if folder.join("model.safetensors").exists() || !index.exists() {
        BTreeSet::from(["model.safetensors".to_owned()])
    } else {
        shards(&index)?
    };
    let files = names.iter().map(|name| open(&folder.join(name)));
    Ok((config, Weights::Mapped(files.collect::<Result<_, _>>()?)))
}

/// The files that a shard index names.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>, LoadError> {
    let broken = |reason: &str| LoadError::Broken {
        path: index.display().to_string(),
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

/// Maps one safetensors file.
pub(super) fn open(path: &Path) -> Result<MappedFile, LoadError> {
    let map = map(path).map_err(|source| file(path, source))?;
    Ok(MappedFile {
        path: path.into(),
        map,
    })
}

fn text(path: &Path) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|source| file(path, source))
}

fn file(path: &Path, source: std::io::Error) -> LoadError {
    LoadError::File {
        path: path.into(),
        source,
    }
}

//! The Hugging Face cache on this machine: `models--owner--name/{refs,snapshots,blobs}`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::names::Plain;
use crate::models::adapter::tensors;
use crate::models::gguf::parts;
use crate::models::load::{WEIGHTS, shards};
use crate::models::spec::{HubSpec, ModelSpec};
use crate::models::words::TOKENIZERS;

/// What tells a model from an adapter.
pub(super) const CONFIG: &str = "config.json";

/// What tells an adapter.
pub(super) const ADAPTER: &str = "adapter_config.json";

/// What a folder of an adapter holds, its tensors last; `None` where it is a model's.
pub(super) fn adapter(is_there: impl Fn(&str) -> bool) -> Option<[&'static str; 2]> {
    let is_one = is_there(ADAPTER) && !is_there(CONFIG);
    is_one.then(|| [ADAPTER, tensors(is_there)])
}

/// The files of a folder in Hugging Face layout, of those that are there the best, weights or
/// their index last; where there is no file of a kind, the best that could be.
pub(super) fn layout(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let words = TOKENIZERS.iter().find(|files| is_there(files[0]));
    let weights = WEIGHTS.iter().find(|name| is_there(name));
    let words = words.unwrap_or(&TOKENIZERS[0]).iter();
    let weights = weights.unwrap_or(&WEIGHTS[0]);
    let all = [&CONFIG].into_iter().chain(words).chain([weights]);
    all.copied().collect()
}

/// The snapshot of `spec` in the cache at `root`, whether or not it is there.
pub(super) fn snapshot(root: &Path, spec: &HubSpec) -> PathBuf {
    let repo = root.join(folder_name(&spec.repo));
    let commit = fs::read_to_string(repo.join("refs").join(&spec.revision)).ok();
    let commit = commit.and_then(|text| Plain::new(text.trim()));
    let commit = commit.as_ref().map_or(&spec.revision[..], Plain::as_str);
    repo.join("snapshots").join(commit)
}

/// The folder of a repository.
pub(super) fn folder_name(repo: &str) -> String {
    format!("models--{}", repo.replace('/', "--"))
}

/// The model in a snapshot.
///
/// # Errors
/// The name of the first file that is missing.
pub(super) fn complete(snapshot: &Path, file: Option<&str>) -> Result<ModelSpec, String> {
    let needed = match file {
        Some(file) => parts::all(file),
        None => needed(snapshot),
    };
    match needed.into_iter().find(|n| !snapshot.join(n).exists()) {
        Some(missing) => Err(missing),
        None => Ok(match file {
            Some(file) => ModelSpec::Gguf(snapshot.join(file)),
            None => ModelSpec::Folder(snapshot.to_owned()),
        }),
    }
}

/// What a model without a file of its own consists of, as far as its index says.
fn needed(snapshot: &Path) -> Vec<String> {
    let is_there = |name: &str| snapshot.join(name).exists();
    if let Some(files) = adapter(is_there) {
        return files.map(str::to_owned).to_vec();
    }
    let files = layout(is_there);
    let index = files.last().filter(|name| name.ends_with(".index.json"));
    let parts = index.and_then(|name| shards(&snapshot.join(name)).ok());
    let whole = files.iter().map(|name| (*name).to_owned());
    whole.chain(parts.into_iter().flatten()).collect()
}

/// The models in the cache at `root`, as SPECs: one for each folder or GGUF file, by its first part.
#[must_use]
pub(super) fn list(root: &Path) -> Vec<String> {
    let mut specs = BTreeSet::new();
    for name in names(root) {
        let Some(repo) = name.strip_prefix("models--").map(|n| n.replace("--", "/")) else {
            continue;
        };
        let snapshots = root.join(&name).join("snapshots");
        for file in names(&snapshots)
            .iter()
            .flat_map(|s| names(&snapshots.join(s)))
        {
            if file.ends_with(".gguf") && !parts::is_later(&file) {
                specs.insert(format!("hf:{repo}:{file}"));
            } else if file == CONFIG || file == ADAPTER {
                specs.insert(format!("hf:{repo}"));
            }
        }
    }
    specs.into_iter().collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |e: fs::DirEntry| e.file_name().into_string().ok();
    entries.filter_map(name).collect()
}

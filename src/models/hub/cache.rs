//! The Hugging Face cache on this machine: `models--owner--name/{refs,snapshots,blobs}`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names::Plain;
use crate::models::adapter::TENSORS;
use crate::models::error::LoadError;
use crate::models::files;
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
    let tensors = TENSORS.iter().find(|name| is_there(name));
    is_one.then(|| [ADAPTER, tensors.unwrap_or(&TENSORS[0])])
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

/// Why a model is not in the cache.
#[derive(Debug)]
pub(super) enum Lack {
    /// The first file that is not there.
    Of(String),
    /// The cache cannot be read.
    Unreadable(io::Error),
}

impl From<io::Error> for Lack {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The snapshot of `spec` in the cache at `root`, whether or not it is there.
///
/// # Errors
/// The cache cannot be read.
pub(super) fn snapshot(root: &Path, spec: &HubSpec) -> io::Result<PathBuf> {
    let repo = root.join(folder_name(&spec.repo));
    let noted = repo.join("refs").join(&spec.revision);
    let commit = match files::is_there(&noted)? {
        true => Plain::new(files::text(&noted)?.trim()),
        false => None,
    };
    let commit = commit.as_ref().map_or(&spec.revision[..], Plain::as_str);
    Ok(repo.join("snapshots").join(commit))
}

/// The folder of a repository.
pub(super) fn folder_name(repo: &str) -> String {
    format!("models--{}", repo.replace('/', "--"))
}

/// The model in a snapshot.
///
/// # Errors
/// A file that is missing, or cannot be looked at.
pub(super) fn complete(snapshot: &Path, file: Option<&str>) -> Result<ModelSpec, Lack> {
    let needed = match file {
        Some(file) => parts::all(file),
        None => needed(snapshot)?,
    };
    for name in needed {
        if !files::is_there(&snapshot.join(&name))? {
            return Err(Lack::Of(name));
        }
    }
    Ok(match file {
        Some(file) => ModelSpec::Gguf(snapshot.join(file)),
        None => ModelSpec::Folder(snapshot.to_owned()),
    })
}

/// What a model without a file of its own consists of, as far as its index says.
fn needed(snapshot: &Path) -> io::Result<Vec<String>> {
    let unread = Cell::new(None);
    let is_there = |name: &str| {
        let found = files::is_there(&snapshot.join(name));
        found.unwrap_or_else(|error| {
            unread.set(Some(error));
            false
        })
    };
    let files = match adapter(is_there) {
        Some(files) => files.to_vec(),
        None => layout(is_there),
    };
    if let Some(error) = unread.take() {
        return Err(error);
    }
    let index = files.last().filter(|name| name.ends_with(".index.json"));
    let parts = index.map(|name| shards(&snapshot.join(name)));
    let parts = match parts {
        Some(Err(LoadError::File { source, .. })) => return Err(source),
        // What is wrong with it is told when it is loaded.
        parts => parts.and_then(Result::ok).unwrap_or_default(),
    };
    let whole = files.iter().map(|name| (*name).to_owned());
    Ok(whole.chain(parts).collect())
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

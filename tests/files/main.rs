//! Files as people have them, and what is right for each: after transformers, tokenizers, PEFT and
//! llama.cpp, never after what was read here before.

mod adapters;
mod gguf;
mod growing;
mod scores;
mod settings;
mod templates;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use w2s::decoder::{Decoder, DeviceChoice, Kernels, Placement};
use w2s::guide::positions;
use w2s::library::{Library, Model};
use w2s::models::{LoadError, ModelSpec, read_folder};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A copy of a folder, to be changed.
fn copy(path: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in fs::read_dir(repository(path)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

/// Changes a file of JSON.
fn edit(folder: &TempDir, name: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.path().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let mut value = serde_json::from_str(&text).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn load(path: &Path) -> Result<Model, LoadError> {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    library.model(&ModelSpec::parse(&path.display().to_string()))
}

fn told(path: &Path) -> String {
    load(path).unwrap_err().to_string()
}

/// The first logits of every position.
fn logits(folder: &Path, ids: &[u32]) -> Vec<Vec<f32>> {
    let (config, weights) = read_folder(folder).unwrap();
    let decoder = Decoder::load(config, &weights, &Placement::cpu(Kernels::Fast)).unwrap();
    let found = positions(&decoder, ids, 8).unwrap();
    found.into_iter().map(|position| position.logits).collect()
}

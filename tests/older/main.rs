//! Folders as older repositories have them: weights of `torch.save` in place of safetensors,
//! `vocab.json` and `merges.txt` in place of tokenizer.json.

mod weights;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder with copies of files of the repository.
fn folder_of(files: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in files {
        let from = repository(file);
        fs::copy(&from, folder.path().join(from.file_name().unwrap())).unwrap();
    }
    folder
}

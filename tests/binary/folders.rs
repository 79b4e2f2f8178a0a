//! Model folders that something is wrong with, made from a good one.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder for model folders.
pub struct Folders(TempDir);

impl Folders {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The bundled untuned model as a folder called `name`, after `damage` was done to it.
    pub fn model(&self, name: &str, damage: impl FnOnce(&Path)) -> String {
        let folder = self.0.path().join(name);
        fs::create_dir(&folder).unwrap();
        for entry in fs::read_dir(repository("assets/models/untuned")).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, folder.join(from.file_name().unwrap())).unwrap();
        }
        damage(&folder);
        folder.to_str().unwrap().to_owned()
    }
}

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The weights stop in the middle.
pub fn cut_weights(folder: &Path) {
    let file = folder.join("model.safetensors");
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(100_000).unwrap();
}

/// One weight is NaN.
pub fn put_nan(folder: &Path) {
    let file = folder.join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    bytes[last..].copy_from_slice(&0x7e00_u16.to_le_bytes());
    fs::write(&file, bytes).unwrap();
}

/// The tokenizer is that of another model.
pub fn change_tokenizer(folder: &Path) {
    let other = repository("tests/models/other/tokenizer.json");
    fs::copy(other, folder.join("tokenizer.json")).unwrap();
}

pub fn change_family(folder: &Path) {
    edit(&folder.join("config.json"), r#""llama""#, r#""walrus""#);
}

pub fn drop_bos(folder: &Path) {
    let config = folder.join("tokenizer_config.json");
    edit(&config, r#""bos_token""#, r#""no_bos_token""#);
    let config = folder.join("config.json");
    edit(&config, r#""bos_token_id""#, r#""no_bos_token_id""#);
}

pub fn drop_weights(folder: &Path) {
    fs::remove_file(folder.join("model.safetensors")).unwrap();
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from));
    fs::write(file, text.replace(from, to)).unwrap();
}

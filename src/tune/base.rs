//! What is tuned, and how its files are laid out again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::error::TuneError;
use crate::library::Library;
use crate::models::{LoadError, ModelSpec, bundled};

/// A model as its files are.
#[derive(Debug, Clone)]
pub struct Base {
    /// As the user calls it.
    pub spec: ModelSpec,
    /// Where its files are: a bundled model, a folder or a GGUF file.
    pub place: ModelSpec,
}

/// Beside weights a folder holds only such files: words, templates, settings.
const KINDS: [&str; 4] = ["json", "txt", "jinja", "model"];

impl Base {
    /// Brings the model of `spec` to this machine.
    ///
    /// # Errors
    /// What cannot be fetched.
    pub fn find(library: &Library, spec: &str) -> Result<Self, TuneError> {
        let spec = ModelSpec::parse(spec);
        let place = library.fetch(&spec)?;
        Ok(Self { spec, place })
    }

    /// What a tuned half names it by, wherever it stands.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.spec, &self.place) {
            (ModelSpec::Hub(_), _) => self.spec.to_string(),
            (_, ModelSpec::Bundled(name)) => format!("bundled:{name}"),
            (_, ModelSpec::Folder(path) | ModelSpec::Gguf(path)) => {
                let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
                whole.display().to_string()
            }
            (spec, _) => spec.to_string(),
        }
    }

    /// Writes all but the weights of a tuned model into `folder`: its configuration, which says
    /// in how many bits the weights are, and what it has of words.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn lay_out(&self, folder: &Path, halves: bool, is_reward: bool) -> Result<(), TuneError> {
        match &self.place {
            ModelSpec::Bundled(name) => lay_out_bundled(name, folder)?,
            ModelSpec::Folder(from) => copy_small(from, folder)?,
            _ => {}
        }
        let path = folder.join("config.json");
        let config = read_json(&path)?;
        write_json(&path, &configured(config, halves, is_reward))
    }

    /// Writes `adapter_config.json`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn lay_out_adapter(
        &self,
        folder: &Path,
        (rank, alpha): (usize, f64),
        modules: &[String],
    ) -> Result<(), TuneError> {
        // PEFT knows models of the hub by their bare names.
        let name = self.name();
        let name = name.strip_prefix("hf:").unwrap_or(&name);
        let config = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": name,
            "r": rank,
            "lora_alpha": alpha,
            "lora_dropout": 0.0,
            "target_modules": modules,
            "bias": "none",
            "inference_mode": true,
        });
        write_json(&folder.join("adapter_config.json"), &config)
    }
}

fn configured(mut config: Value, halves: bool, is_reward: bool) -> Value {
    let bits = if halves { "float16" } else { "float32" };
    let keys = ["dtype", "torch_dtype"];
    let key = keys.into_iter().find(|key| config.get(key).is_some());
    config[key.unwrap_or("torch_dtype")] = json!(bits);
    if is_reward {
        let names = config["architectures"][0].as_str().unwrap_or_default();
        let name = names
            .trim_end_matches("LMHeadModel")
            .trim_end_matches("ForCausalLM");
        config["architectures"] = json!([format!("{name}ForSequenceClassification")]);
        config["id2label"] = json!({"0": "REWARD"});
        config["label2id"] = json!({"REWARD": 0});
        config["num_labels"] = json!(1);
        if config["pad_token_id"].is_null() {
            let eos = &config["eos_token_id"];
            config["pad_token_id"] = eos.get(0).unwrap_or(eos).clone();
        }
    }
    config
}

fn lay_out_bundled(name: &str, folder: &Path) -> Result<(), TuneError> {
    let Some(model) = bundled::find(name) else {
        return Err(LoadError::Unknown {
            kind: "model",
            name: name.to_owned(),
            known: bundled::names(),
        }
        .into());
    };
    let files = [
        ("config.json", model.config),
        ("tokenizer.json", model.tokenizer),
        ("tokenizer_config.json", model.tokenizer_config),
    ];
    files
        .iter()
        .try_for_each(|(file, bytes)| write(&folder.join(file), bytes))
}

/// Copies what is no weights: indices of shards are of weights, too.
fn copy_small(from: &Path, to: &Path) -> Result<(), TuneError> {
    let unread = |source| TuneError::Read {
        path: from.to_owned(),
        source,
    };
    for entry in fs::read_dir(from).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = path.extension().unwrap_or_default().to_string_lossy();
        let is_small = KINDS.contains(&&*kind) && path.is_file();
        if is_small && !name.ends_with(".index.json") && !OWN.contains(&&*name) {
            let bytes = fs::read(&path).map_err(|source| TuneError::Read {
                path: path.clone(),
                source,
            })?;
            write(&to.join(&*name), &bytes)?;
        }
    }
    Ok(())
}

/// Files that a training writes itself.
const OWN: [&str; 4] = [
    "w2s.json",
    "state.json",
    "adapter_config.json",
    "curve.jsonl",
];

/// Writes a file beside its place and puts it there whole.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), TuneError> {
    let new = PathBuf::from(format!("{}.new", path.display()));
    let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, path));
    written.map_err(|source| TuneError::Write {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), TuneError> {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    write(path, &text)
}

pub(super) fn read_json(path: &Path) -> Result<Value, TuneError> {
    let read = fs::read(path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    read.map_err(|source| TuneError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_models_configuration_is_a_classifiers() {
        let config = json!({"architectures": ["LlamaForCausalLM"], "eos_token_id": [2, 3]});
        let config = configured(config, true, true);
        assert_eq!(config["architectures"][0], "LlamaForSequenceClassification");
        assert_eq!(config["torch_dtype"], "float16");
        assert_eq!(config["pad_token_id"], 2);
        let config = json!({"architectures": ["GPT2LMHeadModel"], "dtype": "bfloat16"});
        let config = configured(config, false, true);
        assert_eq!(config["architectures"][0], "GPT2ForSequenceClassification");
        assert_eq!(
            (&config["dtype"], config.get("torch_dtype")),
            (&json!("float32"), None)
        );
    }
}

//! LoRA adapters in PEFT layout: what they add to a model's linear layers.
//!
//! `y = W x + scale · B (A x)` (Hu et al. 2021, LoRA), scale = `lora_alpha / r`, or
//! `lora_alpha / √r` with `use_rslora`. Nothing is merged, so that a model and what was tuned
//! from it share `W`, quantised or not. PEFT's `fan_in_fan_out` says how `W` is stored, which
//! only matters to those who merge.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::LoadError;
use super::load::open;
use super::raw::MappedFile;

/// An adapter folder, its tensors mapped.
#[derive(Debug)]
pub struct Adapter {
    path: PathBuf,
    pub(crate) file: MappedFile,
    pub(crate) scale: f32,
}

impl Adapter {
    /// Reads `adapter_config.json` and maps `adapter_model.safetensors`.
    ///
    /// # Errors
    /// A file is missing or damaged; a kind of adapter that is more than factors of matrices.
    pub fn open(folder: &Path) -> Result<Self, LoadError> {
        let config = config(folder)?;
        let refused = |what: &str| LoadError::Adapter {
            path: folder.to_owned(),
            reason: format!("{what} is not supported"),
        };
        if config["peft_type"].as_str().unwrap_or("LORA") != "LORA" {
            return Err(refused(&config["peft_type"].to_string()));
        }
        for key in [
            "use_dora",
            "rank_pattern",
            "alpha_pattern",
            "modules_to_save",
            "lora_bias",
            "layer_replication",
            "alora_invocation_tokens",
        ] {
            if !is_off(&config[key]) {
                return Err(refused(key));
            }
        }
        if config["bias"].as_str().unwrap_or("none") != "none" {
            return Err(refused("a trained bias"));
        }
        let number = |key: &str| config[key].as_f64().filter(|n| *n > 0.0);
        let rank = number("r").ok_or_else(|| refused("a configuration without r"))?;
        let alpha = number("lora_alpha").unwrap_or(8.0);
        let rooted = config["use_rslora"].as_bool().unwrap_or(false);
        Ok(Self {
            path: folder.to_owned(),
            file: open(&folder.join("adapter_model.safetensors"))?,
            scale: (alpha / if rooted { rank.sqrt() } else { rank }) as f32,
        })
    }

    pub(crate) fn refused(&self, reason: &str) -> LoadError {
        LoadError::Adapter {
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// The model that an adapter folder says it was trained on.
///
/// # Errors
/// `adapter_config.json` is missing, damaged or does not say.
pub fn base_of(folder: &Path) -> Result<String, LoadError> {
    let config = config(folder)?;
    let base = config["base_model_name_or_path"].as_str();
    base.map(str::to_owned).ok_or_else(|| LoadError::Adapter {
        path: folder.to_owned(),
        reason: "adapter_config.json names no base model".to_owned(),
    })
}

/// Whether a folder holds an adapter and no model.
#[must_use]
pub fn is_adapter(folder: &Path) -> bool {
    folder.join("adapter_config.json").exists() && !folder.join("config.json").exists()
}

fn config(folder: &Path) -> Result<Value, LoadError> {
    let path = folder.join("adapter_config.json");
    let text = std::fs::read_to_string(&path).map_err(|source| LoadError::File {
        path: path.clone(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|e| LoadError::Adapter {
        path: folder.to_owned(),
        reason: format!("adapter_config.json is not JSON: {e}"),
    })
}

/// Absent, null, false or empty.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

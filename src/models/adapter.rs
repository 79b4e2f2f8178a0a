//! LoRA adapters in PEFT layout: what they add to a model's linear layers.
//!
//! `y = W x + scale · B (A x)` (Hu et al. 2021, LoRA), scale = `lora_alpha / r`, or
//! `lora_alpha / √r` with `use_rslora`. Nothing is merged, so that a model and what was tuned
//! from it share `W`, quantised or not. PEFT's `fan_in_fan_out` says how `W` is stored, which
//! only matters to those who merge.
//!
//! | `adapter_config.json` | |
//! | --- | --- |
//! | read | `peft_type`, `r`, `lora_alpha` (0 and negative ones too), `use_rslora`, `base_model_name_or_path` |
//! | ignored | `target_modules` (the tensors say it), dropout, `fan_in_fan_out`, `task_type`, starts that leave the base as it is |
//! | refused | other kinds of adapters, DoRA, patterns of ranks and alphas, `modules_to_save`, biases, replicated layers, starts that change the base (PiSSA, OLoRA, CorDA, LoftQ) |
//!
//! Tensors are read from `adapter_model.safetensors`, or from `adapter_model.bin`, which PEFT wrote
//! until the end of 2023, as [`torch`](super::torch) reads such files: no call in them is made.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::bundled::BundledAdapter;
use super::error::{LoadError, short};
use super::load::{first_of, is_there, open, text};
use super::weights::Weights;

/// Names of files of tensors, best first.
pub(super) const TENSORS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// An adapter folder, its tensors mapped.
#[derive(Debug)]
pub struct Adapter {
    path: PathBuf,
    pub(crate) weights: Weights,
    pub(crate) scale: f32,
}

impl Adapter {
    /// Reads `adapter_config.json` and maps the tensors.
    ///
    /// # Errors
    /// A file is missing or damaged; a kind of adapter that is more than factors of matrices.
    pub fn open(folder: &Path) -> Result<Self, LoadError> {
        let config = config(folder)?;
        Self::of(folder, &config, || weights(folder))
    }

    /// The one in the binary.
    ///
    /// # Errors
    /// None that is expected.
    pub(crate) fn bundled(adapter: &BundledAdapter) -> Result<Self, LoadError> {
        let place = PathBuf::from(format!("bundled:{}", adapter.name));
        let config = serde_json::from_str(adapter.config).unwrap_or_default();
        Self::of(&place, &config, || Ok(Weights::Bytes(adapter.weights)))
    }

    fn of(
        folder: &Path,
        config: &Value,
        weights: impl FnOnce() -> Result<Weights, LoadError>,
    ) -> Result<Self, LoadError> {
        let refused = |what: &str| LoadError::Adapter {
            path: folder.to_owned(),
            reason: short(&format!("{what} is not supported")),
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
        let start = &config["init_lora_weights"];
        if let Some(kind) = start.as_str().filter(|kind| changes_base(kind)) {
            return Err(refused(&format!(
                "its start '{kind}', which changes the base model's weights,"
            )));
        }
        if config["bias"].as_str().unwrap_or("none") != "none" {
            return Err(refused("a trained bias"));
        }
        let number = |key: &str| match &config[key] {
            // PEFT's default of both.
            Value::Null => Ok(8.0),
            value => value
                .as_f64()
                .ok_or_else(|| refused(&format!("{key} of {value}"))),
        };
        let (rank, alpha) = (number("r")?, number("lora_alpha")?);
        if rank < 1.0 {
            return Err(refused(&format!("r of {rank}")));
        }
        let rooted = config["use_rslora"].as_bool().unwrap_or(false);
        Ok(Self {
            path: folder.to_owned(),
            weights: weights()?,
            scale: (alpha / if rooted { rank.sqrt() } else { rank }) as f32,
        })
    }

    pub(crate) fn refused(&self, reason: &str) -> LoadError {
        LoadError::Adapter {
            path: self.path.clone(),
            reason: short(reason),
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
///
/// # Errors
/// The folder cannot be looked at.
pub fn is_adapter(folder: &Path) -> Result<bool, LoadError> {
    let has = |name| is_there(&folder.join(name));
    Ok(has("adapter_config.json")? && !has("config.json")?)
}

fn config(folder: &Path) -> Result<Value, LoadError> {
    let text = text(&folder.join("adapter_config.json"))?;
    serde_json::from_str(&text).map_err(|e| LoadError::Adapter {
        path: folder.to_owned(),
        reason: format!("adapter_config.json is not JSON: {e}"),
    })
}

/// Whether an adapter's training began with other weights of the base than the base has: PiSSA,
/// OLoRA, CorDA and LoftQ take the beginning out of it.
fn changes_base(start: &str) -> bool {
    let start = start.to_lowercase();
    let kinds = ["pissa", "olora", "corda", "loftq"];
    kinds.iter().any(|kind| start.starts_with(kind))
}

/// The adapter's tensors.
fn weights(folder: &Path) -> Result<Weights, LoadError> {
    let name = first_of(folder, &TENSORS)?;
    let file = vec![open(&folder.join(name))?];
    Ok(match name == TENSORS[0] {
        true => Weights::Mapped(file),
        false => Weights::Torch(file),
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

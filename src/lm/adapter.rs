//! LoRA adapters in PEFT layout, merged into each matrix as it is read.
//!
//! `W + scale · B A` (Hu et al. 2021, LoRA), scale = `lora_alpha / r`, or `lora_alpha / √r` with
//! `use_rslora`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::LoadError;
use super::load::open;
use super::weights::{MappedFile, Shard};

/// An adapter folder, its tensors mapped.
#[derive(Debug)]
pub struct Adapter {
    path: PathBuf,
    file: MappedFile,
    scale: f32,
    /// Whether the base's weights are stored as (in, out).
    transposed: bool,
}

/// The two factors of one matrix's change, row-major.
struct Factors {
    a: Vec<f32>,
    b: Vec<f32>,
    rank: usize,
    n: usize,
    k: usize,
}

impl Adapter {
    /// Reads `adapter_config.json` and maps `adapter_model.safetensors`.
    ///
    /// # Errors
    /// A file is missing or damaged; a kind of adapter that cannot be merged.
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
            transposed: config["fan_in_fan_out"].as_bool().unwrap_or(false),
        })
    }

    /// Reads the header.
    ///
    /// # Errors
    /// The file is cut short.
    pub(super) fn overlay(&self) -> Result<Overlay<'_>, LoadError> {
        let path = self.file.path.display().to_string();
        Ok(Overlay {
            adapter: self,
            shard: Shard::open(&path, &self.file.map)?,
        })
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

/// An adapter with its header read.
pub(super) struct Overlay<'a> {
    adapter: &'a Adapter,
    shard: Shard<'a>,
}

impl Overlay<'_> {
    /// Refuses an adapter of another model: by the first module, in the order of names, that the
    /// base does not have.
    ///
    /// # Errors
    /// [`LoadError::Adapter`] with the tensor's name.
    pub fn check(&self, has: impl Fn(&str) -> bool) -> Result<(), LoadError> {
        for (name, module) in self.modules() {
            let there = |m: &str| has(&format!("{m}.weight"));
            let short = module.split_once('.').map(|(_, rest)| rest);
            if !there(&module) && !short.is_some_and(there) {
                let reason = format!("the base model has no matrix for its tensor '{name}'");
                return Err(self.refused(&reason));
            }
        }
        Ok(())
    }

    /// Adds this adapter's share to the matrix called `name`, of `shape` as it is stored.
    ///
    /// # Errors
    /// Factors that are missing or do not fit.
    pub fn add(&self, name: &str, shape: &[usize], rows: &mut [f32]) -> Result<(), LoadError> {
        let (Some(module), &[n, k]) = (self.module(name), shape) else {
            return Ok(());
        };
        let (n, k) = if self.adapter.transposed {
            (k, n)
        } else {
            (n, k)
        };
        let factors = self.factors(&module, n, k)?;
        match self.adapter.transposed {
            false => factors.add(self.adapter.scale, rows),
            true => factors.add_transposed(self.adapter.scale, rows),
        }
        Ok(())
    }

    /// Whether the matrix is changed at all.
    pub fn touches(&self, name: &str) -> bool {
        self.module(name).is_some()
    }

    /// Tensor names by the modules that they change, without PEFT's prefix.
    fn modules(&self) -> BTreeMap<String, String> {
        let strip = |name: &String| {
            let inner = name.strip_prefix("base_model.model.").unwrap_or(name);
            let module = inner.split(".lora_").next().unwrap_or(inner);
            (name.clone(), module.to_owned())
        };
        self.shard.names().iter().map(strip).collect()
    }

    /// PEFT's name for the module of the base's tensor `name`.
    fn module(&self, name: &str) -> Option<String> {
        let module = name.strip_suffix(".weight")?;
        let matches = |m: &String| {
            let short = m.split_once('.').map(|(_, rest)| rest);
            m == module || short == Some(module)
        };
        self.modules().into_values().find(matches)
    }

    fn factors(&self, module: &str, n: usize, k: usize) -> Result<Factors, LoadError> {
        let factor = |which: &str| {
            let bare = format!("{module}.lora_{which}.weight");
            let name = format!("base_model.model.{bare}");
            let name = if self.shard.shape(&name).is_some() {
                name
            } else {
                bare
            };
            let shape = self.shard.shape(&name).map(<[usize]>::to_vec);
            shape
                .map(|shape| (name.clone(), shape))
                .ok_or(LoadError::Missing(name))
        };
        let (a, shape_a) = factor("A")?;
        let (b, shape_b) = factor("B")?;
        let rank = shape_a.first().copied().unwrap_or(0);
        for (name, found, wanted) in [(&a, &shape_a, [rank, k]), (&b, &shape_b, [n, rank])] {
            if found[..] != wanted {
                let reason = format!(
                    "its tensor '{name}' has shape {found:?} where the base model needs {wanted:?}"
                );
                return Err(self.refused(&reason));
            }
        }
        Ok(Factors {
            a: self.shard.read(&a, &[rank, k])?,
            b: self.shard.read(&b, &[n, rank])?,
            rank,
            n,
            k,
        })
    }

    fn refused(&self, reason: &str) -> LoadError {
        LoadError::Adapter {
            path: self.adapter.path.clone(),
            reason: reason.to_owned(),
        }
    }
}

impl Factors {
    /// `rows += scale * B A`, rows (n, k)
    fn add(&self, scale: f32, rows: &mut [f32]) {
        for (row, b) in rows
            .chunks_exact_mut(self.k)
            .zip(self.b.chunks_exact(self.rank))
        {
            for (b, a) in b.iter().zip(self.a.chunks_exact(self.k)) {
                row.iter_mut().zip(a).for_each(|(w, a)| *w += scale * b * a);
            }
        }
    }

    /// The same where rows are (k, n).
    fn add_transposed(&self, scale: f32, rows: &mut [f32]) {
        let mut delta = vec![0.0; self.n * self.k];
        self.add(scale, &mut delta);
        for (i, row) in rows.chunks_exact_mut(self.n).enumerate() {
            let column = delta.iter().skip(i).step_by(self.k);
            row.iter_mut().zip(column).for_each(|(w, d)| *w += d);
        }
    }
}

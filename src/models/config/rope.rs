//! Rotary embeddings as configured, of both config generations.

use crate::models::error::{LoadError, short};

use super::json::Json;

/// Which part of a head a GGUF file says is rotated.
pub(in crate::models) const PART: &str = "gguf.partial_rotary_factor";

/// How many values of a head are rotated, before the number sizes a table.
fn rotated(head_dim: usize, part: f64) -> Result<usize, LoadError> {
    match (0.0..=1.0).contains(&part) {
        true => Ok((head_dim as f64 * part) as usize),
        false => Err(LoadError::Config(format!(
            "partial_rotary_factor is {part}"
        ))),
    }
}

/// The angular frequencies of a rotary embedding: pair `i` of a head's first `2 * half` values,
/// `(x[i], x[half + i])`, turns by `position * frequency[i]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    pub frequencies: Vec<f64>,
}

impl Rope {
    /// Half the number of rotated values.
    pub fn half(&self) -> usize {
        self.frequencies.len()
    }

    /// The unscaled embedding.
    pub fn plain(theta: f64, n_rotated: usize) -> Self {
        let n = n_rotated as f64;
        let frequency = |i| theta.powf(-((2 * i) as f64) / n);
        Self {
            frequencies: (0..n_rotated / 2).map(frequency).collect(),
        }
    }

    /// Reads theta and scaling. `table` is the object of the newer generation, `theta_keys` say
    /// where theta stands in the older one.
    pub fn read(
        json: &Json<'_>,
        table: Option<Json<'_>>,
        theta_keys: &[&str],
        head_dim: usize,
    ) -> Result<Self, LoadError> {
        // What GGUF files say of any family; in `config.json` only some read such a key.
        let part = json.number(&[PART], 1.0)?;
        Self::read_of(json, table, theta_keys, rotated(head_dim, part)?)
    }

    /// The same where only a part of each head may be rotated.
    pub fn read_part(
        json: &Json<'_>,
        table: Option<Json<'_>>,
        theta_keys: &[&str],
        head_dim: usize,
        part: f64,
    ) -> Result<Self, LoadError> {
        let keys = [PART, "partial_rotary_factor", "rotary_pct"];
        let old = json.number(&keys, part)?;
        let part = table.map_or(Ok(old), |t| t.number(&keys, old))?;
        Self::read_of(json, table, theta_keys, rotated(head_dim, part)?)
    }

    fn read_of(
        json: &Json<'_>,
        table: Option<Json<'_>>,
        theta_keys: &[&str],
        n_rotated: usize,
    ) -> Result<Self, LoadError> {
        let old = json.number(theta_keys, 10_000.0)?;
        let theta = table.map_or(Ok(old), |t| t.number(&["rope_theta"], old))?;
        let rope = Self::plain(theta, n_rotated);
        match table {
            Some(table) => rope.scaled(json, &table),
            None => Self::read_scaled(json, rope),
        }
    }

    /// Applies the older generation's `rope_scaling`.
    pub fn read_scaled(json: &Json<'_>, rope: Self) -> Result<Self, LoadError> {
        match json.object("rope_scaling") {
            Some(scaling) => rope.scaled(json, &scaling),
            None => Ok(rope),
        }
    }

    fn scaled(self, json: &Json<'_>, scaling: &Json<'_>) -> Result<Self, LoadError> {
        match scaling.text(&["rope_type", "type"]).unwrap_or("default") {
            "default" => Ok(self),
            "linear" => {
                let factor = scaling.number(&["factor"], 1.0)?;
                Ok(self.map(|f| f / factor))
            }
            "llama3" => self.llama3(json, scaling),
            other => Err(LoadError::Setting {
                family: json.text(&["model_type"]).unwrap_or("this model").into(),
                setting: short(&format!("rotary scaling '{other}'")),
            }),
        }
    }

    /// Llama 3: long waves are stretched by `factor`, short ones stay, between them a ramp.
    fn llama3(self, json: &Json<'_>, scaling: &Json<'_>) -> Result<Self, LoadError> {
        let factor = scaling.number(&["factor"], 1.0)?;
        let low = scaling.number(&["low_freq_factor"], 1.0)?;
        let high = scaling.number(&["high_freq_factor"], 4.0)?;
        let old = json.number(&["max_position_embeddings"], 8192.0)?;
        let context = scaling.number(&["original_max_position_embeddings"], old)?;
        Ok(self.map(|f| {
            let turns = context * f / std::f64::consts::TAU;
            let smooth = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            (1.0 - smooth) * f / factor + smooth * f
        }))
    }

    fn map(mut self, change: impl Fn(f64) -> f64) -> Self {
        for f in &mut self.frequencies {
            *f = change(*f);
        }
        self
    }
}

//! Typed access to the values of a `config.json`, with the key in every error.

use serde_json::Value;

use crate::models::error::{LoadError, short};

/// A JSON object.
#[derive(Clone, Copy)]
pub(crate) struct Json<'a>(&'a Value);

impl<'a> Json<'a> {
    pub fn new(value: &'a Value) -> Self {
        Self(value)
    }

    /// The value of the first of `keys` that is there and not null.
    pub fn any(&self, keys: &[&str]) -> Option<&'a Value> {
        keys.iter()
            .find_map(|key| self.0.get(key).filter(|v| !v.is_null()))
    }

    /// Whether the key is there, null or not.
    pub fn mentions(&self, key: &str) -> bool {
        self.0.get(key).is_some()
    }

    /// The object under a key.
    pub fn object(&self, key: &str) -> Option<Json<'a>> {
        self.any(&[key]).filter(|v| v.is_object()).map(Json)
    }

    pub fn text(&self, keys: &[&str]) -> Option<&'a str> {
        self.any(keys)?.as_str()
    }

    pub fn is(&self, key: &str, default: bool) -> bool {
        self.any(&[key]).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A size that must be there, under the first of `keys`; at most [`LARGEST`].
    pub fn size(&self, keys: &[&str]) -> Result<usize, LoadError> {
        self.size_or(keys, None)
    }

    /// A size with a default.
    pub fn size_or(&self, keys: &[&str], default: Option<usize>) -> Result<usize, LoadError> {
        match self.any(keys) {
            Some(value) => {
                let size = value.as_u64().and_then(|n| usize::try_from(n).ok());
                let size = size.filter(|n| *n <= LARGEST);
                size.ok_or_else(|| wrong(keys[0], value))
            }
            None => default.ok_or_else(|| LoadError::Config(format!("{} is missing", keys[0]))),
        }
    }

    pub fn number(&self, keys: &[&str], default: f64) -> Result<f64, LoadError> {
        match self.any(keys) {
            Some(value) => value.as_f64().ok_or_else(|| wrong(keys[0], value)),
            None => Ok(default),
        }
    }

    /// A number that may be absent or null.
    pub fn number_if(&self, key: &str) -> Result<Option<f64>, LoadError> {
        match self.any(&[key]) {
            Some(value) => value.as_f64().map(Some).ok_or_else(|| wrong(key, value)),
            None => Ok(None),
        }
    }

    /// The numbers of a list, empty where it is absent.
    pub fn numbers(&self, key: &str) -> Result<Vec<f64>, LoadError> {
        match self.any(&[key]) {
            Some(Value::Array(list)) => list
                .iter()
                .map(|v| v.as_f64().ok_or_else(|| wrong(key, v)))
                .collect(),
            Some(value) => Err(wrong(key, value)),
            None => Ok(Vec::new()),
        }
    }

    /// One id or a list of ids; empty where there is none.
    pub fn ids(&self, key: &str) -> Result<Vec<u32>, LoadError> {
        let Some(value) = self.any(&[key]) else {
            return Ok(Vec::new());
        };
        let list = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        list.iter()
            .map(|v| {
                v.as_u64()
                    .and_then(|n| u32::try_from(n).ok())
                    .ok_or_else(|| wrong(key, v))
            })
            .collect()
    }
}

/// Whatever a file says, no size of a model is larger.
const LARGEST: usize = 1 << 28;

fn wrong(key: &str, value: &Value) -> LoadError {
    LoadError::Config(short(&format!("{key} is {value}")))
}

//! Typed access to a GGUF file's metadata.

use candle_core::quantized::gguf_file::Value;

use super::GgufFile;

impl GgufFile {
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.content().metadata.get(key)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.to_string().ok().map(String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.value(key)?.to_bool().ok()
    }

    pub(super) fn id(&self, key: &str) -> Option<u32> {
        whole(self.value(key)?)
    }

    pub(super) fn list(&self, key: &str) -> Option<&[Value]> {
        self.value(key)?.to_vec().ok().map(Vec::as_slice)
    }

    /// A list of texts; `None` when there is none or something else is in it.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        let list = self.list(key)?.iter();
        list.map(|v| v.to_string().ok().map(String::as_str))
            .collect()
    }

    /// `general.architecture`.
    pub(super) fn architecture(&self) -> &str {
        self.text("general.architecture").unwrap_or_default()
    }

    /// A number of the architecture's own.
    pub(super) fn own(&self, key: &str) -> Option<f64> {
        let value = self.value(&format!("{}.{key}", self.architecture()))?;
        // Some files give one number for each layer where all are the same.
        match value.to_vec() {
            Ok(list) => list.first().and_then(number),
            Err(_) => number(value),
        }
    }

    /// The chat template, where the file has one.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.text("tokenizer.chat_template")
    }
}

pub(super) fn whole(value: &Value) -> Option<u32> {
    let value = number(value)?;
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

pub(super) fn number(value: &Value) -> Option<f64> {
    Some(match value {
        Value::U8(v) => f64::from(*v),
        Value::I8(v) => f64::from(*v),
        Value::U16(v) => f64::from(*v),
        Value::I16(v) => f64::from(*v),
        Value::U32(v) => f64::from(*v),
        Value::I32(v) => f64::from(*v),
        Value::U64(v) => *v as f64,
        Value::I64(v) => *v as f64,
        Value::F32(v) => f64::from(*v),
        Value::F64(v) => *v,
        _ => return None,
    })
}

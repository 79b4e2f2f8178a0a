//! A classifier's files as the source of candle-transformers' models: the same seams, checks and
//! sentences as for every other model.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::models::{LoadError, Meter, Source};

/// What was wrong with tensors; candle's own errors carry text only.
type Faults = Arc<Mutex<Vec<LoadError>>>;

/// Tensors by the names that a model asks for.
struct Stored<'a> {
    source: &'a Source<'a>,
    meter: &'a Meter<'a>,
    /// What a name is called in the files.
    called: fn(&str) -> Cow<'_, str>,
    faults: Faults,
}

/// Builds a model of the tensors in `source`, in f32 on the CPU. `absent` may be missing.
///
/// # Errors
/// The first tensor that is missing, of another shape, or not finite.
pub(super) fn build<T>(
    source: &Source<'_>,
    meter: &Meter<'_>,
    called: fn(&str) -> Cow<'_, str>,
    absent: &str,
    make: impl FnOnce(VarBuilder<'_>) -> candle_core::Result<T>,
) -> Result<T, LoadError> {
    let faults = Faults::default();
    let stored = Stored {
        source,
        meter,
        called,
        faults: faults.clone(),
    };
    let made = make(VarBuilder::from_backend(
        Box::new(stored),
        DType::F32,
        Device::Cpu,
    ));
    let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
    let is_fault = |fault: &LoadError| !matches!(fault, LoadError::Missing(name) if name == absent);
    match faults.iter().position(is_fault) {
        Some(first) => Err(faults.swap_remove(first)),
        None => Ok(made?),
    }
}

impl Stored<'_> {
    fn read(&self, name: &str, shape: &Shape) -> Result<Tensor, LoadError> {
        self.meter.check()?;
        let name = (self.called)(name);
        let values = match name.is_empty() {
            true => vec![0.0; shape.elem_count()],
            false => self.source.read(&self.older(&name), shape.dims())?,
        };
        self.meter.add(values.len() as u64);
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// A norm's gain and bias as TensorFlow called them, where only these are there.
    fn older<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let pairs = [("LayerNorm.weight", "gamma"), ("LayerNorm.bias", "beta")];
        let older = pairs.iter().find_map(|(newer, older)| {
            let start = name.strip_suffix(newer)?;
            Some(format!("{start}LayerNorm.{older}"))
        });
        match older {
            Some(older) if !self.source.has(name) && self.source.has(&older) => older.into(),
            _ => name.into(),
        }
    }
}

impl SimpleBackend for Stored<'_> {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        _: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
        self.read(name, &shape).map_err(|fault| {
            let told = candle_core::Error::Msg(fault.to_string());
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            faults.push(fault);
            told
        })
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        // Whatever has no shape of its own could be of any size.
        Err(candle_core::Error::Msg(format!(
            "{name} is asked for without a shape"
        )))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.source.has(&(self.called)(name))
    }
}

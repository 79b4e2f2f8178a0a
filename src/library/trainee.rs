//! Models to be trained: read from the same places, but never shared.

use super::{Library, stored};
use crate::decoder::train::{Part, Trainee, Training};
use crate::models::{LoadError, ModelSpec, Weights};

impl Library {
    /// The model of `spec`, ready to be trained; it shares nothing with those that are loaded.
    ///
    /// # Errors
    /// As [`Self::model`]; weights that cannot be trained as they are: an adapter's, or with
    /// [`Part::All`] those of a GGUF file.
    pub fn trainee(&self, spec: &ModelSpec, training: &Training) -> Result<Trainee, LoadError> {
        let trainee = self.open_trainee(spec, training);
        trainee.map_err(|error| error.of(&spec.to_string()))
    }

    fn open_trainee(&self, spec: &ModelSpec, training: &Training) -> Result<Trainee, LoadError> {
        let place = self.resolved(spec)?;
        if let ModelSpec::Adapted { .. } = place {
            return Err(LoadError::Untrainable(
                "an adapter on a model is trained no further: merge it first, or train one on the base",
            ));
        }
        let (config, weights) = stored(&place)?;
        if matches!(weights, Weights::Gguf(_)) && training.part == Part::All {
            return Err(LoadError::Untrainable(
                "the weights of a GGUF file are not trained themselves: train an adapter on it (--lora)",
            ));
        }
        Trainee::open(&config, &weights, &self.placement, training)
    }
}

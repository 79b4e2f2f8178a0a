//! What a resumption needs.

use std::path::Path;

use candle_core::{Device, Result, Tensor};

use super::stored::{Named, write};
use super::trainee::Trainee;

impl Trainee {
    /// Writes all that is needed to go on from here: variables and both their moments.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_state(&self, path: &Path) -> Result<()> {
        let moments = self.adamw.moments.iter().enumerate();
        let mut all: Vec<Named> = moments
            .flat_map(|(i, (first, second))| {
                [
                    (format!("first.{i}"), first.detach()),
                    (format!("second.{i}"), second.detach()),
                ]
            })
            .collect();
        let vars = self.vars.iter().enumerate();
        all.extend(vars.map(|(i, var)| (format!("var.{i}"), var.detach())));
        all.push((
            "step".to_owned(),
            Tensor::new(&[self.adamw.step as f32], &Device::Cpu)?,
        ));
        write(all, path, false)
    }

    /// Goes on from what [`Self::save_state`] wrote of the same model and settings.
    ///
    /// # Errors
    /// The file is damaged, or of another model; the trainee is not to be used then.
    pub fn load_state(&mut self, path: &Path) -> Result<()> {
        let all = candle_core::safetensors::load(path, &self.place.device)?;
        let get = |name: String| match all.get(&name) {
            Some(tensor) => Ok(tensor),
            None => candle_core::bail!("'{name}' is missing in it"),
        };
        for (i, var) in self.vars.iter().enumerate() {
            var.set(get(format!("var.{i}"))?)?;
            let (first, second) = &self.adamw.moments[i];
            first.set(get(format!("first.{i}"))?)?;
            second.set(get(format!("second.{i}"))?)?;
        }
        // Steps are far fewer than f32 can count.
        let step = get("step".to_owned())?.to_vec1::<f32>()?;
        self.adamw.step = step.first().map_or(0, |step| *step as u64);
        Ok(())
    }
}

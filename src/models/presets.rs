//! Models and weak pairs that have names of their own: `assets/presets.toml`.

use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::template::Template;

/// A strong model by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPreset {
    pub name: String,
    /// Its SPEC.
    pub model: String,
    /// What it sees of a prompt, unless the user says otherwise.
    #[serde(deserialize_with = "template")]
    pub template: Template,
    /// Parameters, in billions.
    pub billions: f64,
    /// One line for people.
    pub about: String,
}

/// A weak pair by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairPreset {
    pub name: String,
    /// The SPECs of its halves.
    pub tuned: String,
    pub untuned: String,
    /// What both see of a prompt, unless the user says otherwise.
    #[serde(deserialize_with = "template")]
    pub template: Template,
    /// Parameters of one half, in billions.
    pub billions: f64,
    /// One line for people.
    pub about: String,
}

/// All presets, in the order in which they are shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presets {
    pub strong: Vec<ModelPreset>,
    pub pair: Vec<PairPreset>,
}

/// The presets in the binary.
#[must_use]
pub fn presets() -> &'static Presets {
    static PRESETS: LazyLock<Presets> = LazyLock::new(|| {
        // The asset is compiled in, and a test reads it: it cannot fail for a user.
        toml::from_str(include_str!("../../assets/presets.toml")).unwrap_or_default()
    });
    &PRESETS
}

impl Presets {
    /// The strong model called `name`.
    #[must_use]
    pub fn strong(&self, name: &str) -> Option<&ModelPreset> {
        self.strong.iter().find(|preset| preset.name == name)
    }

    /// The weak pair called `name`.
    #[must_use]
    pub fn pair(&self, name: &str) -> Option<&PairPreset> {
        self.pair.iter().find(|preset| preset.name == name)
    }

    /// What the strong model of this SPEC sees of a prompt, where a preset says so.
    pub(crate) fn strong_template(&self, spec: &str) -> Option<&Template> {
        let preset = self.strong.iter().find(|preset| preset.model == spec);
        preset.map(|preset| &preset.template)
    }

    /// What the pair with a tuned half of this SPEC sees of a prompt, where a preset says so.
    pub(crate) fn pair_template(&self, tuned: &str) -> Option<&Template> {
        let preset = self.pair.iter().find(|preset| preset.tuned == tuned);
        preset.map(|preset| &preset.template)
    }
}

fn template<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Template, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{ModelSpec, PAIRS, PairSpec};
    use std::collections::HashSet;

    #[test]
    fn the_asset_is_read_and_names_are_used_once() {
        let text = include_str!("../../assets/presets.toml");
        let all: Presets = toml::from_str(text).unwrap();
        let names = all.strong.iter().map(|p| &p.name);
        let names: Vec<&String> = names.chain(all.pair.iter().map(|p| &p.name)).collect();
        assert!(names.iter().all(|name| !PAIRS.contains(&name.as_str())));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert!(names.len() > 10);
    }

    #[test]
    fn names_lead_to_models_on_the_hub() {
        let is_hub = |spec: &str| matches!(ModelSpec::parse(spec), ModelSpec::Hub(_));
        for preset in &presets().strong {
            assert!(is_hub(&preset.name) && is_hub(&preset.model));
            let name = ModelSpec::parse(&preset.name).to_string();
            assert_eq!(presets().strong_template(&name), Some(&preset.template));
        }
        for preset in &presets().pair {
            assert!(is_hub(&preset.tuned) && is_hub(&preset.untuned));
            let pair = PairSpec::parse(&preset.name).unwrap();
            let template = presets().pair_template(&pair.tuned.to_string());
            assert_eq!(template, Some(&preset.template));
        }
    }
}

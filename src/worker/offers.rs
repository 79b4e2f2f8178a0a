//! What can be loaded by name: bundled models, presets, what the hub's cache holds.

use std::path::Path;

use crate::home;
use crate::message::{Offer, Part};
use crate::models::{Hub, ModelPreset, ModelSpec, PairPreset, PairSpec, Presets, about, presets};

/// All offers, in the order in which they are shown.
pub(super) fn offers() -> Vec<Offer> {
    let hub = Hub::from_env();
    let Presets { strong, pair } = presets();
    let mut offers = vec![bundled_strong()];
    offers.extend(strong.iter().map(|preset| model_offer(&hub, preset)));
    offers.extend(pair.iter().map(|preset| pair_offer(&hub, preset)));
    offers.extend(
        home::tuned()
            .iter()
            .rev()
            .filter_map(|folder| tuned_offer(folder)),
    );
    let presets: Vec<String> = offers.iter().map(|offer| offer.spec.clone()).collect();
    let cached = hub.cached().into_iter();
    offers.extend(
        cached
            .filter(|spec| !presets.contains(spec))
            .map(cached_offer),
    );
    offers
}

fn bundled_strong() -> Offer {
    let spec = ModelSpec::Bundled("strong".to_owned()).to_string();
    Offer {
        part: Part::Strong,
        name: "bundled:strong".to_owned(),
        about: about(&spec).to_owned(),
        spec,
        size: String::new(),
        is_here: true,
    }
}

fn model_offer(hub: &Hub, preset: &ModelPreset) -> Offer {
    Offer {
        part: Part::Strong,
        name: preset.name.clone(),
        spec: preset.model.clone(),
        about: preset.about.clone(),
        size: format!("{}B", preset.billions),
        is_here: hub.has_all(&[&preset.model]),
    }
}

fn pair_offer(hub: &Hub, preset: &PairPreset) -> Offer {
    let spec = PairSpec::parse(&preset.name);
    Offer {
        part: Part::Pair,
        name: preset.name.clone(),
        spec: spec.map_or_else(|_| preset.name.clone(), |spec| spec.to_string()),
        about: preset.about.clone(),
        size: format!("2 × {}B", preset.billions),
        is_here: hub.has_all(&[&preset.tuned, &preset.untuned]),
    }
}

/// A pair that was trained on this machine, by its folder.
fn tuned_offer(folder: &Path) -> Option<Offer> {
    let name = folder.display().to_string();
    let spec = PairSpec::parse(&name).ok()?;
    Some(Offer {
        part: Part::Pair,
        about: format!("trained here from {}", spec.untuned),
        spec: spec.to_string(),
        size: String::new(),
        is_here: true,
        name,
    })
}

fn cached_offer(spec: String) -> Offer {
    Offer {
        part: Part::Strong,
        name: spec.clone(),
        spec,
        about: String::new(),
        size: String::new(),
        is_here: true,
    }
}

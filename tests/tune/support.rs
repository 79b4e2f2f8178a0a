//! What the tests share.

use w2s::decoder::train::{AdamWSettings, LowRank, Part, Targets, Trainee, Training};
use w2s::decoder::{Kernels, Placement};
use w2s::library::Library;
use w2s::models::ModelSpec;

pub fn training(part: Part) -> Training {
    Training {
        part,
        reward: false,
        optimiser: AdamWSettings {
            clip: None,
            ..AdamWSettings::default()
        },
        seed: 1,
    }
}

pub fn low(rank: usize) -> Part {
    Part::Low(LowRank {
        rank,
        alpha: rank as f64,
        targets: Targets::All,
    })
}

pub fn open(spec: &str, training: &Training) -> Trainee {
    let library = Library::on(Placement::cpu(Kernels::Fast));
    library.trainee(&ModelSpec::parse(spec), training).unwrap()
}

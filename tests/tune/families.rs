//! Every family that runs can be trained: the same logits, a gradient in every variable, files
//! that are read back, and factors of full rank that step as the matrices themselves.

use std::path::{Path, PathBuf};

use tempfile::tempdir;
use w2s::decoder::train::{Example, Objective, Part, Row, Trainee, Training};
use w2s::decoder::{Decoder, Feed, Kernels, Placement, Want};
use w2s::models::{Adapter, read_folder};

use crate::support::{low, training};

fn families() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/families");
    let folders = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.collect();
    folders.sort();
    assert_eq!(folders.len(), 16);
    folders
}

fn open(folder: &Path, training: &Training) -> Trainee {
    let (config, weights) = read_folder(folder).unwrap();
    let place = Placement::cpu(Kernels::Fast);
    Trainee::open(&config, &weights, &place, training).unwrap()
}

fn decoder(folder: &Path) -> Decoder {
    let (config, weights) = read_folder(folder).unwrap();
    Decoder::load(config, &weights, &Placement::cpu(Kernels::Fast)).unwrap()
}

/// Raw logits after `ids`, without scale and cap as the trainee's are.
fn logits(decoder: &Decoder, ids: &[u32]) -> Vec<f32> {
    let mut cache = decoder.cache();
    let feed = Feed {
        row: 0,
        tokens: ids,
    };
    let logits = decoder.forward(&mut cache, &[feed], Want::Last).unwrap();
    logits.row(0).to_vec()
}

fn ids(n: u32) -> Vec<u32> {
    (0..n).map(|i| i * 37 % 61 + 3).collect()
}

fn examples() -> Vec<Example> {
    let text = |n, from| Example::Text(Row { ids: ids(n), from });
    vec![text(22, 4), text(9, 1), text(14, 12)]
}

fn learn(trainee: &mut Trainee) {
    let examples = examples();
    let examples: Vec<&Example> = examples.iter().collect();
    trainee.learn(&examples, Objective::Likelihood).unwrap();
}

fn close(name: &str, found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    for (a, b) in found.iter().zip(wanted) {
        assert!((a - b).abs() < tolerance, "{name}: {a} is not {b}");
    }
}

#[test]
fn log_probabilities_are_the_decoders() {
    for folder in families() {
        let (trainee, decoder) = (open(&folder, &training(Part::All)), decoder(&folder));
        let ids = ids(22);
        let row = Row {
            ids: ids.clone(),
            from: 21,
        };
        let found = trainee.log_probs(&[&row]).unwrap();
        let logits = logits(&decoder, &ids[..21]);
        let highest = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = logits.iter().map(|l| (l - highest).exp()).sum();
        let wanted = logits[ids[21] as usize] - highest - sum.ln();
        close(&folder.display().to_string(), &found, &[wanted], 1e-3);
    }
}

#[test]
fn every_variable_has_a_gradient() {
    for folder in families() {
        let mut trainee = open(&folder, &training(Part::All));
        learn(&mut trainee);
        let largest = trainee.largest_gradients().unwrap();
        assert!(!largest.is_empty());
        for (i, largest) in largest.iter().enumerate() {
            assert!(*largest > 0.0, "variable {i} of {}", folder.display());
        }
        let mut low = open(&folder, &training(low(2)));
        learn(&mut low);
        // B is 0 at first, so that A has no gradient before the first step.
        low.step(1e-2).unwrap();
        learn(&mut low);
        let largest = low.largest_gradients().unwrap();
        assert!(largest.iter().all(|l| *l > 0.0), "{}", folder.display());
    }
}

#[test]
fn what_is_saved_is_what_was_trained() {
    let place = tempdir().unwrap();
    for folder in families() {
        let mut trainee = open(&folder, &training(Part::All));
        learn(&mut trainee);
        trainee.step(1e-2).unwrap();
        let copy = place.path().join(folder.file_name().unwrap());
        std::fs::create_dir(&copy).unwrap();
        std::fs::copy(folder.join("config.json"), copy.join("config.json")).unwrap();
        trainee
            .save(&copy.join("model.safetensors"), false)
            .unwrap();
        let again = open(&copy, &training(Part::All));
        let rows = [Row {
            ids: ids(20),
            from: 1,
        }];
        let rows: Vec<&Row> = rows.iter().collect();
        let said = |t: &Trainee| t.log_probs(&rows).unwrap();
        close("saved", &said(&again), &said(&trainee), 1e-4);
        let before = open(&folder, &training(Part::All));
        assert!((said(&before)[0] - said(&trainee)[0]).abs() > 0.1);
        decoder(&copy);
    }
}

#[test]
fn factors_are_read_as_peft_has_them() {
    let place = tempdir().unwrap();
    for folder in families() {
        let mut trainee = open(&folder, &training(low(2)));
        learn(&mut trainee);
        trainee.step(0.3).unwrap();
        let copy = place.path().join(folder.file_name().unwrap());
        std::fs::create_dir(&copy).unwrap();
        let config = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 2}"#;
        std::fs::write(copy.join("adapter_config.json"), config).unwrap();
        trainee
            .save_low(&copy.join("adapter_model.safetensors"), false)
            .unwrap();
        let adapted = decoder(&folder)
            .adapted(&Adapter::open(&copy).unwrap())
            .unwrap();
        let ids = ids(20);
        let (a, plain) = (logits(&adapted, &ids), logits(&decoder(&folder), &ids));
        let differs = a.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 1e-2);
        assert!(differs, "{}", folder.display());
        let row = Row {
            ids: [&ids[..], &[7]].concat(),
            from: 20,
        };
        let highest = a.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = a.iter().map(|l| (l - highest).exp()).sum();
        let wanted = a[7] - highest - sum.ln();
        let found = trainee.log_probs(&[&row]).unwrap();
        close(&folder.display().to_string(), &found, &[wanted], 2e-3);
    }
}

/// With the identity as `A`, the first step of `B` is that of its matrix. A large eps makes steps
/// smooth in gradients near 0, whose signs are rounding.
#[test]
fn factors_of_full_rank_step_as_matrices_do() {
    let place = tempdir().unwrap();
    let read = |name: &str| {
        let path = place.path().join(name);
        candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap()
    };
    for folder in families() {
        let smooth = |part| {
            let mut training = training(part);
            training.optimiser.eps = 1e-2;
            training
        };
        let mut full = open(&folder, &smooth(Part::All));
        full.save(&place.path().join("before"), false).unwrap();
        let mut factors = open(&folder, &smooth(low(1 << 20)));
        for trainee in [&mut full, &mut factors] {
            learn(trainee);
            trainee.step(1e-3).unwrap();
        }
        full.save(&place.path().join("after"), false).unwrap();
        factors.save_low(&place.path().join("low"), false).unwrap();
        let (before, after, low) = (read("before"), read("after"), read("low"));
        let mut n_compared = 0;
        for (name, b) in low.iter().filter(|(name, _)| name.contains("lora_B")) {
            let root = name.trim_end_matches(".lora_B.weight");
            let matrix = root.trim_start_matches("base_model.model.");
            let a = &low[&format!("{root}.lora_A.weight")];
            let added = b.matmul(a).unwrap();
            let matrix = format!("{matrix}.weight");
            let moved = (&after[&matrix] - &before[&matrix]).unwrap();
            // GPT-2 stores its matrices the other way round.
            let moved = if folder.ends_with("gpt2") {
                moved.t().unwrap()
            } else {
                moved
            };
            let flat = |t: &candle_core::Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            close(&matrix, &flat(&added), &flat(&moved), 1e-5);
            n_compared += 1;
        }
        assert!(n_compared >= 4);
    }
}

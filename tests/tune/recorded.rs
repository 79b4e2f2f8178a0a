//! Steps of SFT and DPO as torch made them: `recordings/tune.json`.

use serde::Deserialize;
use w2s::decoder::train::{AdamWSettings, Example, Objective, Part, Row, Training};

use crate::support::{open, training};

#[derive(Deserialize)]
struct Recording {
    rows: Vec<Recorded>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Recorded {
    prompt_ids: Vec<u32>,
    chosen_ids: Vec<u32>,
    rejected_ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Run {
    kind: String,
    settings: Settings,
    rows_of_step: Vec<Vec<usize>>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Settings {
    lr: f64,
    wd: f64,
    #[serde(default)]
    beta: f64,
    #[serde(default)]
    smooth: f64,
    clip: Option<f64>,
}

#[derive(Deserialize)]
struct Step {
    loss: f64,
    grad_norm: f64,
    probe_after: Vec<f32>,
    #[serde(default)]
    logps_chosen: Vec<f32>,
    #[serde(default)]
    logps_rejected: Vec<f32>,
    #[serde(default)]
    ref_chosen: Vec<f32>,
    #[serde(default)]
    ref_rejected: Vec<f32>,
    #[serde(default)]
    margin: f64,
    #[serde(default)]
    accuracy: f64,
}

fn recording() -> Recording {
    serde_json::from_str(include_str!("../recordings/tune.json")).unwrap()
}

fn objective(run: &Run) -> Objective {
    match run.kind.as_str() {
        "sft" => Objective::Likelihood,
        "dpo" => Objective::Dpo {
            beta: run.settings.beta,
            smoothing: run.settings.smooth,
        },
        other => panic!("{other}"),
    }
}

fn example(row: &Recorded, step: &Step, i: usize) -> Example {
    let after = |ids: &[u32]| Row::new(&row.prompt_ids, ids);
    match step.ref_chosen.get(i) {
        None => Example::Text(after(&row.chosen_ids)),
        Some(&chosen) => Example::Preference {
            chosen: after(&row.chosen_ids),
            rejected: after(&row.rejected_ids),
            reference: [chosen, step.ref_rejected[i]],
        },
    }
}

fn near(name: &str, found: f64, wanted: f64) {
    let error = (found - wanted).abs() / wanted.abs().max(1e-2);
    assert!(error < 1e-3, "{name}: {found} is not {wanted}");
}

fn all_near(name: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    let pairs = found.iter().zip(wanted);
    pairs.for_each(|(a, b)| near(name, f64::from(*a), f64::from(*b)));
}

fn repeat(recording: &Recording, run: &Run, at_once: usize) {
    let mut trainee = open(
        "bundled:untuned",
        &Training {
            optimiser: AdamWSettings {
                decay: run.settings.wd,
                clip: run.settings.clip,
                ..AdamWSettings::default()
            },
            ..training(Part::All)
        },
    );
    for (rows, step) in run.rows_of_step.iter().zip(&run.steps) {
        let examples = rows.iter().enumerate();
        let examples = examples.map(|(i, &row)| example(&recording.rows[row], step, i));
        let examples: Vec<Example> = examples.collect();
        let mut told = w2s::decoder::train::Measured::default();
        for some in examples.chunks(at_once) {
            let some: Vec<&Example> = some.iter().collect();
            told.add(trainee.learn(&some, objective(run)).unwrap());
        }
        near("loss", told.loss, step.loss);
        all_near("chosen", &told.chosen, &step.logps_chosen);
        all_near("rejected", &told.rejected, &step.logps_rejected);
        if run.kind == "dpo" {
            near("margin", told.margin(), step.margin);
            // Before the first step all margins are 0, but for rounding.
            if step.margin != 0.0 {
                assert_eq!(told.accuracy(), step.accuracy);
            }
        }
        let stepped = trainee.step(run.settings.lr).unwrap();
        near("norm", stepped.grad_norm, step.grad_norm);
        let probe = trainee.logits(&[5, 6, 7, 8, 9, 10]).unwrap();
        for (found, wanted) in probe.iter().zip(&step.probe_after) {
            assert!(
                (found - wanted).abs() < 2e-3,
                "probe: {found} is not {wanted}"
            );
        }
    }
}

#[test]
fn every_step_is_that_of_torch() {
    let recording = recording();
    assert_eq!(recording.runs.len(), 4);
    recording
        .runs
        .iter()
        .for_each(|run| repeat(&recording, run, 4));
}

#[test]
fn a_batch_in_parts_is_the_same_batch() {
    let recording = recording();
    let runs = recording.runs.iter();
    runs.for_each(|run| [1, 3].iter().for_each(|n| repeat(&recording, run, *n)));
}

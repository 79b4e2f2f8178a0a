//! A step of training: the untuned model, all weights, 32 texts of 64 tokens, AdamW, as
//! `benches/train.py` has torch make it. Prints one JSON line: milliseconds of every step and the
//! most memory that the process had.

use std::time::Instant;

use w2s::decoder::train::{AdamWSettings, Example, Objective, Part, Row, Training};
use w2s::decoder::{Kernels, Placement};
use w2s::library::Library;
use w2s::models::ModelSpec;

const BATCH: usize = 32;
const LENGTH: usize = 64;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let steps = std::env::var("STEPS").ok().and_then(|n| n.parse().ok());
    let steps = if is_bench { steps.unwrap_or(10) } else { 1 };
    let training = Training {
        part: Part::All,
        reward: false,
        optimiser: AdamWSettings::default(),
        seed: 0,
    };
    let library = Library::on(Placement::cpu(Kernels::Fast));
    let spec = ModelSpec::parse("bundled:untuned");
    let mut trainee = library.trainee(&spec, &training).expect("it is bundled");
    let mut milliseconds = Vec::new();
    for step in 0..steps {
        let examples: Vec<Example> = (0..BATCH).map(|row| text(step * BATCH + row)).collect();
        let examples: Vec<&Example> = examples.iter().collect();
        let began = Instant::now();
        let told = trainee.learn(&examples, Objective::Likelihood);
        let told = told.expect("memory for it");
        trainee.step(1e-4).expect("memory for it");
        milliseconds.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(told.loss.is_finite());
    }
    let times: Vec<String> = milliseconds.iter().map(|ms| format!("{ms:.1}")).collect();
    println!(
        "{{\"ms\": [{}], \"peak_mib\": {:.0}}}",
        times.join(", "),
        peak_mib()
    );
}

/// Ids without a pattern; the same in `train.py`.
fn text(number: usize) -> Example {
    let id = |i: usize| ((number * LENGTH + i) * 7919 % 4093 + 1) as u32;
    Example::Text(Row {
        ids: (0..LENGTH).map(id).collect(),
        from: 1,
    })
}

/// The most memory that this process had, in MiB; 0 where the system does not say.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

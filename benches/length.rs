//! What a token of a long response costs beside one of a short: time and memory of searches of 200
//! and of 2,000 tokens, W, K, L = 4, 4, 5, on a Llama of 135 M parameters in f32 and a small pair,
//! both of random weights.

#[path = "support/long.rs"]
mod long;

use std::time::Instant;

use long::{models, resident};
use w2s::guide::ModelExecutor;
use w2s::search::{
    ChunkBeamSearch, LaneId, Lanes, PairId, Rules, Sampling, SearchParams, SearchTrace,
};
use w2s::template::Templates;

const LANE: LaneId = LaneId(0);

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let lengths: &[usize] = if is_bench { &[200, 2000] } else { &[10] };
    let mut first = None;
    for n in lengths {
        let (seconds, mib) = search(*n);
        let ms = seconds * 1000.0 / *n as f64;
        let ratio = ms / *first.get_or_insert(ms);
        println!(
            "{n:>5} tokens  {ms:7.2} ms a token of 16 rows ({ratio:.2} times)  {mib:6.0} MiB more at the end"
        );
    }
}

/// Seconds, and how much memory the process has grown by.
fn search(n: usize) -> (f64, f64) {
    let (strong, pair) = models();
    let id = PairId::from("random");
    let settings = SearchParams::new(4, 4, 5, n, Sampling::default(), Rules::Fixed, 0);
    let settings = settings.expect("in range");
    let mut executor = ModelExecutor::new(strong, Templates::default());
    executor.add_pair(id.clone(), pair);
    let opened = executor.open(LANE, "The film", &id, &settings);
    opened.expect("a context that holds it");
    let mut lanes = Lanes::new(executor);
    lanes.open(LANE, ChunkBeamSearch::new(settings, id));
    let mut trace = SearchTrace::default();
    let (began, before) = (Instant::now(), resident());
    while lanes.is_busy() {
        let entries = lanes
            .step()
            .into_iter()
            .flat_map(|progress| progress.entries);
        entries.for_each(|entry| trace.apply(&entry));
    }
    let seconds = began.elapsed().as_secs_f64();
    assert!(trace.rounds().len() >= n / 5, "it went to its end");
    (seconds, resident() - before)
}

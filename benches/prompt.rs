//! What a long prompt costs: time until chunks grow, the longest pass meanwhile (a stop waits for no
//! more), and memory, for one row and for sixteen, on a Llama of 135 M parameters in f32 and a small
//! pair, both of random weights.

#[path = "support/long.rs"]
mod long;

use std::time::{Duration, Instant};

use long::{models, resident};
use w2s::guide::ModelExecutor;
use w2s::search::{ChunkBeamSearch, LaneId, Lanes, PairId, Rules, Sampling, SearchParams};
use w2s::template::Templates;

const LANE: LaneId = LaneId(0);

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let lengths: &[usize] = if is_bench { &[200, 2000] } else { &[20] };
    for n in lengths {
        for (w, k) in [(1, 1), (4, 4)] {
            read(*n, w, k);
        }
    }
}

fn read(n: usize, w: usize, k: usize) {
    let (strong, pair) = models();
    let prompt = words(n, &strong);
    let id = PairId::from("random");
    let settings = SearchParams::new(w, k, 5, 20, Sampling::default(), Rules::Fixed, 0);
    let settings = settings.expect("in range");
    let mut executor = ModelExecutor::new(strong, Templates::default());
    executor.add_pair(id.clone(), pair);
    let opened = executor.open(LANE, &prompt, &id, &settings);
    opened.expect("a context that holds it");
    let mut lanes = Lanes::new(executor);
    lanes.open(LANE, ChunkBeamSearch::new(settings, id));
    let (began, before) = (Instant::now(), resident());
    let (mut longest, mut reading) = (Duration::ZERO, Duration::ZERO);
    while lanes.is_busy() {
        let pass = Instant::now();
        lanes.step();
        if lanes.executor().n_sampled() == 0 {
            longest = longest.max(pass.elapsed());
            reading = began.elapsed();
        }
    }
    println!(
        "{n:>5} tokens, {:>2} rows  read in {:6.0} ms, in passes of at most {:4.0} ms  all of the search {:6.0} ms  {:5.0} MiB more",
        w * k,
        reading.as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3,
        began.elapsed().as_secs_f64() * 1e3,
        resident() - before
    );
}

/// A text of about so many tokens.
fn words(n: usize, strong: &w2s::library::Model) -> String {
    let some = ["The", " film", " was", " good", " and", " long", ".", " It"];
    let mut text = String::new();
    for word in some.iter().cycle() {
        text.push_str(word);
        if text.len() % 64 < 4 && strong.tokenizer.encode(&text).len() >= n {
            break;
        }
    }
    text
}

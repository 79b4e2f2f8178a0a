//! Times as the benches tell them.

use std::time::Duration;

/// Half of `times` are under p50, 99 % under p99.
pub fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share).ceil() as usize;
        let time = times.get(place.saturating_sub(1)).copied();
        time.unwrap_or_default().as_secs_f64() * 1000.0
    };
    println!(
        "{what:<40} p50 {:7.2} ms  p99 {:7.2} ms  most {:7.2} ms  ({} times)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

/// `cargo test --benches` only wants to know that a bench runs.
pub fn is_bench() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

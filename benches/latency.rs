//! How soon the screen answers while both cores search: the real binary in a pseudo-terminal of
//! 200×60, from a key to the first frame that shows what it did, and from the start to the first
//! frame and to the first scores.

#[path = "../tests/binary/terminal.rs"]
mod terminal;

use std::time::Duration;

use tempfile::TempDir;
use terminal::{Output, Tty};

const SIZE: (u16, u16) = (200, 60);
/// The first candidate of the board stands within so many lines below its title.
const FIRST_ROWS: usize = 4;
const PRESSES: usize = 200;
const STARTS: usize = 10;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (presses, starts) = if is_bench { (PRESSES, STARTS) } else { (4, 1) };
    let (frames, scores): (Vec<_>, Vec<_>) = (0..starts).map(|_| start()).unzip();
    tell("start to first frame", frames);
    tell("start to first scores", scores);
    for (size, n) in [("4", "480"), ("8", "480")] {
        tell(
            &format!("key to changed frame, W = K = {size}"),
            keys(size, n, presses),
        );
    }
}

/// How long until something is on screen, and until scores are.
fn start() -> (Duration, Duration) {
    let home = TempDir::new().expect("a temporary folder");
    let started = std::time::Instant::now();
    let tty = Tty::w2s(home.path(), SIZE, &["--no-tour"]);
    tty.wait_for("w2s");
    let frame = started.elapsed();
    tty.wait("scores", |output| output.n_scores() >= 16);
    (frame, started.elapsed())
}

/// Selects the first and the last line of a past round in turn, while the search goes on at full
/// speed. (A round of the search itself may be gone before the frame that shows the selection.)
fn keys(size: &str, n: &str, presses: usize) -> Vec<Duration> {
    let home = TempDir::new().expect("a temporary folder");
    // Rounds of one token, so that the search outlasts the presses.
    let args = [
        "--no-tour",
        "--pace",
        "0",
        "-W",
        size,
        "-K",
        size,
        "-L",
        "1",
        "-n",
        n,
    ];
    let mut tty = Tty::w2s(home.path(), SIZE, &args);
    look_back(&mut tty);
    let mut times = Vec::with_capacity(presses);
    for i in 0..presses {
        let (key, is_last) = [("G", true), ("g", false)][i % 2];
        tty.press(key);
        times.push(tty.wait("a selection", |output| {
            selected(output).is_some_and(|row| (row > FIRST_ROWS) == is_last)
        }));
        // Not in step with the frames.
        std::thread::sleep(Duration::from_millis(i as u64 * 7 % 40));
    }
    times
}

fn look_back(tty: &mut Tty) {
    tty.wait("a third round", |output| round(output) >= 3);
    tty.press("<");
}

fn round(output: &Output) -> usize {
    let text = output.row(0);
    let after = text.split("round ").nth(1).unwrap_or_default();
    let number = after.split('/').next().unwrap_or_default();
    number.parse().unwrap_or(0)
}

/// How far below the board's title the selected line is. It alone has a background there.
fn selected(output: &Output) -> Option<usize> {
    let screen = output.parser.screen();
    let mut lines = screen.rows(0, SIZE.0);
    let title = lines.position(|line| line.contains(" board  round"))? as u16;
    let is_filled = |row: &u16| {
        let cell = screen.cell(*row, 3);
        cell.is_some_and(|cell| cell.bgcolor() != vt100::Color::Default)
    };
    let row = (title..SIZE.1).find(is_filled)?;
    Some(usize::from(row - title))
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share).ceil() as usize;
        let time = times.get(place.saturating_sub(1)).copied();
        time.unwrap_or_default().as_secs_f64() * 1000.0
    };
    println!(
        "{what:<32} p50 {:6.1} ms  p99 {:6.1} ms  most {:6.1} ms  ({} times)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

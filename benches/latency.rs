//! How soon the screen answers while both cores search: the real binary in a pseudo-terminal of
//! 200×60, from a key to the first frame that shows what it did, and from the start to the first
//! frame and to the first scores. Beneath it the worker alone, on SmolLM2-135M where
//! `tests/fetch-models.sh` has brought it: how soon a stop or a restart is obeyed, beside how long
//! one pass takes.

#[path = "support/obeyed.rs"]
mod obeyed;
mod support;
#[path = "../tests/binary/terminal.rs"]
mod terminal;

use std::time::Duration;

use support::{is_bench, tell};
use tempfile::TempDir;
use terminal::{Output, Tty};

const SIZE: (u16, u16) = (200, 60);
/// The first candidate of the board stands within so many lines below its title.
const FIRST_ROWS: usize = 4;
const PRESSES: usize = 200;
const STARTS: usize = 10;
/// Runs in each of which a pair is loaded.
const LOADS: usize = 10;
/// From before the load until after the pair took over.
const PRESSES_A_LOAD: usize = 20;

fn main() {
    let (presses, starts, loads) = match is_bench() {
        true => (PRESSES, STARTS, LOADS),
        false => (4, 1, 1),
    };
    let (frames, scores): (Vec<_>, Vec<_>) = (0..starts).map(|_| start()).unzip();
    tell("start to first frame", frames);
    tell("start to first scores", scores);
    for (size, n) in [("4", "480"), ("8", "480")] {
        tell(
            &format!("key to changed frame, W = K = {size}"),
            keys(size, n, presses),
        );
    }
    let times = (0..loads).flat_map(|_| load()).collect();
    tell("key to changed frame, a pair loads", times);
    obeyed::all(presses.div_ceil(5));
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
    let mut times = Vec::new();
    while times.len() < presses {
        let home = TempDir::new().expect("a temporary folder");
        let mut tty = Tty::w2s(home.path(), SIZE, &endless(size, n));
        look_back(&mut tty);
        // A search that is over leaves the processor to the screen.
        while times.len() < presses && tty.see(is_searching) {
            times.push(select(&mut tty, times.len()));
        }
    }
    times
}

fn is_searching(output: &Output) -> bool {
    output.row(0).contains("searching")
}

/// Rounds of one token, as many as the context holds.
fn endless<'a>(size: &'a str, n: &'a str) -> [&'a str; 11] {
    [
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
    ]
}

/// How long it takes until the first or the last line, in turn, is seen to be selected.
fn select(tty: &mut Tty, i: usize) -> Duration {
    let (key, is_last) = [("G", true), ("g", false)][i % 2];
    tty.press(key);
    let time = tty.wait("a selection", |output| {
        selected(output).is_some_and(|row| (row > FIRST_ROWS) == is_last)
    });
    // Not in step with the frames.
    std::thread::sleep(Duration::from_millis(i as u64 * 7 % 40));
    time
}

/// The same while a pair that nothing has read yet is loaded, takes over and rescores the beam.
fn load() -> Vec<Duration> {
    let home = TempDir::new().expect("a temporary folder");
    let folder = model(&home);
    let mut tty = Tty::w2s(home.path(), SIZE, &endless("8", "480"));
    look_back(&mut tty);
    tty.press(&format!("H{folder},bundled:untuned\r"));
    let times = (0..PRESSES_A_LOAD).map(|press| select(&mut tty, press));
    let times = times.collect();
    // The header names the pair in use, and none that is wanted beside it.
    let used = format!("pair {folder},bundled:untuned p");
    tty.wait("the new pair", |output| output.one_line().contains(&used));
    times
}

/// A copy of a bundled model.
fn model(home: &TempDir) -> String {
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/craft");
    let to = home.path().join("model");
    std::fs::create_dir(&to).expect("a writable folder");
    for file in std::fs::read_dir(from).expect("the bundled model") {
        let file = file.expect("the bundled model");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("a writable folder");
    }
    to.display().to_string()
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

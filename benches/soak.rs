//! An hour at full speed, or `W2S_SOAK_MINUTES`: restarts, changes of everything (settings, the
//! hand's, pairs, the strong model, prompts), resizes, a terminal that does not read for a while. Memory, open files, threads and the time from a key
//! to a frame are to stay as they are after the first minute.

#[path = "../tests/binary/terminal.rs"]
mod terminal;

use std::time::{Duration, Instant};

use tempfile::TempDir;
use terminal::Tty;

/// How long until the next line of the table.
const INTERVAL: Duration = Duration::from_secs(60);

/// Keys that change what is searched for and how it is shown; none of them leaves.
const KEYS: [&str; 32] = [
    "w", "W", "k", "K", "l", "L", "t", "T", "p", "P", "m", "M", "f", "F", "u", "U", "a", "-", "+",
    "r", "n", " ", "s", ",", "*", "X", "=", "S", "z", "o", "\t", "\x1b",
];

fn main() {
    let minutes = std::env::var("W2S_SOAK_MINUTES").ok();
    let minutes: u64 = minutes.and_then(|n| n.parse().ok()).unwrap_or(60);
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (length, interval) = match is_bench {
        true => (Duration::from_secs(minutes * 60), INTERVAL),
        false => (Duration::from_secs(2), Duration::from_secs(1)),
    };
    let home = TempDir::new().expect("a temporary folder");
    let args = ["--no-tour", "--pace", "0", "-n", "200"];
    let mut tty = Tty::w2s(home.path(), (120, 40), &args);
    tty.wait("scores", |output| output.n_scores() >= 8);
    println!("| minute | MB | open files | threads | key to frame, worst of 20, ms |");
    println!("| --- | --- | --- | --- | --- |");
    let began = Instant::now();
    let mut dice = 7;
    while began.elapsed() < length {
        let until = Instant::now() + interval;
        while Instant::now() < until {
            disturb(&mut tty, &mut dice);
        }
        tell(&mut tty, began.elapsed());
    }
    tty.signal("TERM");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
}

fn roll(dice: &mut u64, n: usize) -> usize {
    *dice = dice
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*dice >> 33) as usize % n
}

/// Strong models that are chosen in turn: one of another vocabulary, so that the pair reads text.
const STRONG: [&str; 2] = ["tests/models/other", "bundled:strong"];

/// What a restless hand does, and now and then its terminal.
fn disturb(tty: &mut Tty, dice: &mut u64) {
    tty.press(KEYS[roll(dice, KEYS.len())]);
    std::thread::sleep(Duration::from_millis(roll(dice, 60) as u64));
    match roll(dice, 400) {
        0 => tty.resize(40 + roll(dice, 160) as u16, 12 + roll(dice, 48) as u16),
        1 => {
            let stall = tty.stall();
            let _stalled = stall.lock().expect("nobody failed with it");
            std::thread::sleep(Duration::from_millis(500));
        }
        2 => choose(tty, &format!("B{}\r", STRONG[roll(dice, 2)])),
        3 => choose(tty, &format!("e and {}\r", roll(dice, 1000))),
        // What was typed before would outgrow the context in the end.
        4 => choose(tty, "e\x15This film\r"),
        _ => {}
    }
}

/// Opens something, types into it and closes it; whatever was open before is closed first.
fn choose(tty: &mut Tty, keys: &str) {
    tty.press("\x1b");
    // A key that follows at once would be taken for one with Alt.
    std::thread::sleep(Duration::from_millis(100));
    tty.press(keys);
}

/// A line of the table.
fn tell(tty: &mut Tty, time: Duration) {
    tty.resize(120, 40);
    // Out of whatever it is in, to the same search each time: a wider one needs more.
    for keys in [
        "Bbundled:strong\r",
        "bpaper sentiment\r",
        "e\x15This film\r",
    ] {
        choose(tty, keys);
        std::thread::sleep(Duration::from_millis(500));
    }
    let worst = (0..20).map(|i| answer(tty, ["?", "\x1b"][i % 2])).max();
    let pid = tty.worker_pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    println!(
        "| {:.0} | {} | {files} | {} | {:.1} |",
        time.as_secs_f64() / 60.0,
        number("VmRSS:") / 1000,
        number("Threads:"),
        worst.unwrap_or_default().as_secs_f64() * 1e3,
    );
    tty.forget();
}

/// How long a key takes to change the screen.
fn answer(tty: &mut Tty, key: &str) -> Duration {
    let before = tty.see(terminal::Output::text);
    tty.press(key);
    let time = tty.wait("a change", |output| output.text() != before);
    std::thread::sleep(Duration::from_millis(20));
    time
}

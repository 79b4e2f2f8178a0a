//! Ends of the worker's thread that no program survives, under the real driver in a real terminal:
//! the test runs itself there as a child that has a worker which panics, runs out of stack or asks
//! for more memory than there is, as soon as it is asked to search.

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use w2s::app::{App, Options};
use w2s::message::{Command, Live, ModelInfo, ModelSet, PairInfo, Update};
use w2s::terminal::{self, Channels};

use super::terminal::Tty;

/// Names the log file, and thereby says that the child runs as a child.
const LOG: &str = "W2S_TEST_LOG";

/// How the child's worker ends, where it does not panic.
const END: &str = "W2S_TEST_END";

fn child_with(home: &TempDir, log: &str, vars: &[(&str, &str)]) -> Tty {
    let test = std::env::current_exe().unwrap();
    let args = ["--exact", "worker_panic::child", "--ignored", "--nocapture"];
    let vars = [&[(LOG, log)], vars].concat();
    Tty::spawn(test.to_str().unwrap(), home.path(), (200, 50), &args, &vars)
}

/// A process that is over in the middle of a function gives nothing back itself: the one that
/// waits for it does.
#[test]
fn the_terminal_is_given_back_without_stack_and_without_memory() {
    for (end, told) in [
        ("stack", "has overflowed its stack"),
        ("memory", "memory allocation of"),
        ("cut", "half a line"),
    ] {
        let home = TempDir::new().unwrap();
        let log = home.path().join("some.log");
        let mut tty = child_with(&home, log.to_str().unwrap(), &[(END, end)]);
        assert_eq!(tty.exit_code(), 2, "{end}");
        tty.assert_restored();
        for told in [told, "w2s broke off, for want of memory"] {
            tty.wait(told, |output| output.one_line().contains(told));
        }
        let own_line = b"\nerror: w2s broke off, for want of memory";
        let is_apart = |output: &super::terminal::Output| {
            let mut places = output.bytes.windows(own_line.len());
            places.any(|bytes| bytes == own_line)
        };
        assert!(tty.see(is_apart), "{end}: on a line of its own");
        let was_up = |output: &super::terminal::Output| {
            output.bytes.windows(8).any(|bytes| bytes == b"\x1b[?1049h")
        };
        assert!(tty.see(was_up), "the screen was up before");
    }
}

#[test]
fn restores_the_terminal_and_names_the_log_file() {
    let home = TempDir::new().unwrap();
    let log = home.path().join("some.log");
    let log = log.to_str().unwrap();
    let mut tty = child_with(&home, log, &[]);
    assert_eq!(tty.exit_code(), 101);
    tty.assert_restored();
    tty.wait("the name of the log file", |output| {
        output.one_line().contains("failed unexpectedly") && output.one_line().contains(log)
    });
    let (shown, was_up) = tty.see(|output| {
        let up = output.bytes.windows(8).any(|bytes| bytes == b"\x1b[?1049h");
        (output.text(), up)
    });
    assert!(was_up, "the screen was up before");
    assert!(shown.contains("the worker lost its way"), "{shown}");
    let written = std::fs::read_to_string(log).unwrap();
    assert!(written.contains("the worker lost its way"), "{written}");
}

#[test]
#[ignore = "the child of the test above"]
fn child() {
    let Ok(log) = std::env::var(LOG) else {
        return;
    };
    w2s::panics::end_in_order(terminal::restore);
    let end = std::env::var(END).ok();
    // What is left of an exit code can only be written.
    if end.is_some()
        && let Some(code) = w2s::keeper::keep(Some(terminal::leave_for_another))
    {
        let is_two = format!("{code:?}").contains("(2)");
        std::process::exit(if is_two { 2 } else { 1 });
    }
    w2s::log::start(log.as_ref()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let app = App::new(Options::default());
    let outcome = runtime.block_on(terminal::run(app, worker_that(ends(end)), &log));
    w2s::report::fail(&outcome.unwrap_err());
    std::process::exit(2);
}

fn ends(how: Option<String>) -> fn() {
    match how.as_deref() {
        Some("stack") => || println!("{}", deeper(1)),
        Some("cut") => || {
            eprint!("half a line");
            std::process::abort()
        },
        Some(_) => || println!("{}", vec![1_u8; usize::MAX >> 8].len()),
        None => || panic!("the worker lost its way"),
    }
}

#[allow(unconditional_recursion, reason = "it is to have no bottom")]
#[inline(never)]
fn deeper(n: u64) -> u64 {
    let here = std::hint::black_box([n; 64]);
    deeper(here[0] + 1) + std::hint::black_box(here)[7]
}

fn worker_that(ends: fn()) -> Channels {
    let (commands, inbox) = std::sync::mpsc::channel();
    let (outbox, updates) = mpsc::channel(8);
    let (live_out, live) = watch::channel(Live::default());
    std::thread::spawn(move || {
        let _live = live_out;
        outbox.blocking_send(Update::Loaded(models())).unwrap();
        let asked = inbox.recv().unwrap();
        assert!(matches!(asked, Command::Start(_)));
        ends();
    });
    Channels {
        commands,
        updates,
        live,
    }
}

fn models() -> ModelSet {
    ModelSet {
        strong: ModelInfo {
            name: "strong".to_owned(),
            n_params: 1,
            context: 9,
            vocab_size: 9,
        },
        pairs: vec![PairInfo {
            name: "pair".to_owned(),
            about: String::new(),
            n_params: 1,
        }],
        offers: Vec::new(),
        device: "cpu".to_owned(),
    }
}

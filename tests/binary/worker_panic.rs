//! A panic on the worker's thread, under the real driver in a real terminal: the test runs
//! itself there as a child that has a worker which panics as soon as it is asked to search.

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use w2s::app::{App, Options};
use w2s::message::{Command, Live, ModelInfo, ModelSet, PairInfo, Update};
use w2s::terminal::{self, Channels};

use super::terminal::Tty;

/// Names the log file, and thereby says that the child runs as a child.
const LOG: &str = "W2S_TEST_LOG";

#[test]
fn restores_the_terminal_and_names_the_log_file() {
    let home = TempDir::new().unwrap();
    let log = home.path().join("some.log");
    let log = log.to_str().unwrap();
    let test = std::env::current_exe().unwrap();
    let args = ["--exact", "worker_panic::child", "--ignored", "--nocapture"];
    let mut tty = Tty::spawn(
        test.to_str().unwrap(),
        home.path(),
        (200, 50),
        &args,
        &[(LOG, log)],
    );
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
    w2s::log::start(log.as_ref()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let app = App::new(Options::default());
    let outcome = runtime.block_on(terminal::run(app, worker_that_panics(), &log));
    w2s::report::fail(&outcome.unwrap_err());
    std::process::exit(2);
}

fn worker_that_panics() -> Channels {
    let (commands, inbox) = std::sync::mpsc::channel();
    let (outbox, updates) = mpsc::channel(8);
    let (live_out, live) = watch::channel(Live::default());
    std::thread::spawn(move || {
        let _live = live_out;
        outbox.blocking_send(Update::Loaded(models())).unwrap();
        let asked = inbox.recv().unwrap();
        assert!(matches!(asked, Command::Start(_)));
        panic!("the worker lost its way");
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

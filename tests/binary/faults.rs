//! Faults of the system, on demand: too few descriptors, no memory, no threads. Whatever is
//! missing, a command works or says in one sentence what it lacks, and a terminal is given back.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;

use super::commands::command_of;
use super::folders::Folders;
use super::hub::model;
use super::hub_server::{self, HubServer};
use super::terminal::Tty;

/// What the system does not give.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// More than so many open files.
    Files(u32),
    /// More than so many KiB of addresses.
    Memory(u32),
    /// Any thread: each would need a stack that does not fit into any memory.
    Threads,
    /// Files larger than so many blocks of 512 bytes.
    Disk(u32),
}

impl Fault {
    /// A line of the shell that has it; `$0` and what follows is the program.
    fn script(self) -> String {
        let limit = match self {
            Self::Files(n) => format!("ulimit -n {n}"),
            Self::Memory(n) => format!("ulimit -v {n}"),
            Self::Threads => format!("export RUST_MIN_STACK={}", 1_u64 << 46),
            Self::Disk(n) => format!("trap '' XFSZ; ulimit -f {n}"),
        };
        format!("{limit}; exec \"$0\" \"$@\"")
    }
}

/// w2s under a fault.
pub fn w2s_under(fault: Fault, args: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    w2s_at(home.path(), fault, args, &[])
}

fn w2s_at(home: &Path, fault: Fault, args: &[&str], vars: &[(&str, &str)]) -> Output {
    let script = fault.script();
    let w2s = env!("CARGO_BIN_EXE_w2s");
    let all = [&["-c", &script, w2s], args].concat();
    let mut command = command_of("/bin/sh", &all, home);
    command.envs(vars.iter().copied());
    command.stdin(Stdio::null()).output().unwrap()
}

/// The playground under a fault.
fn playground_under(fault: Fault, args: &[&str]) -> (Tty, TempDir) {
    let home = TempDir::new().unwrap();
    let script = fault.script();
    let w2s = env!("CARGO_BIN_EXE_w2s");
    let all = [&["-c", &script, w2s, "--no-tour", "-n", "40"], args].concat();
    let tty = Tty::spawn("/bin/sh", home.path(), (80, 24), &all, &[]);
    (tty, home)
}

/// It worked, or said in one sentence why not; or the system could not even start it.
#[track_caller]
fn assert_in_order(fault: Fault, output: &Output) -> bool {
    let told = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    // Without a word: the system had no room for the program itself.
    let is_unborn = told.is_empty() && code.is_none();
    if told.contains("shared librar") || is_unborn || code == Some(126) {
        return false;
    }
    let is_done = code == Some(0);
    assert!(is_done || code == Some(2), "{fault:?}: {code:?} {told}");
    assert!(!told.contains("panicked"), "{fault:?}: {told}");
    let sentences = told.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(
        sentences.count(),
        usize::from(!is_done),
        "{fault:?}: {told}"
    );
    is_done
}

const COMMANDS: [&[&str]; 3] = [
    &["run", "--prompt", "Hi", "-n", "2"],
    &["score", "--prompt", "Hi", "--response", "a"],
    &["models", "check", "bundled:untuned"],
];

#[test]
fn too_few_descriptors_are_told() {
    for command in COMMANDS {
        let done = (3..16).map(|n| {
            let fault = Fault::Files(n);
            assert_in_order(fault, &w2s_under(fault, command))
        });
        let done: Vec<bool> = done.collect();
        assert!(done.contains(&true) && done.contains(&false), "{done:?}");
    }
}

#[test]
fn no_thread_is_told() {
    for command in COMMANDS {
        let output = w2s_under(Fault::Threads, command);
        assert!(!assert_in_order(Fault::Threads, &output));
    }
}

#[test]
fn no_memory_is_told() {
    for command in COMMANDS {
        let sizes = (1..12).map(|n| n * 25_000).chain([4_000_000]);
        let done = sizes.map(|size| {
            let fault = Fault::Memory(size);
            assert_in_order(fault, &w2s_under(fault, command))
        });
        let done: Vec<bool> = done.collect();
        assert!(done.contains(&true) && done.contains(&false), "{done:?}");
    }
}

#[test]
fn the_playground_gives_the_terminal_back_whatever_it_lacks() {
    let files = (5..14).map(Fault::Files);
    // In 50 MB there is no room for the program's own code.
    let memory = (2..9).map(|n| Fault::Memory(n * 50_000));
    for fault in files.chain(memory).chain([Fault::Threads]) {
        let (mut tty, _home) = playground_under(fault, &[]);
        tty.press_when(|output| output.n_scores() >= 4, "q");
        let code = tty.exit_code();
        let told = tty.see(|output| output.one_line());
        // 127: the system's loader found no room for the program itself.
        let is_started = code != 127 && !told.contains("shared librar");
        assert!(
            !is_started || code == 0 || code == 2,
            "{fault:?}: {code} {told}"
        );
        assert!(!told.contains("panicked"), "{fault:?}: {told}");
        tty.assert_restored();
    }
}

/// Whatever a fetch lacks, what it leaves is nothing, a file that is whole, or a part that is gone
/// on with; and the next one brings it all.
#[test]
fn a_fetch_that_lacks_something_leaves_nothing_half_written() {
    let server = HubServer::start(model(), hub_server::Fault::None);
    // By name: a thread of its own looks that up.
    let endpoint = server.endpoint.replace("127.0.0.1", "localhost");
    let vars = [("HF_ENDPOINT", &endpoint[..])];
    let pull = ["models", "pull", "hf:owner/name"];
    let disk = [0, 1, 2, 8, 100, 400].map(Fault::Disk);
    let files = (4..14).map(Fault::Files);
    let memory = (4..16).map(|n| Fault::Memory(n * 7_500));
    let faults = disk.into_iter().chain(files).chain(memory);
    let mut n_done = 0;
    for fault in faults.chain([Fault::Threads]) {
        let home = TempDir::new().unwrap();
        n_done += usize::from(assert_in_order(
            fault,
            &w2s_at(home.path(), fault, &pull, &vars),
        ));
        let snapshot = home
            .path()
            .join(".cache/huggingface/hub/models--owner--name/snapshots/abc");
        for (name, bytes) in &model() {
            if let Ok(there) = fs::read(snapshot.join(name)) {
                assert!(there == *bytes, "{fault:?}: half of {name}");
            }
        }
        let output = w2s_at(home.path(), Fault::Files(100), &pull, &vars);
        assert!(assert_in_order(fault, &output), "{fault:?}: {output:?}");
        for (name, bytes) in &model() {
            assert!(
                fs::read(snapshot.join(name)).unwrap() == *bytes,
                "{fault:?}: {name}"
            );
        }
    }
    assert!(n_done > 0);
}

/// A pipe would be waited for, and a device might never end.
#[test]
fn what_is_no_file_is_told_where_a_model_has_one() {
    let made = Folders::new();
    for name in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    ] {
        let folder = made.model(&format!("no-{name}"), |folder| {
            let path = folder.join(name);
            fs::remove_file(&path).unwrap();
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.unwrap().success());
        });
        let fault = Fault::Files(100);
        let args = ["run", "--prompt", "Hi", "-n", "1", "--strong", &folder];
        let output = w2s_under(fault, &args);
        assert!(!assert_in_order(fault, &output), "{name}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            told.contains(name) && told.contains("it is no file"),
            "{told}"
        );
    }
}

#[test]
fn no_room_for_a_log_is_no_obstacle() {
    let (mut tty, _home) = playground_under(Fault::Disk(0), &[]);
    tty.wait("scores", |output| output.n_scores() >= 4);
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
}

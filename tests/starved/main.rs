//! Every large allocation of a fetch and a load fails once, in turn. Where that can be told it is;
//! elsewhere Rust ends the process (`tests/binary/leaving.rs` has what the other process makes of
//! that). Nothing is left half-written, no panic comes before, and the next try finds its way.
#![cfg(unix)]
#![allow(unsafe_code, reason = "an allocator cannot be had without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use w2s::decoder::DeviceChoice;
use w2s::guide::positions;
use w2s::library::Library;
use w2s::models::{ModelSpec, Prompt};

#[allow(dead_code, reason = "others need more of it")]
#[path = "../binary/hub_server.rs"]
mod hub_server;

use hub_server::{Fault, HubServer};

/// Bytes that an allocation has at least to be counted.
const LARGE: usize = 1 << 15;

/// Which allocation fails, in the environment of a child.
const NTH: &str = "W2S_TEST_NTH";

/// The system's, but for one large allocation.
struct Starved;

/// Large allocations until the one that fails.
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);

#[global_allocator]
static MEMORY: Starved = Starved;

fn is_granted(size: usize) -> bool {
    size < LARGE || LEFT.fetch_sub(1, Ordering::Relaxed) != 0
}

// SAFETY: whatever is granted is the system's; a null pointer says that there is no memory.
unsafe impl GlobalAlloc for Starved {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_granted(layout.size()) {
            // SAFETY: as the caller promises.
            true => unsafe { System.alloc(layout) },
            false => null_mut(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_granted(layout.size()) {
            // SAFETY: as the caller promises.
            true => unsafe { System.alloc_zeroed(layout) },
            false => null_mut(),
        }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match is_granted(size) {
            // SAFETY: as the caller promises.
            true => unsafe { System.realloc(old, layout, size) },
            false => null_mut(),
        }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: it came from there.
        unsafe { System.dealloc(old, layout) }
    }
}

/// The bundled untuned model's files.
fn model() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/untuned");
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| file(entry.unwrap())).collect()
}

/// Fetches and loads in a process of its own, of which the allocation number `nth` fails.
fn child_without(nth: usize, server: &HubServer, home: &Path) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", home)
        .env("HF_ENDPOINT", &server.endpoint)
        .env(NTH, nth.to_string());
    command.output().unwrap()
}

#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(nth) = std::env::var(NTH) else {
        return;
    };
    let nth: usize = nth.parse().unwrap();
    LEFT.store(nth, Ordering::Relaxed);
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let loaded = library.model(&ModelSpec::parse("hf:owner/name"));
    let read = loaded.map_err(|e| e.to_string()).and_then(|model| {
        let ids = model.try_text_ids(&Prompt::from("The film"), "");
        let ids = ids.map_err(|e| e.to_string())?;
        positions(&model.decoder, &ids, 1).map_err(|e| e.to_string())
    });
    let n_made = nth.wrapping_sub(LEFT.load(Ordering::Relaxed));
    match read {
        Ok(_) => println!("made {n_made}"),
        Err(told) => println!("told {told}"),
    }
}

/// How many large allocations a child made that came to its end.
fn n_made(output: &Output) -> Option<usize> {
    let text = String::from_utf8_lossy(&output.stdout);
    let made = text.lines().find_map(|line| line.split_once("made "));
    made.and_then(|(_, n)| n.trim().parse().ok())
}

/// What there is of the model is whole, or called a part and the beginning of something.
fn assert_nothing_is_half_written(home: &Path, nth: usize) {
    let repo = home.join(".cache/huggingface/hub/models--owner--name");
    for (name, bytes) in &model() {
        if let Ok(there) = fs::read(repo.join("snapshots/abc").join(name)) {
            assert!(there == *bytes, "without {nth}: half of {name}");
        }
    }
    for entry in fs::read_dir(repo.join("blobs")).into_iter().flatten() {
        let entry = entry.unwrap();
        let there = fs::read(entry.path()).unwrap();
        let is_part = entry.file_name().to_string_lossy().ends_with(".incomplete");
        let is_it = |whole: &Vec<u8>| *whole == there || is_part && whole.starts_with(&there);
        assert!(model().values().any(is_it), "without {nth}: {entry:?}");
    }
    let noted = fs::read_to_string(repo.join("refs/main")).unwrap_or("abc".to_owned());
    assert_eq!(noted, "abc", "without {nth}");
}

#[test]
fn whichever_allocation_fails_nothing_is_left_half_written() {
    let server = HubServer::start(model(), Fault::None);
    let home = TempDir::new().unwrap();
    let whole = child_without(usize::MAX / 2, &server, home.path());
    let n = n_made(&whole).unwrap_or_else(|| panic!("{whole:?}"));
    assert!(n > 50, "{n} large allocations");
    let (mut n_told, mut n_ended) = (0, 0);
    for nth in 0..n {
        let home = TempDir::new().unwrap();
        let output = child_without(nth, &server, home.path());
        let [out, told] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let said = out.lines().find_map(|line| line.split_once("told "));
        let is_told = said.is_some_and(|(_, said)| said.contains("memory") && said.contains('/'));
        let is_ended = output.status.signal() == Some(6) && told.contains("memory allocation of");
        // Where threads share the work, an allocation more or less is made.
        let is_done = n_made(&output).is_some();
        assert!(
            is_done || is_told || is_ended,
            "without {nth} of {n}: {output:?}"
        );
        assert!(!told.contains("panicked"), "without {nth}: {told}");
        (n_told, n_ended) = (
            n_told + usize::from(is_told),
            n_ended + usize::from(is_ended),
        );
        assert_nothing_is_half_written(home.path(), nth);
        if nth % 8 == 0 {
            let again = child_without(usize::MAX / 2, &server, home.path());
            assert!(n_made(&again).is_some(), "{again:?}");
        }
    }
    assert!(
        n_told > 0 && n_ended > n / 2,
        "{n_told} told, {n_ended} ended"
    );
}

//! The arrows between the parts point one way. One crate does not enforce that; this does.

use std::fs;
use std::path::{Path, PathBuf};

/// (folder or file under src, what must not be named in it, why)
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "search",
        &[
            "candle",
            "tokio",
            "ratatui",
            "crossterm",
            "std::fs",
            "std::time",
            "crate::app",
            "crate::models",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::message",
            "crate::ui",
            "crate::worker",
            "crate::measure",
        ],
        "the engine knows no models, no terminal, no files and no clock",
    ),
    (
        "app",
        &[
            "candle",
            "tokio",
            "ratatui",
            "crossterm",
            "std::fs",
            "std::time::Instant",
            "crate::models",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::ui",
            "crate::worker",
            "crate::terminal",
        ],
        "the app is a pure state machine",
    ),
    (
        "ui",
        &[
            "candle",
            "tokio",
            "std::fs",
            "crate::models",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::worker",
            "crate::terminal",
        ],
        "the view draws &App",
    ),
    (
        "models",
        &[
            "tokio",
            "ratatui",
            "crossterm",
            "crate::app",
            "crate::ui",
            "crate::message",
            "crate::worker",
            "crate::terminal",
            "crate::report",
            "crate::search",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::measure",
        ],
        "files say nothing of what is done with them",
    ),
    (
        "decoder",
        &[
            "tokio",
            "ratatui",
            "crossterm",
            "crate::app",
            "crate::ui",
            "crate::message",
            "crate::worker",
            "crate::terminal",
            "crate::report",
            "crate::search",
            "crate::library",
            "crate::guide",
            "crate::measure",
        ],
        "what computes knows what files say and nothing above",
    ),
    (
        "library",
        &[
            "tokio",
            "ratatui",
            "crossterm",
            "crate::app",
            "crate::ui",
            "crate::message",
            "crate::worker",
            "crate::terminal",
            "crate::report",
            "candle",
            "crate::search",
            "crate::guide",
            "crate::measure",
        ],
        "loaded models serve whoever asks",
    ),
    (
        "guide",
        &[
            "tokio",
            "ratatui",
            "crossterm",
            "crate::app",
            "crate::ui",
            "crate::message",
            "crate::worker",
            "crate::terminal",
            "crate::report",
            "candle",
            "crate::measure",
        ],
        "what guides knows the models and the engine, and never the judge",
    ),
    (
        "worker",
        &[
            "candle",
            "ratatui",
            "crossterm",
            "crate::app",
            "crate::ui",
            "crate::terminal",
        ],
        "the worker and the app meet only in message",
    ),
    (
        "message.rs",
        &[
            "candle",
            "tokio",
            "ratatui",
            "crossterm",
            "crate::app",
            "crate::models",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::ui",
            "crate::worker",
        ],
        "messages are plain data",
    ),
    (
        "measure",
        &["candle", "tokio", "ratatui", "crossterm"],
        "measuring is arithmetic",
    ),
    (
        "report",
        &[
            "candle",
            "ratatui",
            "crate::app",
            "crate::ui",
            "crate::terminal",
        ],
        "the headless twin has no screen",
    ),
    (
        "config",
        &[
            "candle",
            "tokio",
            "ratatui",
            "crossterm",
            "crate::models",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::ui",
            "crate::worker",
        ],
        "the configuration is text and checked values",
    ),
    (
        "cli.rs",
        &[
            "candle",
            "tokio",
            "ratatui",
            "crossterm",
            "crate::models",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::ui",
            "std::fs",
        ],
        "the command line is text and checked values",
    ),
    (
        "terminal.rs",
        &[
            "candle",
            "crate::models",
            "crate::decoder",
            "crate::library",
            "crate::guide",
            "crate::report",
        ],
        "the driver holds no models",
    ),
];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    entries
        .flat_map(|entry| sources(&entry.unwrap().path()))
        .collect()
}

/// The code of a file, comments and its test module left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

#[test]
fn arrows_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (part, forbidden, why) in FORBIDDEN {
        for file in sources(&src.join(part)) {
            let code = code(&file);
            for name in forbidden.iter().filter(|name| code.contains(**name)) {
                broken.push(format!("{} names {name}, but {why}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_models_and_decoder_know_candle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let elsewhere = sources(&src)
        .into_iter()
        .filter(|file| {
            !["models", "decoder"]
                .iter()
                .any(|room| file.starts_with(src.join(room)))
        })
        .filter(|file| code(file).contains("candle"));
    assert_eq!(elsewhere.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn unsafe_stands_in_one_file() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<_> = sources(&src)
        .into_iter()
        .filter(|file| code(file).contains("unsafe {"))
        .collect();
    assert!(files.len() <= 1, "{files:?}");
}

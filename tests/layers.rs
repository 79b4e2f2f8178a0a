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
            "crate::lm",
            "crate::message",
            "crate::ui",
            "crate::worker",
            "crate::judge",
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
            "crate::lm",
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
            "crate::lm",
            "crate::worker",
            "crate::terminal",
        ],
        "the view draws &App",
    ),
    (
        "lm",
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
        ],
        "models know the engine's ports and nothing above",
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
            "crate::lm",
            "crate::ui",
            "crate::worker",
        ],
        "messages are plain data",
    ),
    (
        "judge.rs",
        &["candle", "tokio", "ratatui", "crossterm"],
        "the judge is arithmetic",
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
            "crate::lm",
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
            "crate::lm",
            "crate::ui",
            "std::fs",
        ],
        "the command line is text and checked values",
    ),
    (
        "terminal.rs",
        &["candle", "crate::lm", "crate::report"],
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
fn only_lm_knows_candle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let elsewhere = sources(&src)
        .into_iter()
        .filter(|file| !file.starts_with(src.join("lm")))
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

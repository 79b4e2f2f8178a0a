//! The program, and what it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A recorded classifier.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/judges")
        .join(name)
}

/// The program without a configuration and without a network.
pub fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command.args(args).env_clear().env("HOME", "no-home");
    command.env("PATH", std::env::var("PATH").unwrap());
    command.env("HF_HUB_OFFLINE", "1");
    command
}

pub fn judge(args: &[&str]) -> Output {
    let mut command = program(&["judge"]);
    command.args(args).output().unwrap()
}

/// What it prints, when all goes well.
pub fn told(args: &[&str]) -> String {
    let output = judge(args);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {err}");
    assert_eq!(err, "");
    String::from_utf8(output.stdout).unwrap()
}

/// Its exit code, output and complaint.
pub fn outcome(args: &[&str]) -> (i32, String, String) {
    let output = judge(args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// JSON, a line each.
pub fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A file of texts, a line each.
pub fn cases(root: &Path, texts: &[&str]) -> String {
    let line = |text: &&str| serde_json::json!({ "text": text }).to_string();
    let lines: Vec<String> = texts.iter().map(line).collect();
    file(root, "cases.jsonl", &lines.join("\n"))
}

pub fn file(root: &Path, name: &str, text: &str) -> String {
    let path = root.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A recorded classifier in a folder of its own, changed.
pub fn changed(root: &Path, name: &str, change: impl FnOnce(&Path)) -> String {
    let to = root.join(name);
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(folder(name)).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
    }
    change(&to);
    to.to_str().unwrap().to_owned()
}

/// Changes a file of JSON.
pub fn edit(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(name);
    let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(&path, value.to_string()).unwrap();
}

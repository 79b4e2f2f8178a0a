//! The headless twin as a process among others.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::folders::Folders;

/// w2s with a home of its own, from the repository's root.
pub fn command(args: &[&str], home: &TempDir) -> Command {
    command_of(env!("CARGO_BIN_EXE_w2s"), args, home.path())
}

/// A program in its place.
pub fn command_of(program: &str, args: &[&str], home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("HOME", home)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn w2s(args: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    command(args, &home).output().unwrap()
}

/// What a command that succeeds prints.
pub fn stdout(args: &[&str]) -> String {
    let output = w2s(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn json(args: &[&str]) -> Value {
    serde_json::from_str(&stdout(args)).unwrap()
}

#[test]
fn without_a_terminal_the_playground_says_what_works_instead() {
    let output = w2s(&[]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("needs a terminal"), "{stderr}");
    assert!(stderr.contains("`w2s run` works without one"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
    assert_eq!(output.stdout, b"", "no escape codes");
}

const HI: [&str; 5] = ["run", "--prompt", "Hi", "-n", "8"];

#[test]
fn run_prints_text_json_or_events() {
    let text = stdout(&HI);
    let object = json(&[&HI[..], &["--format", "json"]].concat());
    assert_eq!(text, format!("{}\n", object["response"].as_str().unwrap()));
    assert!(object["score"].is_f64() && object["judge"].is_f64());
    assert_eq!(
        object["rounds"][0]["candidates"].as_array().unwrap().len(),
        16
    );
    let events = stdout(&[&HI[..], &["--format", "jsonl"]].concat());
    let events: Vec<Value> = events
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(events.len() > 10);
}

#[test]
fn vectors_are_chosen_by_name() {
    let home = TempDir::new().unwrap();
    let with = |name| {
        let mut command = command(&HI, &home);
        command.env("W2S_VECTORS", name).output().unwrap()
    };
    let refused = with("avx1024");
    assert_eq!(refused.status.code(), Some(2));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(
        stderr,
        "error: W2S_VECTORS: there are no vectors called \"avx1024\", only avx2\n"
    );
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        let text = String::from_utf8(with("avx2").stdout).unwrap();
        assert_eq!(text, stdout(&HI));
    }
}

#[test]
fn score_prints_a_table_that_ends_with_the_sum() {
    let args = [
        "score",
        "--prompt",
        "This movie",
        "--response",
        " was great.",
    ];
    let table = stdout(&args);
    assert!(table.starts_with("token "), "{table}");
    assert!(
        table.lines().last().unwrap().starts_with("log-ratio "),
        "{table}"
    );
}

#[test]
fn score_cases_give_a_line_each() {
    let made = Folders::new();
    let line = r#"{"prompt": "This movie", "response": " was great.", "eos": true}"#;
    let path = made.file("cases.jsonl", &format!("{line}\n{line}\n"));
    let out = stdout(&["score", "--cases", &path]);
    let lines: Vec<Value> = out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn a_closed_pipe_is_no_error() {
    for format in ["text", "json", "jsonl"] {
        let home = TempDir::new().unwrap();
        let args = [&HI[..], &["--format", format]].concat();
        let mut child = command(&args, &home).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{format}: {stderr}");
        assert!(
            !stderr.contains("error") && !stderr.contains("panicked"),
            "{stderr}"
        );
    }
}

#[test]
fn prompts_side_by_side_are_searched_as_each_alone() {
    let run = |more: &[&str]| {
        let args = ["run", "--prompts", "assets/prompts.json", "--first", "6"];
        let mut list = json(&[&args[..], &["-n", "12"], more].concat());
        for result in list.as_array_mut().unwrap() {
            result["timing"]["seconds"] = 0.into();
        }
        list.to_string()
    };
    let alone = run(&["--in-flight", "1"]);
    assert_eq!(run(&[]), alone);
    assert_eq!(run(&["--in-flight", "5"]), alone);
}

#[test]
fn of_many_prompts_the_first_will_do() {
    let args = [
        "run",
        "--prompts",
        "assets/prompts.json",
        "--first",
        "2",
        "-n",
        "5",
    ];
    let results = json(&args);
    let prompts: Vec<String> =
        serde_json::from_str(include_str!("../../assets/prompts.json")).unwrap();
    let searched = results
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["prompt"].as_str());
    assert_eq!(
        searched.collect::<Option<Vec<_>>>().unwrap(),
        prompts[..2].iter().collect::<Vec<_>>()
    );
}

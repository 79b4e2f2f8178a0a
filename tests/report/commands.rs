//! `run` and `score` on toy models.

use std::io::{self, Write};

use clap::Parser;
use serde_json::Value;
use w2s::cli::Cli;
use w2s::message::CancelToken;
use w2s::report::{Outcome, Session, execute};
use w2s::search::SearchEvent;

use crate::toy_models::{ToyModels, output, run, run_on};

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&output(args)).unwrap()
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn text_is_the_response_and_nothing_else() {
    let text = output(&["run", "--prompt", "Hi"]);
    let object = json(&["run", "--prompt", "Hi", "--format", "json"]);
    assert_eq!(text, format!("{}\n", object["response"].as_str().unwrap()));
}

#[test]
fn json_holds_every_candidate_of_every_round() {
    let report = json(&["run", "--prompt", "Hi", "-K", "3", "--format", "json"]);
    assert_eq!(report["finished"], true);
    assert_eq!(report["settings"]["k"], 3);
    assert!(report["judge"].is_f64() && report["score"].is_f64());
    let rounds = report["rounds"].as_array().unwrap();
    let mut strong_tokens = 0;
    for (i, round) in rounds.iter().enumerate() {
        assert_eq!(round["round"], i + 1);
        let candidates = round["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 12);
        let kept = candidates.iter().filter(|c| c["kept"] == true);
        assert_eq!(kept.count(), round["kept"].as_array().unwrap().len());
        // Later only a finished hypothesis of round 1, which stands in the beam, has no parent.
        let orphans = candidates.iter().filter(|c| c["parent"].is_null());
        assert!(i == 0 || orphans.into_iter().all(|c| c["finished"] == true));
        strong_tokens += candidates.len() * 5;
    }
    let sampled = report["timing"]["strong_tokens"].as_u64().unwrap() as usize;
    assert!(sampled > 0 && sampled <= strong_tokens);
    assert!(report["timing"]["weak_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn jsonl_tells_the_events_as_they_happen() {
    let out = output(&["run", "--prompt", "Hi", "--format", "jsonl"]);
    assert!(out.contains(r#""chunk_len":5"#));
    let events: Vec<SearchEvent> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(matches!(
        events[0],
        SearchEvent::RoundStarted { round: 1, .. }
    ));
    assert!(matches!(&events[1], SearchEvent::Grown { partials, .. }
        if partials.iter().all(|p| p.score.is_some())));
    assert!(matches!(events.last(), Some(SearchEvent::Finished { .. })));
}

#[test]
fn many_prompts_give_a_list() {
    let (_folder, path) = file("prompts.json", r#"["One", "Two", "Three"]"#);
    let list = json(&["run", "--prompts", &path]);
    let prompts: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["prompt"])
        .collect();
    assert_eq!(prompts, ["One", "Two", "Three"]);
}

#[test]
fn a_stop_keeps_the_prompts_that_are_done() {
    let (_folder, path) = file("prompts.json", r#"["One", "Two", "Three"]"#);
    let mut models = ToyModels {
        stop_at: Some(3),
        ..ToyModels::default()
    };
    let stop = models.stop.clone();
    let (outcome, out) = run_on(&mut models, stop, &["run", "--prompts", &path]);
    assert_eq!(outcome.unwrap(), Outcome::Stopped);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
}

#[test]
fn an_error_keeps_the_prompts_that_are_done() {
    let (_folder, path) = file("prompts.json", r#"["One", "", "Three"]"#);
    let (outcome, out) = run(&["run", "--prompts", &path]);
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "prompt 2: the prompt is empty"
    );
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn a_stop_before_anything_is_done_prints_an_empty_list() {
    let (_folder, path) = file("prompts.json", r#"["One"]"#);
    let stop = CancelToken::default();
    stop.cancel();
    let (_, out) = run_on(
        &mut ToyModels::default(),
        stop,
        &["run", "--prompts", &path],
    );
    assert_eq!(out, "[]\n");
}

#[test]
fn bad_input_is_told_in_one_sentence() {
    let (_folder, no_list) = file("no-list.json", "{}");
    let (_folder2, empty) = file("empty.json", "[]");
    let cases: [(&[&str], &str); 9] = [
        (
            &["run", "--prompt", "a", "-W", "0"],
            "W (beam width) must be at least 1",
        ),
        (
            &["run", "--prompt", "a", "-K", "0"],
            "K (successors) must be at least 1",
        ),
        (
            &["run", "--prompt", "a", "-n", "0"],
            "n (new tokens) must be at least 1",
        ),
        (&["run", "--prompt", "a", "-T", "-1"], "temperature must be"),
        (&["run", "--prompt", "a", "--top-p", "0"], "top-p must be"),
        (
            &["run", "--prompt", "a", "--strong", "missing"],
            "no such folder",
        ),
        (
            &["run", "--prompts", "/no/such/file"],
            "cannot read /no/such/file",
        ),
        (
            &["run", "--prompts", &no_list],
            "is not a JSON list of strings",
        ),
        (&["run", "--prompts", &empty], "has no prompts in it"),
    ];
    for (args, part) in cases {
        let (outcome, out) = run(args);
        let told = outcome.unwrap_err().to_string();
        assert!(told.contains(part), "{args:?}: {told}");
        assert!(!told.contains('\n'), "{told}");
        assert_eq!(out, "");
    }
}

/// A reader that went away after `left` bytes.
struct ClosedPipe {
    left: usize,
}

impl Write for ClosedPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = match self.left.checked_sub(bytes.len()) {
            Some(left) => left,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_ends_the_search_and_is_no_error() {
    for format in ["text", "json", "jsonl"] {
        let line = ["w2s", "run", "--prompt", "Hi", "--format", format];
        let command = Cli::try_parse_from(line).unwrap().command.unwrap();
        let mut session = Session {
            models: &mut ToyModels::default(),
            out: &mut ClosedPipe { left: 10 },
            stop: CancelToken::default().into(),
        };
        let error = execute(&command, &mut session).unwrap_err();
        assert!(error.is_closed_pipe(), "{format}: {error}");
    }
}

#[test]
fn the_score_table_ends_with_the_log_ratio() {
    let table = output(&["score", "--prompt", "Hi", "--response", "a\n", "--finished"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[0].starts_with("token "));
    assert!(lines[2].starts_with(r#""\n""#));
    assert!(lines[4].starts_with("log-ratio "));
    let numbers = |line: &str| -> Vec<f64> {
        line.split_whitespace()
            .skip(1)
            .map(|n| n.parse().unwrap())
            .collect()
    };
    let sum: f64 = lines[1..4].iter().map(|line| numbers(line)[2]).sum();
    assert!((sum - numbers(lines[4])[2]).abs() < 1e-3, "{table}");
}

#[test]
fn score_cases_give_a_line_each() {
    let cases = r#"{"prompt": "Hi", "response": "ab", "eos": false}

{"prompt": "Hi", "response": "ab", "eos": true}
"#;
    let (_folder, path) = file("cases.jsonl", cases);
    let out = output(&["score", "--cases", &path]);
    let lines: Vec<Value> = out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let n_tokens: Vec<_> = lines
        .iter()
        .map(|l| l["tokens"].as_array().unwrap().len())
        .collect();
    assert_eq!(n_tokens, [2, 3]);
    for line in &lines {
        let (score, tuned) = (
            line["score"].as_f64().unwrap(),
            line["tuned"].as_f64().unwrap(),
        );
        assert!((score - (tuned - line["untuned"].as_f64().unwrap())).abs() < 1e-9);
        let deltas = line["tokens"].as_array().unwrap().iter();
        let sum: f64 = deltas.map(|t| t["delta"].as_f64().unwrap()).sum();
        assert!((score - sum).abs() < 1e-9);
    }
}

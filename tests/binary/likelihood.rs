//! `w2s eval --search-weights … --reference`: weights that a text was written with are found again.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::commands::{json, w2s};

/// Texts that the strong model writes with these pairs, as EFT mixes them, in TRL's form.
fn written(pairs: &[&str], place: &TempDir) -> String {
    let how = [
        "run",
        "--prompts",
        "assets/prompts.json",
        "--method",
        "eft:1",
        "-T",
        "1",
        "--top-k",
        "0",
        "-n",
        "40",
    ];
    let list = json(&[&how, pairs].concat());
    let line = |own: &Value| json!({"prompt": own["prompt"], "completion": own["response"]});
    let lines = list.as_array().unwrap().iter().map(line);
    let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
    let path = place.path().join("written.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn searched(space: &str, file: &str, more: &[&str]) -> Value {
    let args = ["eval", "--search-weights", space, "--reference", file];
    let pairs = ["--pair", "positive", "--pair", "craft"];
    json(&[&args[..], &pairs, &["--format", "json"], more].concat())
}

fn log_prob(report: &Value, name: &str) -> f64 {
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap();
    row["log_prob"].as_f64().unwrap()
}

#[test]
fn the_weights_that_texts_were_written_with_are_found() {
    let place = TempDir::new().unwrap();
    for (weights, space) in [([0.8, 0.4], "simplex"), ([0.9, -0.3], "signed")] {
        let told = weights.map(|w: f64| w.to_string()).join(",");
        let pairs = ["--pair", "positive", "--pair", "craft", "--weights", &told];
        let report = searched(space, &written(&pairs, &place), &[]);
        let found = report["found"].as_array().unwrap();
        for (found, wanted) in found.iter().zip(weights) {
            let off = found.as_f64().unwrap() - wanted;
            assert!(off.abs() < 0.2, "{report}");
        }
        for other in ["unguided", "uniform", "positive alone", "craft alone"] {
            assert!(
                log_prob(&report, "searched") > log_prob(&report, other),
                "{report}"
            );
        }
        // What was searched on is not what is reported on.
        assert_eq!(report["searched_on"]["texts"], 60);
        assert_eq!(report["reported_on"]["texts"], 60);
    }
}

#[test]
fn what_cannot_be_mixed_is_told_in_one_sentence() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("text.txt");
    let file = path.to_str().unwrap();
    let fails = |more: &[&str]| {
        let args = ["eval", "--search-weights", "signed", "--reference", file];
        let output = w2s(&[&args, more].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        stderr
    };
    assert!(fails(&[]).contains("cannot read"));
    fs::write(&path, "one\n\ntwo\n\nthree\n").unwrap();
    assert!(fails(&[]).contains("has 3 texts"));
    fs::write(&path, "one\n\ntwo\n\nthree\n\nfour\n").unwrap();
    let told = fails(&["--strong", "tests/models/other"]);
    assert!(told.contains("has another vocabulary"), "{told}");
    let report = json(&[
        "eval",
        "--search-weights",
        "signed",
        "--reference",
        file,
        "--format",
        "json",
    ]);
    assert_eq!(report["reported_on"]["texts"], 2);
}

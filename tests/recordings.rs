//! What the reference implementation computed, computed again by the real models: scores within
//! 1e-3, whole searches with the same texts, endings and selections.

#[path = "report/conformance.rs"]
mod conformance;

use std::path::Path;

use clap::Parser;
use serde_json::{Value, json};
use w2s::cli::Cli;
use w2s::decoder::DeviceChoice;
use w2s::library::Library;
use w2s::report::{Outcome, Session, Stop, execute};

use conformance::{assert_same, recordings};

const TOLERANCE: f64 = 1e-3;

fn library() -> Library {
    Library::open(DeviceChoice::Cpu).unwrap()
}

/// What stdout gets for a command line (without the program's name).
fn output(library: &mut Library, args: &[&str]) -> String {
    let cli = Cli::try_parse_from([&["w2s"], args].concat()).unwrap();
    let mut out = Vec::new();
    let mut session = Session {
        models: library,
        out: &mut out,
        stop: Stop::default(),
    };
    let outcome = execute(&cli.command.unwrap(), &mut session);
    assert_eq!(outcome.unwrap(), Outcome::Done, "{args:?}");
    String::from_utf8(out).unwrap()
}

#[test]
fn whole_searches_along_their_tapes() {
    let mut library = library();
    let other = format!("{}/tests/models/other", env!("CARGO_MANIFEST_DIR"));
    for (path, recording) in recordings() {
        let name = path.to_str().unwrap();
        let mut args = vec!["run", "--tape", name, "--rules", "reference"];
        if name.ends_with("other-vocabulary.json") {
            args.extend(["--strong", &other]);
        }
        let list: Vec<Value> = serde_json::from_str(&output(&mut library, &args)).unwrap();
        assert_eq!(list.len(), recording.results.len());
        for (report, recorded) in list.iter().zip(&recording.results) {
            assert_same(report, recorded, TOLERANCE);
        }
    }
}

#[test]
fn scores_of_given_responses() {
    let mut library = library();
    for name in ["positive", "craft"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join(format!("tests/recordings/score-{name}.json"));
        let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases = recorded["cases"].as_array().unwrap();
        let scored = score(&mut library, name, cases);
        assert_eq!(scored.len(), cases.len());
        for (ours, theirs) in scored.iter().zip(cases) {
            assert_close(ours, theirs);
        }
    }
}

fn score(library: &mut Library, pair: &str, cases: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.jsonl");
    let case = |c: &Value| {
        let case = json!({"prompt": c["prompt"], "response": c["response"], "eos": c["eos"]});
        format!("{case}\n")
    };
    std::fs::write(&path, cases.iter().map(case).collect::<String>()).unwrap();
    let args = ["score", "--pair", pair, "--cases", path.to_str().unwrap()];
    let out = output(library, &args);
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn assert_close(ours: &Value, theirs: &Value) {
    for key in ["score", "tuned", "untuned"] {
        let off = ours[key].as_f64().unwrap() - theirs[key].as_f64().unwrap();
        assert!(off.abs() < TOLERANCE, "{key} of {theirs} is off by {off}");
    }
}

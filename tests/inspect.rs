//! `w2s inspect` through the binary: every family's recorded logits, and what models see.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn w2s(args: &[&str]) -> Output {
    let w2s = env!("CARGO_BIN_EXE_w2s");
    Command::new(w2s).args(args).output().unwrap()
}

fn json(args: &[&str]) -> Value {
    let output = w2s(args);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn close(found: &Value, wanted: &Value, at: &str) {
    let (found, wanted) = (found.as_f64().unwrap(), wanted.as_f64().unwrap());
    assert!(
        (found - wanted).abs() < 1e-3,
        "{found} is not {wanted}: {at}"
    );
}

/// None of the families' folders has a tokenizer.
fn check_family(folder: &Path) {
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let ids: Vec<String> = expected["ids"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    let model = folder.to_str().unwrap();
    let ids = ids.join(",");
    let report = json(&[
        "inspect", "--model", model, "--ids", &ids, "--format", "json", "--device", "cpu",
    ]);
    let positions = report["positions"].as_array().unwrap();
    for (i, position) in expected["positions"].as_array().unwrap().iter().enumerate() {
        let found = &positions[position.as_u64().unwrap() as usize];
        close(&found["logsumexp"], &expected["logsumexp"][0][i], model);
        let wanted = expected["logits"][0][i].as_array().unwrap();
        for (j, wanted) in wanted.iter().enumerate() {
            close(&found["logits"][j], wanted, model);
        }
    }
    for (position, argmax) in positions
        .iter()
        .zip(expected["argmax"][0].as_array().unwrap())
    {
        assert_eq!(&position["argmax"], argmax, "{model}");
    }
}

#[test]
fn raw_logits_of_every_family_are_those_recorded() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/families");
    let folders: Vec<_> = std::fs::read_dir(root).unwrap().collect();
    assert_eq!(folders.len(), 16);
    for folder in folders {
        check_family(&folder.unwrap().path());
    }
}

#[test]
fn the_three_views_of_a_prompt() {
    let args = [
        "inspect",
        "--prompt",
        "The film",
        "--response",
        "ing",
        "--format",
        "json",
    ];
    let report = json(&args);
    for role in ["strong", "tuned", "untuned"] {
        let view = &report[role];
        assert_eq!(view["prompt"], "The film");
        assert_eq!(view["bos"], false);
        let pieces: Vec<_> = view["pieces"].as_array().unwrap().iter().collect();
        let text: String = pieces.iter().map(|p| p.as_str().unwrap()).collect();
        assert_eq!(text, "The film");
        assert!(view["join"]["merges"].is_boolean());
    }
    assert_eq!(report["vocabularies"]["same"], true);
    assert_eq!(report["vocabularies"]["differing"], 0);
}

#[test]
fn a_join_that_merges_is_told() {
    let report = json(&[
        "inspect",
        "--prompt",
        "The fil",
        "--response",
        "m",
        "--format",
        "json",
    ]);
    assert_eq!(report["strong"]["join"]["merges"], true);
    let text = w2s(&["inspect", "--prompt", "The fil", "--response", "m"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("a token spans the join"), "{text}");
}

#[test]
fn a_chunk_that_changes_accepted_text_is_told() {
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/other");
    let args = [
        "inspect",
        "--prompt",
        "It was a wonder",
        "--response",
        "ful per",
        "--chunk",
        "formance",
        "--strong",
        other,
    ];
    let report = json(&[&args[..], &["--format", "json"]].concat());
    assert_eq!(report["scoring"], "text");
    let seams = &report["seams"];
    assert_eq!(seams["accepted_tokens"], 2);
    assert_eq!(seams["changed_tokens"], 1);
    assert_eq!(seams["ends_in_letter"], true);
    let text = String::from_utf8(w2s(&args).stdout).unwrap();
    for told in [
        "accepted text: 2 tokens of the pair, of which the chunk changes 1\n",
        "scoring: the pair scores the text, in its own tokens\n",
        "it may be inside a word\n",
    ] {
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn what_was_not_given_is_not_told() {
    let report = json(&["inspect", "--prompt", "Hi", "--format", "json"]);
    assert_eq!(report["scoring"], "ids");
    assert!(report.get("seams").is_none());
    let args = ["inspect", "--prompt", "Hi", "--response", " there."];
    let report = json(&[&args[..], &["--format", "json"]].concat());
    assert!(report["seams"].get("changed_tokens").is_none());
    assert_eq!(report["seams"]["ends_in_letter"], false);
}

#[test]
fn another_vocabulary_is_told() {
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/other");
    let text = w2s(&["inspect", "--prompt", "Hi", "--strong", other]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(" differ\n"), "{text}");
}

#[test]
fn what_cannot_be_is_told_in_one_sentence() {
    let cases: [(&[&str], &str); 3] = [
        (
            &["inspect", "--model", "no/such", "--ids", "1"],
            "cannot read no/such",
        ),
        (
            &["inspect", "--model", "bundled:strong", "--ids", "999999"],
            "token id 999999",
        ),
        (&["inspect"], "required"),
    ];
    for (args, part) in cases {
        let output = w2s(args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains(part) && told.trim_end().lines().count() == 1,
            "{told}"
        );
    }
}

#[test]
fn templates_are_seen_as_they_are_applied() {
    let args = [
        "inspect",
        "--prompt",
        "Fine",
        "--strong-template",
        "A review: {prompt}",
    ];
    let report = json(&[&args[..], &["--format", "json"]].concat());
    assert_eq!(report["strong"]["prompt"], "A review: Fine");
    assert_eq!(report["tuned"]["prompt"], "Fine");
    let cases: [(&[&str], &str); 3] = [
        (&["--strong-template", "x"], "use raw, chat or a text"),
        (&["--chat"], "has no chat template"),
        (&["--system", "Be kind"], "needs its chat template"),
    ];
    for (args, part) in cases {
        let output = w2s(&[&["inspect", "--prompt", "Hi"], args].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn models_lists_what_is_bundled_and_cached() {
    let root = tempfile::tempdir().unwrap();
    let snapshot = root.path().join("models--o--n/snapshots/abc");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(snapshot.join("config.json"), "{}").unwrap();
    let with_cache = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
        command.args(args).env("HF_HUB_CACHE", root.path());
        command.env("HF_HUB_OFFLINE", "1").output().unwrap()
    };
    let listed = String::from_utf8(with_cache(&["models"]).stdout).unwrap();
    assert!(
        listed.contains("bundled:strong") && listed.contains("hf:o/n\n"),
        "{listed}"
    );
    let missing = with_cache(&["inspect", "--model", "hf:o/other", "--ids", "1"]);
    let told = String::from_utf8(missing.stderr).unwrap();
    assert!(
        told.contains("config.json of hf:o/other is not in"),
        "{told}"
    );
}

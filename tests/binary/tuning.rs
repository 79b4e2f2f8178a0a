//! `w2s tune` as a process: from a judge to a weak pair, stopped and killed, and what it says of
//! bad input.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::commands::{command, stdout, w2s};

/// A training of a second or two.
fn words<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = [
        "tune",
        "dpo",
        "--judge",
        "length",
        "--pairs",
        "64",
        "--new-tokens",
        "12",
        "--batch",
        "8",
        "--watch",
        "1",
        "--every",
        "3",
        "--device",
        "cpu",
        "--format",
        "json",
        "--out",
        out,
    ];
    [&words, more].concat()
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

fn fails(args: &[&str]) -> String {
    let output = w2s(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

fn run(home: &TempDir, words: &[&str]) -> Vec<Value> {
    let output = command(words, home).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    events(&output)
}

#[test]
fn a_judges_taste_becomes_a_weak_pair() {
    let (home, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let out = place.path().join("mine");
    let out = out.to_str().unwrap();
    let told = run(&home, &words(out, &[]));
    let steps = of(&told, "step");
    assert_eq!(
        steps.len(),
        of(&told, "begun")[0]["n_steps"].as_u64().unwrap() as usize
    );
    assert!(
        steps
            .iter()
            .all(|step| step["loss"].is_f64() && step["rewards/margins"].is_f64())
    );
    assert_eq!(of(&told, "ended")[0]["why"], "done");
    assert!(!of(&told, "watched").is_empty() && of(&told, "held").len() > 2);
    let curve = fs::read_to_string(Path::new(out).join("curve.jsonl")).unwrap();
    let before = ["making", "made", "begun"];
    let before = before.iter().map(|kind| of(&told, kind).len());
    assert_eq!(curve.lines().count(), told.len() - before.sum::<usize>());
    // The folder alone is a pair, and so is every checkpoint with its base.
    let score = [
        "score",
        "--prompt",
        "The film",
        "--response",
        " was long",
        "--pair",
    ];
    let score = |pair: &str| stdout(&[&score[..], &[pair]].concat());
    let newest = fs::read_dir(Path::new(out).join("steps")).unwrap();
    let newest = newest.map(|entry| entry.unwrap().path()).max().unwrap();
    let newest = format!("{},bundled:untuned", newest.display());
    assert_eq!(score(out), score(&newest));
    assert_ne!(score(out), score("bundled:untuned,bundled:untuned"));
    // Once more it is done already.
    let again = run(&home, &words(out, &[]));
    assert!(of(&again, "step").is_empty());
}

/// Blocks have no gradient: what is trained over them is factors beside them, by what they stand
/// for.
#[test]
fn a_quantised_base_is_tuned_by_factors_alone() {
    let (home, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (base, data, out) = (path("base.gguf"), path("data.jsonl"), path("mine"));
    super::tiny_gguf::write(Path::new(&base), &[]);
    let line = |i: usize| {
        let (chosen, rejected) = (format!(" yes {i}"), format!(" no {i}"));
        json!({"prompt": "the", "chosen": chosen, "rejected": rejected}).to_string()
    };
    let lines: Vec<String> = (0..40).map(line).collect();
    fs::write(&data, lines.join("\n")).unwrap();
    let words = [
        "tune", "dpo", "--base", &base, "--data", &data, "--watch", "0", "--batch", "8",
        "--epochs", "4", "--device", "cpu", "--format", "json", "--out", &out,
    ];
    let told = fails(&words);
    assert!(
        told.contains("not trained themselves") && told.contains("--lora"),
        "{told}"
    );
    let told = run(&home, &[&words[..], &["--lora", "4"]].concat());
    let steps = of(&told, "step");
    let loss = |step: &Value| step["loss"].as_f64().unwrap();
    assert!(
        loss(steps.last().unwrap()) < 0.9 * loss(steps[0]),
        "{steps:?}"
    );
    // The folder finds its base, and prefers what was learnt.
    let score = |response: &str| {
        let told = stdout(&[
            "score",
            "--prompt",
            "the",
            "--response",
            response,
            "--pair",
            &out,
        ]);
        let last = told.split_whitespace().next_back().unwrap();
        last.parse::<f64>().unwrap()
    };
    assert!(score(" yes 99") > score(" no 99"));
}

#[test]
fn what_is_made_here_can_be_learnt_from_as_a_file() {
    let (home, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = |name: &str| place.path().join(name).display().to_string();
    run(&home, &words(&path("a"), &["--steps", "1"]));
    let data = path("a") + "/preferences.jsonl";
    let words = |what, out: &str, more: &[&str]| -> Vec<String> {
        let words = [
            "tune", what, "--data", &data, "--out", out, "--batch", "8", "--steps", "2", "--watch",
            "0", "--format", "json",
        ];
        [&words, more]
            .concat()
            .iter()
            .map(|&w| w.to_owned())
            .collect()
    };
    for (i, what) in ["sft", "dpo", "reward"].into_iter().enumerate() {
        let out = path(&format!("b{i}"));
        let words = words(what, &out, &[]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let told = run(&home, &words);
        assert_eq!(of(&told, "step").len(), 2, "{what}");
    }
    // A reward model is a judge.
    let judge = [
        "judge",
        "--text",
        "a film",
        "--format",
        "json",
        "--judge",
        &path("b2"),
    ]
    .map(str::to_owned);
    let judge: Vec<&str> = judge.iter().map(String::as_str).collect();
    let told: Value = serde_json::from_str(&stdout(&judge)).unwrap();
    assert!(told["score"].as_f64().unwrap().is_finite());
    // Factors are an adapter on the base.
    let out = path("low");
    let words = words("dpo", &out, &["--lora", "4", "--halves"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(&home, &words);
    assert!(Path::new(&out).join("adapter_model.safetensors").exists());
    stdout(&["score", "--pair", &out, "--prompt", "a", "--response", " b"]);
}

#[test]
fn a_training_that_is_killed_goes_on_from_its_last_checkpoint() {
    let (home, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = |name: &str| place.path().join(name).display().to_string();
    let whole = run(&home, &words(&path("whole"), &["--epochs", "6"]));
    let out = path("cut");
    let all = words(&out, &["--epochs", "6"]);
    let mut child = command(&all, &home).spawn().unwrap();
    let steps = Path::new(&out).join("steps/00006/state.json");
    while !steps.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was killed"
        );
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // The one that waits passes nothing on when it is killed itself: the whole group goes.
    kill_all(child.id());
    child.wait().unwrap();
    let rest = run(&home, &all);
    let first = of(&rest, "step")[0]["step"].as_u64().unwrap();
    assert!((4..=10).contains(&first), "{first}");
    // What is computed again is what would have been: the last loss is that of one sitting.
    let last = |told: &[Value]| of(told, "step").last().unwrap()["loss"].clone();
    assert_eq!(last(&rest), last(&whole));
    let curve = fs::read_to_string(Path::new(&out).join("curve.jsonl")).unwrap();
    let numbers = curve
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let steps = numbers.filter(|event| event["event"] == "step");
    let steps: Vec<u64> = steps.map(|event| event["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=steps.len() as u64).collect::<Vec<_>>());
}

fn kill_all(pid: u32) {
    let children = std::process::Command::new("pkill")
        .args(["-KILL", "-P", &pid.to_string()])
        .status();
    children.unwrap();
    let own = std::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    own.unwrap();
}

#[test]
fn another_training_is_not_gone_on_with() {
    let (home, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let out = place.path().join("mine").display().to_string();
    run(&home, &words(&out, &[]));
    let told = fails(&words(&out, &["--beta", "0.2"]));
    assert!(
        told.contains("another settings") || told.contains("settings"),
        "{told}"
    );
    let full = TempDir::new().unwrap();
    fs::write(full.path().join("letter"), "dear").unwrap();
    let told = fails(&words(full.path().to_str().unwrap(), &[]));
    assert!(told.contains("is not empty"), "{told}");
    assert_eq!(
        fs::read_dir(full.path()).unwrap().count(),
        1,
        "nothing is written there"
    );
}

#[test]
fn a_loss_that_is_no_number_ends_it() {
    let place = TempDir::new().unwrap();
    let out = place.path().join("mine").display().to_string();
    let output = w2s(&words(
        &out,
        &["--rate", "1e30", "--clip", "0", "--warmup", "0"],
    ));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("is not a finite number"), "{stderr}");
}

#[test]
fn bad_data_is_told_in_one_sentence() {
    let place = TempDir::new().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    let (data, out) = (path("data"), path("out"));
    let words = [
        "tune", "dpo", "--data", &data, "--out", &out, "--watch", "0",
    ];
    assert!(fails(&words).contains("cannot read"));
    fs::write(&data, "").unwrap();
    assert!(fails(&words).contains("no line to learn preferences from"));
    fs::write(&data, "{\"text\": \"a\"}\n").unwrap();
    assert!(fails(&words).contains("line 1"));
    let line = json!({"prompt": "a", "chosen": "b", "rejected": "c"}).to_string();
    fs::write(&data, line.clone() + "\n").unwrap();
    assert!(fails(&words).contains("too few"));
    assert!(fails(&["tune", "dpo", "--out", &out]).contains("--data"));
    assert!(fails(&[&words[..], &["--lora", "4", "--targets", "q"]].concat()).contains("q_proj"));
    assert!(fails(&[&words[..], &["--base", "no/such"]].concat()).contains("no/such"));
    // A bad line among good ones is named and left out.
    fs::write(
        &data,
        format!("{line}\n{{\n{}", (line.clone() + "\n").repeat(8)),
    )
    .unwrap();
    let output = w2s(&[&words[..], &["--steps", "1"]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("line 2 is no JSON"), "{stderr}");
}

#[test]
fn a_recording_is_repeated() {
    let file = "tests/recordings/tune.json";
    let text = stdout(&["tune", "--recording", file, "--format", "json"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    let wanted: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    for (run, wanted) in told["runs"]
        .as_array()
        .unwrap()
        .iter()
        .zip(wanted["runs"].as_array().unwrap())
    {
        let steps = run["steps"].as_array().unwrap();
        assert_eq!(steps.len(), wanted["steps"].as_array().unwrap().len());
        for (step, wanted) in steps.iter().zip(wanted["steps"].as_array().unwrap()) {
            for key in ["loss", "grad_norm"] {
                let (found, wanted) = (step[key].as_f64().unwrap(), wanted[key].as_f64().unwrap());
                assert!(
                    (found / wanted - 1.0).abs() < 1e-3,
                    "{key}: {found} is not {wanted}"
                );
            }
        }
    }
}

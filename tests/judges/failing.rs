//! A judge that fails marks its place and loses nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::support::{cases, changed, edit, file, folder, lines, outcome, program};

/// Fails, one sentence on stderr, nothing on stdout.
fn refused(args: &[&str]) -> String {
    let (code, out, err) = outcome(args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    err
}

fn is_refused(spec: &str, words: &str) {
    let told = refused(&["--judge", spec, "--text", "a"]);
    assert!(told.contains(words), "{spec}: {told}");
}

#[test]
fn what_is_no_judge_is_refused() {
    is_refused("bundle", "there is no judge 'bundle'");
    is_refused("hf:o/n", "HF_HUB_OFFLINE");
    is_refused("lexicon:no/such/file", "cannot read no/such/file");
    let bert = folder("bert").display().to_string();
    is_refused(&bert, "choose one of LABEL_0, LABEL_1, LABEL_2");
    is_refused(&format!("{bert}:GOOD"), "no label 'GOOD'");
    let lm = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/untuned");
    is_refused(&lm.display().to_string(), "it is no sequence classifier");
}

#[test]
fn damaged_classifiers_are_refused() {
    let damage = |name: &str, words: &str, change: &dyn Fn(&Path)| {
        let root = tempfile::tempdir().unwrap();
        let folder = changed(root.path(), name, change);
        let label = if name.ends_with("bert") {
            ":LABEL_0"
        } else {
            ""
        };
        is_refused(&format!("{folder}{label}"), words);
    };
    let set = |key: &'static str, value: serde_json::Value| {
        move |folder: &Path| edit(folder, "config.json", |c| c[key] = value.clone())
    };
    damage("bert", "cannot read", &|f| {
        fs::remove_file(f.join("model.safetensors")).unwrap()
    });
    damage("bert", "config.json", &|f| {
        fs::write(f.join("config.json"), "{").unwrap()
    });
    damage("bert", "no usable tokenizer", &|f| {
        fs::write(f.join("tokenizer.json"), "{}").unwrap()
    });
    damage(
        "bert",
        "intermediate_size is 1152921504606846976",
        &set("intermediate_size", (1_u64 << 60).into()),
    );
    damage(
        "bert",
        "'bert.encoder.layer.3",
        &set("num_hidden_layers", 4.into()),
    );
    damage(
        "bert",
        "has shape",
        &set("max_position_embeddings", 81.into()),
    );
    damage(
        "bert",
        "heads cannot share",
        &set("num_attention_heads", 5.into()),
    );
    damage(
        "bert",
        "activation 'swish1'",
        &set("hidden_act", "swish1".into()),
    );
    damage(
        "distilbert",
        "'distilbert.transformer.layer.3",
        &set("n_layers", 4.into()),
    );
    // The first layer alone has no such norm.
    damage(
        "modernbert",
        "'model.layers.2.attn_norm.weight' is missing",
        &|f| rename(f, "model.layers.2.attn_norm", "model.layers.2.other_one"),
    );
    damage(
        "deberta-v2",
        "conv_kernel_size",
        &set("conv_kernel_size", 3.into()),
    );
    damage("qwen3-reward", "'score.weight' is missing", &|f| {
        rename(f, "score.weight", "other.weight");
    });
}

/// Calls a tensor something else.
fn rename(folder: &Path, from: &str, to: &str) {
    let path = folder.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let mut windows = bytes.windows(from.len());
    let at = windows.position(|window| window == from.as_bytes());
    let at = at.unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    fs::write(&path, bytes).unwrap();
}

/// Crashes, time-outs, numbers that are none, no network: each in its place, and the others stand.
#[test]
fn a_judge_that_fails_marks_its_place() {
    let root = tempfile::tempdir().unwrap();
    let good = format!("{}:LABEL_0", folder("bert").display());
    let judges = [
        ("length", ""),
        ("cmd:kill -9 $$", "ended by signal 9"),
        ("cmd:sleep 60", "no number within 0.3 s"),
        ("cmd:grep -q two && echo nan || echo 2", "NaN"),
        ("hf:o/n:A", "HF_HUB_OFFLINE"),
        (good.as_str(), ""),
    ];
    let cases = cases(root.path(), &["one", "two"]);
    let args = judges.iter().flat_map(|(spec, _)| ["--judge", *spec]);
    let args: Vec<&str> = args.chain(["--cases", &cases, "--limit", "0.3"]).collect();
    let (code, out, err) = outcome(&args);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("7 of 12 verdicts are missing"), "{err}");
    let lines = lines(&out);
    for (i, (spec, words)) in judges.iter().enumerate() {
        let said = &lines[1][i];
        assert_eq!(said["judge"], *spec);
        match words.is_empty() {
            true => assert!(said["score"].is_f64(), "{said}"),
            false => assert!(said["error"].as_str().unwrap().contains(words), "{said}"),
        }
    }
    assert_eq!(lines[0][3]["score"], 2.0);
}

#[test]
fn one_text_tells_what_failed_beside_what_did_not() {
    let args = [
        "--judge",
        "length",
        "--judge",
        "cmd:exit 3",
        "--text",
        "abc",
    ];
    let (code, out, err) = outcome(&args);
    assert_eq!((code, err.as_str()), (1, ""));
    let shown: Vec<&str> = out.lines().map(str::trim).collect();
    let failed = "–  cmd:exit 3: the command ended with exit code 3";
    assert_eq!(shown, ["+3.0000  length", failed]);
}

#[test]
fn a_bad_line_is_named() {
    let root = tempfile::tempdir().unwrap();
    let bad = |text: &str| {
        let cases = file(root.path(), "cases.jsonl", text);
        refused(&["--judge", "length", "--cases", &cases])
    };
    let told = bad("{\"text\": \"a\"}\n\n{\"prompt\": \"a\"}\n");
    assert!(told.contains("cases.jsonl, line 3"), "{told}");
    assert!(bad("{\"text\": \"a\", \"respones\": 1}").contains("line 1"));
    let missing = refused(&["--judge", "length", "--cases", "no/such/file"]);
    assert!(missing.contains("no/such/file"), "{missing}");
}

/// A stop does not wait for a command's time limit.
#[test]
fn a_stop_ends_a_command() {
    let args = [
        "judge",
        "--judge",
        "cmd:sleep 60",
        "--limit",
        "60",
        "--text",
        "a",
    ];
    let began = Instant::now();
    let mut running = program(&args).spawn().unwrap();
    thread::sleep(Duration::from_millis(700));
    let id = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(143));
    assert!(began.elapsed() < Duration::from_secs(20));
}

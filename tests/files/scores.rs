//! What the commands say of files and prompts.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{copy, edit};

const MODEL: &str = "assets/models/untuned";

fn w2s(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .args(args)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{told}");
    String::from_utf8(out.stdout).unwrap()
}

/// A search begins from BOS where there is no prompt, and scores every token: this response 0.7643.
#[test]
fn a_response_to_nothing_is_scored_from_its_first_token() {
    let table = w2s(&["score", "--prompt", "", "--response", "Traffic was a"]);
    assert!(table.trim_end().ends_with("+0.7643"), "{table}");
}

/// Both halves of the pair are the model in `folder`; what is scored, token by token.
fn scored(folder: &Path, args: &[&str]) -> Vec<String> {
    let pair = format!("{0},{0}", folder.display());
    let table = w2s(&[&["score", "--pair", &pair, "--prompt", "The"], args].concat());
    let quoted = table.lines().filter_map(|line| line.strip_prefix('"'));
    let pieces = quoted.filter_map(|line| line.split_once("\" "));
    pieces.map(|(piece, _)| piece.to_owned()).collect()
}

#[test]
fn a_response_is_scored_to_its_end_whatever_truncation_a_file_asks_for() {
    let folder = copy(MODEL);
    edit(&folder, "tokenizer.json", |j| {
        j["truncation"] =
            json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
    });
    let response = " film was not what anybody had expected";
    let pieces = scored(folder.path(), &["--response", response]);
    assert_eq!((pieces.concat().as_str(), pieces.len()), (response, 8));
}

/// EOS is named by no `tokenizer_config.json`, but by another file.
#[test]
fn the_end_of_a_response_is_scored_whichever_file_names_it() {
    for file in ["special_tokens_map.json", "config.json"] {
        let folder = copy(MODEL);
        fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
        edit(&folder, "config.json", |j| {
            j.as_object_mut()
                .unwrap()
                .retain(|key, _| !key.ends_with("os_token_id"));
        });
        edit(&folder, file, |j| match file {
            "config.json" => j["eos_token_id"] = json!(0),
            _ => j["eos_token"] = json!("<|endoftext|>"),
        });
        let ended = scored(folder.path(), &["--response", " film", "--finished"]);
        assert_eq!(ended, [" film", "<|endoftext|>"], "{file}");
    }
}

#[test]
fn an_empty_prompt_begins_with_a_token_that_a_file_of_its_own_names() {
    let folder = copy(MODEL);
    let run = || {
        let model = folder.path().display().to_string();
        w2s(&["run", "--strong", &model, "--prompt", "", "-n", "3"])
    };
    let wanted = run();
    fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
    edit(&folder, "config.json", |j| {
        j.as_object_mut()
            .unwrap()
            .retain(|key, _| !key.ends_with("os_token_id"));
    });
    let map = r#"{"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}"#;
    fs::write(folder.path().join("special_tokens_map.json"), map).unwrap();
    assert_eq!(run(), wanted);
}

/// As transformers renders it with `datetime.now()` at that time.
#[test]
fn a_fixed_date_for_chat_templates() {
    let folder = copy(MODEL);
    let template = "{{ strftime_now('%-d %B %I:%M %p %Y-%m-%d') }}|{{ messages[0].content }}";
    fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    let model = folder.path().display().to_string();
    let shown = |date: &str| {
        let args = [
            "inspect",
            "--strong",
            &model,
            "--strong-template",
            "chat",
            "--prompt",
            "Hi",
            "--date",
            date,
            "--format",
            "json",
        ];
        let json: serde_json::Value = serde_json::from_str(&w2s(&args)).unwrap();
        json["strong"]["prompt"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        shown("2026-11-25T18:30:00"),
        "25 November 06:30 PM 2026-11-25|Hi"
    );
    assert_eq!(shown("2026-11-05"), "5 November 12:00 AM 2026-11-05|Hi");
}

/// A fault of a file, and no backtrace of a library that gave up on it.
#[test]
fn a_damaged_file_is_one_sentence() {
    let folder = copy(MODEL);
    let path = folder.path().join("m.gguf");
    // One entry, an alignment of nothing.
    let mut bytes = b"GGUF".to_vec();
    for number in [3_u64, 1, 17] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.splice(8..8, [0; 4]);
    bytes.extend_from_slice(b"general.alignment\x04\0\0\0\0\0\0\0");
    fs::write(&path, bytes).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .args([
            "inspect",
            "--model",
            &path.display().to_string(),
            "--ids",
            "5",
        ])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(
        (out.status.code(), told.lines().count()),
        (Some(2), 1),
        "{told}"
    );
}

//! What the commands say of files and prompts.

use std::fs;
use std::process::Command;

use super::copy;

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

/// As transformers renders it with `datetime.now()` at that time.
#[test]
fn a_fixed_date_for_chat_templates() {
    let folder = copy("assets/models/untuned");
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
    let folder = copy("assets/models/untuned");
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

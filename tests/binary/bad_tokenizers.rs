//! Tokenizers whose expressions run wild: the library that matches them gives up with a panic,
//! which is a refused model or a refused text, and never the end of the playground.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::commands::w2s;
use super::folders::Folders;
use super::terminal::{Output, Tty};

/// Gives up on a long run of the letter.
const ON_SOME: &str = "(a+)+$";

/// A text on which it does.
fn long() -> String {
    "a".repeat(200) + "!"
}

/// Gives up on every text with the letter: forty ways to look at it, doubled each.
fn on_all() -> String {
    "(?:(?=a)|(?=a))".repeat(40) + "b"
}

fn split_by(expression: &str) -> impl FnOnce(&Path) {
    let split = json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false});
    move |folder| {
        let path = folder.join("tokenizer.json");
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        json["pre_tokenizer"] = split;
        fs::write(path, json.to_string()).unwrap();
    }
}

#[test]
fn a_command_says_so() {
    let made = Folders::new();
    let some = made.model("some", split_by(ON_SOME));
    let all = made.model("all", split_by(&on_all()));
    for (model, prompt, told) in [
        (&some, &long()[..], "refuses the text"),
        (&all, "a film", "no usable tokenizer"),
        (&all, "The", "no usable tokenizer"),
    ] {
        let output = w2s(&["run", "--strong", model, "--prompt", prompt, "-n", "2"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    let pair = format!("{some},{some}");
    let response = long();
    let args = [
        "score",
        "--pair",
        &pair,
        "--prompt",
        "x",
        "--response",
        &response,
    ];
    let stderr = String::from_utf8(w2s(&args).stderr).unwrap();
    assert!(stderr.contains("refuses the text"), "{stderr}");
}

fn playground(args: &[&str]) -> (Tty, TempDir) {
    let home = TempDir::new().unwrap();
    let all = [&["--no-tour", "--pace", "0.1", "-n", "250"], args].concat();
    (Tty::w2s(home.path(), (120, 40), &all), home)
}

#[test]
fn the_playground_stays_with_the_models_it_had() {
    let made = Folders::new();
    let all = made.model("all", split_by(&on_all()));
    let (mut tty, _home) = playground(&[]);
    tty.wait("scores", |output| output.n_scores() >= 4);
    for choice in [format!("B{all}"), format!("H{all},{all}")] {
        // What was said of the one before goes with a key.
        tty.press("g");
        let refuses = |output: &Output| output.one_line().contains("no usable tokenizer");
        tty.wait("no refusal yet", |output| !refuses(output));
        tty.press(&format!("{choice}\r"));
        tty.wait("a refusal", refuses);
        tty.wait("the search", |output| {
            output.has("searching") && output.n_scores() >= 4
        });
        tty.see(|output| {
            assert!(output.has("strong model: strong,") && output.has("pair positive"))
        });
    }
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
}

/// The text is at fault as much as the model: a pair that cannot read it is not taken over, a
/// strong model that cannot says so and waits for another choice.
#[test]
fn a_prompt_that_a_chosen_model_refuses_is_told() {
    let made = Folders::new();
    let some = made.model("some", split_by(ON_SOME));
    let (mut tty, _home) = playground(&["--prompt", &long()]);
    tty.wait("scores", |output| output.n_scores() >= 4);
    tty.press(&format!("H{some},{some}\r"));
    tty.wait("a refusal", |output| {
        output.one_line().contains("refuses the text") && output.has("searching")
    });
    assert!(tty.see(|output| output.has("pair positive")));
    tty.press(&format!("B{some}\r"));
    tty.wait("another", |output| {
        output.one_line().contains("refuses the text") && output.has("✗ failed")
    });
    tty.press("Bbundled:strong\r");
    tty.wait("the search", |output| {
        output.has("searching") && output.n_scores() >= 4
    });
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
}

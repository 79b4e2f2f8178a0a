//! What the program says about itself.

use super::commands::stdout;

#[test]
fn help() {
    insta::assert_snapshot!("help", stdout(&["--help"]));
    for command in ["run", "score", "judge", "config", "completions", "man"] {
        insta::assert_snapshot!(format!("help_{command}"), stdout(&[command, "--help"]));
    }
}

#[test]
fn completions_know_the_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&["completions", shell]);
        assert!(
            script.contains("beam-width") && script.contains("score"),
            "{shell}"
        );
    }
}

#[test]
fn manual_pages_are_roff() {
    let page = stdout(&["man"]);
    assert!(
        page.contains(".TH w2s 1") && page.contains("beam\\-width"),
        "{page}"
    );
    let page = stdout(&["man", "score"]);
    assert!(
        page.contains(".TH w2s-score 1") && page.contains("cases"),
        "{page}"
    );
}

//! Bad input: one sentence that says what, where and what to do; exit code 2; nothing else.

use tempfile::TempDir;

use super::commands::w2s;
use super::folders::{self, Folders};
use super::terminal::Tty;

/// Options, and what the sentence about them must say.
struct Case {
    args: Vec<String>,
    told: Vec<String>,
}

fn case(args: &[&str], told: &[&str]) -> Case {
    let owned = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
    Case {
        args: owned(args),
        told: owned(told),
    }
}

/// What is wrong with models and settings, for the playground too.
fn cases(made: &Folders) -> Vec<Case> {
    let cut = made.model("cut", folders::cut_weights);
    let nan = made.model("nan", folders::put_nan);
    let strange = made.model("strange", folders::change_tokenizer);
    let walrus = made.model("walrus", folders::change_family);
    let bare = made.model("bare", folders::drop_weights);
    let nan_pair = format!("{nan},bundled:untuned");
    let odd_pair = "tests/models/other,bundled:untuned";
    vec![
        case(
            &["--strong", "/no/such"],
            &["/no/such/config.json", "needs config.json"],
        ),
        case(
            &["--strong", &bare],
            &[&bare, "model.safetensors", "No such file"],
        ),
        case(
            &["--strong", &cut],
            &[&cut, "not a complete", "download it again"],
        ),
        case(
            &["--strong", &strange],
            &[&strange, "tokenizer", "1024", "4096", "the same model"],
        ),
        case(
            &["--strong", &nan],
            &[&nan, "not finite", "download them again"],
        ),
        case(&["--pair", &nan_pair], &[&nan, "not finite"]),
        case(
            &["--strong", &walrus],
            &[&walrus, "'walrus' is not supported", "choose one of"],
        ),
        case(
            &["--strong", "bundled:none"],
            &["'none'", "choose one of", "strong"],
        ),
        case(
            &["--pair", "none"],
            &["'none'", "positive", "TUNED,UNTUNED"],
        ),
        case(
            &["--pair", odd_pair],
            &["tests/models/other", "one vocabulary", "choose"],
        ),
        case(&["-W", "0"], &["W (beam width) must be at least 1"]),
        case(&["-K", "0"], &["K (successors) must be at least 1"]),
        case(&["-W", "100", "-K", "100"], &["10000", "lower W or K"]),
        case(&["--top-p", "2"], &["top-p", "at most 1"]),
        case(&["--pace", "-1"], &["pace", "at least 0"]),
    ]
}

fn assert_one_sentence(case: &Case, stderr: &str) {
    assert!(stderr.starts_with("error: "), "{:?}: {stderr}", case.args);
    assert_eq!(stderr.lines().count(), 1, "{:?}: {stderr}", case.args);
    assert!(!stderr.trim_end().contains(char::is_control), "{stderr:?}");
    for part in &case.told {
        assert!(
            stderr.contains(part),
            "{:?}: {part} is not in {stderr}",
            case.args
        );
    }
}

fn assert_refused(case: &Case, args: &[&str]) {
    let output = w2s(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_one_sentence(case, &stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    assert_eq!(output.stdout, b"", "{args:?}");
}

#[test]
fn run_refuses_it() {
    let made = Folders::new();
    for case in cases(&made).iter().filter(|case| case.args[0] != "--pace") {
        let mut args = vec!["run", "--prompt", "Hi"];
        args.extend(case.args.iter().map(String::as_str));
        assert_refused(case, &args);
    }
}

#[test]
fn score_refuses_it() {
    let made = Folders::new();
    for case in cases(&made).iter().filter(|case| case.args[0] == "--pair") {
        let mut args = vec!["score", "--prompt", "Hi", "--response", "x"];
        args.extend(case.args.iter().map(String::as_str));
        assert_refused(case, &args);
    }
}

#[test]
fn the_playground_refuses_it_and_gives_the_terminal_back() {
    let made = Folders::new();
    let home = TempDir::new().unwrap();
    for case in cases(&made) {
        let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
        let mut tty = Tty::w2s(home.path(), (250, 24), &args);
        assert_eq!(tty.exit_code(), 2, "{args:?}");
        tty.assert_restored();
        tty.wait("the sentence", |output| {
            let shown = output.one_line();
            shown.contains("error: ") && case.told.iter().all(|part| shown.contains(part))
        });
    }
}

#[test]
fn prompts_that_do_not_fit_are_refused() {
    let made = Folders::new();
    let no_bos = made.model("no-bos", folders::drop_bos);
    let long = "hello ".repeat(600);
    let cases = [
        case(&["", "--strong", &no_bos], &["no-bos", "prompt", "empty"]),
        case(&[&long], &["context of 512", "shorten the prompt"]),
    ];
    for case in cases {
        let mut args = vec!["run", "--prompt"];
        args.extend(case.args.iter().map(String::as_str));
        assert_refused(&case, &args);
    }
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused() {
    let made = Folders::new();
    let object = made.file("object.json", "{}");
    let none = made.file("none.json", "[]");
    let many = made.file("many.json", r#"["Hi", 1]"#);
    let hostile = "/no\x1b[31m\nfile";
    let cases = [
        case(
            &["run", "--prompts", &object],
            &[&object, "JSON list of strings"],
        ),
        case(&["run", "--prompts", &none], &[&none, "no prompts"]),
        case(
            &["run", "--prompts", &many],
            &[&many, "JSON list of strings", "line 1"],
        ),
        case(
            &["run", "--prompts", hostile],
            &["/no\\u{1b}[31m file", "No such file"],
        ),
        case(&["run", "--tape", &object], &[&object, "recording"]),
        case(&["score", "--cases", &object], &[&object]),
        case(
            &["run", "--prompt", "Hi", "-W", "x"],
            &["invalid value 'x'"],
        ),
        case(&["run"], &["required"]),
        case(&["walk\x1b[31m"], &["unrecognized subcommand 'walk"]),
        case(&["man", "walk"], &["no command \"walk\""]),
    ];
    for case in cases {
        let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
        assert_refused(&case, &args);
    }
}

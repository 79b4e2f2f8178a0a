//! `w2s panel`: the recorded numbers, and what is no panel.

use serde_json::Value;

use crate::toy_models::{output, run};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/panel.json");

/// The largest difference between two values of one shape.
fn apart(own: &Value, theirs: &Value) -> f64 {
    match (own, theirs) {
        (Value::Null, Value::Null) => 0.0,
        (Value::Array(own), Value::Array(theirs)) => {
            assert_eq!(own.len(), theirs.len());
            let apart = own
                .iter()
                .zip(theirs)
                .map(|(own, theirs)| apart(own, theirs));
            apart.fold(0.0, f64::max)
        }
        _ => (own.as_f64().unwrap() - theirs.as_f64().unwrap()).abs(),
    }
}

#[test]
fn numbers_are_the_recorded_ones() {
    let told = output(&["panel", "--scores", RECORDING, "--format", "json"]);
    let recording: Value =
        serde_json::from_str(&std::fs::read_to_string(RECORDING).unwrap()).unwrap();
    let cases = recording["cases"].as_array().unwrap();
    assert_eq!(told.lines().count(), cases.len());
    let mut n_numbers = 0;
    for (own, theirs) in told.lines().zip(cases) {
        let own: Value = serde_json::from_str(own).unwrap();
        let names = theirs.as_object().unwrap().keys();
        for name in names.filter(|name| !["scores", "weights"].contains(&name.as_str())) {
            // The recording's own draws leave it ±0.003.
            let least = if name == "p_best" { 0.02 } else { 1e-6 };
            let apart = apart(&own[name], &theirs[name]);
            assert!(apart <= least, "{name}: {apart}");
            n_numbers += 1;
        }
    }
    assert_eq!(n_numbers, 2 * 7 + 4 * 14);
}

#[test]
fn a_table_says_the_same_to_people() {
    let text = output(&["panel", "--scores", RECORDING]);
    assert!(
        text.starts_with("case 1\ncandidate   mixture  mean opinion\n"),
        "{text}"
    );
    assert!(
        text.contains("pairs 2; entropy 1.864 = within 1.684 + between 0.180 nats; conflict 26 %")
    );
    assert!(text.contains("a lower bound and P(best) need three pairs"));
}

#[test]
fn what_is_no_panel_gets_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.json");
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let error = run(&["panel", "--scores", path.to_str().unwrap()])
            .0
            .unwrap_err();
        error.to_string()
    };
    for (text, expected) in [
        ("", "is not scores of pairs"),
        ("{}", "missing field `scores`"),
        (r#"{"scores": []}"#, "there are no scores"),
        (
            r#"{"scores": [[1, 2], [3]]}"#,
            "pair 2 scores 1 candidates and pair 1 scores 2",
        ),
        (
            r#"{"scores": [[1, 2]], "weights": [1, 2]}"#,
            "1 pairs and 2 weights",
        ),
        (r#"{"scores": [[1, "a"]]}"#, "is not scores of pairs"),
        (
            r#"{"cases": [{"scores": [[1]]}, {"scores": [[]]}]}"#,
            "case 2: there are no scores",
        ),
        (r#"{"cases": []}"#, "there are no scores"),
    ] {
        let told = told(text);
        assert!(told.contains(expected), "{text}: {told}");
        assert!(!told.contains('\n'), "{told}");
    }
}

#[test]
fn a_rule_that_cannot_be_used_is_refused() {
    let told = |args: &[&str]| {
        let all = [&["run", "--prompt", "Hi"], args].concat();
        run(&all).0.unwrap_err().to_string()
    };
    for (args, expected) in [
        (&["--panel", "bayes"][..], "bayes needs at least 3 pairs"),
        (&["--kappa", "1"], "--kappa is for --panel bayes"),
        (
            &["--panel", "naive", "--method", "smc:1"],
            "smc:1 weighs log-ratios in nats",
        ),
        (
            &["--pair", "a", "--pair", "b", "--weights", "1"],
            "2 pairs and 1 weights",
        ),
    ] {
        let told = told(args);
        assert!(told.contains(expected), "{args:?}: {told}");
    }
}

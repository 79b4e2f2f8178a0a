//! `w2s eval` on toys: what it prints, keeps and goes on with.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use w2s::report::{Outcome, Stop};

use crate::toy_models::{ToyModels, run_on};

const PROMPTS: &str = r#"["One", "Two", "Three", "Four", "Five", "Six", "Seven"]"#;
const METHODS: &str = "base,bon:8,cbs,dvts,smc:1,tree:2,cards:1,rejection:0.3";

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        home.write("prompts.json", PROMPTS);
        home
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// An evaluation of the prompts; what it prints.
    fn eval_on(&self, models: &mut ToyModels, more: &[&str]) -> (Outcome, String) {
        let prompts = self.path("prompts.json");
        let args = ["eval", "--prompts", &prompts, "-n", "20"];
        let stop = models.stop.clone();
        let (outcome, out) = run_on(models, stop, &[&args[..], more].concat());
        (outcome.unwrap(), out)
    }

    fn eval(&self, more: &[&str]) -> String {
        let (outcome, out) = self.eval_on(&mut ToyModels::default(), more);
        assert_eq!(outcome, Outcome::Done);
        out
    }
}

/// The same without what a clock says.
fn untimed(json: &str) -> Value {
    let mut all: Value = serde_json::from_str(json).unwrap();
    for row in all["summary"]["rows"].as_array_mut().unwrap() {
        row["values"].as_array_mut().unwrap().pop();
    }
    all
}

fn lines(path: &str) -> usize {
    std::fs::read_to_string(Path::new(path))
        .unwrap()
        .lines()
        .count()
}

#[test]
fn the_number_in_flight_changes_nothing() {
    let home = Home::new();
    let run =
        |n: &str| untimed(&home.eval(&["--method", METHODS, "--in-flight", n, "--format", "json"]));
    let one = run("1");
    assert_eq!(one["summary"]["rows"].as_array().unwrap().len(), 8);
    for n in ["2", "5", "100"] {
        assert_eq!(run(n), one, "{n}");
    }
}

/// Stopped in whichever step, and gone on with, the table is that of one run, but for seconds.
#[test]
fn a_stop_and_a_resume_give_the_table_of_one_run() {
    let home = Home::new();
    let whole = untimed(&home.eval(&["--method", METHODS, "--format", "json"]));
    let mut models = ToyModels::default();
    home.eval_on(&mut models, &["--method", METHODS]);
    let n_steps = models.seen.take().steps;
    for step in (1..n_steps).step_by(n_steps / 7) {
        let out = home.path(&format!("{step}.jsonl"));
        let args = ["--method", METHODS, "--format", "json", "--out", &out];
        let mut models = ToyModels {
            stop_in_step: Some(step),
            ..ToyModels::default()
        };
        let (outcome, _) = home.eval_on(&mut models, &args);
        assert_eq!(outcome, Outcome::Stopped, "{step}");
        let done = lines(&out);
        assert!(done <= 7 * 8, "the header and what is done");
        assert_eq!(untimed(&home.eval(&args)), whole, "{step}");
        assert_eq!(lines(&out), 1 + 7 * 8);
        // Nothing is left to do.
        let mut models = ToyModels::default();
        let (_, again) = home.eval_on(&mut models, &args);
        assert_eq!(
            (untimed(&again), models.seen.take().steps),
            (whole.clone(), 0)
        );
    }
}

/// As after a kill: the last line is not whole.
#[test]
fn a_line_that_was_cut_short_is_drawn_again() {
    let home = Home::new();
    let out = home.path("cut.jsonl");
    let args = ["--method", "base,cbs", "--format", "json", "--out", &out];
    let whole = untimed(&home.eval(&args));
    let kept = std::fs::read(&out).unwrap();
    for end in [kept.len() - 1, kept.len() - 40, kept.len() / 2, 20] {
        std::fs::write(&out, &kept[..end]).unwrap();
        assert_eq!(untimed(&home.eval(&args)), whole, "{end}");
        assert_eq!(lines(&out), 15);
    }
}

#[test]
fn a_file_of_another_evaluation_is_left_as_it_is() {
    let home = Home::new();
    let out = home.path("mine.jsonl");
    home.eval(&["--method", "base,cbs", "--out", &out]);
    let before = std::fs::read(&out).unwrap();
    let prompts = home.path("prompts.json");
    let args = ["eval", "--prompts", &prompts, "-n", "20", "--out", &out];
    for (more, what) in [
        (&["--method", "base,dvts"][..], "methods"),
        (&["--method", "base,cbs", "--seed", "1"], "methods"),
        (&["--method", "base,cbs", "--seeds", "2"], "seeds"),
        (&["--method", "base,cbs", "--pair", "craft"], "pair"),
        (&["--method", "base,cbs", "--control", "random"], "control"),
        (&["--method", "base,cbs", "--first", "3"], "prompts"),
    ] {
        let mut models = ToyModels::default();
        let (outcome, _) = run_on(&mut models, Stop::default(), &[&args[..], more].concat());
        let told = outcome.unwrap_err().to_string();
        assert!(told.contains("was begun by another evaluation"), "{told}");
        assert!(told.contains(what), "{told}");
        assert_eq!(std::fs::read(&out).unwrap(), before);
    }
    for text in ["mine\n", "mine, without an end", "{\"w2s\": 1}"] {
        home.write("notes.txt", text);
        let notes = home.path("notes.txt");
        let args = ["eval", "--prompts", &prompts, "--out", &notes];
        let (outcome, _) = run_on(&mut ToyModels::default(), Stop::default(), &args);
        let told = outcome.unwrap_err().to_string();
        assert!(
            told.contains("is not a file that `w2s eval --out` wrote"),
            "{told}"
        );
        assert_eq!(std::fs::read_to_string(&notes).unwrap(), text);
    }
}

/// A prompt that cannot be searched marks its cells and loses nothing else.
#[test]
fn a_search_that_fails_marks_its_cell() {
    let home = Home::new();
    home.write("prompts.json", r#"["One", "", "Three"]"#);
    let json: Value =
        serde_json::from_str(&home.eval(&["--method", "base,cbs", "--format", "json"])).unwrap();
    for row in json["summary"]["rows"].as_array().unwrap() {
        assert_eq!((&row["n"], &row["n_failed"]), (&3.into(), &1.into()));
    }
    let table = home.eval(&["--method", "base,cbs"]);
    assert!(
        table.contains("cbs: 1 of 3 searches failed: the prompt is empty"),
        "{table}"
    );
}

/// What a control stands for, exactly.
#[test]
fn controls_are_exact() {
    let home = Home::new();
    let scores = |control: &[&str]| {
        let out = home.path("control.jsonl");
        let _ = std::fs::remove_file(&out);
        home.eval(&[&["--method", "cbs", "--out", &out], control].concat());
        let text = std::fs::read_to_string(&out).unwrap();
        let cells = text
            .lines()
            .skip(1)
            .map(|line| serde_json::from_str(line).unwrap());
        cells.collect::<Vec<Value>>()
    };
    for cell in scores(&["--control", "same"]) {
        assert_eq!(cell["log_ratio"], 0.0);
    }
    for cell in scores(&["--control", "length"]) {
        let n = cell["response"].as_str().unwrap().chars().count();
        assert_eq!(cell["log_ratio"], n as f64);
    }
    // The sign turned round is what a weight of −1 ranks by.
    let flipped = scores(&["--control", "flip"]);
    let against = scores(&["--weight", "-1"]);
    for (one, other) in flipped.iter().zip(&against) {
        assert_eq!(one["response"], other["response"]);
        let sum = one["log_ratio"].as_f64().unwrap() + other["log_ratio"].as_f64().unwrap();
        assert!(sum.abs() < 1e-9);
    }
    let random = scores(&["--control", "random"]);
    assert_eq!(random.len(), 7);
    let refused = run_on(
        &mut ToyModels::default(),
        Stop::default(),
        &["eval", "--method", "eft:1", "--control", "random"],
    );
    let told = refused.0.unwrap_err().to_string();
    assert!(told.contains("a control does not replace"), "{told}");
}

#[test]
fn every_method_is_compared_with_the_one_that_is_named() {
    let home = Home::new();
    let args = [
        "--method",
        "base,cbs,dvts",
        "--against",
        "cbs",
        "--format",
        "json",
    ];
    let json: Value = serde_json::from_str(&home.eval(&args)).unwrap();
    let all = json["summary"]["comparisons"].as_array().unwrap();
    let pairs: Vec<(&str, &str)> = all
        .iter()
        .map(|c| {
            (
                c["method"].as_str().unwrap(),
                c["against"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        pairs,
        [("base", "cbs"), ("dvts", "cbs")].repeat(2),
        "by judge and log-ratio"
    );
    for own in all {
        assert_eq!(own["n"], 7);
        let [value, low, high] =
            ["value", "low", "high"].map(|k| own["delta"][k].as_f64().unwrap());
        assert!(low <= value && value <= high);
        assert_eq!(own["tied"], low <= 0.0 && high >= 0.0);
    }
    let bad = run_on(
        &mut ToyModels::default(),
        Stop::default(),
        &["eval", "--method", "base,cbs", "--against", "smc"],
    );
    assert!(
        bad.0
            .unwrap_err()
            .to_string()
            .contains("no row of the table")
    );
}

/// More of what is optimised and less of what is wanted is said.
#[test]
fn sizes_of_one_method_make_a_curve() {
    let home = Home::new();
    let out = home.eval(&["--method", "bon:1,bon:2,bon:4,bon:16"]);
    assert!(out.contains("bon by size"), "{out}");
    let out = home.eval(&["--method", "cbs", "--grid", "W=1,2,4 K=4"]);
    assert!(
        out.contains("cbs W=2 K=4") && out.contains("cbs by size"),
        "{out}"
    );
}

#[test]
fn a_report_is_one_file_that_obeys_nothing() {
    let home = Home::new();
    home.write(
        "prompts.json",
        r#"["<script>alert(1)</script>", "Two & three"]"#,
    );
    let path = home.path("report.html");
    home.eval(&["--method", "base,cbs", "--html", &path]);
    let html = std::fs::read_to_string(&path).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains("<svg"));
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    assert!(
        !html.contains("http://")
            || html.matches("http://").count()
                == html.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn a_table_for_other_programs_has_a_line_a_method() {
    let home = Home::new();
    let csv = home.eval(&["--method", "base,cbs", "--format", "csv"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    let n = lines[0].split(',').count();
    assert!(
        lines.iter().all(|line| line.split(',').count() == n),
        "{csv}"
    );
}

/// Any judges, each a column; one that fails marks its cells and loses nothing else.
#[test]
fn judges_speak_each_for_itself() {
    let home = Home::new();
    let broken = "cmd:echo no models here >&2; exit 3";
    let args = [
        "--method", "base,cbs", "--judge", "length", "--judge", broken, "--judge", "bundled",
    ];
    let json: Value =
        serde_json::from_str(&home.eval(&[&args[..], &["--format", "json"]].concat())).unwrap();
    let row = &json["summary"]["rows"][1];
    assert_eq!(row["judge_failures"], serde_json::json!([0, 7, 0]));
    assert!(row["values"][0]["mean"].as_f64().unwrap() > 0.0);
    assert_eq!(row["values"][1], Value::Null);
    assert!(row["values"][2]["mean"].is_f64());
    let table = home.eval(&args);
    assert!(table.contains("could not judge 7 of 7: "), "{table}");
    assert!(table.contains("no models here"), "{table}");
}

const PAIRS: [&str; 4] = ["--pair", "one", "--pair", "two"];

/// What is reported on was never searched on, and what is no better is said to be none.
#[test]
fn weights_are_searched_on_some_prompts_and_reported_on_others() {
    let home = Home::new();
    for space in ["simplex", "signed"] {
        let args = [&PAIRS[..], &["--search-weights", space, "--budget", "60"]].concat();
        let json: Value =
            serde_json::from_str(&home.eval(&[&args[..], &["--format", "json"]].concat())).unwrap();
        assert_eq!(
            (&json["searched_on"], &json["reported_on"]),
            (&4.into(), &3.into())
        );
        assert_eq!(json["summary"]["n_prompts"], 3);
        assert!(json["searches"].as_u64().unwrap() <= 60);
        let found = json["found"].as_array().unwrap().iter();
        let sum: f64 = found.map(|w| w.as_f64().unwrap().abs()).sum();
        assert!((sum - 1.0).abs() < 0.01, "{json}");
        let tried = json["tried"].as_array().unwrap();
        assert!(
            tried.len() > 10 && tried.iter().any(|arm| arm["prompts"] == 4),
            "{json}"
        );
    }
    // Two pairs that are the same have nothing to be weighed against each other.
    let args = [
        &PAIRS[..],
        &["--search-weights", "simplex", "--budget", "60"],
    ]
    .concat();
    let text = home.eval(&args);
    assert!(text.contains("searched on 4 prompts with"), "{text}");
    assert!(
        text.contains("the searched weights do not beat the uniform ones"),
        "{text}"
    );
    let two = home.eval(&[&args[..], &["--judge", "bundled", "--judge", "length"]].concat());
    assert!(
        two.contains("length (up) against bundled (right); beaten by none on both: *"),
        "{two}"
    );
}

#[test]
fn a_search_for_weights_that_cannot_be_made_is_one_sentence() {
    let home = Home::new();
    let prompts = home.path("prompts.json");
    let told = |more: &[&str]| {
        let args = [
            &["eval", "--prompts", &prompts, "--search-weights", "simplex"],
            more,
        ]
        .concat();
        let (outcome, _) = run_on(&mut ToyModels::default(), Stop::default(), &args);
        outcome.unwrap_err().to_string()
    };
    assert!(told(&[]).contains("give --pair more than once"));
    let few = [&PAIRS[..], &["--budget", "3"]].concat();
    assert!(told(&few).contains("3 searches are too few"));
    let short = [&PAIRS[..], &["--first", "3"]].concat();
    assert!(told(&short).contains("3 prompts are too few"));
}

#[test]
fn refinement_without_examples_is_base() {
    let home = Home::new();
    let json = untimed(&home.eval(&["--method", "base,refine:0", "--format", "json"]));
    let rows = &json["summary"]["rows"];
    assert_eq!(rows[0]["method"], "base");
    assert_eq!(rows[1]["method"], "refine:0");
    assert_eq!(rows[0]["values"], rows[1]["values"]);
    assert_eq!(json["refinement"][0]["delta"]["value"], 0.0);
    // A score that does not rise is no refinement.
    assert_eq!(json["refinement"][0]["accepted"], false);
    let text = home.eval(&["--method", "refine:0"]);
    assert!(
        text.contains("refine:0") && text.contains("not accepted: the score does not rise"),
        "{text}"
    );
    let (refused, _) = run_on(
        &mut ToyModels::default(),
        Stop::default(),
        &["run", "--prompt", "Hi", "--method", "refine:2"],
    );
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("`w2s eval` has them")
    );
}

#[test]
fn gain_is_told_beside_what_would_make_it_fail() {
    let home = Home::new();
    let args = [&PAIRS[..], &["--gain", "--judge", "length"]].concat();
    let json: Value =
        serde_json::from_str(&home.eval(&[&args[..], &["--format", "json"]].concat())).unwrap();
    assert_eq!(json["n_responses"], 7 * 64);
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let misfit = row["misfit"].as_f64().unwrap();
        // Each prompt has a table of its own, which another does not tell: even above 1.
        assert!(misfit > 0.0, "{json}");
        let own = &row["judged"][0];
        let number = |name: &str| own[name].as_f64().unwrap();
        assert!((number("weak_error") - number("gain") - number("strong_error")).abs() < 1e-9);
        assert!((number("weak_error") - misfit - number("predicted_error")).abs() < 1e-9);
    }
    // The length is the sum of the letters, which are the features.
    assert!(json["judge_misfit"][0].as_f64().unwrap() < 0.05, "{json}");
    let text = home.eval(&args);
    assert!(
        text.contains("what would make it fail") && text.contains("misfit = predicted gain"),
        "{text}"
    );
    let few = [&PAIRS[..], &["--gain", "--first", "1"]].concat();
    let prompts = home.path("prompts.json");
    let (refused, _) = run_on(
        &mut ToyModels::default(),
        Stop::default(),
        &[&["eval", "--prompts", &prompts], &few[..]].concat(),
    );
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("64 responses are too few")
    );
}

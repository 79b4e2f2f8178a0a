//! `run` and `score` on toy models.

use std::io::{self, Write};

use clap::Parser;
use serde_json::Value;
use w2s::cli::Cli;
use w2s::report::{Outcome, Session, Stop, execute};

use crate::toy_models::{ToyModels, output, run, run_on};

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&output(args)).unwrap()
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn text_is_the_response_and_nothing_else() {
    let text = output(&["run", "--prompt", "Hi"]);
    let object = json(&["run", "--prompt", "Hi", "--format", "json"]);
    assert_eq!(text, format!("{}\n", object["response"].as_str().unwrap()));
}

#[test]
fn json_holds_every_candidate_of_every_round() {
    let report = json(&["run", "--prompt", "Hi", "-K", "3", "--format", "json"]);
    assert_eq!(report["finished"], true);
    assert_eq!(report["settings"]["k"], 3);
    assert!(report["judge"].is_f64() && report["score"].is_f64());
    let rounds = report["rounds"].as_array().unwrap();
    let mut strong_tokens = 0;
    for (i, round) in rounds.iter().enumerate() {
        assert_eq!(round["round"], i + 1);
        let candidates = round["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 12);
        let kept = candidates.iter().filter(|c| c["kept"] == true);
        assert_eq!(kept.count(), round["kept"].as_array().unwrap().len());
        // Later only a finished hypothesis of round 1, which stands in the beam, has no parent.
        let orphans = candidates.iter().filter(|c| c["parent"].is_null());
        assert!(i == 0 || orphans.into_iter().all(|c| c["finished"] == true));
        strong_tokens += candidates.len() * 5;
    }
    let sampled = report["timing"]["strong_tokens"].as_u64().unwrap() as usize;
    assert!(sampled > 0 && sampled <= strong_tokens);
    assert!(report["timing"]["weak_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn jsonl_tells_the_events_as_they_happen() {
    let events: Vec<Value> = lines(&output(&["run", "--prompt", "Hi", "--format", "jsonl"]));
    let names: Vec<&str> = events
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    assert_eq!(events[0]["params"]["chunk_len"], 5);
    // The fifth token of a chunk comes with its score.
    let round = [
        &["round_started"],
        &["grown"; 4][..],
        &["scored", "selected"],
    ]
    .concat();
    assert_eq!(names[..7], round);
    assert_eq!(names.last(), Some(&"finished"));
    let grown: Vec<&Value> = events.iter().filter(|e| e["event"] == "grown").collect();
    for event in &grown {
        let partials = event["partials"].as_array().unwrap();
        assert!(!partials.is_empty() && partials.iter().all(|p| p["score"].is_f64()));
    }
    assert_eq!(grown[2]["partials"][0]["n_tokens"], 3);
    assert_eq!(grown[2]["round"], 1);
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// All that decides a search stands in its report, by the names that the command line has.
#[test]
fn a_run_can_be_repeated_from_its_report() {
    let odd = "-W 3 -K 5 -L 4 -n 31 -T 1.25 --top-k 9 --top-p 0.75 --seed 11 \
               --rules reference --ranking chunk --weight -0.5";
    let mut args = vec!["run", "--prompt", "Hi", "--format", "json"];
    args.extend(odd.split_whitespace());
    let report = json(&args);
    let flags = [
        ("w", "-W"),
        ("k", "-K"),
        ("l", "-L"),
        ("max_new_tokens", "-n"),
        ("temperature", "-T"),
        ("top_k", "--top-k"),
        ("top_p", "--top-p"),
        ("seed", "--seed"),
        ("rules", "--rules"),
        ("ranking", "--ranking"),
        ("weight", "--weight"),
    ];
    let value = |key: &str| match &report["settings"][key] {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    let told: Vec<String> = flags
        .iter()
        .flat_map(|(key, flag)| [(*flag).to_owned(), value(key)])
        .collect();
    assert_eq!(
        told.join(" "),
        odd.split_whitespace().collect::<Vec<_>>().join(" ")
    );
}

/// What the playground's keys `a`, `-` and `+` change, the command line changes too.
#[test]
fn ranking_and_weight_decide_the_cut() {
    let kept = |args: &[&str]| {
        let report = json(&[&["run", "--prompt", "Hi", "--format", "json"], args].concat());
        let rounds = report["rounds"].as_array().unwrap().iter();
        rounds
            .map(|round| round["kept"].clone())
            .collect::<Vec<_>>()
    };
    let usual = kept(&[]);
    assert_eq!(kept(&["--ranking", "sum", "--weight", "1"]), usual);
    for other in [
        ["--ranking", "per-token"],
        ["--ranking", "chunk"],
        ["--weight", "-1"],
    ] {
        assert_ne!(kept(&other), usual, "{other:?}");
    }
}

#[test]
fn many_prompts_give_a_list() {
    let (_folder, path) = file("prompts.json", r#"["One", "Two", "Three"]"#);
    let list = json(&["run", "--prompts", &path]);
    let prompts: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["prompt"])
        .collect();
    assert_eq!(prompts, ["One", "Two", "Three"]);
}

const MANY: &str = r#"["One", "Two", "Three", "Four", "Five", "Six", "Seven"]"#;

/// Of many searches the output does not say how long they took.
fn untimed(out: &str) -> String {
    let Ok(mut list) = serde_json::from_str::<Vec<Value>>(out) else {
        return out.to_owned();
    };
    for result in &mut list {
        result["timing"]["seconds"] = 0.into();
    }
    Value::from(list).to_string()
}

#[test]
fn the_number_in_flight_changes_nothing_but_the_time() {
    let (_folder, path) = file("prompts.json", MANY);
    for format in ["json", "text", "jsonl"] {
        let run = |n: &str| {
            let mut models = ToyModels::default();
            let args = [
                "run",
                "--prompts",
                &path,
                "--in-flight",
                n,
                "--format",
                format,
            ];
            let (outcome, out) = run_on(&mut models, Stop::default(), &args);
            assert_eq!(outcome.unwrap(), Outcome::Done);
            (untimed(&out), models.seen.take())
        };
        let (one, alone) = run("1");
        assert_eq!(alone.at_once, 1);
        for n in [2, 3, 7] {
            let (many, seen) = run(&n.to_string());
            assert_eq!(many, one, "{format}, {n} in flight");
            assert_eq!(seen.at_once, n);
            assert!(seen.steps < alone.steps, "steps are shared");
        }
        assert_eq!(run("200").1.at_once, 7);
    }
}

#[test]
fn by_default_passes_are_well_used() {
    let (_folder, path) = file("prompts.json", MANY);
    for (args, fits, at_once) in [
        (&["-W", "4", "-K", "4"], None, 4),
        (&["-W", "1", "-K", "1"], None, 7),
        (&["-W", "8", "-K", "16"], None, 1),
        (&["-W", "4", "-K", "4"], Some(2), 2),
    ] {
        let mut models = ToyModels {
            fits,
            ..ToyModels::default()
        };
        let args = [&["run", "--prompts", &path], &args[..]].concat();
        run_on(&mut models, Stop::default(), &args).0.unwrap();
        assert_eq!(models.seen.take().at_once, at_once, "{args:?}");
    }
}

#[test]
fn a_stop_keeps_the_prompts_that_are_done() {
    let (_folder, path) = file("prompts.json", MANY);
    let whole = json(&["run", "--prompts", &path]);
    for n in ["1", "2", "3"] {
        let mut models = ToyModels {
            stop_at: Some(5),
            ..ToyModels::default()
        };
        let stop = models.stop.clone();
        let args = ["run", "--prompts", &path, "--in-flight", n];
        let (outcome, out) = run_on(&mut models, stop, &args);
        assert_eq!(outcome.unwrap(), Outcome::Stopped);
        let list: Vec<Value> = serde_json::from_str(&out).unwrap();
        // The fifth begins once so many are done, whichever; they stand in their order.
        let at_least = 5 - n.parse::<usize>().unwrap();
        assert!((at_least..5).contains(&list.len()), "{n}: {}", list.len());
        let responses = |list: &[Value]| {
            let all = list
                .iter()
                .map(|r| (r["prompt"].clone(), r["response"].clone()));
            all.collect::<Vec<_>>()
        };
        let mut all = responses(whole.as_array().unwrap()).into_iter();
        for kept in responses(&list) {
            assert!(all.any(|whole| whole == kept), "{kept:?}");
        }
    }
}

/// Also one that comes as the last search under way ends and others have not begun.
#[test]
fn a_stop_within_any_step_is_heeded() {
    let (_folder, path) = file("prompts.json", MANY);
    let args = ["run", "--prompts", &path, "--in-flight", "1"];
    let mut models = ToyModels::default();
    run_on(&mut models, Stop::default(), &args).0.unwrap();
    let n_steps = models.seen.take().steps;
    for step in 1..n_steps {
        let mut models = ToyModels {
            stop_in_step: Some(step),
            ..ToyModels::default()
        };
        let stop = models.stop.clone();
        let (outcome, out) = run_on(&mut models, stop, &args);
        assert_eq!(outcome.unwrap(), Outcome::Stopped, "step {step}");
        let list: Vec<Value> = serde_json::from_str(&out).unwrap();
        assert!(list.len() < 7, "step {step}");
        assert_eq!(models.seen.take().steps, step);
    }
}

#[test]
fn an_error_keeps_the_prompts_that_are_done() {
    let (_folder, path) = file("prompts.json", r#"["One", "Two", "", "Four", ""]"#);
    for n in ["1", "2", "5"] {
        for (format, n_lines) in [("json", 4), ("text", 2)] {
            let args = [
                "run",
                "--prompts",
                &path,
                "--in-flight",
                n,
                "--format",
                format,
            ];
            let (outcome, out) = run(&args);
            let told = outcome.unwrap_err().to_string();
            assert_eq!(told, "prompt 3: the prompt is empty");
            assert_eq!(out.lines().count(), n_lines, "{out}");
        }
    }
}

#[test]
fn more_in_flight_than_memory_holds_is_refused() {
    let (_folder, path) = file("prompts.json", MANY);
    let mut models = ToyModels {
        fits: Some(3),
        ..ToyModels::default()
    };
    let args = ["run", "--prompts", &path, "--in-flight", "4"];
    let (outcome, out) = run_on(&mut models, Stop::default(), &args);
    let told = outcome.unwrap_err().to_string();
    assert!(told.contains("choose --in-flight of at most 3"), "{told}");
    assert_eq!(out, "");
}

#[test]
fn a_stop_before_anything_is_done_prints_an_empty_list() {
    let (_folder, path) = file("prompts.json", r#"["One"]"#);
    let stop = Stop::default();
    stop.set();
    let (_, out) = run_on(
        &mut ToyModels::default(),
        stop,
        &["run", "--prompts", &path],
    );
    assert_eq!(out, "[]\n");
}

#[test]
fn bad_input_is_told_in_one_sentence() {
    let (_folder, no_list) = file("no-list.json", "{}");
    let (_folder2, empty) = file("empty.json", "[]");
    let cases: [(&[&str], &str); 9] = [
        (
            &["run", "--prompt", "a", "-W", "0"],
            "W (beam width) must be at least 1",
        ),
        (
            &["run", "--prompt", "a", "-K", "0"],
            "K (successors) must be at least 1",
        ),
        (
            &["run", "--prompt", "a", "-n", "0"],
            "n (new tokens) must be at least 1",
        ),
        (&["run", "--prompt", "a", "-T", "-1"], "temperature must be"),
        (&["run", "--prompt", "a", "--top-p", "0"], "top-p must be"),
        (
            &["run", "--prompt", "a", "--strong", "missing"],
            "no such folder",
        ),
        (
            &["run", "--prompts", "/no/such/file"],
            "cannot read /no/such/file",
        ),
        (
            &["run", "--prompts", &no_list],
            "is not a JSON list of strings",
        ),
        (&["run", "--prompts", &empty], "has no prompts in it"),
    ];
    for (args, part) in cases {
        let (outcome, out) = run(args);
        let told = outcome.unwrap_err().to_string();
        assert!(told.contains(part), "{args:?}: {told}");
        assert!(!told.contains('\n'), "{told}");
        assert_eq!(out, "");
    }
}

/// A reader that went away after `left` bytes.
struct ClosedPipe {
    left: usize,
}

impl Write for ClosedPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = match self.left.checked_sub(bytes.len()) {
            Some(left) => left,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_ends_the_search_and_is_no_error() {
    for format in ["text", "json", "jsonl"] {
        let line = ["w2s", "run", "--prompt", "Hi", "--format", format];
        let command = Cli::try_parse_from(line).unwrap().command.unwrap();
        let mut session = Session {
            models: &mut ToyModels::default(),
            out: &mut ClosedPipe { left: 10 },
            stop: Stop::default(),
        };
        let error = execute(&command, &mut session).unwrap_err();
        assert!(error.is_closed_pipe(), "{format}: {error}");
    }
}

#[test]
fn the_score_table_ends_with_the_log_ratio() {
    let table = output(&["score", "--prompt", "Hi", "--response", "a\n", "--finished"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[0].starts_with("token "));
    assert!(lines[2].starts_with(r#""\n""#));
    assert!(lines[4].starts_with("log-ratio "));
    let numbers = |line: &str| -> Vec<f64> {
        line.split_whitespace()
            .skip(1)
            .map(|n| n.parse().unwrap())
            .collect()
    };
    let sum: f64 = lines[1..4].iter().map(|line| numbers(line)[2]).sum();
    assert!((sum - numbers(lines[4])[2]).abs() < 1e-3, "{table}");
}

#[test]
fn score_cases_give_a_line_each() {
    let cases = r#"{"prompt": "Hi", "response": "ab", "eos": false}

{"prompt": "Hi", "response": "ab", "eos": true}
"#;
    let (_folder, path) = file("cases.jsonl", cases);
    let out = output(&["score", "--cases", &path]);
    let lines: Vec<Value> = out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let n_tokens: Vec<_> = lines
        .iter()
        .map(|l| l["tokens"].as_array().unwrap().len())
        .collect();
    assert_eq!(n_tokens, [2, 3]);
    for line in &lines {
        let (score, tuned) = (
            line["score"].as_f64().unwrap(),
            line["tuned"].as_f64().unwrap(),
        );
        assert!((score - (tuned - line["untuned"].as_f64().unwrap())).abs() < 1e-9);
        let deltas = line["tokens"].as_array().unwrap().iter();
        let sum: f64 = deltas.map(|t| t["delta"].as_f64().unwrap()).sum();
        assert!((score - sum).abs() < 1e-9);
    }
}

//! Eight tiny classifiers whose logits transformers 5.24 has recorded (`*/expected.json`: text →
//! ids with special tokens → logits, float32).

use std::fs;
use std::path::Path;

use serde_json::Value;
use w2s::decoder::{Kernels, Placement};
use w2s::judge::{Judge, Setup, Text};

use super::support::{cases, changed, edit, folder, lines, told};

const NAMES: [&str; 8] = [
    "bert",
    "deberta-v2",
    "distilbert",
    "llama-reward",
    "modernbert",
    "qwen3-reward",
    "roberta",
    "xlm-roberta",
];

fn recorded(name: &str) -> Vec<Value> {
    let text = fs::read(folder(name).join("expected.json")).unwrap();
    let value: Value = serde_json::from_slice(&text).unwrap();
    value["cases"].as_array().unwrap().clone()
}

fn texts(cases: &[Value]) -> Vec<&str> {
    cases
        .iter()
        .map(|case| case["text"].as_str().unwrap())
        .collect()
}

/// The folder with its first label, where it has several.
fn spec(name: &str) -> String {
    let folder = folder(name).display().to_string();
    match name.ends_with("-reward") || name == "deberta-v2" {
        true => folder,
        false => format!("{folder}:LABEL_0"),
    }
}

fn logits(value: &Value) -> Vec<f64> {
    let list = value["logits"].as_array().unwrap();
    list.iter().map(|logit| logit.as_f64().unwrap()).collect()
}

/// The largest difference between what is told and what is recorded; ids are equal.
fn difference(told: &Value, recorded: &Value) -> f64 {
    assert_eq!(told["ids"], recorded["ids"], "{recorded}");
    let (own, theirs) = (logits(told), logits(recorded));
    assert_eq!(own.len(), theirs.len());
    let each = own.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
    each.fold(0.0, f64::max)
}

#[test]
fn logits_are_those_of_transformers() {
    let root = tempfile::tempdir().unwrap();
    for name in NAMES {
        let recorded = recorded(name);
        let cases = cases(root.path(), &texts(&recorded));
        let told = lines(&told(&["--judge", &spec(name), "--cases", &cases, "--ids"]));
        assert_eq!(told.len(), recorded.len());
        let each = told.iter().zip(&recorded);
        let worst = each.map(|(a, b)| difference(a, b)).fold(0.0, f64::max);
        println!("{name}: {worst:.1e}");
        assert!(worst < 1e-3, "{name}: {worst}");
        let score = told[0]["score"].as_f64().unwrap();
        assert!((score - logits(&told[0])[0]).abs() < 1e-6);
    }
}

/// A text alone is judged as it is among others.
#[test]
fn one_text_is_judged_as_among_many() {
    for name in ["bert", "qwen3-reward"] {
        let recorded = recorded(name);
        let text = recorded[8]["text"].as_str().unwrap();
        let (prompt, rest) = text.split_at(9);
        let args = ["--judge", &spec(name), "--prompt", prompt, "--text", rest];
        let told = told(&[&args[..], &["--format", "json", "--ids"]].concat());
        let told = &lines(&told)[0];
        assert!(difference(told, &recorded[8]) < 1e-3, "{told}");
        assert_eq!(told["judge"], spec(name));
    }
}

#[test]
fn a_difference_of_labels_is_a_score() {
    let spec = format!("{}:LABEL_1-LABEL_0", folder("distilbert").display());
    let told = told(&["--judge", &spec, "--text", "a", "--format", "json"]);
    let told = &lines(&told)[0];
    let logits = logits(told);
    assert!((told["score"].as_f64().unwrap() - (logits[1] - logits[0])).abs() < 1e-6);
}

/// All judges at once are the same as each alone, one line a judge.
#[test]
fn several_judges_speak_in_their_order() {
    let specs = [spec("roberta"), "length".to_owned(), "bundled".to_owned()];
    let judges: Vec<&str> = specs.iter().flat_map(|s| ["--judge", s.as_str()]).collect();
    let shown = told(&[&judges[..], &["--text", "wonderful"]].concat());
    let ends: Vec<&str> = shown
        .lines()
        .map(|l| l.rsplit_once(' ').unwrap().1)
        .collect();
    assert_eq!(ends, specs);
    assert!(shown.lines().nth(1).unwrap().contains("+9.0000"), "{shown}");
    let root = tempfile::tempdir().unwrap();
    let cases = cases(root.path(), &["wonderful", "dull"]);
    let listed = lines(&told(&[&judges[..], &["--cases", &cases]].concat()));
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0][1]["score"], 9.0);
    assert_eq!(listed[1][2]["judge"], "bundled");
}

/// Long texts are cut as the tokenizer's files say, the least of three lengths, on its side.
#[test]
fn long_texts_are_cut() {
    let text = "The film was wonderful. ".repeat(40);
    let ids = |spec: &str| {
        let args = [
            "--judge", spec, "--text", &text, "--ids", "--format", "json",
        ];
        let told = lines(&told(&args)).remove(0);
        let ids: Vec<u64> = serde_json::from_value(told["ids"].clone()).unwrap();
        ids
    };
    let whole = ids(&spec("bert"));
    assert_eq!((whole.len(), whole[0], whole[63]), (64, 2, 3));
    let root = tempfile::tempdir().unwrap();
    let shorter = changed(root.path(), "bert", |folder| {
        edit(folder, "tokenizer_config.json", |config| {
            config["model_max_length"] = 20.into();
            config["truncation_side"] = "left".into();
        });
    });
    let left = ids(&format!("{shorter}:LABEL_0"));
    assert_eq!((left.len(), left[0], left[19]), (20, 2, 3));
    assert_ne!(left[1..19], whole[1..19]);
    // RoBERTa's positions begin behind its padding.
    let roomy = changed(root.path(), "roberta", |folder| {
        edit(folder, "tokenizer_config.json", |config| {
            config.as_object_mut().unwrap().remove("model_max_length");
        });
        edit(folder, "tokenizer.json", |json| {
            json["truncation"] = Value::Null
        });
    });
    assert_eq!(ids(&format!("{roomy}:LABEL_0")).len(), 78);
}

/// A reward model with a chat template sees a chat, unless it is told otherwise.
#[test]
fn reward_models_see_chats() {
    let root = tempfile::tempdir().unwrap();
    let chatty = changed(root.path(), "qwen3-reward", |folder| {
        let template = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}\n{% endfor %}";
        fs::write(folder.join("chat_template.jinja"), template).unwrap();
    });
    let logit = |args: &[&str]| {
        let told = lines(&told(&[args, &["--ids", "--format", "json"]].concat())).remove(0);
        (told["ids"].clone(), told["score"].clone())
    };
    let plain = spec("qwen3-reward");
    let shown = logit(&["--judge", &chatty, "--prompt", "Hi", "--text", "Ho"]);
    assert_eq!(
        shown,
        logit(&["--judge", &plain, "--text", "u: Hi\na: Ho\n"])
    );
    let raw = [
        "--judge",
        &chatty,
        "--template",
        "raw",
        "--prompt",
        "Hi",
        "--text",
        "Ho",
    ];
    assert_eq!(logit(&raw), logit(&["--judge", &plain, "--text", "HiHo"]));
    let text = [
        "--judge",
        &chatty,
        "--template",
        "<{prompt}>",
        "--prompt",
        "Hi",
        "--text",
        "Ho",
    ];
    assert_eq!(
        logit(&text),
        logit(&["--judge", &plain, "--text", "<Hi>Ho"])
    );
}

/// The folder without tokenizer.json, its words as older repositories keep them.
fn older(root: &Path, name: &str) -> String {
    changed(root, name, |folder| {
        let path = folder.join("tokenizer.json");
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        fs::remove_file(path).unwrap();
        let model = &json["model"];
        if name == "roberta" {
            fs::write(folder.join("vocab.json"), model["vocab"].to_string()).unwrap();
            let merge = |pair: &Value| format!("{} {}\n", text(&pair[0]), text(&pair[1]));
            let merges = model["merges"].as_array().unwrap().iter().map(merge);
            let merges = format!("#version: 0.2\n{}", merges.collect::<String>());
            fs::write(folder.join("merges.txt"), merges).unwrap();
        } else {
            let vocab = model["vocab"].as_object().unwrap();
            let mut words: Vec<_> = vocab.iter().collect();
            words.sort_by_key(|(_, id)| id.as_u64());
            let words: String = words.iter().map(|(word, _)| format!("{word}\n")).collect();
            fs::write(folder.join("vocab.txt"), words).unwrap();
        }
        edit(folder, "tokenizer_config.json", |config| {
            *config = serde_json::json!({"model_max_length": 64});
        });
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn older_repositories_keep_their_words_otherwise() {
    let root = tempfile::tempdir().unwrap();
    for name in ["bert", "distilbert", "roberta"] {
        let recorded = recorded(name);
        let cases = cases(root.path(), &texts(&recorded));
        let spec = format!("{}:LABEL_0", older(root.path(), name));
        let told = lines(&told(&["--judge", &spec, "--cases", &cases, "--ids"]));
        for (told, recorded) in told.iter().zip(&recorded) {
            assert!(difference(told, recorded) < 1e-3, "{name}: {recorded}");
        }
    }
}

/// The plain kernels are those of other devices.
#[test]
fn a_reward_is_the_same_on_any_kernels() {
    for name in ["llama-reward", "qwen3-reward"] {
        let setup = Setup {
            placement: Placement::cpu(Kernels::Plain),
            ..Setup::default()
        };
        let mut judge = Judge::open(&spec(name).parse().unwrap(), &setup).unwrap();
        let recorded = recorded(name);
        let text = |response| Text {
            prompt: "",
            response,
        };
        let all: Vec<_> = texts(&recorded).into_iter().map(text).collect();
        for (verdict, recorded) in judge.score_all(&all).iter().zip(&recorded) {
            let score = verdict.as_ref().unwrap().score;
            assert!((score - logits(recorded)[0]).abs() < 1e-3, "{recorded}");
        }
    }
}

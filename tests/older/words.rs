//! Tokenizers of `vocab.json` and `merges.txt`, and whose tokenizer is whose.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use w2s::decoder::DeviceChoice;
use w2s::library::{Library, Model};
use w2s::models::ModelSpec;

use super::{folder_of, repository};

const UNTUNED: [&str; 2] = [
    "assets/models/untuned/config.json",
    "assets/models/untuned/model.safetensors",
];

fn put(folder: &TempDir, name: &str, value: &Value) {
    fs::write(folder.path().join(name), value.to_string()).unwrap();
}

/// The bundled untuned model with the first `n_tokens` of its tokenizer as older repositories
/// keep it, and this `tokenizer_config.json`.
fn older(n_tokens: usize, config: &Value) -> TempDir {
    let folder = folder_of(&UNTUNED);
    let text = fs::read_to_string(repository("assets/models/strong/tokenizer.json")).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let mut vocab: Map<String, Value> = whole["model"]["vocab"].as_object().unwrap().clone();
    vocab.retain(|_, id| id.as_u64().unwrap() < n_tokens as u64);
    let part = |v: &Value, i: usize| match v.as_array() {
        Some(pair) => pair[i].as_str().unwrap().to_owned(),
        None => v.as_str().unwrap().split(' ').nth(i).unwrap().to_owned(),
    };
    let merges = whole["model"]["merges"].as_array().unwrap().iter();
    let pairs = merges.map(|m| (part(m, 0), part(m, 1)));
    let known = pairs.filter(|(a, b)| vocab.contains_key(&format!("{a}{b}")));
    let lines: String = known.map(|(a, b)| format!("{a} {b}\n")).collect();
    fs::write(
        folder.path().join("merges.txt"),
        format!("#version: 0.2\n{lines}"),
    )
    .unwrap();
    put(&folder, "vocab.json", &Value::Object(vocab));
    put(&folder, "tokenizer_config.json", config);
    folder
}

fn model(folder: &Path) -> Result<Model, String> {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let spec = ModelSpec::parse(folder.to_str().unwrap());
    library.model(&spec).map_err(|e| e.to_string())
}

fn gpt2() -> Value {
    json!({"tokenizer_class": "GPT2Tokenizer"})
}

fn texts() -> Vec<String> {
    let prompts = fs::read_to_string(repository("assets/prompts.json")).unwrap();
    let mut texts: Vec<String> = serde_json::from_str(&prompts).unwrap();
    let odd = [
        "",
        " ",
        "a",
        "  two  spaces\n\n\tand\r\nlines ",
        "It's, we'll, I'M; 12345 67",
        "naïve café — “quotes” … 中文 日本語 한국어 עברית",
        "👩‍👩‍👧 e\u{301} \u{0} \u{a0}\u{2028}\u{feff}",
        "<|endoftext|>",
        "a <|endoftext|> b<|endoftext|><|endoftext",
        "ĠĊ #version: 0.2",
    ];
    texts.extend(odd.map(str::to_owned));
    texts.push((1..0x250).filter_map(char::from_u32).collect());
    texts
}

#[test]
fn ids_are_those_of_tokenizer_json() {
    let folder = older(4096, &gpt2());
    let made = model(folder.path()).unwrap().tokenizer;
    let wanted = model(&repository("assets/models/untuned")).unwrap();
    let wanted = wanted.tokenizer;
    for text in texts() {
        let ids = wanted.encode(&text);
        assert_eq!(made.encode(&text), ids, "{text:?}");
        assert_eq!(made.decode(&ids), wanted.decode(&ids), "{text:?}");
        for id in ids {
            assert_eq!(made.piece(id), wanted.piece(id));
        }
    }
    assert!(made.same_vocabulary(&wanted));
    assert_eq!(
        (made.bos(), made.eos(), made.adds_bos(), made.n_ids()),
        (wanted.bos(), wanted.eos(), false, wanted.n_ids())
    );
}

#[test]
fn special_tokens_are_those_that_are_named() {
    let folder = older(3000, &gpt2());
    let map = json!({"bos_token": "!", "eos_token": {"content": "?", "lstrip": true}});
    put(&folder, "special_tokens_map.json", &map);
    let tokenizer = model(folder.path()).unwrap().tokenizer;
    let [bos, eos] = ["!", "?"].map(|text| Some(tokenizer.encode(text)[0]));
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (bos, eos));
    assert_eq!(tokenizer.encode("a  ?").len(), 2);
    assert_eq!(tokenizer.decode(&tokenizer.encode("a!")), "a");
    let mut config = gpt2();
    config["eos_token"] = json!({"__type": "AddedToken", "content": "#"});
    put(&folder, "tokenizer_config.json", &config);
    // transformers 5.24: of the two files the older holds, unless the newer numbers its tokens.
    let tokenizer = model(folder.path()).unwrap().tokenizer;
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (bos, eos));
    config["added_tokens_decoder"] = json!({});
    put(&folder, "tokenizer_config.json", &config);
    let tokenizer = model(folder.path()).unwrap().tokenizer;
    assert_eq!(tokenizer.eos(), Some(tokenizer.encode("#")[0]));
}

#[test]
fn texts_begin_with_bos_where_they_are_to() {
    let mut config = gpt2();
    config["add_bos_token"] = json!(true);
    config["bos_token"] = json!("!");
    let tokenizer = model(older(4096, &config).path()).unwrap().tokenizer;
    assert!(tokenizer.adds_bos());
    config["add_prefix_space"] = json!(true);
    let spaced = model(older(4096, &config).path()).unwrap().tokenizer;
    assert_eq!(spaced.encode("film"), tokenizer.encode(" film"));
}

#[test]
fn added_tokens_keep_their_ids() {
    let folder = older(3000, &gpt2());
    put(
        &folder,
        "added_tokens.json",
        &json!({"<b>": 3001, "<a>": 3000}),
    );
    put(
        &folder,
        "special_tokens_map.json",
        &json!({"pad_token": "<p>"}),
    );
    let tokenizer = model(folder.path()).unwrap().tokenizer;
    assert_eq!(tokenizer.encode("<a><b><p>"), [3000, 3001, 3002]);
    assert_eq!(tokenizer.decode(&[3000, 3002]), "<a>");
    let mut newer = gpt2();
    newer["added_tokens_decoder"] = json!({"3000": {"content": "<c>", "special": true}});
    put(&folder, "tokenizer_config.json", &newer);
    let tokenizer = model(folder.path()).unwrap().tokenizer;
    // transformers 5.24: the older file is not read any more.
    assert_eq!(tokenizer.encode("<c><p>"), [3000, 28, 80, 30]);
    assert_eq!(tokenizer.decode(&[3000]), "");
    put(&folder, "tokenizer_config.json", &gpt2());
    put(&folder, "added_tokens.json", &json!({"<a>": 3005}));
    let told = model(folder.path()).unwrap_err();
    assert!(told.contains("to have the id 3005 where 3000"), "{told}");
}

#[test]
fn other_kinds_and_halves_are_refused() {
    let qwen = json!({"tokenizer_class": "Qwen2Tokenizer"});
    let told = model(older(4096, &qwen).path()).unwrap_err();
    assert!(told.contains("for Qwen2Tokenizer, not for"), "{told}");
    // A Llama's is no GPT-2's where nothing says so.
    let told = model(older(4096, &json!({})).path()).unwrap_err();
    assert!(told.contains("for llama, not for"), "{told}");
    let folder = older(4096, &gpt2());
    fs::write(folder.path().join("merges.txt"), "a b c\n").unwrap();
    let told = model(folder.path()).unwrap_err();
    assert!(told.contains("no usable tokenizer"), "{told}");
    fs::remove_file(folder.path().join("merges.txt")).unwrap();
    let told = model(folder.path()).unwrap_err();
    assert!(told.contains("merges.txt"), "{told}");
    fs::remove_file(folder.path().join("vocab.json")).unwrap();
    let told = model(folder.path()).unwrap_err();
    assert!(told.contains("tokenizer.json"), "{told}");
}

#[test]
fn one_vocabulary_may_have_two_ends() {
    let file = "assets/models/untuned/tokenizer.json";
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let mut tokenizer = |eos: &str| {
        let folder = folder_of(&[UNTUNED[0], UNTUNED[1], file]);
        put(&folder, "tokenizer_config.json", &json!({"eos_token": eos}));
        let spec = ModelSpec::parse(folder.path().to_str().unwrap());
        library.model(&spec).unwrap().tokenizer
    };
    let [base, chat, again] = ["<|endoftext|>", "!", "!"].map(&mut tokenizer);
    assert_eq!((base.eos(), chat.eos()), (Some(0), Some(1)));
    assert!(base.same_vocabulary(&chat));
    assert!(std::sync::Arc::ptr_eq(&chat, &again));
}

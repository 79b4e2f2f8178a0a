//! Real GGUF models, where `tests/fetch-models.sh` has brought them.

use std::path::PathBuf;
use std::process::Command;

use w2s::lm::{DeviceChoice, Feed, Library, Model, ModelSpec, Prompt, Want};

const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const GEMMA3: &str = "gemma-3-270m-q4_k_m.gguf";

/// The file, or a loud word that the test is skipped.
fn file(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-models");
    let folder = std::env::var("W2S_TEST_MODELS").unwrap_or_else(|_| default.to_owned());
    let path = PathBuf::from(folder).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {name} is not there; run tests/fetch-models.sh");
    None
}

fn load(name: &str) -> Option<Model> {
    let spec = ModelSpec::Gguf(file(name)?);
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    Some(library.model(&spec).unwrap())
}

/// The likeliest continuation of `n` tokens.
fn greedy(model: &Model, prompt: &Prompt, n: usize) -> String {
    let mut cache = model.decoder.cache();
    let mut next = model.prompt_ids(prompt, n).unwrap();
    let mut ids = Vec::new();
    for _ in 0..n {
        let feed = Feed {
            row: 0,
            tokens: &next,
        };
        let logits = model.decoder.forward(&mut cache, &[feed], Want::Last);
        let logits = logits.unwrap();
        let row = logits.row(0);
        let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
        next = vec![best.unwrap() as u32];
        if model.is_eos(next[0]) {
            break;
        }
        ids.extend(&next);
    }
    model.tokenizer.decode(&ids)
}

#[test]
fn smollm2_knows_what_it_was_taught() {
    let Some(model) = load(SMOLLM2) else { return };
    assert_eq!(
        model.tokenizer.encode("Hello world 12"),
        [19556, 905, 216, 33, 34]
    );
    assert!(!model.tokenizer.adds_bos());
    assert!(model.chat_template.is_some());
    let text = greedy(&model, &"The capital of France is".into(), 12);
    assert!(text.contains("Paris"), "{text}");
}

#[test]
fn gemma3_knows_what_it_was_taught() {
    let Some(model) = load(GEMMA3) else { return };
    assert!(model.tokenizer.adds_bos());
    let ids = model.prompt_ids(&"Hello world".into(), 0).unwrap();
    assert_eq!(ids, [2, 9259, 1902]);
    let text = greedy(&model, &"Roses are red, violets are".into(), 4);
    assert!(text.contains("blue"), "{text}");
}

#[test]
fn text_comes_back_as_it_went_in() {
    let text = "Zwei  Wörter,\n\n\tπ ≈ 3.14159 — 日本 🦀 don't!";
    for name in [SMOLLM2, GEMMA3] {
        let Some(model) = load(name) else { continue };
        let ids = model.tokenizer.encode(text);
        assert_eq!(model.tokenizer.decode(&ids), text, "{name}");
        // Bytes of a character that is cut are held back.
        for n in 0..ids.len() {
            let part = model.tokenizer.decode_whole_characters(&ids[..n]);
            assert!(text.starts_with(&part), "{name}: {part:?}");
        }
    }
}

#[test]
fn a_pair_of_another_vocabulary_guides_it() {
    let Some(path) = file(SMOLLM2) else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .args(["run", "--strong", path.to_str().unwrap(), "--prompt"])
        .args(["The movie was", "-W", "2", "-K", "2", "-n", "15"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(String::from_utf8(output.stdout).unwrap().trim().len() > 10);
}

#[test]
fn a_damaged_file_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.gguf");
    for bytes in [&b""[..], b"GGUF", b"not a model at all, and no header"] {
        std::fs::write(&path, bytes).unwrap();
        let mut library = Library::open(DeviceChoice::Cpu).unwrap();
        let told = library.model(&ModelSpec::Gguf(path.clone())).unwrap_err();
        let told = told.to_string();
        assert!(
            told.contains("broken.gguf") && !told.contains('\n'),
            "{told}"
        );
    }
}

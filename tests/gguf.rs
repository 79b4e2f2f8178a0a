//! Real GGUF models, where `tests/fetch-models.sh` has brought them.

use std::path::PathBuf;
use std::process::Command;

use w2s::decoder::{DeviceChoice, Feed, Sums, Want};
use w2s::library::{Library, Model};
use w2s::models::{ModelSpec, Prompt};

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
    load_with(name, Sums::Exact)
}

fn load_with(name: &str, sums: Sums) -> Option<Model> {
    let spec = ModelSpec::Gguf(file(name)?);
    let library = Library::open(DeviceChoice::Cpu).unwrap();
    Some(library.with_sums(sums).model(&spec).unwrap())
}

/// The likeliest continuation, token by token: each with the log-probabilities of all that could
/// have been, in nats.
fn greedy<'a>(
    model: &'a Model,
    prompt: &Prompt,
    n: usize,
) -> impl Iterator<Item = (u32, Vec<f64>)> + use<'a> {
    let mut cache = model.decoder.cache();
    let mut next = model.prompt_ids(prompt, n).unwrap();
    std::iter::repeat_with(move || {
        let feed = Feed {
            row: 0,
            tokens: &next,
        };
        let logits = model.decoder.forward(&mut cache, &[feed], Want::Last);
        let log_probs = log_softmax(logits.unwrap().row(0));
        let likeliest = (0..log_probs.len()).max_by(|a, b| log_probs[*a].total_cmp(&log_probs[*b]));
        let id = likeliest.unwrap() as u32;
        next = vec![id];
        (id, log_probs)
    })
    .take(n)
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let logits = logits.iter().map(|l| f64::from(*l));
    let most = logits.clone().fold(f64::MIN, f64::max);
    let sum: f64 = logits.clone().map(|l| (l - most).exp()).sum();
    logits.map(|l| l - most - sum.ln()).collect()
}

fn written(model: &Model, prompt: &str, n: usize) -> String {
    let prompt = Prompt::from(prompt);
    let ids = greedy(model, &prompt, n).map(|(id, _)| id);
    let ids: Vec<u32> = ids.take_while(|id| !model.is_eos(*id)).collect();
    model.tokenizer.decode(&ids)
}

/// What llama.cpp wrote after a prompt, from `tests/record-llama-cpp.py`.
#[derive(serde::Deserialize)]
struct Recording {
    prompt: String,
    n_prompt: usize,
    /// Every token, with its log-probability.
    tokens: Vec<(u32, f64)>,
}

/// llama.cpp rounds activations to 8 bits before it multiplies; exact sums do not. So far apart, in
/// nats, are the two's log-probabilities of one token at most; tokens closer than that are a tie.
const ROUNDING: f64 = 0.5;

fn recordings(name: &str) -> Vec<Recording> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/llama.cpp/");
    let text = std::fs::read_to_string(format!("{root}{name}.json")).unwrap();
    let recordings: Vec<Recording> = serde_json::from_str(&text).unwrap();
    assert_eq!(recordings.len(), 10);
    recordings
}

fn agrees_with_llama_cpp(file: &str, recording: &str) {
    let Some(model) = load(file) else { return };
    for recording in &recordings(recording) {
        same_up_to_a_near_tie(&model, recording);
    }
}

/// The same tokens up to the first near-tie, which is shown.
fn same_up_to_a_near_tie(model: &Model, recording: &Recording) {
    let Recording { prompt, tokens, .. } = recording;
    let ids = Prompt::from(prompt.as_str());
    let n_prompt = model.prompt_ids(&ids, 0).unwrap().len();
    assert_eq!(n_prompt, recording.n_prompt, "{prompt:?}");
    for (at, (id, log_probs)) in greedy(model, &ids, tokens.len()).enumerate() {
        let (theirs, recorded) = tokens[at];
        let (first, second) = (log_probs[id as usize], log_probs[theirs as usize]);
        let piece = |id: u32| model.tokenizer.decode(&[id]);
        let place = format!(
            "{prompt:?}, token {at}: {:?} {first:.3}, llama.cpp's {:?} {second:.3} (there {recorded:.3})",
            piece(id),
            piece(theirs),
        );
        assert!((second - recorded).abs() < ROUNDING, "{place}");
        if id != theirs {
            assert!(first - second < ROUNDING, "{place}");
            eprintln!("near-tie after {place}");
            return;
        }
    }
    eprintln!("the same {} tokens after {prompt:?}", tokens.len());
}

#[test]
fn smollm2_writes_what_llama_cpp_writes() {
    agrees_with_llama_cpp(SMOLLM2, "smollm2");
}

#[test]
fn gemma3_writes_what_llama_cpp_writes() {
    agrees_with_llama_cpp(GEMMA3, "gemma3");
}

/// The log-probabilities of a recording's tokens, in nats.
fn log_probs(model: &Model, recording: &Recording) -> Vec<f64> {
    let prompt = Prompt::from(recording.prompt.as_str());
    let mut ids = model.prompt_ids(&prompt, 0).unwrap();
    let n_prompt = ids.len();
    ids.extend(recording.tokens.iter().map(|(id, _)| *id));
    let n = model.decoder.config().vocab_size;
    let all = w2s::guide::positions(&model.decoder, &ids, n).unwrap();
    let steps = all[n_prompt - 1..].iter().zip(&recording.tokens);
    let log_prob = |position: &w2s::guide::Position, id: u32| {
        f64::from(position.logits[id as usize]) - position.log_sum_exp
    };
    steps
        .map(|(position, (id, _))| log_prob(position, *id))
        .collect()
}

/// Mean and highest absolute difference.
fn apart(differences: &[f64]) -> (f64, f64) {
    let all = differences.iter().map(|d| d.abs());
    let mean = all.clone().sum::<f64>() / differences.len() as f64;
    (mean, all.fold(0.0, f64::max))
}

/// Rounded sums are as much closer to exact ones than llama.cpp's are as 16 bits are to 8, and two
/// models' of a response together, which a pair has, closer than 0.05 nats.
fn rounding_is_small(file: &str, recording: &str) {
    let (Some(exact), Some(rounded)) = (load(file), load_with(file, Sums::Rounded)) else {
        return;
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for recording in recordings(recording) {
        let wanted = log_probs(&exact, &recording);
        let found = log_probs(&rounded, &recording);
        let differences = found.iter().zip(&wanted).map(|(a, b)| a - b);
        let sum: f64 = differences.clone().sum();
        assert!(sum.abs() < 0.025, "{:?}: {sum}", recording.prompt);
        ours.extend(differences);
        let recorded = recording.tokens.iter().zip(&wanted);
        theirs.extend(recorded.map(|((_, a), b)| a - b));
    }
    let (ours, theirs) = (apart(&ours), apart(&theirs));
    eprintln!("{file}, mean and worst: {ours:?}, llama.cpp {theirs:?}");
    assert!(ours.0 < theirs.0 / 30.0 && ours.1 < theirs.1 / 10.0);
}

#[test]
fn rounding_smollm2s_activations_changes_little() {
    rounding_is_small(SMOLLM2, "smollm2");
}

#[test]
fn rounding_gemma3s_activations_changes_little() {
    rounding_is_small(GEMMA3, "gemma3");
}

#[test]
fn rows_are_the_same_in_any_company() {
    for sums in [Sums::Exact, Sums::Rounded] {
        let Some(model) = load_with(SMOLLM2, sums) else {
            return;
        };
        let texts = (0..16).map(|row| (0..4).map(|i| 300 + 7 * row + i).collect());
        let texts: Vec<Vec<u32>> = texts.collect();
        let mut cache = model.decoder.cache();
        cache.gather(&[0; 16]).unwrap();
        let feeds = texts.iter().enumerate();
        let feeds: Vec<_> = feeds.map(|(row, tokens)| Feed { row, tokens }).collect();
        let together = model
            .decoder
            .forward(&mut cache, &feeds, Want::Last)
            .unwrap();
        for (row, tokens) in texts.iter().enumerate() {
            let feed = Feed { row: 0, tokens };
            let mut cache = model.decoder.cache();
            let alone = model.decoder.forward(&mut cache, &[feed], Want::Last);
            assert!(
                alone.unwrap().row(0) == together.row(row),
                "{sums:?}, {row}"
            );
        }
    }
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
    let text = written(&model, "The capital of France is", 12);
    assert!(text.contains("Paris"), "{text}");
}

#[test]
fn gemma3_knows_what_it_was_taught() {
    let Some(model) = load(GEMMA3) else { return };
    assert!(model.tokenizer.adds_bos());
    let ids = model.prompt_ids(&"Hello world".into(), 0).unwrap();
    assert_eq!(ids, [2, 9259, 1902]);
    let text = written(&model, "Roses are red, violets are", 4);
    assert!(text.contains("blue"), "{text}");
}

/// Raw logits of one text, from `tests/record-gguf-logits.py`.
#[derive(serde::Deserialize)]
struct Logits {
    file: String,
    ids: Vec<u32>,
    /// By position: of the first ids of the vocabulary.
    logits: Vec<Vec<f32>>,
    logsumexp: Vec<f64>,
}

#[test]
fn logits_are_those_of_the_dequantised_weights_in_numpy() {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/recordings/gguf-logits.json"
    );
    let text = std::fs::read_to_string(root).unwrap();
    let recordings: Vec<Logits> = serde_json::from_str(&text).unwrap();
    for recording in recordings {
        let Some(model) = load(&recording.file) else {
            continue;
        };
        let n = recording.logits[0].len();
        let ours = w2s::guide::positions(&model.decoder, &recording.ids, n).unwrap();
        assert_eq!(ours.len(), recording.ids.len());
        for (at, position) in ours.iter().enumerate() {
            let place = format!("{} at {at}: {position:?}", recording.file);
            let theirs = recording.logits[at].iter().zip(&position.logits);
            assert!(theirs.clone().all(|(a, b)| (a - b).abs() < 1e-3), "{place}");
            let sum = position.log_sum_exp;
            assert!((sum - recording.logsumexp[at]).abs() < 1e-3, "{place}");
        }
    }
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

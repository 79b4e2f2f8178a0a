//! Texts that grow are tokenised as the whole is, whatever the tokenizer.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use w2s::models::{GgufFile, Tokenised, Tokenizer};

use super::repository;

const FOLDERS: [&str; 10] = [
    "assets/models/strong",
    "tests/models/other",
    "tests/judges/bert",
    "tests/judges/deberta-v2",
    "tests/judges/distilbert",
    "tests/judges/llama-reward",
    "tests/judges/modernbert",
    "tests/judges/qwen3-reward",
    "tests/judges/roberta",
    "tests/judges/xlm-roberta",
];

/// The expression of `o200k_base`, which takes contractions into a word.
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn json_of(folder: &str) -> Value {
    let text = fs::read_to_string(repository(folder).join("tokenizer.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn tokenizer(json: &Value) -> Tokenizer {
    Tokenizer::from_bytes(json.to_string().as_bytes(), b"", "m").unwrap()
}

/// The bundled tokenizer in SentencePiece's form: no words before the merges.
fn sentence_piece(normalizer: Value) -> Value {
    let mut json = json_of("assets/models/strong");
    let model = json["model"].to_string().replace('Ġ', "▁");
    json["model"] = serde_json::from_str(&model).unwrap();
    json["normalizer"] = normalizer;
    (json["pre_tokenizer"], json["post_processor"]) = (Value::Null, Value::Null);
    json
}

fn variants() -> Vec<(&'static str, Value)> {
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let sequence = |all: Value| json!({"type": "Sequence", "normalizers": all});
    let mut tidy = json_of("assets/models/strong");
    tidy["normalizer"] = sequence(json!([
        {"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "NFC"},
        {"type": "Lowercase"}]));
    let mut wide = json_of("assets/models/strong");
    wide["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": O200K}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]});
    let mut first = json_of("assets/models/strong");
    first["pre_tokenizer"]["add_prefix_space"] = json!(true);
    let mut meta = sentence_piece(Value::Null);
    meta["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": false});
    let mut word = json_of("assets/models/strong");
    word["added_tokens"].as_array_mut().unwrap().push(json!({"id": 4097, "content": "film",
        "single_word": true, "lstrip": false, "rstrip": false, "normalized": true, "special": false}));
    vec![
        ("as Gemma has it", sentence_piece(replace.clone())),
        (
            "as Llama 2 has it",
            sentence_piece(sequence(json!([prepend, replace]))),
        ),
        ("with a space before all", meta),
        ("that tidies texts up", tidy),
        ("with the words of o200k", wide),
        ("with a prefix space", first),
        ("with a word added", word),
    ]
}

/// The real ones, where they are.
fn files() -> Vec<(String, Tokenizer)> {
    let own = repository("target/test-models");
    let folder = std::env::var_os("W2S_TEST_MODELS").map_or(own, Into::into);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let read = |path: &Path| Tokenizer::from_gguf(&GgufFile::open(path).unwrap()).unwrap();
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "gguf"))
        .map(|path| (path.display().to_string(), read(&path)))
        .collect()
}

static TOKENIZERS: LazyLock<Vec<(String, Tokenizer)>> = LazyLock::new(|| {
    let folders = FOLDERS
        .iter()
        .map(|name| ((*name).to_owned(), tokenizer(&json_of(name))));
    let variants = variants()
        .into_iter()
        .map(|(name, json)| (name.to_owned(), tokenizer(&json)));
    folders.chain(variants).chain(files()).collect()
});

/// Words, and whatever may stand between them.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z]{1,9}".prop_map(|word| format!(" {word}")),
        2 => prop::sample::select(vec![
            "'s", "'ll", "'", ".", ",", "?!", " (", ")", "\n", "\n\n", "  ", "   ", " ", "\t", "12", " 1984",
            "é", " été", " жизнь", "日本", "語。", "😀", " 👩‍👩‍👧", "e\u{301}", " \u{a0}", "▁", "Ġ", "-", "film", " film",
            "<|endoftext|>", "[MASK]", " [SEP] ", "<s>", "</s>", "<mask>", "ﬁ", " ＡＢ", "\u{200b}", "don't", " I'VE",
        ]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_text_that_grows_has_the_tokens_of_the_whole(
        start in prop::collection::vec(piece(), 0..30),
        steps in prop::collection::vec((prop::collection::vec(piece(), 1..4), 0..6usize), 1..10),
    ) {
        for (name, tokenizer) in TOKENIZERS.iter() {
            // What is gone on from may be any text of before.
            let mut known = vec![tokenizer.try_encode_after(start.concat(), None).unwrap()];
            let mut texts = vec![start.concat()];
            for (more, back) in &steps {
                let from = known.len() - 1 - back.min(&(known.len() - 1));
                let text = texts[from].clone() + &more.concat();
                let grown = tokenizer.try_encode_after(text.clone(), Some(&known[from])).unwrap();
                let whole = tokenizer.try_encode(&text).unwrap();
                prop_assert_eq!(grown.ids(), &whole, "{}: {:?}", name, text);
                let other = tokenizer.try_encode_after(text.clone(), known.last()).unwrap();
                prop_assert_eq!(other.ids(), &whole, "{}: {:?}, after another", name, text);
                known.push(grown);
                texts.push(text);
            }
        }
    }
}

/// Whether it is tokenised anew as a whole is a matter of the vocabulary.
#[test]
fn only_the_end_of_prose_is_tokenised_anew() {
    let prose = "It was a dark and stormy night; the rain fell in torrents.".repeat(40);
    for (name, tokenizer) in TOKENIZERS.iter() {
        let mut known: Option<Tokenised> = None;
        for end in prose.match_indices(' ').map(|(at, _)| at) {
            let text = prose[..end].to_owned();
            known = Some(tokenizer.try_encode_after(text, known.as_ref()).unwrap());
        }
        let settled = known.unwrap().settled();
        match tokenizer.joins_words() {
            true => assert_eq!((settled, name.as_str()), (0, "tests/models/other")),
            false => assert!(settled + 40 > prose.len(), "{name}: {settled}"),
        }
    }
}

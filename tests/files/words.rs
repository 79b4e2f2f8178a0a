//! Tokenizers, special tokens and templates of folders.

use std::fs;

use serde_json::json;
use w2s::models::{Prompt, Tokenizer};

use super::{copy, edit, load, told};

/// A model whose text "The film was" is three tokens.
const MODEL: &str = "assets/models/untuned";
const FILM: [u32; 3] = [735, 344, 337];

#[test]
fn truncation_and_padding_are_not_for_prompts() {
    let folder = copy(MODEL);
    edit(&folder, "tokenizer.json", |j| {
        j["truncation"] =
            json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
        j["padding"] = json!({"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"});
    });
    let tokenizer = load(folder.path()).unwrap().tokenizer;
    let wanted = [735, 344, 337, 373, 518, 510, 1743, 553, 2652, 311, 284, 312];
    let text = "The film was not what anybody had expected it to be";
    assert_eq!(tokenizer.try_encode(text).unwrap(), wanted);
    assert_eq!(tokenizer.try_encode("The film was").unwrap(), FILM);
}

#[test]
fn a_token_without_a_row_may_be_there_and_not_be_used() {
    let folder = copy(MODEL);
    edit(&folder, "tokenizer.json", |j| {
        let token = json!({"id": 4096, "content": "<image_soft_token>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
        j["added_tokens"].as_array_mut().unwrap().push(token);
    });
    let model = load(folder.path()).unwrap();
    let ids = |text: &str| model.try_text_ids(&Prompt::from(text), "");
    assert_eq!(ids("The film was").unwrap(), FILM);
    let told = ids("The <image_soft_token>").unwrap_err().to_string();
    assert!(
        told.contains("<image_soft_token>") && told.contains("4096"),
        "{told}"
    );
}

#[test]
fn tokens_that_only_the_configuration_names() {
    let folder = copy(MODEL);
    let token = |content: &str| json!({"content": content, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true});
    edit(&folder, "tokenizer_config.json", |j| {
        j["added_tokens_decoder"] =
            json!({"4096": token("<|im_start|>"), "4097": token("<|im_end|>")});
    });
    let words = || {
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        Tokenizer::from_bytes(&read("tokenizer.json"), &read("tokenizer_config.json"), "m")
    };
    let ids = words()
        .unwrap()
        .try_encode("<|im_start|>user\nHi<|im_end|>");
    assert_eq!(ids.unwrap(), [4096, 428, 267, 199, 40, 73, 4097]);
    edit(&folder, "tokenizer_config.json", |j| {
        j["added_tokens_decoder"] = json!({"5000": token("<|im_start|>")});
    });
    let told = words().unwrap_err().to_string();
    assert!(told.contains("5000") && told.contains("4096"), "{told}");
}

#[test]
fn special_tokens_in_a_file_of_their_own() {
    let folder = copy(MODEL);
    fs::write(
        folder.path().join("tokenizer_config.json"),
        r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#,
    )
    .unwrap();
    let map = r#"{"bos_token": {"content": "<|endoftext|>", "lstrip": false}, "eos_token": "<|endoftext|>"}"#;
    fs::write(folder.path().join("special_tokens_map.json"), map).unwrap();
    let tokenizer = load(folder.path()).unwrap().tokenizer;
    let end = Some(0);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (end, end));
    let names: Vec<_> = tokenizer
        .specials()
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>")
        ]
    );
}

#[test]
fn ids_of_the_model_stand_in_for_names() {
    let folder = copy(MODEL);
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    edit(&folder, "config.json", |j| {
        j["bos_token_id"] = json!(5);
        j["eos_token_id"] = json!([7, 8]);
    });
    let tokenizer = load(folder.path()).unwrap().tokenizer;
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(5), Some(7)));
}

#[test]
fn what_cannot_be_read_is_not_absent() {
    for (name, text) in [
        (
            "tokenizer_config.json",
            &b"{\"eos_token\": \"<|endoftext|>\",}"[..],
        ),
        ("tokenizer_config.json", b"\xef\xbb\xbf{}"),
        ("tokenizer_config.json", b"{\"a\": \"\xe9\"}"),
        ("tokenizer_config.json", b"[]"),
        ("special_tokens_map.json", b"{"),
        ("chat_template.jinja", b"\xff"),
    ] {
        let folder = copy(MODEL);
        fs::write(folder.path().join(name), text).unwrap();
        let told = told(folder.path());
        assert!(told.contains(name), "{told}");
    }
}

#[test]
fn named_tokens_never_show() {
    let folder = copy(MODEL);
    edit(&folder, "tokenizer.json", |j| {
        j["added_tokens"][0]["special"] = json!(false)
    });
    let tokenizer = load(folder.path()).unwrap().tokenizer;
    let ids = [&FILM[..], &[tokenizer.eos().unwrap()]].concat();
    assert_eq!(tokenizer.decode(&ids), "The film was");
}

#[test]
fn ids_size_nothing() {
    let folder = copy(MODEL);
    edit(&folder, "tokenizer.json", |j| {
        j["model"]["vocab"]["film"] = json!(u32::MAX)
    });
    assert!(told(folder.path()).contains("tokenizer"));
    let folder = copy(MODEL);
    edit(&folder, "tokenizer.json", |j| {
        j["model"]["merges"]
            .as_array_mut()
            .unwrap()
            .push(json!(["§§", "¶¶"]));
    });
    assert!(told(folder.path()).contains("tokenizer"));
}

#[test]
fn a_tokenizer_that_gives_up_on_a_text_says_so() {
    let folder = copy(MODEL);
    edit(&folder, "tokenizer.json", |j| {
        j["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": false});
    });
    let tokenizer = load(folder.path()).unwrap().tokenizer;
    let told = tokenizer
        .try_encode(&("a".repeat(200) + "!"))
        .unwrap_err()
        .to_string();
    assert!(told.contains("refuses the text"), "{told}");
}

/// In Llama 2's form: a space is put before a text, and taken away from the beginning.
fn sentence_piece(decoder: serde_json::Value) -> Tokenizer {
    let pieces = [
        "<unk>", "▁", "T", "h", "i", "s", "w", "a", "▁T", "▁w", "hi", "as", "▁Thi", "▁was",
        "▁This", "\n",
    ];
    let vocab: serde_json::Map<_, _> = pieces
        .iter()
        .enumerate()
        .map(|(i, p)| ((*p).to_owned(), json!(i)))
        .collect();
    let merges = ["▁ T", "▁ w", "h i", "a s", "▁T hi", "▁w as", "▁Thi s"];
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "post_processor": null,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null, "decoder": decoder,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": merges},
    });
    Tokenizer::from_bytes(json.to_string().as_bytes(), b"", "m").unwrap()
}

/// transformers' streamers decode with what precedes: the space before a word stays.
#[test]
fn text_after_a_prompt_keeps_its_space() {
    let strip = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]});
    let metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": false});
    for decoder in [strip, metaspace] {
        let tokenizer = sentence_piece(decoder);
        let (this, was) = (14, 13);
        assert_eq!(tokenizer.try_encode("This was").unwrap(), [this, was]);
        assert_eq!(tokenizer.decode(&[was]), " was");
        assert_eq!(&*tokenizer.piece(was), " was");
        // Typed after something, and no second space before it.
        assert_eq!(tokenizer.try_encode_on(" was").unwrap(), [was]);
        assert_eq!(tokenizer.try_encode_on("s").unwrap(), [5]);
    }
}

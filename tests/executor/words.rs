//! What models read: contexts of both halves, ids that end a response, spaces of SentencePiece.

use serde_json::{Value, json};
use w2s::guide::score_text;
use w2s::search::{Entry, Finish, LaneId, Lanes, Rules, Sampling, SearchParams};

use crate::folder::{PROMPT, copy, executor, id, model, open, pair, params, run_one};

/// The context of the untuned half was never looked at before the first pass that outgrew it.
#[test]
fn the_contexts_of_both_halves_are_checked_at_the_start() {
    let short = copy("untuned", "config.json", |config| {
        config["max_position_embeddings"] = 24.into();
    });
    let spec = format!("bundled:positive,{}", short.path().display());
    let mut lanes = Lanes::new(executor(model("bundled:strong"), pair(&spec)));
    let why = open(&mut lanes, 1, PROMPT, params(2, 2, 4, 40)).unwrap_err();
    let why = why.to_string();
    assert!(why.contains("a context of 24 tokens"), "{why}");
}

/// The end that was sampled is the end that is scored: models have several ids that end a
/// response, and the pair's EOS is one of them. It used to be scored whatever was sampled.
#[test]
fn the_id_that_ended_a_response_is_the_one_that_is_scored() {
    let stop = 14; // "."
    let ends = |config: &mut Value| config["eos_token_id"] = json!([0, stop]);
    let strong = copy("strong", "config.json", ends);
    let spec = strong.path().display().to_string();
    let executor = executor(model(&spec), pair("positive"));
    let (_, entries) = run_one(executor, "It was", params(4, 4, 8, 40));
    let mut n_ended = 0;
    for entry in &entries {
        let Entry::Scored { candidates, .. } = entry else {
            continue;
        };
        for ended in candidates.iter().filter(|c| c.finish == Some(Finish::Eos)) {
            let last = ended.score().terms().last().unwrap();
            assert_eq!(Some(&last.id), ended.tokens.last());
            n_ended += usize::from(last.id == stop);
        }
    }
    assert!(n_ended > 0, "a sentence ends");
}

/// The strong model with its tokenizer in Llama 2's form: U+2581 for the space, which the decoder
/// strips from the beginning of a text.
fn sentence_piece() -> tempfile::TempDir {
    copy("strong", "tokenizer.json", |json| {
        json["normalizer"] = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        ]});
        json["pre_tokenizer"] = Value::Null;
        json["post_processor"] = Value::Null;
        json["decoder"] = json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]});
        let spaced = |text: &str| text.replace('Ġ', "\u{2581}");
        let vocab = json["model"]["vocab"].as_object().unwrap();
        let vocab = vocab.iter().map(|(k, v)| (spaced(k), v.clone()));
        json["model"]["vocab"] = Value::Object(vocab.collect());
        let merges = json["model"]["merges"].as_array().unwrap();
        let merges = merges.iter().map(|merge| match merge {
            Value::String(pair) => Value::String(spaced(pair)),
            pair => json!([
                spaced(pair[0].as_str().unwrap()),
                spaced(pair[1].as_str().unwrap())
            ]),
        });
        json["model"]["merges"] = Value::Array(merges.collect());
    })
}

/// What a model whose tokens begin with SentencePiece's space says after a prompt.
fn after_a_prompt() -> std::sync::Arc<w2s::search::Hypothesis> {
    let folder = sentence_piece();
    let strong = model(&folder.path().display().to_string());
    let (best, _) = run_one(
        executor(strong, pair("positive")),
        "This film",
        params(2, 2, 4, 12),
    );
    best
}

#[test]
fn a_response_keeps_the_space_that_it_begins_with() {
    let best = after_a_prompt();
    let text = best.text.to_string();
    assert!(text.starts_with(' ') && !text.starts_with("  "), "{text:?}");
}

/// transformers decodes the whole of such a text, and the decoder takes its first space away.
#[test]
fn a_response_to_nothing_does_not_begin_with_a_space() {
    let folder = sentence_piece();
    let strong = model(&folder.path().display().to_string());
    let whole = |tokens: &[u32]| strong.tokenizer.decode_first(tokens);
    // Nearly any token, so that words come that are no beginnings of texts.
    let wild = Sampling::new(9.0, 0, 1.0).unwrap();
    for l in [1, 4] {
        let executor = executor(strong.clone(), pair("positive"));
        let params = SearchParams::new(2, 8, l, 12, wild, Rules::Fixed, 3).unwrap();
        let (_, entries) = run_one(executor, "", params);
        let mut n_spaces = 0;
        for entry in &entries {
            let Entry::Scored { candidates, .. } = entry else {
                continue;
            };
            for candidate in candidates {
                let tokens = candidate.tokens.to_vec();
                assert_eq!(candidate.text, whole(&tokens));
                n_spaces += usize::from(strong.tokenizer.decode(&tokens).starts_with(' '));
            }
        }
        assert!(n_spaces > 0, "a first token has a space before it");
    }
    // Typed text is that of a beginning, too.
    let mut lanes = Lanes::new(executor(strong.clone(), pair("positive")));
    open(&mut lanes, 1, "", params(2, 2, 3, 12)).unwrap();
    while lanes.search(LaneId(1)).unwrap().round_idx() < 1 {
        lanes.step();
    }
    let search = lanes.search(LaneId(1)).unwrap();
    let beside = search.history().here().round().unwrap().candidates[0].clone();
    let typed = lanes.executor().typed(LaneId(1), &beside, "This was", &[]);
    let typed = typed.unwrap();
    assert_eq!(typed.tokens, strong.tokenizer.encode("This was"));
    assert_eq!(typed.text, "This was");
}

/// What the pair reads of it has the space too: a word, not the rest of one.
#[test]
fn the_pair_reads_the_space_that_a_response_begins_with() {
    let best = after_a_prompt();
    let first = best.score().terms().next().unwrap().piece.clone();
    assert!(first.starts_with(' '), "{first:?}");
    let text = best.text.to_string();
    let scored = score_text(
        &pair("positive"),
        &"This film".into(),
        &text,
        best.finish == Some(Finish::Eos),
    );
    let far = (scored.unwrap().value() - best.score().value()).abs();
    assert!(far < 1e-4, "{far}");
}

#[test]
fn a_typed_chunk_reads_as_it_was_typed() {
    let folder = sentence_piece();
    for spec in ["bundled:strong", &folder.path().display().to_string()] {
        let mut lanes = Lanes::new(executor(model(spec), pair("positive")));
        open(&mut lanes, 1, "This film", params(2, 2, 3, 12)).unwrap();
        while lanes.search(LaneId(1)).unwrap().round_idx() < 2 {
            lanes.step();
        }
        let search = lanes.search(LaneId(1)).unwrap();
        let beside = search.history().here().round().unwrap().candidates[0].clone();
        for chunk in [" was good", "s were good", ". So"] {
            let before = beside.text.to_string()[..beside.text_start].to_owned();
            let typed = lanes
                .executor()
                .typed(LaneId(1), &beside, chunk, &[])
                .unwrap();
            assert_eq!(typed.text, format!("{before}{chunk}"));
            let parent: Vec<u32> = beside
                .tokens
                .iter()
                .take(beside.chunk_start)
                .copied()
                .collect();
            let tokenizer = &lanes.executor().strong().tokenizer;
            let prompt = tokenizer.encode("This film");
            let read = tokenizer.decode(&[&prompt[..], &parent, &typed.tokens].concat());
            assert_eq!(
                read.trim_start(),
                format!("This film{before}{chunk}"),
                "{spec}"
            );
            assert_eq!(typed.log_probs.len(), typed.tokens.len());
        }
    }
    assert_eq!(id().as_str(), "pair");
}

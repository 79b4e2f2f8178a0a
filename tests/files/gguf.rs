//! GGUF files as llama.cpp reads them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use tempfile::TempDir;
use w2s::decoder::{Decoder, Kernels, Placement};
use w2s::guide::positions;
use w2s::models::{GgufFile, Weights};

use super::{load, logits, told};

const HIDDEN: usize = 16;
const HEADS: usize = 2;
const HEAD_DIM: usize = HIDDEN / HEADS;
const FFN: usize = 24;
const VOCAB: usize = 40;
const IDS: [u32; 8] = [5, 6, 7, 8, 9, 10, 11, 12];

/// Name here, name in GGUF, shape.
const TENSORS: [(&str, &str, &[usize]); 15] = [
    (
        "model.embed_tokens.weight",
        "token_embd.weight",
        &[VOCAB, HIDDEN],
    ),
    ("model.norm.weight", "output_norm.weight", &[HIDDEN]),
    (
        "model.layers.0.input_layernorm.weight",
        "blk.0.attn_norm.weight",
        &[HIDDEN],
    ),
    (
        "model.layers.0.post_attention_layernorm.weight",
        "blk.0.ffn_norm.weight",
        &[HIDDEN],
    ),
    (
        "model.layers.0.self_attn.q_proj.weight",
        "blk.0.attn_q.weight",
        &[HIDDEN, HIDDEN],
    ),
    (
        "model.layers.0.self_attn.k_proj.weight",
        "blk.0.attn_k.weight",
        &[HIDDEN, HIDDEN],
    ),
    (
        "model.layers.0.self_attn.v_proj.weight",
        "blk.0.attn_v.weight",
        &[HIDDEN, HIDDEN],
    ),
    (
        "model.layers.0.self_attn.o_proj.weight",
        "blk.0.attn_output.weight",
        &[HIDDEN, HIDDEN],
    ),
    (
        "model.layers.0.self_attn.o_proj.bias",
        "blk.0.attn_output.bias",
        &[HIDDEN],
    ),
    (
        "model.layers.0.self_attn.q_proj.bias",
        "blk.0.attn_q.bias",
        &[HIDDEN],
    ),
    (
        "model.layers.0.self_attn.k_proj.bias",
        "blk.0.attn_k.bias",
        &[HIDDEN],
    ),
    (
        "model.layers.0.self_attn.v_proj.bias",
        "blk.0.attn_v.bias",
        &[HIDDEN],
    ),
    (
        "model.layers.0.mlp.gate_proj.weight",
        "blk.0.ffn_gate.weight",
        &[FFN, HIDDEN],
    ),
    (
        "model.layers.0.mlp.up_proj.weight",
        "blk.0.ffn_up.weight",
        &[FFN, HIDDEN],
    ),
    (
        "model.layers.0.mlp.down_proj.weight",
        "blk.0.ffn_down.weight",
        &[HIDDEN, FFN],
    ),
];

fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let salt = name.bytes().map(usize::from).sum::<usize>();
    let value = |i: usize| ((i * 7919 + salt * 104_729) % 2003) as f32 / 2_000.0 - 0.5;
    (0..shape.iter().product()).map(value).collect()
}

/// The converter's order of queries and keys: from (head, half, pair) to (head, pair, half).
fn permuted(values: &[f32], width: usize) -> Vec<f32> {
    let mut stored = vec![0.0; values.len()];
    for (row, from) in values.chunks(width).enumerate() {
        let (head, at, half) = (row / HEAD_DIM, row % HEAD_DIM, HEAD_DIM / 2);
        let place = head * HEAD_DIM + at % half * 2 + at / half;
        stored[place * width..][..width].copy_from_slice(from);
    }
    stored
}

fn stored() -> Vec<(&'static str, QTensor)> {
    let tensor = |(_, name, shape): &(&str, &'static str, &[usize])| {
        let mut values = values(name, shape);
        if name.contains("attn_q.") || name.contains("attn_k.") {
            values = permuted(&values, shape.get(1).copied().unwrap_or(1));
        }
        let tensor = Tensor::from_vec(values, *shape, &Device::Cpu).unwrap();
        (*name, QTensor::quantize(&tensor, GgmlDType::F32).unwrap())
    };
    TENSORS.iter().map(tensor).collect()
}

type Pairs = Vec<(String, Value)>;

/// Tokens of a byte-level vocabulary: letters, then what is given.
fn tokens(last: &[&str]) -> Value {
    let letters = (0..VOCAB - last.len()).map(|i| char::from(b'0' + i as u8).to_string());
    let all = letters.chain(last.iter().map(|&text| text.to_owned()));
    Value::Array(all.map(Value::String).collect())
}

fn metadata(more: &[(&str, Value)]) -> Pairs {
    let whole = |n: usize| Value::U32(n as u32);
    let text = |text: &str| Value::String(text.to_owned());
    let mut pairs = vec![
        ("general.architecture", text("llama")),
        ("llama.embedding_length", whole(HIDDEN)),
        ("llama.block_count", whole(1)),
        ("llama.attention.head_count", whole(HEADS)),
        ("llama.attention.head_count_kv", whole(HEADS)),
        ("llama.feed_forward_length", whole(FFN)),
        ("llama.context_length", whole(64)),
        ("llama.rope.freq_base", Value::F32(100.0)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        (
            "tokenizer.ggml.tokens",
            tokens(&["<|end|>", "<|endoftext|>"]),
        ),
        ("tokenizer.ggml.merges", Value::Array(Vec::new())),
        ("tokenizer.ggml.eos_token_id", whole(VOCAB - 1)),
    ];
    pairs.retain(|(key, _)| !more.iter().any(|(other, _)| other == key));
    // Nothing is written for what is to be missing.
    let more = more
        .iter()
        .filter(|(_, value)| !matches!(value, Value::Bool(false)));
    let all = pairs.into_iter().chain(more.cloned());
    all.map(|(key, value)| (key.to_owned(), value)).collect()
}

fn save(path: &Path, pairs: &Pairs, tensors: &[(&'static str, QTensor)]) {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    gguf_file::write(&mut File::create(path).unwrap(), &pairs, &tensors).unwrap();
}

fn file(more: &[(&str, Value)]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.gguf");
    save(&path, &metadata(more), &stored());
    (folder, path)
}

fn logits_of(path: &Path) -> Vec<Vec<f32>> {
    let file = GgufFile::open(path).unwrap();
    let config = file.config().unwrap();
    let placement = Placement::cpu(Kernels::Fast);
    let decoder = Decoder::load(config, &Weights::Gguf(file), &placement).unwrap();
    let found = positions(&decoder, &IDS, 8).unwrap();
    found.into_iter().map(|position| position.logits).collect()
}

/// The same model as a folder, which the families' tests compare with transformers.
fn folder(scaling: serde_json::Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = json!({
        "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": HEADS,
        "intermediate_size": FFN, "vocab_size": VOCAB, "max_position_embeddings": 64, "rope_theta": 100.0,
        "rms_norm_eps": 1e-5, "attention_bias": true, "tie_word_embeddings": true, "rope_scaling": scaling,
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let bytes = TENSORS.map(|(name, stored, shape)| {
        let values = values(stored, shape);
        (
            name,
            shape.to_vec(),
            values
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<u8>>(),
        )
    });
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    fs::write(
        folder.path().join("model.safetensors"),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();
    folder
}

fn assert_close(found: &[Vec<f32>], wanted: &[Vec<f32>]) {
    for (a, b) in found.iter().flatten().zip(wanted.iter().flatten()) {
        assert!((a - b).abs() < 1e-3, "{a} is not {b}");
    }
}

#[test]
fn biases_of_queries_and_keys_are_permuted_as_their_rows_are() {
    let (_folder, path) = file(&[]);
    assert_close(&logits_of(&path), &logits(folder(json!(null)).path(), &IDS));
}

/// llama.cpp takes scaling for linear where no kind is said, under its older key too.
#[test]
fn rotary_scaling_by_both_keys() {
    let linear = || Value::String("linear".to_owned());
    let wanted = logits(
        folder(json!({"type": "linear", "factor": 4.0})).path(),
        &IDS,
    );
    let (kind, factor, older) = (
        "llama.rope.scaling.type",
        "llama.rope.scaling.factor",
        "llama.rope.scale_linear",
    );
    for more in [
        vec![(kind, linear()), (factor, Value::F32(4.0))],
        vec![(factor, Value::F32(4.0))],
        vec![(older, Value::F32(4.0))],
    ] {
        let (_folder, path) = file(&more);
        assert_close(&logits_of(&path), &wanted);
    }
    let none = Value::String("none".to_owned());
    let (_folder, path) = file(&[(kind, none), (factor, Value::F32(4.0))]);
    assert_close(&logits_of(&path), &logits(folder(json!(null)).path(), &IDS));
}

/// llama.cpp's `llama_vocab::impl::load` names them.
#[test]
fn turns_end_by_their_names() {
    for name in ["<|end|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>"] {
        let words = tokens(&[name, "<|endoftext|>"]);
        let (_folder, path) = file(&[("tokenizer.ggml.tokens", words)]);
        let model = load(&path).unwrap();
        let (end, last) = (VOCAB as u32 - 2, VOCAB as u32 - 1);
        assert!(
            model.is_eos(end) && model.is_eos(last) && !model.is_eos(0),
            "{name}"
        );
        assert_eq!(model.tokenizer.eos(), Some(last), "{name}");
        assert_eq!(
            model.tokenizer.decode(&[3, end]),
            model.tokenizer.decode(&[3]),
            "{name}"
        );
    }
}

#[test]
fn a_file_that_does_not_say_how_words_are_split_is_refused() {
    let (_folder, path) = file(&[("tokenizer.ggml.pre", Value::Bool(false))]);
    assert!(
        told(&path).contains("tokenizer.ggml.pre"),
        "{}",
        told(&path)
    );
}

#[test]
fn parts_are_read_together() {
    let folder = TempDir::new().unwrap();
    let part = |no: usize| folder.path().join(format!("m-{no:05}-of-00002.gguf"));
    let said = |no: u16| [("split.no", Value::U16(no)), ("split.count", Value::U16(2))];
    let mut first = stored();
    let second = first.split_off(6);
    save(&part(1), &metadata(&said(0)), &first);
    assert!(
        told(&part(1)).contains("00002-of-00002"),
        "{}",
        told(&part(1))
    );
    let bare = said(1).map(|(key, value)| (key.to_owned(), value)).to_vec();
    save(&part(2), &bare, &second);
    let (_whole, path) = file(&[]);
    assert_eq!(logits_of(&part(1)), logits_of(&path));
    assert!(
        told(&part(2)).contains("name the first part"),
        "{}",
        told(&part(2))
    );
    let other = folder.path().join("renamed.gguf");
    fs::copy(part(1), &other).unwrap();
    assert!(told(&other).contains("part 1 of 2"), "{}", told(&other));
}

#[test]
fn numbers_of_the_header_size_nothing() {
    for (key, value) in [
        ("general.alignment", 0),
        ("llama.block_count", u32::MAX),
        ("llama.attention.head_count", u32::MAX),
        ("llama.attention.head_count", 0),
        ("llama.embedding_length", u32::MAX),
        ("llama.attention.key_length", u32::MAX),
        ("llama.attention.key_length", 1),
        ("llama.rope.dimension_count", u32::MAX),
        ("split.count", u32::MAX),
        ("tokenizer.ggml.eos_token_id", u32::MAX),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("m.gguf");
        let pairs = metadata(&[(key, Value::U32(value))]);
        if key == "general.alignment" {
            // The writer would divide by it too.
            let mut bytes = Vec::new();
            for part in [
                &b"GGUF"[..],
                &3_u32.to_le_bytes(),
                &0_u64.to_le_bytes(),
                &1_u64.to_le_bytes(),
                &17_u64.to_le_bytes(),
                b"general.alignment",
                &4_u32.to_le_bytes(),
                &[0; 4],
            ] {
                bytes.extend_from_slice(part);
            }
            fs::write(&path, bytes).unwrap();
        } else {
            save(&path, &pairs, &stored());
        }
        let loaded = load(&path);
        assert!(
            loaded.is_err() || key.ends_with("eos_token_id"),
            "{key} of {value}"
        );
    }
}

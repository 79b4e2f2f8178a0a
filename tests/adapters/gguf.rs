//! An adapter on quantised weights, which stay as they are stored.

use std::fs::File;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::json;
use w2s::decoder::DeviceChoice;
use w2s::library::Library;
use w2s::models::ModelSpec;

use super::support::{
    Tensors, adapter, assert_close, factors, logits, logits_of, merge, model, noise,
};

const HIDDEN: usize = 64;
const FFN: usize = 96;
const VOCAB: usize = 128;
const HEAD_DIM: usize = 16;

/// Names in GGUF and here, rows, columns, and whether rows are permuted.
const MATRICES: [(&str, &str, usize, usize, bool); 7] = [
    ("attn_q", "self_attn.q_proj", 64, HIDDEN, true),
    ("attn_k", "self_attn.k_proj", 32, HIDDEN, true),
    ("attn_v", "self_attn.v_proj", 32, HIDDEN, false),
    ("attn_output", "self_attn.o_proj", HIDDEN, 64, false),
    ("ffn_gate", "mlp.gate_proj", FFN, HIDDEN, false),
    ("ffn_up", "mlp.up_proj", FFN, HIDDEN, false),
    ("ffn_down", "mlp.down_proj", HIDDEN, FFN, false),
];

/// Where llama.cpp puts each row of queries or keys: from (head, half, pair) to
/// (head, pair, half).
fn place(row: usize) -> usize {
    let (head, at, half) = (row / HEAD_DIM, row % HEAD_DIM, HEAD_DIM / 2);
    head * HEAD_DIM + at % half * 2 + at / half
}

/// Rows as they are stored, in blocks of 8 bits, and the weights that those stand for.
fn quantised(values: &[f32], n: usize, k: usize, permuted: bool) -> (QTensor, Vec<f32>) {
    let at = |row: usize| if permuted { place(row) } else { row };
    let mut stored = vec![0.0; n * k];
    for (row, from) in values.chunks(k).enumerate() {
        stored[at(row) * k..][..k].copy_from_slice(from);
    }
    let stored = Tensor::from_vec(stored, (n, k), &Device::Cpu).unwrap();
    let blocks = QTensor::quantize(&stored, GgmlDType::Q8_0).unwrap();
    let meant = blocks.dequantize(&Device::Cpu).unwrap();
    let meant: Vec<f32> = meant.flatten_all().unwrap().to_vec1().unwrap();
    let rows = (0..n).flat_map(|row| meant[at(row) * k..][..k].to_vec());
    (blocks, rows.collect())
}

fn plain(values: &[f32]) -> QTensor {
    let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, GgmlDType::F32).unwrap()
}

/// Writes a Llama of one layer; its weights by their names in Hugging Face layout.
fn write(path: &Path) -> Tensors {
    let (mut stored, mut meant) = (Vec::new(), Tensors::new());
    let mut matrix = |gguf: String, name: String, n, k, permuted, salt| {
        let (blocks, rows) = quantised(&noise(n * k, salt), n, k, permuted);
        stored.push((gguf, blocks));
        meant.insert(name, (vec![n, k], rows));
    };
    for (salt, (gguf, name, n, k, permuted)) in MATRICES.into_iter().enumerate() {
        let gguf = format!("blk.0.{gguf}.weight");
        matrix(
            gguf,
            format!("model.layers.0.{name}.weight"),
            n,
            k,
            permuted,
            salt,
        );
    }
    let embedding = "model.embed_tokens.weight".to_owned();
    matrix(
        "token_embd.weight".to_owned(),
        embedding,
        VOCAB,
        HIDDEN,
        false,
        20,
    );
    for (gguf, name) in [
        ("output_norm.weight", "model.norm.weight"),
        (
            "blk.0.attn_norm.weight",
            "model.layers.0.input_layernorm.weight",
        ),
        (
            "blk.0.ffn_norm.weight",
            "model.layers.0.post_attention_layernorm.weight",
        ),
    ] {
        let gain = vec![1.0; HIDDEN];
        stored.push((gguf.to_owned(), plain(&gain)));
        meant.insert(name.to_owned(), (vec![HIDDEN], gain));
    }
    save(path, &stored);
    meant
}

fn save(path: &Path, tensors: &[(String, QTensor)]) {
    let whole = |n: usize| Value::U32(n as u32);
    let values = [
        ("general.architecture", Value::String("llama".to_owned())),
        ("llama.embedding_length", whole(HIDDEN)),
        ("llama.block_count", whole(1)),
        ("llama.attention.head_count", whole(4)),
        ("llama.attention.head_count_kv", whole(2)),
        ("llama.feed_forward_length", whole(FFN)),
        ("llama.context_length", whole(64)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
    ];
    let values: Vec<_> = values.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    gguf_file::write(&mut File::create(path).unwrap(), &values, &tensors).unwrap();
}

#[test]
fn an_adapter_leaves_quantised_weights_quantised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let mut tensors = write(&path);
    let config = json!({"model_type": "llama", "vocab_size": VOCAB, "hidden_size": HIDDEN,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": FFN,
        "num_hidden_layers": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": true});
    let same = model(&config, &tensors);
    let plain = logits_of(&same.path().display().to_string());

    let modules = MATRICES.map(|(_, name, n, k, _)| (format!("model.layers.0.{name}"), n, k));
    let modules = modules
        .each_ref()
        .map(|(name, n, k)| (name.as_str(), *n, *k));
    let lora = factors(&modules, 30);
    merge(&mut tensors, &lora, false);
    let merged = model(&config, &tensors);
    let wanted = logits_of(&merged.path().display().to_string());
    assert!(wanted.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 1e-3));

    let adapter = adapter(&path, &lora, false);
    let spec = format!("{}+{}", path.display(), adapter.path().display());
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let base = library.decoder(&ModelSpec::Gguf(path)).unwrap();
    assert_close(&logits(&base), &plain, "the base");
    let tuned = library.decoder(&ModelSpec::parse(&spec)).unwrap();
    assert_close(&logits(&tuned), &wanted, "the adapted model");
    assert!(tuned.shares_weights(&base));
}

//! A GGUF model of a few kilobytes, whose weights are noise and whose tokens are a test's choice.

use std::fs::File;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

const HIDDEN: usize = 64;
const FFN: usize = 96;

/// Rows and columns of a layer's matrices.
const MATRICES: [(&str, usize, usize); 7] = [
    ("attn_q", 64, HIDDEN),
    ("attn_k", 32, HIDDEN),
    ("attn_v", 32, HIDDEN),
    ("attn_output", HIDDEN, 64),
    ("ffn_gate", FFN, HIDDEN),
    ("ffn_up", FFN, HIDDEN),
    ("ffn_down", HIDDEN, FFN),
];

fn noise(n: usize, salt: usize) -> Vec<f32> {
    let value = |i: usize| ((i + 1) as f64 * 12.9898 + salt as f64 * 78.233).sin() * 43_758.5;
    (0..n).map(|i| (value(i).fract() * 0.5) as f32).collect()
}

fn quantised(values: Vec<f32>, shape: &[usize], kind: GgmlDType) -> QTensor {
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, kind).unwrap()
}

/// A byte as byte-level BPE spells it.
fn letter(byte: u8) -> char {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let n_before = (0..byte).filter(|b| !plain(*b)).count() as u32;
    match plain(byte) {
        true => char::from(byte),
        false => char::from_u32(256 + n_before).unwrap(),
    }
}

fn spelled(text: &str) -> String {
    text.bytes().map(letter).collect()
}

/// Writes a model with a token for each byte, and for each of `texts` one.
pub fn write(path: &Path, texts: &[&str]) {
    let bytes = (0..=255).map(|byte| letter(byte).to_string());
    let tokens: Vec<String> = bytes
        .chain(texts.iter().map(|text| spelled(text)))
        .collect();
    // With one merge, as a list has to have one.
    let vocab = tokens.len() + 1;
    let mut tensors = Vec::new();
    for (salt, (name, n, k)) in MATRICES.into_iter().enumerate() {
        let blocks = quantised(noise(n * k, salt), &[n, k], GgmlDType::Q8_0);
        tensors.push((format!("blk.0.{name}.weight"), blocks));
    }
    for name in ["blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"] {
        let gain = quantised(vec![1.0; HIDDEN], &[HIDDEN], GgmlDType::F32);
        tensors.push((format!("{name}.weight"), gain));
    }
    let embedding = quantised(noise(vocab * HIDDEN, 9), &[vocab, HIDDEN], GgmlDType::Q8_0);
    tensors.push(("token_embd.weight".to_owned(), embedding));

    let whole = |n: usize| Value::U32(n as u32);
    let text = |text: &str| Value::String(text.to_owned());
    let values = [
        ("general.architecture", text("llama")),
        ("llama.embedding_length", whole(HIDDEN)),
        ("llama.block_count", whole(1)),
        ("llama.attention.head_count", whole(4)),
        ("llama.attention.head_count_kv", whole(2)),
        ("llama.feed_forward_length", whole(FFN)),
        ("llama.context_length", whole(2048)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        ("tokenizer.ggml.merges", Value::Array(vec![text("a b")])),
        ("tokenizer.ggml.tokens", {
            Value::Array(
                tokens
                    .into_iter()
                    .chain(["ab".to_owned()])
                    .map(Value::String)
                    .collect(),
            )
        }),
    ];
    let values: Vec<_> = values.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, t)| (name.as_str(), t)).collect();
    gguf_file::write(&mut File::create(path).unwrap(), &values, &tensors).unwrap();
}

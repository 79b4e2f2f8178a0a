//! Ways to damage files, so that much of them is still what it was.

use std::fs::{self, File};
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value as Said};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json as value};

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Numbers that code stumbles over.
const NUMBERS: [u64; 12] = [
    0,
    1,
    2,
    127,
    255,
    65_535,
    1 << 28,
    u32::MAX as u64 - 1,
    u32::MAX as u64,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];

/// A few bytes changed, taken out, put in, written twice; or the end taken off.
pub fn bytes(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let to = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes[at..to].fill(*random.one(&[0, 255, b'"', b'{', 0x80])),
            2 => drop(bytes.drain(at..to)),
            3 => {
                let again = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, again));
            }
            4 => {
                let number = random.one(&NUMBERS).to_le_bytes();
                let end = (at + *random.one(&[1, 2, 4, 8])).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            _ => bytes[at] ^= 1 << random.below(8),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Words of `whole` changed, repeated, or exchanged.
pub fn text(whole: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(3) == 0 {
        return bytes(whole, random);
    }
    let text = String::from_utf8_lossy(whole);
    let mut words: Vec<String> = text
        .split_inclusive([' ', '\n', '(', '[', '{', '}', '|'])
        .map(str::to_owned)
        .collect();
    let strange = [
        "9".repeat(30),
        "-1 ".to_owned(),
        "{{".to_owned(),
        "%}".to_owned(),
        "a".repeat(5_000),
        "[".repeat(500),
        "\u{0}".to_owned(),
        "% ".to_owned(),
        "\"".to_owned(),
        "range(99999999) ".to_owned(),
        "* 99999999 ".to_owned(),
    ];
    for _ in 0..=random.below(4) {
        let at = random.below(words.len());
        match random.below(4) {
            0 => words[at] = random.one(&strange).clone(),
            1 => words.insert(at, random.one(&strange).clone()),
            2 => words[at] = words[at].repeat(1 + random.below(50)),
            _ => {
                let other = random.below(words.len());
                words.swap(at, other);
            }
        }
    }
    words.concat().into_bytes()
}

/// Values of JSON exchanged for others; at times bytes of its text.
pub fn json(whole: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(5) == 0 {
        return bytes(whole, random);
    }
    let mut json: Value = serde_json::from_slice(whole).unwrap();
    for _ in 0..=random.below(3) {
        let n = count(&json);
        let mut at = random.below(n);
        change(&mut json, &mut at, random);
    }
    json.to_string().into_bytes()
}

fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Changes the value that is `at` values after this one; whether it was found.
fn change(json: &mut Value, at: &mut usize, random: &mut Random) -> bool {
    if *at == 0 {
        *json = strange(json, random);
        return true;
    }
    *at -= 1;
    match json {
        Value::Array(list) => list.iter_mut().any(|v| change(v, at, random)),
        Value::Object(map) => map.iter_mut().any(|(_, v)| change(v, at, random)),
        _ => false,
    }
}

fn strange(known: &Value, random: &mut Random) -> Value {
    match random.below(9) {
        0 => Value::Null,
        1 => value!(random.one(&NUMBERS)),
        2 => value!(-(random.below(1 << 31) as i64)),
        3 => value!(*random.one(&[0.5, 1e300, -1e-300, 1e19])),
        4 => value!(random.below(2) == 0),
        5 => value!(*random.one(&["", "\u{0}", "(a+)+$", "gelu", "\u{1f600}", "<s>", "BPE"])),
        6 => value!([known, known]),
        7 => value!({ "type": known, "content": known }),
        _ => match known {
            Value::String(text) => value!(text.repeat(1 + random.below(2_000))),
            Value::Array(list) => value!(list[..random.below(list.len() + 1)]),
            Value::Object(map) => map
                .iter()
                .skip(1)
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            number => value!({ "a": number }),
        },
    }
}

/// The header of a safetensors file, its length put right most of the time.
pub fn header(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let n = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header = json(&whole[8..8 + n], random);
    let length = match random.below(6) {
        0 => *random.one(&NUMBERS),
        _ => header.len() as u64,
    };
    [&length.to_le_bytes(), &header[..], &whole[8 + n..]].concat()
}

/// The pickle in a file of `torch.save`, or the archive around it.
pub fn pickle(whole: &[u8], random: &mut Random) -> Vec<u8> {
    // It is stored plainly, and begins so.
    let start = whole.windows(3).position(|w| w == [0x80, 2, b'}']);
    let (Some(start), false) = (start, random.below(4) == 0) else {
        return bytes(whole, random);
    };
    let mut damaged = whole.to_vec();
    for _ in 0..=random.below(4) {
        let at = start + random.below(3_000).min(whole.len() - start - 8);
        match random.below(3) {
            0 => damaged[at] = *random.one(b"X(t\x85qhjRbu.]}N\x8aQ"),
            1 => damaged[at..at + 4].copy_from_slice(&(*random.one(&NUMBERS) as u32).to_le_bytes()),
            _ => damaged[at] ^= 1 << random.below(8),
        }
    }
    damaged
}

/// Mostly the header of a GGUF file.
pub fn gguf(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut damaged = whole.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(2_500.min(whole.len() - 8));
        let n = *random.one(&[1, 4, 8]);
        let number = random.one(&NUMBERS).to_le_bytes();
        damaged[at..at + n].copy_from_slice(&number[..n]);
    }
    match random.below(8) {
        0 => bytes(&damaged, random),
        _ => damaged,
    }
}

/// A Llama of one layer that loads.
pub fn write_gguf(path: &Path) {
    let whole = |n: u32| Said::U32(n);
    let text = |text: &str| Said::String(text.to_owned());
    let tokens = (0..32_u8).map(|i| Said::String(char::from(b'A' + i).to_string()));
    let pairs = [
        ("general.architecture", text("llama")),
        ("llama.embedding_length", whole(16)),
        ("llama.block_count", whole(1)),
        ("llama.attention.head_count", whole(2)),
        ("llama.attention.head_count_kv", whole(1)),
        ("llama.feed_forward_length", whole(24)),
        ("llama.context_length", whole(64)),
        ("llama.rope.freq_base", Said::F32(1e4)),
        ("llama.rope.scaling.factor", Said::F32(2.0)),
        ("llama.attention.layer_norm_rms_epsilon", Said::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        ("tokenizer.ggml.tokens", Said::Array(tokens.collect())),
        ("tokenizer.ggml.merges", Said::Array(Vec::new())),
        ("tokenizer.ggml.eos_token_id", whole(0)),
    ];
    let shapes: [(&str, &[usize]); 11] = [
        ("token_embd.weight", &[32, 16]),
        ("output_norm.weight", &[16]),
        ("blk.0.attn_norm.weight", &[16]),
        ("blk.0.ffn_norm.weight", &[16]),
        ("blk.0.attn_q.weight", &[16, 16]),
        ("blk.0.attn_k.weight", &[8, 16]),
        ("blk.0.attn_v.weight", &[8, 16]),
        ("blk.0.attn_output.weight", &[16, 16]),
        ("blk.0.ffn_gate.weight", &[24, 16]),
        ("blk.0.ffn_up.weight", &[24, 16]),
        ("blk.0.ffn_down.weight", &[16, 24]),
    ];
    let tensors = shapes.map(|(name, shape)| {
        let ones = Tensor::ones(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
        (name, QTensor::quantize(&ones, GgmlDType::F32).unwrap())
    });
    let pairs: Vec<_> = pairs.iter().map(|(key, said)| (*key, said)).collect();
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (*name, tensor))
        .collect();
    gguf_file::write(&mut File::create(path).unwrap(), &pairs, &tensors).unwrap();
}

/// An adapter of the values of `tests/models/other`'s first layer.
pub fn write_adapter(folder: &Path) {
    let config = value!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["v_proj"], "bias": "none", "use_rslora": false, "rank_pattern": {}, "init_lora_weights": true, "base_model_name_or_path": "other"});
    fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
    let model = fs::read(super::repository("tests/models/other/config.json")).unwrap();
    let model: Value = serde_json::from_slice(&model).unwrap();
    let size = |key: &str| model[key].as_u64().unwrap() as usize;
    let hidden = size("hidden_size");
    let heads = model["num_key_value_heads"]
        .as_u64()
        .map_or(size("num_attention_heads"), |n| n as usize);
    let n = heads * hidden / size("num_attention_heads");
    let root = "base_model.model.model.layers.0.self_attn.v_proj";
    let ones = vec![0; 2 * hidden.max(n) * 4];
    let tensor = |shape: [usize; 2]| {
        TensorView::new(Dtype::F32, shape.to_vec(), &ones[..shape[0] * shape[1] * 4]).unwrap()
    };
    let tensors = [
        (format!("{root}.lora_A.weight"), tensor([2, hidden])),
        (format!("{root}.lora_B.weight"), tensor([n, 2])),
    ];
    let file = safetensors::serialize(tensors, None).unwrap();
    fs::write(folder.join("adapter_model.safetensors"), file).unwrap();
}

//! LoRA adapters against weights that are merged here.

mod binary;
mod gguf;
mod refusals;
mod sharing;
mod support;

use serde_json::json;
use support::{
    adapted, adapter, assert_close, config, factors, factors_for, family, load, logits, logits_of,
    merge, model,
};
use w2s::decoder::Kernels;

/// One factor at least in every place of a Llama.
const LLAMA: [&str; 8] = [
    "model.layers.0.self_attn.q_proj",
    "model.layers.0.self_attn.k_proj",
    "model.layers.0.self_attn.v_proj",
    "model.layers.0.self_attn.o_proj",
    "model.layers.1.self_attn.v_proj",
    "model.layers.1.mlp.gate_proj",
    "model.layers.1.mlp.up_proj",
    "model.layers.1.mlp.down_proj",
];

const GPT2: [&str; 4] = [
    "transformer.h.0.attn.c_attn",
    "transformer.h.0.attn.c_proj",
    "transformer.h.1.mlp.c_fc",
    "transformer.h.1.mlp.c_proj",
];

/// On both kernels, and by name.
fn check(name: &str, modules: &[&str]) {
    let (base, transposed) = (family(name), name == "gpt2");
    let (lora, mut tensors) = factors_for(name, modules);
    merge(&mut tensors, &lora, transposed);
    let merged = model(&config(&base), &tensors);
    let adapter = adapter(&base, &lora, transposed);
    for kernels in [Kernels::Fast, Kernels::Plain] {
        let wanted = logits(&load(merged.path(), kernels));
        let bare = logits(&load(&base, kernels));
        assert!(wanted.iter().zip(&bare).any(|(a, b)| (a - b).abs() > 1e-2));
        let found = logits(&adapted(&base, adapter.path(), kernels));
        assert_close(&found, &wanted, &format!("{name}, {kernels:?}"));
    }
    let wanted = logits_of(&merged.path().display().to_string());
    let (base, adapter) = (base.display(), adapter.path().display());
    for spec in [format!("{base}+{adapter}"), adapter.to_string()] {
        assert_close(&logits_of(&spec), &wanted, &spec);
    }
}

#[test]
fn an_adapter_changes_llama_as_merged_weights_do() {
    check("llama", &LLAMA);
}

#[test]
fn an_adapter_changes_gpt2s_transposed_weights() {
    check("gpt2", &GPT2);
}

#[test]
fn an_adapter_changes_heads_that_are_stored_one_by_one() {
    let modules = [
        "gpt_neox.layers.0.attention.query_key_value",
        "gpt_neox.layers.1.attention.dense",
        "gpt_neox.layers.1.mlp.dense_h_to_4h",
    ];
    check("gpt_neox", &modules);
}

#[test]
fn an_adapter_changes_matrices_that_are_stored_as_one() {
    let modules = [
        "model.layers.0.self_attn.qkv_proj",
        "model.layers.1.mlp.gate_up_proj",
    ];
    check("phi3", &modules);
}

#[test]
fn an_adapter_changes_the_head() {
    check("llama", &["lm_head", "model.layers.0.self_attn.q_proj"]);
}

/// As in training: the embedding, which is the same matrix, stays as it was.
#[test]
fn an_adapter_changes_a_tied_head_alone() {
    let base = family("gpt2");
    let (_, mut tensors) = factors_for("gpt2", &[]);
    let mut untied = config(&base);
    untied["tie_word_embeddings"] = json!(false);
    let embedding = tensors["transformer.wte.weight"].clone();
    let (n, k) = (embedding.0[0], embedding.0[1]);
    tensors.insert("lm_head.weight".to_owned(), embedding);
    let lora = factors(&[("lm_head", n, k)], 4);
    merge(&mut tensors, &lora, false);
    let merged = model(&untied, &tensors);
    let adapter = adapter(&base, &lora, true);
    for kernels in [Kernels::Fast, Kernels::Plain] {
        let wanted = logits(&load(merged.path(), kernels));
        let found = logits(&adapted(&base, adapter.path(), kernels));
        assert_close(&found, &wanted, &format!("{kernels:?}"));
    }
}

#[test]
fn an_adapter_can_lie_on_another() {
    let base = family("llama");
    let (lower, mut tensors) = factors_for("llama", &LLAMA);
    let upper = factors(&[("model.layers.0.self_attn.q_proj", 32, 32)], 50);
    for lora in [&lower, &upper] {
        merge(&mut tensors, lora, false);
    }
    let merged = model(&config(&base), &tensors);
    let (lower, upper) = (adapter(&base, &lower, false), adapter(&base, &upper, false));
    let paths = [&base, lower.path(), upper.path()].map(|path| path.display().to_string());
    let wanted = logits_of(&merged.path().display().to_string());
    assert_close(&logits_of(&paths.join("+")), &wanted, "both");
}

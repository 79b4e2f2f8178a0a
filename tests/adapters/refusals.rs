//! Adapters that cannot be used, each refused in one sentence.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{RANK, adapter, factor, factors_for, family, read, refusal, write};
use super::{GPT2, LLAMA};

const Q: &str = "model.layers.0.self_attn.q_proj";

/// An adapter for the Llama, after `damage` was done to its tensors.
fn damaged(damage: impl FnOnce(&mut super::support::Tensors)) -> String {
    let adapter = llama();
    let file = adapter.path().join("adapter_model.safetensors");
    let mut lora = read(&file);
    damage(&mut lora);
    write(&file, &lora);
    refusal(&adapter.path().display().to_string())
}

fn llama() -> TempDir {
    let (lora, _) = factors_for("llama", &LLAMA);
    adapter(&family("llama"), &lora, false)
}

#[test]
fn an_adapter_of_another_model_is_refused_by_its_first_tensor() {
    let (lora, _) = factors_for("gpt2", &GPT2);
    let adapter = adapter(&family("gpt2"), &lora, true);
    let spec = format!("{}+{}", family("llama").display(), adapter.path().display());
    let told = refusal(&spec);
    assert!(told.contains(&factor(GPT2[0], "A")), "{told}");
}

#[test]
fn an_adapter_of_another_shape_is_refused() {
    let name = factor(Q, "B");
    let wrong = (vec![2, RANK], vec![0.0; 2 * RANK]);
    let told = damaged(|lora| drop(lora.insert(name.clone(), wrong)));
    assert!(told.contains(&name) && told.contains("[2, 3]"), "{told}");
    let name = factor(Q, "A");
    let told = damaged(|lora| drop(lora.insert(name.clone(), (vec![0, 32], vec![]))));
    assert!(told.contains(&name) && told.contains("[0, 32]"), "{told}");
}

#[test]
fn a_factor_without_the_other_is_refused() {
    for which in ["A", "B"] {
        let name = factor(Q, which);
        let told = damaged(|lora| drop(lora.remove(&name)));
        assert!(told.contains(&name), "{told}");
    }
}

#[test]
fn factors_that_are_not_finite_are_refused() {
    let name = factor(Q, "A");
    let told = damaged(|lora| lora.get_mut(&name).unwrap().1[7] = f32::NAN);
    assert!(
        told.contains(&name) && told.contains("not finite"),
        "{told}"
    );
}

#[test]
fn what_is_no_linear_layer_is_refused() {
    let names = [
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "base_model.model.model.embed_tokens.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight",
    ];
    for name in names {
        let tensor = (vec![RANK, 320], vec![0.0; RANK * 320]);
        let told = damaged(|lora| drop(lora.insert(name.to_owned(), tensor)));
        assert!(told.contains(name), "{told}");
    }
}

#[test]
fn kinds_of_adapters_that_are_more_than_factors_are_refused() {
    let adapter = llama();
    let path = adapter.path().join("adapter_config.json");
    let good: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let bad = [
        ("use_dora", json!(true)),
        ("peft_type", json!("IA3")),
        ("bias", json!("all")),
        ("modules_to_save", json!(["lm_head"])),
        ("layer_replication", json!([[0, 2], [1, 3]])),
    ];
    for (key, value) in bad {
        let mut config = good.clone();
        config[key] = value;
        std::fs::write(&path, config.to_string()).unwrap();
        let told = refusal(&adapter.path().display().to_string());
        assert!(told.contains("is not supported"), "{told}");
    }
}

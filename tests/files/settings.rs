//! `config.json`: keys that a family's code does not read, sizes that no model has, and weights in
//! forms of their own.

use std::fs;

use serde_json::{Value, json};
use w2s::models::DecoderConfig;

use super::{copy, edit, logits, repository};

/// transformers' logits of the family, as recorded; those of our own for the texts.
fn furthest(family: &str, key: &str, value: &Value) -> f32 {
    let folder = copy(&format!("tests/families/{family}"));
    edit(&folder, "config.json", |j| j[key] = value.clone());
    let expected = fs::read_to_string(folder.path().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let ids: Vec<u32> = expected["ids"][0]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| number(id) as u32)
        .collect();
    let found = logits(folder.path(), &ids);
    let mut furthest = 0.0_f32;
    for (at, wanted) in expected["positions"]
        .as_array()
        .unwrap()
        .iter()
        .zip(expected["logits"][0].as_array().unwrap())
    {
        for (a, b) in wanted
            .as_array()
            .unwrap()
            .iter()
            .zip(&found[number(at) as usize])
        {
            furthest = furthest.max((a.as_f64().unwrap() as f32 - b).abs());
        }
    }
    furthest
}

/// Which modules of transformers 5.24 name the key: `grep` in `models/FAMILY/modeling_FAMILY.py`.
#[test]
fn keys_that_a_family_does_not_read_change_nothing() {
    let slides = json!([
        "sliding_attention",
        "sliding_attention",
        "sliding_attention"
    ]);
    for (family, key, value) in [
        ("llama", "sliding_window", json!(8)),
        ("llama", "layer_types", slides.clone()),
        ("llama", "partial_rotary_factor", json!(0.5)),
        ("olmo2", "sliding_window", json!(8)),
        ("olmo2", "mlp_bias", json!(true)),
        ("granite", "sliding_window", json!(8)),
        ("gemma", "sliding_window", json!(8)),
        ("gemma", "mlp_bias", json!(true)),
        ("gpt_neox", "sliding_window", json!(8)),
        ("qwen2", "sliding_window", json!(8)),
        ("qwen2", "attention_bias", json!(false)),
        ("qwen3", "sliding_window", json!(8)),
        ("qwen3", "mlp_bias", json!(true)),
        ("qwen3", "partial_rotary_factor", json!(0.5)),
        ("smollm3", "sliding_window", json!(8)),
        ("llama", "mrope_section", json!([1, 2])),
    ] {
        let far = furthest(family, key, &value);
        assert!(far < 1e-3, "{family} with {key}: {far}");
    }
}

#[test]
fn windows_change_what_families_see_that_have_them() {
    for family in ["mistral", "phi3", "starcoder2"] {
        assert!(
            furthest(family, "sliding_window", &json!(2)) > 1e-2,
            "{family}"
        );
    }
}

/// An index says where weights are, and not which files of others are read.
#[test]
fn an_index_names_files_of_its_own_folder() {
    let outside = copy("tests/families/llama");
    let weights = outside
        .path()
        .join("model.safetensors")
        .display()
        .to_string();
    for older in [false, true] {
        let names = [
            "../model.safetensors",
            "a/../../b",
            "",
            "..",
            ".",
            "a\\..\\b",
            &weights,
        ];
        for name in names {
            let folder = copy("tests/families/llama");
            fs::remove_file(folder.path().join("model.safetensors")).unwrap();
            let index = match older {
                true => "pytorch_model.bin.index.json",
                false => "model.safetensors.index.json",
            };
            edit(&folder, index, |j| *j = json!({"weight_map": {"a": name}}));
            let told = w2s::models::read_folder(folder.path())
                .unwrap_err()
                .to_string();
            assert!(
                told.contains(&format!("{name:?}")) && told.contains(index),
                "{told}"
            );
        }
    }
    let folder = copy("tests/families/llama");
    let whole = folder.path().join("model.safetensors");
    fs::create_dir(folder.path().join("parts")).unwrap();
    fs::rename(whole, folder.path().join("parts/1.safetensors")).unwrap();
    edit(&folder, "model.safetensors.index.json", |j| {
        *j = json!({"weight_map": {"a": "parts/1.safetensors"}});
    });
    assert!(w2s::models::read_folder(folder.path()).is_ok());
}

fn llama() -> Value {
    let text = fs::read_to_string(repository("tests/families/llama/config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn told(key: &str, value: Value) -> String {
    let mut config = llama();
    config[key] = value;
    DecoderConfig::parse(&config.to_string())
        .unwrap_err()
        .to_string()
}

#[test]
fn quantised_checkpoints_are_refused_by_their_method() {
    for method in [
        "gptq",
        "awq",
        "fp8",
        "bitsandbytes",
        "compressed-tensors",
        "hqq",
    ] {
        let told = told(
            "quantization_config",
            json!({"quant_method": method, "bits": 4}),
        );
        assert!(told.contains(&format!("quantised by {method}")), "{told}");
    }
    let told = told("quantization_config", json!({"load_in_4bit": true}));
    assert!(told.contains("bitsandbytes"), "{told}");
    let mut config = llama();
    config["quantization_config"] = Value::Null;
    assert!(DecoderConfig::parse(&config.to_string()).is_ok());
}

#[test]
fn sizes_are_bounded_before_they_size_anything() {
    for key in [
        "num_hidden_layers",
        "head_dim",
        "hidden_size",
        "vocab_size",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
        "num_key_value_heads",
    ] {
        for value in [4_294_967_295_u64, 1_099_511_627_776, u64::MAX, 0] {
            let told = told(key, json!(value));
            assert!(
                told.contains(" is ") || told.contains("cannot share"),
                "{key}: {told}"
            );
        }
    }
}

/// Found by damaging configurations at random; each took all memory, or aborted.
#[test]
fn numbers_that_once_sized_an_allocation() {
    for (family, key, value) in [
        ("gemma2", "num_hidden_layers", json!(4_294_967_295_u64)),
        (
            "gpt_neox",
            "partial_rotary_factor",
            json!(4_294_967_296_u64),
        ),
        ("olmo2", "hidden_size", json!(9_223_372_036_854_775_808_u64)),
        ("qwen2", "hidden_size", json!(9_007_199_254_740_992_u64)),
    ] {
        let folder = copy(&format!("tests/families/{family}"));
        edit(&folder, "config.json", |j| match key {
            "partial_rotary_factor" => j["rope_parameters"][key] = value.clone(),
            _ => j[key] = value.clone(),
        });
        let config = folder.path().join("config.json");
        let config = fs::read_to_string(config).unwrap();
        let told = DecoderConfig::parse(&config).unwrap_err().to_string();
        assert!(told.contains(key), "{family}: {told}");
    }
}

//! Configurations of both of the hub's generations mean the same.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use w2s::models::DecoderConfig;

fn newer(family: &str) -> Map<String, Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/families");
    let text = fs::read_to_string(root.join(family).join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn parse(config: &Map<String, Value>) -> DecoderConfig {
    let text = Value::Object(config.clone()).to_string();
    DecoderConfig::parse(&text).unwrap()
}

/// The same configuration as the older generation wrote it.
fn older(family: &str) -> Map<String, Value> {
    let mut config = newer(family);
    config.insert("torch_dtype".into(), config["dtype"].clone());
    for key in ["dtype", "layer_types"] {
        config.remove(key);
    }
    let rope = config.remove("rope_parameters").unwrap_or(json!({}));
    match family {
        "gemma3_text" => {
            config.remove("_sliding_window_pattern");
            config.insert("sliding_window_pattern".into(), json!(6));
            config.insert(
                "rope_theta".into(),
                rope["full_attention"]["rope_theta"].clone(),
            );
            config.insert("rope_local_base_freq".into(), json!(10_000));
        }
        "gpt_neox" => {
            config.insert("rotary_pct".into(), rope["partial_rotary_factor"].clone());
            config.insert("rotary_emb_base".into(), rope["rope_theta"].clone());
        }
        _ if rope.get("rope_theta").is_some() => {
            config.insert("rope_theta".into(), rope["rope_theta"].clone());
            if rope["rope_type"] != "default" {
                config.insert("rope_scaling".into(), rope);
            }
        }
        _ => {}
    }
    config
}

#[test]
fn both_generations_mean_the_same() {
    for family in [
        "gemma",
        "gemma2",
        "gemma3_text",
        "gpt2",
        "gpt_neox",
        "granite",
        "llama",
        "llama3_rope",
        "mistral",
        "olmo2",
        "opt",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
        "starcoder2",
    ] {
        assert_eq!(parse(&older(family)), parse(&newer(family)), "{family}");
    }
}

#[test]
fn defaults_that_configs_leave_out() {
    let mut mistral = newer("mistral");
    mistral.insert("sliding_window".into(), Value::Null);
    assert_ne!(parse(&mistral), parse(&newer("mistral")));
    let null = parse(&mistral);
    mistral.remove("sliding_window");
    assert_ne!(
        parse(&mistral),
        null,
        "absent is a window of 4096, null is none"
    );

    let mut smollm3 = newer("smollm3");
    smollm3.remove("no_rope_layers");
    assert_eq!(parse(&smollm3), parse(&newer("smollm3")));

    let mut llama = newer("llama");
    llama.remove("head_dim");
    llama.remove("num_key_value_heads");
    llama.insert("eos_token_id".into(), json!([7, 9]));
    let llama = parse(&llama);
    assert_eq!((llama.head_dim, llama.n_kv_heads), (8, 4));
    assert_eq!((llama.bos, &llama.eos[..]), (Some(1), &[7, 9][..]));
}

#[test]
fn generation_may_name_more_ends() {
    let mut llama = newer("llama");
    llama.insert("eos_token_id".into(), json!(7));
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("config.json", &Value::Object(llama).to_string());
    put("model.safetensors", "-");
    let read = |text: &str| {
        put("generation_config.json", text);
        let read = w2s::models::read_folder(folder.path());
        read.map(|(config, _)| config.eos)
            .map_err(|e| e.to_string())
    };
    assert_eq!(read(r#"{"eos_token_id": [9, 7, 8]}"#).unwrap(), [7, 9, 8]);
    assert_eq!(read(r#"{"eos_token_id": 5}"#).unwrap(), [7, 5]);
    assert_eq!(read(r#"{"eos_token_id": null}"#).unwrap(), [7]);
    assert_eq!(read("{}").unwrap(), [7]);
    let told = read(r#"{"eos_token_id": "</s>"}"#).unwrap_err();
    assert!(
        told.contains(r#"not usable (eos_token_id is "</s>")"#),
        "{told}"
    );
    assert!(read("{").unwrap_err().starts_with("generation_config.json"));
}

//! LoRA adapters as PEFT reads them.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use w2s::decoder::DeviceChoice;
use w2s::guide::positions;
use w2s::library::Library;
use w2s::models::ModelSpec;

use super::{copy, repository};

const MODEL: &str = "tests/models/other";
const IDS: [u32; 4] = [5, 6, 7, 8];

/// An adapter of the first queries, of rank 1, all ones.
fn adapter(config: &Value) -> TempDir {
    let folder = copy(MODEL);
    let model: Value =
        serde_json::from_str(&fs::read_to_string(repository(MODEL).join("config.json")).unwrap())
            .unwrap();
    let hidden = model["hidden_size"].as_u64().unwrap() as usize;
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let ones: Vec<u8> = (0..hidden)
        .flat_map(|i| (0.01 * (i % 7) as f32).to_le_bytes())
        .collect();
    let root = "base_model.model.model.layers.0.self_attn.v_proj";
    let view = |shape| TensorView::new(Dtype::F32, shape, &ones).unwrap();
    let tensors = [
        (format!("{root}.lora_A.weight"), view(vec![1, hidden])),
        (format!("{root}.lora_B.weight"), view(vec![hidden, 1])),
    ];
    fs::write(
        folder.path().join("adapter_model.safetensors"),
        safetensors::serialize(tensors, None).unwrap(),
    )
    .unwrap();
    let mut whole =
        json!({"peft_type": "LORA", "r": 1, "lora_alpha": 8, "target_modules": ["v_proj"]});
    for (key, value) in config.as_object().unwrap() {
        whole[key] = value.clone();
    }
    fs::write(folder.path().join("adapter_config.json"), whole.to_string()).unwrap();
    folder
}

fn logits(adapter: Option<&Path>) -> Result<Vec<f32>, String> {
    let base = repository(MODEL).display().to_string();
    let spec = adapter.map_or(base.clone(), |adapter| {
        format!("{base}+{}", adapter.display())
    });
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let model = library
        .model(&ModelSpec::parse(&spec))
        .map_err(|e| e.to_string())?;
    let last = positions(&model.decoder, &IDS, 16).unwrap().pop().unwrap();
    Ok(last.logits)
}

fn with(config: Value) -> Result<Vec<f32>, String> {
    logits(Some(adapter(&config).path()))
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn alpha_is_what_the_file_says() {
    let base = logits(None).unwrap();
    let plain = with(json!({})).unwrap();
    assert!(far(&plain, &base) > 1e-4);
    // 8 is PEFT's default; 0 adds nothing; a negative one takes away.
    assert_eq!(with(json!({"lora_alpha": null})).unwrap(), plain);
    assert!(far(&with(json!({"lora_alpha": 0})).unwrap(), &base) < 1e-6);
    assert!(far(&with(json!({"lora_alpha": -8})).unwrap(), &plain) > 1e-4);
    for wrong in [
        json!({"lora_alpha": "8"}),
        json!({"r": 0}),
        json!({"r": "1"}),
    ] {
        let told = with(wrong.clone()).unwrap_err();
        assert!(told.contains("adapter"), "{wrong}: {told}");
    }
}

#[test]
fn starts_that_change_the_base_are_refused() {
    for start in [
        "pissa",
        "pissa_niter_16",
        "olora",
        "corda",
        "loftq",
        "PiSSA",
    ] {
        let told = with(json!({"init_lora_weights": start})).unwrap_err();
        assert!(told.contains(start), "{told}");
    }
    for start in [
        json!(true),
        json!(false),
        json!("gaussian"),
        json!("eva"),
        json!("orthogonal"),
    ] {
        assert!(with(json!({"init_lora_weights": start})).is_ok(), "{start}");
    }
}

#[test]
fn adapters_of_before_safetensors_are_told_as_such() {
    let folder = adapter(&json!({}));
    let [file, bin] =
        ["adapter_model.safetensors", "adapter_model.bin"].map(|name| folder.path().join(name));
    fs::rename(file, bin).unwrap();
    let told = logits(Some(folder.path())).unwrap_err();
    assert!(told.contains("adapter_model.bin is not read"), "{told}");
}

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

/// An adapter of the first values, of rank 1.
fn adapter(config: &Value) -> TempDir {
    adapter_of(config, 0.01)
}

/// The same with `step` between one entry of its second factor and the next.
fn adapter_of(config: &Value, step: f32) -> TempDir {
    let folder = copy(MODEL);
    let model: Value =
        serde_json::from_str(&fs::read_to_string(repository(MODEL).join("config.json")).unwrap())
            .unwrap();
    let hidden = model["hidden_size"].as_u64().unwrap() as usize;
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let bytes = |step: f32| -> Vec<u8> {
        let steps = (0..hidden).map(|i| step * (i % 7) as f32);
        steps.flat_map(f32::to_le_bytes).collect()
    };
    let root = "base_model.model.model.layers.0.self_attn.v_proj";
    let (first, second) = (bytes(0.01), bytes(step));
    let view = |shape, bytes| TensorView::new(Dtype::F32, shape, bytes).unwrap();
    let tensors = [
        (
            format!("{root}.lora_A.weight"),
            view(vec![1, hidden], &first),
        ),
        (
            format!("{root}.lora_B.weight"),
            view(vec![hidden, 1], &second),
        ),
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
    logits_on(MODEL, adapter)
}

fn logits_on(base: &str, adapter: Option<&Path>) -> Result<Vec<f32>, String> {
    let base = repository(base).display().to_string();
    let spec = adapter.map_or(base.clone(), |adapter| {
        format!("{base}+{}", adapter.display())
    });
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let decoder = library
        .decoder(&ModelSpec::parse(&spec))
        .map_err(|e| e.to_string())?;
    let last = positions(&decoder, &IDS, 16).unwrap().pop().unwrap();
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
    let opposite = with(json!({"lora_alpha": -8})).unwrap();
    assert!(far(&opposite, &plain) > 1e-4);
    let turned = logits(Some(adapter_of(&json!({}), -0.01).path())).unwrap();
    assert!(far(&opposite, &turned) < 1e-6);
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

/// `tests/older/write.py` has written it, with the same numbers as here.
#[test]
fn adapters_of_before_safetensors_are_read() {
    const LLAMA: &str = "tests/families/llama";
    let older = adapter(&json!({"r": 2, "target_modules": ["q_proj"]}));
    let newer = adapter(&json!({"r": 2, "target_modules": ["q_proj"]}));
    let values = (0..64).map(|i| (i * 7 % 33 - 16) as f32 / 256.0);
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    let root = "base_model.model.model.layers.0.self_attn.q_proj";
    let tensors = [("A", vec![2, 32]), ("B", vec![32, 2])].map(|(which, shape)| {
        let tensor = TensorView::new(Dtype::F32, shape, &bytes).unwrap();
        (format!("{root}.lora_{which}.weight"), tensor)
    });
    let file = safetensors::serialize(tensors, None).unwrap();
    fs::write(newer.path().join("adapter_model.safetensors"), file).unwrap();
    fs::remove_file(older.path().join("adapter_model.safetensors")).unwrap();
    let bin = older.path().join("adapter_model.bin");
    fs::copy(repository("tests/older/adapter_model.bin"), &bin).unwrap();
    let wanted = logits_on(LLAMA, Some(newer.path())).unwrap();
    assert_eq!(logits_on(LLAMA, Some(older.path())).unwrap(), wanted);
    assert!(far(&wanted, &logits_on(LLAMA, None).unwrap()) > 1e-4);
    // A newer file goes first.
    fs::write(&bin, "").unwrap();
    let told = logits_on(LLAMA, Some(older.path())).unwrap_err();
    assert!(told.contains("adapter_model.bin"), "{told}");
    assert!(!told.contains("config.json"), "{told}");
    fs::write(newer.path().join("adapter_model.bin"), "").unwrap();
    assert_eq!(logits_on(LLAMA, Some(newer.path())).unwrap(), wanted);
}

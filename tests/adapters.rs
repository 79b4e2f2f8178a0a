//! LoRA adapters against weights that are merged here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::json;
use tempfile::TempDir;
use w2s::lm::{DeviceChoice, Library, ModelSpec, positions};

const RANK: usize = 3;
const ALPHA: usize = 6;

/// Name, shape and values of every tensor.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn family(name: &str) -> PathBuf {
    let root = env!("CARGO_MANIFEST_DIR");
    PathBuf::from(root).join("tests/families").join(name)
}

fn noise(n: usize, salt: usize) -> Vec<f32> {
    let value = |i| ((i * 7919 + salt * 104_729) % 2003) as f32 / 20_000.0 - 0.05;
    (0..n).map(value).collect()
}

fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |view: TensorView<'_>| {
        assert_eq!(view.dtype(), Dtype::F32);
        let data = view.data().as_chunks::<4>().0.iter();
        let values = data.map(|b| f32::from_le_bytes(*b)).collect();
        (view.shape().to_vec(), values)
    };
    file.iter()
        .map(|(n, v)| (n.to_owned(), floats(v)))
        .collect()
}

fn write(path: &Path, tensors: &Tensors) {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(n, (s, v))| (n, s, v.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes).unwrap();
        (*name, view)
    });
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(path, file).unwrap();
}

/// An adapter of two modules of `base`, and the base with the adapter merged.
fn adapter(base: &str, modules: [&str; 2], transposed: bool) -> (TempDir, TempDir) {
    let folder = family(base);
    let mut tensors = read(&folder.join("model.safetensors"));
    let mut lora = Tensors::new();
    for (salt, module) in modules.iter().enumerate() {
        let (shape, values) = tensors.get_mut(&format!("{module}.weight")).unwrap();
        let (n, k) = match transposed {
            false => (shape[0], shape[1]),
            true => (shape[1], shape[0]),
        };
        let (a, b) = (noise(RANK * k, salt), noise(n * RANK, salt + 9));
        for (i, value) in values.iter_mut().enumerate() {
            let (row, column) = if transposed {
                (i % n, i / n)
            } else {
                (i / k, i % k)
            };
            let product = |r: usize| b[row * RANK + r] * a[r * k + column];
            *value += ALPHA as f32 / RANK as f32 * (0..RANK).map(product).sum::<f32>();
        }
        let name = |which| format!("base_model.model.{module}.lora_{which}.weight");
        lora.insert(name("A"), (vec![RANK, k], a));
        lora.insert(name("B"), (vec![n, RANK], b));
    }
    let (merged, adapter) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::copy(
        folder.join("config.json"),
        merged.path().join("config.json"),
    )
    .unwrap();
    write(&merged.path().join("model.safetensors"), &tensors);
    write(&adapter.path().join("adapter_model.safetensors"), &lora);
    let config = json!({"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none",
        "fan_in_fan_out": transposed, "base_model_name_or_path": folder});
    let config = config.to_string();
    std::fs::write(adapter.path().join("adapter_config.json"), config).unwrap();
    (merged, adapter)
}

fn logits(spec: &str) -> Vec<f32> {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let decoder = library.decoder(&ModelSpec::parse(spec)).unwrap();
    let all = positions(&decoder, &[5, 6, 7, 20], usize::MAX).unwrap();
    all.into_iter().flat_map(|p| p.logits).collect()
}

fn refusal(spec: &str) -> String {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let told = library.decoder(&ModelSpec::parse(spec)).unwrap_err();
    told.to_string()
}

fn check(base: &str, modules: [&str; 2], transposed: bool) {
    let (merged, adapter) = adapter(base, modules, transposed);
    let (merged, adapter) = (merged.path().display(), adapter.path().display());
    let path = family(base).display().to_string();
    let (wanted, bare) = (logits(&merged.to_string()), logits(&path));
    assert!(wanted.iter().zip(&bare).any(|(a, b)| (a - b).abs() > 1e-2));
    for spec in [format!("{path}+{adapter}"), adapter.to_string()] {
        for (a, b) in logits(&spec).iter().zip(&wanted) {
            assert!((a - b).abs() < 1e-4, "{a} is not {b}: {spec}");
        }
    }
}

#[test]
fn an_adapter_is_merged_into_llama() {
    let modules = [
        "model.layers.0.self_attn.q_proj",
        "model.layers.1.mlp.down_proj",
    ];
    check("llama", modules, false);
}

#[test]
fn an_adapter_is_merged_into_gpt2s_transposed_weights() {
    let modules = ["transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_proj"];
    check("gpt2", modules, true);
}

#[test]
fn an_adapter_of_another_model_is_refused_by_its_first_tensor() {
    let modules = ["transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_proj"];
    let (_merged, adapter) = adapter("gpt2", modules, true);
    let spec = format!("{}+{}", family("llama").display(), adapter.path().display());
    let told = refusal(&spec);
    assert!(
        told.contains("transformer.h.0.attn.c_attn.lora_A.weight"),
        "{told}"
    );
}

#[test]
fn an_adapter_of_another_shape_is_refused() {
    let modules = [
        "model.layers.0.self_attn.q_proj",
        "model.layers.1.mlp.down_proj",
    ];
    let (_merged, adapter) = adapter("llama", modules, false);
    let file = adapter.path().join("adapter_model.safetensors");
    let mut lora = read(&file);
    let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
    lora.insert(name.to_owned(), (vec![2, RANK], vec![0.0; 2 * RANK]));
    write(&file, &lora);
    let told = refusal(&adapter.path().display().to_string());
    assert!(told.contains(name) && told.contains("[2, 3]"), "{told}");
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let modules = [
        "model.layers.0.self_attn.q_proj",
        "model.layers.1.mlp.down_proj",
    ];
    let (_merged, adapter) = adapter("llama", modules, false);
    let path = adapter.path().join("adapter_config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["use_dora"] = true.into();
    std::fs::write(&path, config.to_string()).unwrap();
    let told = refusal(&adapter.path().display().to_string());
    assert!(told.contains("use_dora"), "{told}");
}

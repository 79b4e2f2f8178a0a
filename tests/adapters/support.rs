//! Small models, adapters for them, and the same with the adapter merged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use w2s::decoder::{Decoder, DeviceChoice, Kernels, Placement};
use w2s::guide::positions;
use w2s::library::Library;
use w2s::models::{Adapter, ModelSpec, read_folder};

pub const RANK: usize = 3;
pub const ALPHA: usize = 6;

/// Name, shape and values of every tensor.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A family's model in the repository.
pub fn family(name: &str) -> PathBuf {
    repository("tests/families").join(name)
}

pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn noise(n: usize, salt: usize) -> Vec<f32> {
    let value = |i| ((i * 7919 + salt * 104_729) % 2003) as f32 / 20_000.0 - 0.05;
    (0..n).map(value).collect()
}

pub fn read(path: &Path) -> Tensors {
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

pub fn write(path: &Path, tensors: &Tensors) {
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

/// A model's folder.
pub fn model(config: &Value, tensors: &Tensors) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("config.json"), config.to_string()).unwrap();
    write(&path.join("model.safetensors"), tensors);
    folder
}

/// What PEFT calls a factor.
pub fn factor(module: &str, which: &str) -> String {
    format!("base_model.model.{module}.lora_{which}.weight")
}

/// Factors of noise for matrices of (n, k).
pub fn factors(modules: &[(&str, usize, usize)], salt: usize) -> Tensors {
    let mut lora = Tensors::new();
    for (i, &(module, n, k)) in modules.iter().enumerate() {
        let (a, b) = (noise(RANK * k, salt + i), noise(n * RANK, salt + i + 9));
        lora.insert(factor(module, "A"), (vec![RANK, k], a));
        lora.insert(factor(module, "B"), (vec![n, RANK], b));
    }
    lora
}

/// Adds factors to the weights of their matrices.
pub fn merge(tensors: &mut Tensors, lora: &Tensors, transposed: bool) {
    for (name, (_, a)) in lora.iter().filter(|(name, _)| name.contains(".lora_A.")) {
        let module = name.strip_prefix("base_model.model.").unwrap();
        let module = module.strip_suffix(".lora_A.weight").unwrap();
        let (_, b) = &lora[&factor(module, "B")];
        let (n, k) = (b.len() / RANK, a.len() / RANK);
        let (_, values) = tensors.get_mut(&format!("{module}.weight")).unwrap();
        for (i, value) in values.iter_mut().enumerate() {
            let (row, column) = if transposed {
                (i % n, i / n)
            } else {
                (i / k, i % k)
            };
            let product = |r: usize| b[row * RANK + r] * a[r * k + column];
            *value += ALPHA as f32 / RANK as f32 * (0..RANK).map(product).sum::<f32>();
        }
    }
}

/// An adapter's folder.
pub fn adapter(base: &Path, lora: &Tensors, transposed: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(&path.join("adapter_model.safetensors"), lora);
    let config = json!({"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none",
        "fan_in_fan_out": transposed, "base_model_name_or_path": base});
    std::fs::write(path.join("adapter_config.json"), config.to_string()).unwrap();
    folder
}

/// Factors for `modules` of a family's model, with its weights.
pub fn factors_for(family_name: &str, modules: &[&str]) -> (Tensors, Tensors) {
    let tensors = read(&family(family_name).join("model.safetensors"));
    let transposed = family_name == "gpt2";
    let shape = |module: &&'static str| {
        let (shape, _) = &tensors[&format!("{module}.weight")];
        match transposed {
            false => (*module, shape[0], shape[1]),
            true => (*module, shape[1], shape[0]),
        }
    };
    let modules: Vec<&'static str> = modules.iter().map(|m| m.to_string().leak() as &_).collect();
    let modules: Vec<_> = modules.iter().map(shape).collect();
    (factors(&modules, 0), tensors)
}

pub fn config(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn logits(decoder: &Decoder) -> Vec<f32> {
    let all = positions(decoder, &[5, 6, 7, 20], usize::MAX).unwrap();
    all.into_iter().flat_map(|p| p.logits).collect()
}

pub fn load(folder: &Path, kernels: Kernels) -> Decoder {
    let (config, weights) = read_folder(folder).unwrap();
    Decoder::load(config, &weights, &Placement::cpu(kernels)).unwrap()
}

pub fn adapted(folder: &Path, adapter: &Path, kernels: Kernels) -> Decoder {
    let adapter = Adapter::open(adapter).unwrap();
    load(folder, kernels).adapted(&adapter).unwrap()
}

pub fn logits_of(spec: &str) -> Vec<f32> {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    logits(&library.decoder(&ModelSpec::parse(spec)).unwrap())
}

/// Why a model cannot be loaded, in one sentence.
pub fn refusal(spec: &str) -> String {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let told = library.decoder(&ModelSpec::parse(spec)).unwrap_err();
    let told = told.to_string();
    assert!(!told.contains('\n'), "{told}");
    told
}

pub fn assert_close(found: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(found.len(), wanted.len());
    for (a, b) in found.iter().zip(wanted) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}: {what}");
    }
}

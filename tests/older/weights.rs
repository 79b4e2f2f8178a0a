//! Weights of `torch.save`; `write.py` tells how the files were made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use w2s::decoder::{Decoder, Feed, Kernels, Placement, Sums, Want};
use w2s::library::weight_bytes;
use w2s::models::{DecoderConfig, LoadError, Weights, read_folder};

use super::{folder_of, repository};

const GPT2: &str = "tests/families/gpt2";
const BIN: &str = "pytorch_model.bin";

/// The tiny GPT-2 as `torch.save` keeps it.
fn older() -> TempDir {
    folder_of(&[
        "tests/families/gpt2/config.json",
        "tests/older/pytorch_model.bin",
    ])
}

fn open(folder: &Path) -> (DecoderConfig, Weights) {
    read_folder(folder).unwrap()
}

fn logits(folder: &Path, kernels: Kernels) -> Vec<u32> {
    let (config, weights) = open(folder);
    let decoder = Decoder::load(config, &weights, &Placement::cpu(kernels)).unwrap();
    let feeds = [Feed {
        row: 0,
        tokens: &[5, 300, 17, 2],
    }];
    let logits = decoder.forward(&mut decoder.cache(), &feeds, Want::All);
    let logits = logits.unwrap();
    let rows = (0..logits.n_rows()).flat_map(|i| logits.row(i));
    rows.map(|v| v.to_bits()).collect()
}

/// Why the folder cannot be loaded.
fn refusal(folder: &Path) -> String {
    let load = |(config, weights)| Decoder::load(config, &weights, &Placement::cpu(Kernels::Fast));
    let error: LoadError = read_folder(folder).and_then(load).map(|_| ()).unwrap_err();
    error.to_string()
}

#[test]
fn logits_are_those_of_safetensors_bit_for_bit() {
    let folder = older();
    for kernels in [Kernels::Fast, Kernels::Plain] {
        let wanted = logits(&repository(GPT2), kernels);
        assert_eq!(logits(folder.path(), kernels), wanted, "{kernels:?}");
    }
    let ((config, weights), (_, safe)) = (open(folder.path()), open(&repository(GPT2)));
    assert!(matches!(weights, Weights::Torch(_)));
    let n_bytes = weight_bytes(&config, &weights, Sums::Exact);
    assert!(n_bytes >= 4 * config.n_params());
    assert_eq!(n_bytes, weight_bytes(&config, &safe, Sums::Exact));
}

#[test]
fn safetensors_are_taken_where_both_are_there() {
    let folder = older();
    fs::write(folder.path().join(BIN), "no weights").unwrap();
    let safe = repository(GPT2).join("model.safetensors");
    fs::copy(safe, folder.path().join("model.safetensors")).unwrap();
    assert!(matches!(open(folder.path()).1, Weights::Mapped(_)));
}

#[test]
fn shards_are_found_by_their_index() {
    let folder = older();
    let at = |name: &str| folder.path().join(name);
    // Both have all tensors, of which each is asked for some.
    let shards = ["pytorch_model-1.bin", "pytorch_model-2.bin"];
    let map = BTreeMap::from([("transformer.wte.weight", shards[0]), ("rest", shards[1])]);
    let index = json!({"weight_map": map}).to_string();
    fs::write(at("pytorch_model.bin.index.json"), index).unwrap();
    fs::copy(at(BIN), at(shards[0])).unwrap();
    fs::rename(at(BIN), at(shards[1])).unwrap();
    let wanted = logits(&repository(GPT2), Kernels::Fast);
    assert_eq!(logits(folder.path(), Kernels::Fast), wanted);
    fs::remove_file(at(shards[1])).unwrap();
    assert!(refusal(folder.path()).contains(shards[1]));
    fs::write(at("pytorch_model.bin.index.json"), "{}").unwrap();
    assert!(refusal(folder.path()).contains("weight_map is missing"));
}

#[test]
fn what_torch_did_not_save_so_is_refused() {
    let folder = older();
    let file = folder.path().join(BIN);
    let whole = fs::read(&file).unwrap();
    let told = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let told = refusal(folder.path());
        assert!(told.starts_with(&file.display().to_string()), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        told
    };
    let damaged = "cannot be used as PyTorch weights (";
    for len in [4, 1000, whole.len() / 2, whole.len() - 1] {
        assert!(told(&whole[..len]).contains(damaged), "{len}");
    }
    assert!(told(b"version https://git-lfs.github.com/spec/v1").contains(damaged));
    // The number with which older files begin, pickled.
    let legacy = told(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.");
    assert!(legacy.contains("from before 1.6") && legacy.contains("convert it to safetensors"));
}

/// Whatever is damaged: a refusal or other numbers, but never a panic.
#[test]
fn damage_is_survived() {
    let folder = older();
    let file = folder.path().join(BIN);
    let whole = fs::read(&file).unwrap();
    let pickle = whole.windows(2).position(|w| w == b"\x80\x02").unwrap();
    for i in 0..200 {
        let mut bytes = whole.clone();
        // Long numbers aside, which candle reads into 8 bytes without looking.
        bytes[pickle + 2 + i * 31 % 3000] = [0, b'.', b't', b'u', b'R', 0x87][i % 6];
        fs::write(&file, bytes).unwrap();
        let load =
            |(config, weights)| Decoder::load(config, &weights, &Placement::cpu(Kernels::Fast));
        let _ = read_folder(folder.path()).and_then(load);
    }
}

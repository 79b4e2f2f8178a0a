//! Every call of the system that loaders and the hub's client make fails once, in turn: nothing is
//! taken for absent or whole that is not, nothing is left half-written, and what is told says what
//! failed and where.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use rustix::io::Errno;
use tempfile::TempDir;

use super::files::faults;
use super::{Adapter, GgufFile, Hub, LoadError, ModelSpec, Watch, WordFiles, base_of, is_adapter};
use super::{read_folder, spec::HubSpec};

#[allow(dead_code, reason = "others need more of it")]
#[path = "../../tests/binary/hub_server.rs"]
mod hub_server;

use hub_server::{Fault, HubServer};

/// What a call fails with: one after the other, from a place that the walk begins with.
const ERRORS: [Errno; 8] = [
    Errno::IO,
    Errno::NOSPC,
    Errno::MFILE,
    Errno::ACCESS,
    Errno::NOMEM,
    Errno::DQUOT,
    Errno::STALE,
    Errno::ROFS,
];

fn error(seed: usize, n: usize) -> (i32, String) {
    let errno = ERRORS[(seed + n * 5) % ERRORS.len()].raw_os_error();
    (errno, io::Error::from_raw_os_error(errno).to_string())
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Fails each call of `load`, which reads what is in `folder`; how many there are.
fn walk(folder: &Path, load: impl Fn() -> Result<(), LoadError>) -> usize {
    load().unwrap();
    let mut n = 0;
    loop {
        let (errno, words) = error(7, n);
        let Some(outcome) = faults::at(n, errno, &load) else {
            return n;
        };
        let told = outcome
            .expect_err(&format!("call {n} is made in vain"))
            .to_string();
        let is_named = told.contains(&words) && told.contains(&*folder.to_string_lossy());
        assert!(is_named, "call {n}: {told}");
        n += 1;
    }
}

fn copied(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for path in names.iter().map(|name| repository(name)) {
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn folders() {
    let model = |name: &str| format!("assets/models/untuned/{name}");
    let all = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    ];
    let all = all.map(model);
    let folder = copied(&all.each_ref().map(String::as_str));
    let folder = folder.path();
    fs::write(folder.join("generation_config.json"), "{}").unwrap();
    fs::write(folder.join("special_tokens_map.json"), "{}").unwrap();
    fs::write(folder.join("chat_template.jinja"), "x").unwrap();
    let n = walk(folder, || read_folder(folder).map(drop));
    assert!(n > 8, "{n}");
    let n = walk(folder, || WordFiles::read(folder).map(drop));
    assert!(n > 10, "{n}");
    fs::rename(
        folder.join("model.safetensors"),
        folder.join("model-1.safetensors"),
    )
    .unwrap();
    let index = r#"{"weight_map": {"a": "model-1.safetensors"}}"#;
    fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
    assert!(walk(folder, || read_folder(folder).map(drop)) > n / 2);
}

#[test]
fn older_folders() {
    let folder = copied(&[
        "tests/families/gpt2/config.json",
        "tests/older/pytorch_model.bin",
    ]);
    let folder = folder.path();
    fs::write(folder.join("merges.txt"), "#version: 0.2\n").unwrap();
    fs::write(folder.join("vocab.json"), r#"{"a": 0, "<|endoftext|>": 1}"#).unwrap();
    assert!(walk(folder, || read_folder(folder).map(drop)) > 8);
    assert!(walk(folder, || WordFiles::read(folder).map(drop)) > 10);
}

#[test]
fn adapters() {
    let folder = copied(&["tests/older/adapter_model.bin"]);
    let folder = folder.path();
    let config = r#"{"base_model_name_or_path": "base"}"#;
    fs::write(folder.join("adapter_config.json"), config).unwrap();
    let load = || {
        assert!(is_adapter(folder)?);
        base_of(folder)?;
        Adapter::open(folder).map(drop)
    };
    assert!(walk(folder, load) > 10);
}

#[test]
fn split_gguf_files() {
    let folder = TempDir::new().unwrap();
    let part = |no: u16| {
        folder
            .path()
            .join(format!("m-0000{}-of-00002.gguf", no + 1))
    };
    for no in 0..2 {
        let pairs = [("split.no", Value::U16(no)), ("split.count", Value::U16(2))];
        let pairs = pairs.each_ref().map(|(key, value)| (*key, value));
        let one = candle_core::Tensor::ones(32, candle_core::DType::F32, &Device::Cpu).unwrap();
        let one = QTensor::quantize(&one, GgmlDType::F32).unwrap();
        let mut file = fs::File::create(part(no)).unwrap();
        gguf_file::write(&mut file, &pairs, &[("t", &one)]).unwrap();
    }
    let first = part(0);
    assert!(walk(folder.path(), || GgufFile::open(&first).map(drop)) >= 6);
}

/// A small model in two shards.
fn remote() -> BTreeMap<String, Vec<u8>> {
    let index = br#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
    let files = [
        ("config.json", b"{}".to_vec()),
        ("tokenizer.json", b"{ }".to_vec()),
        ("model.safetensors.index.json", index.to_vec()),
        ("model-1.safetensors", vec![1; 100_000]),
        ("model-2.safetensors", vec![2; 5]),
    ];
    files.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

fn hub(server: &HubServer, cache: &Path) -> Hub {
    let cache = cache.display().to_string();
    Hub::new(|name| match name {
        "HF_HUB_CACHE" => Some(cache.clone()),
        "HF_ENDPOINT" => Some(server.endpoint.clone()),
        _ => None,
    })
}

/// Whatever there is of the model is what the hub has, whole, or the beginning of it, called so.
fn assert_nothing_is_half_written(cache: &Path) {
    let repo = cache.join("models--owner--name");
    let names = |folder: &str| {
        let entries = fs::read_dir(repo.join(folder)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<BTreeSet<_>>()
    };
    for name in names("snapshots/abc") {
        let there = fs::read(repo.join("snapshots/abc").join(&name)).unwrap();
        assert!(remote().get(&name) == Some(&there), "half of {name}");
    }
    for name in names("refs") {
        let said = fs::read_to_string(repo.join("refs").join(&name)).unwrap();
        assert_eq!((name.as_str(), said.as_str()), ("main", "abc"));
    }
    for name in names("blobs") {
        let there = fs::read(repo.join("blobs").join(&name)).unwrap();
        let is_part = name.ends_with(".incomplete");
        let is_it = |whole: &Vec<u8>| match is_part {
            true => whole.starts_with(&there),
            false => *whole == there,
        };
        assert!(remote().values().any(is_it), "{name}");
    }
}

#[test]
fn fetches() {
    let server = HubServer::start(remote(), Fault::None);
    let spec = HubSpec {
        repo: "owner/name".to_owned(),
        revision: "main".to_owned(),
        file: None,
    };
    let mut n_told = 0;
    for n in 0.. {
        let home = TempDir::new().unwrap();
        let hub = hub(&server, home.path());
        let fetch = || hub.resolve(&spec, &Watch::default());
        let (errno, words) = error(3, n);
        let Some(outcome) = faults::at(n, errno, fetch) else {
            assert!(n > 60 && n_told > n / 2, "{n_told} of {n} are told");
            return;
        };
        if let Err(told) = outcome {
            let told = told.to_string();
            let is_full =
                errno == Errno::NOSPC.raw_os_error() || errno == Errno::DQUOT.raw_os_error();
            let says = told.contains(&words) || is_full && told.contains("no room left");
            let names = told.contains("hf:owner/name") || told.contains("model.safetensors.index");
            assert!(
                says && names && told.contains(&hub.cache().display().to_string()),
                "call {n}: {told}"
            );
            n_told += 1;
        }
        assert_nothing_is_half_written(home.path());
        let found = fetch().unwrap();
        assert!(matches!(found, ModelSpec::Folder(_)));
        assert_nothing_is_half_written(home.path());
    }
}

/// A model that lost a file is fetched anew: what it still has stays in use until then.
#[test]
fn what_is_whole_stays_whole() {
    let server = HubServer::start(remote(), Fault::None);
    let spec = HubSpec {
        repo: "owner/name".to_owned(),
        revision: "main".to_owned(),
        file: None,
    };
    for n in 0.. {
        let home = TempDir::new().unwrap();
        let hub = hub(&server, home.path());
        hub.resolve(&spec, &Watch::default()).unwrap();
        let snapshot = home.path().join("models--owner--name/snapshots/abc");
        fs::remove_file(snapshot.join("config.json")).unwrap();
        let (errno, _) = error(5, n);
        let again = || hub.resolve(&spec, &Watch::default());
        let Some(_) = faults::at(n, errno, again) else {
            return;
        };
        assert_nothing_is_half_written(home.path());
        for name in remote().keys().filter(|name| *name != "config.json") {
            assert!(snapshot.join(name).exists(), "call {n}: {name} is gone");
        }
        let there = fs::read_to_string(home.path().join("models--owner--name/refs/main"));
        assert_eq!(there.unwrap(), "abc");
    }
}

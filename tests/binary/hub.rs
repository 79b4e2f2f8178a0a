//! Fetching from the hub: what comes, what does not, and what is left behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::folders::repository;
use super::hub_server::{Fault, HubServer};
use super::terminal::Tty;

const MODEL: &str = "hf:owner/name";

/// The bundled untuned model's files.
pub fn model() -> BTreeMap<String, Vec<u8>> {
    let folder = fs::read_dir(repository("assets/models/untuned")).unwrap();
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    folder.map(|entry| file(entry.unwrap())).collect()
}

struct Hub {
    server: HubServer,
    home: TempDir,
}

impl Hub {
    fn of(files: BTreeMap<String, Vec<u8>>, fault: Fault) -> Self {
        Self {
            server: HubServer::start(files, fault),
            home: TempDir::new().unwrap(),
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.home.path());
        command.env("HF_ENDPOINT", &self.server.endpoint);
        command
    }

    fn w2s(&self, args: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_w2s"));
        command.args(args).output().unwrap()
    }

    fn repo(&self) -> PathBuf {
        let cache = self.home.path().join(".cache/huggingface/hub");
        cache.join("models--owner--name")
    }

    /// Names of what is in a folder of the model's cache.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.repo().join(folder)).into_iter().flatten();
        let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = entries
            .map(name)
            .filter(|n| !n.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }

    fn assert_whole(&self, files: &BTreeMap<String, Vec<u8>>) {
        for (name, bytes) in files {
            let path = self.repo().join("snapshots/abc").join(name);
            assert!(fs::read(&path).unwrap() == *bytes, "{name}");
        }
    }
}

/// One sentence and exit code 2.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_model_is_fetched_once_and_used_offline() {
    let hub = Hub::of(model(), Fault::None);
    let place = done(&hub.w2s(&["models", "pull", MODEL]));
    assert_eq!(Path::new(place.trim()), hub.repo().join("snapshots/abc"));
    hub.assert_whole(&model());
    let n_requests = hub.server.seen().len();
    let logits = done(&hub.w2s(&["inspect", "--model", MODEL, "--ids", "5,6"]));
    let bundled = done(&hub.w2s(&["inspect", "--model", "bundled:untuned", "--ids", "5,6"]));
    assert_eq!(logits, bundled);
    assert_eq!(hub.server.seen().len(), n_requests);
    assert!(done(&hub.w2s(&["models"])).contains(MODEL));
    assert!(done(&hub.w2s(&["models", "check"])).contains("hf:owner/name: good; llama"));
}

#[test]
fn a_lost_connection_is_taken_up_where_it_broke() {
    let fault = Fault::CutAfter {
        bytes: 200,
        times: 2,
    };
    let hub = Hub::of(model(), fault);
    done(&hub.w2s(&["models", "pull", MODEL]));
    hub.assert_whole(&model());
    let resumed = |line: &&String| line.ends_with(" 200") || line.ends_with(" 400");
    let seen = hub.server.seen();
    assert_eq!(seen.iter().filter(resumed).count(), 2, "{seen:?}");
}

#[test]
fn half_a_download_is_no_model_and_is_gone_on_with() {
    let fault = Fault::CutAfter {
        bytes: 100,
        times: usize::MAX,
    };
    let hub = Hub::of(model(), fault);
    let told = refusal(&hub.w2s(&["models", "pull", MODEL]));
    assert!(
        told.contains("the connection was lost") && told.contains("goes on"),
        "{told}"
    );
    assert_eq!(hub.names("snapshots/abc"), Vec::<String>::new());
    hub.server.mend();
    done(&hub.w2s(&["models", "pull", MODEL]));
    hub.assert_whole(&model());
    let seen = hub.server.seen();
    assert!(seen.iter().any(|line| line.ends_with(" 300")), "{seen:?}");
    assert!(
        hub.names("blobs")
            .iter()
            .all(|name| !name.ends_with(".incomplete"))
    );
}

#[test]
fn a_server_that_sends_too_much_is_not_believed() {
    let hub = Hub::of(model(), Fault::IgnoresRanges);
    let told = refusal(&hub.w2s(&["models", "pull", MODEL]));
    assert!(told.contains("bytes of"), "{told}");
    assert_eq!(hub.names("snapshots/abc"), Vec::<String>::new());
    done(&hub.w2s(&["models", "pull", MODEL]));
    hub.assert_whole(&model());
}

#[test]
fn a_token_opens_what_is_gated() {
    let hub = Hub::of(model(), Fault::Status(401));
    let told = refusal(&hub.w2s(&["models", "pull", MODEL]));
    assert!(
        told.contains("does not let you have it") && told.contains("HF_TOKEN"),
        "{told}"
    );
    let mut command = hub.command(env!("CARGO_BIN_EXE_w2s"));
    let output = command
        .args(["models", "pull", MODEL])
        .env("HF_TOKEN", "secret")
        .output();
    done(&output.unwrap());
    let file = hub.home.path().join(".cache/huggingface/token");
    fs::remove_dir_all(hub.repo()).unwrap();
    fs::write(file, "secret\n").unwrap();
    done(&hub.w2s(&["models", "pull", MODEL]));
}

#[test]
fn what_the_hub_does_not_have_is_told_with_what_it_has() {
    let files = BTreeMap::from([
        ("m-Q4.gguf".to_owned(), vec![1]),
        ("README.md".to_owned(), vec![2]),
    ]);
    let hub = Hub::of(files, Fault::None);
    let told = refusal(&hub.w2s(&["models", "pull", MODEL]));
    assert!(
        told.contains("has no config.json") && told.contains("choose hf:owner/name:m-Q4.gguf"),
        "{told}"
    );
    let told = refusal(&hub.w2s(&["models", "pull", "hf:owner/name:m-Q8.gguf"]));
    assert!(told.contains("no file 'm-Q8.gguf'"), "{told}");
    let told = refusal(&hub.w2s(&["models", "pull", "hf:owner/other"]));
    assert!(told.contains("no such model or revision"), "{told}");
    let told = refusal(&hub.w2s(&["models", "pull", "hf:owner/name@v2"]));
    assert!(told.contains("no such model or revision"), "{told}");
}

#[test]
fn without_a_network_it_says_so() {
    let hub = Hub::of(model(), Fault::None);
    let mut command = hub.command(env!("CARGO_BIN_EXE_w2s"));
    // A port that nothing listens on.
    command.env("HF_ENDPOINT", "http://127.0.0.1:9");
    let output = command
        .args(["run", "--prompt", "A", "--strong", MODEL])
        .output();
    let told = refusal(&output.unwrap());
    assert!(
        told.contains("no connection to http://127.0.0.1:9"),
        "{told}"
    );
    let mut command = hub.command(env!("CARGO_BIN_EXE_w2s"));
    command.env("HF_HUB_OFFLINE", "1");
    let output = command
        .args(["run", "--prompt", "A", "--strong", MODEL])
        .output();
    let told = refusal(&output.unwrap());
    assert!(told.contains("HF_HUB_OFFLINE is set"), "{told}");
    assert!(hub.server.seen().is_empty());
}

#[test]
fn a_full_disk_is_told_and_cleared() {
    let hub = Hub::of(model(), Fault::None);
    // Files may not grow beyond a hundred blocks, which a write hears of as an error.
    let script = "ulimit -f 100; trap '' XFSZ; exec \"$0\" models pull hf:owner/name";
    let mut command = hub.command("/bin/sh");
    let output = command
        .args(["-c", script, env!("CARGO_BIN_EXE_w2s")])
        .output();
    let told = refusal(&output.unwrap());
    assert!(told.contains("no room left"), "{told}");
    assert!(
        hub.names("blobs")
            .iter()
            .all(|name| !name.ends_with(".incomplete"))
    );
    done(&hub.w2s(&["models", "pull", MODEL]));
    hub.assert_whole(&model());
}

#[test]
fn names_that_lead_out_of_the_cache_are_refused() {
    let mut files = model();
    let weights = files.remove("model.safetensors").unwrap();
    let index = br#"{"weight_map": {"a": "../../../../evil.safetensors"}}"#;
    files.insert("model.safetensors.index.json".to_owned(), index.to_vec());
    files.insert("../../../../evil.safetensors".to_owned(), weights);
    let hub = Hub::of(files, Fault::None);
    let told = refusal(&hub.w2s(&["models", "pull", MODEL]));
    assert!(told.contains("leads out of the cache"), "{told}");
}

#[test]
fn shards_come_with_their_index() {
    let mut files = model();
    let weights = files.remove("model.safetensors").unwrap();
    let tensors = safetensors_names(&weights);
    let map: BTreeMap<_, _> = tensors
        .iter()
        .map(|name| (name, "model-1.safetensors"))
        .collect();
    let index = serde_json::json!({"weight_map": map}).to_string();
    files.insert(
        "model.safetensors.index.json".to_owned(),
        index.into_bytes(),
    );
    files.insert("model-1.safetensors".to_owned(), weights);
    files.insert("unused.bin".to_owned(), vec![0; 10]);
    let hub = Hub::of(files.clone(), Fault::None);
    done(&hub.w2s(&["models", "pull", MODEL]));
    files.remove("unused.bin");
    hub.assert_whole(&files);
    assert!(
        !hub.names("snapshots/abc")
            .contains(&"unused.bin".to_owned())
    );
    assert!(done(&hub.w2s(&["models", "check", MODEL])).contains("good"));
}

/// Naming any part of a file that was split brings all of them.
#[test]
fn a_split_file_comes_with_all_its_parts() {
    let part = |no: u8| (format!("m-0000{no}-of-00003.gguf"), vec![no; 9]);
    let files: BTreeMap<_, _> = [part(1), part(2), part(3)].into();
    let mut more = files.clone();
    more.insert("m-00001-of-00002.gguf".to_owned(), vec![0; 9]);
    let hub = Hub::of(more, Fault::None);
    let first = "hf:owner/name:m-00001-of-00003.gguf";
    done(&hub.w2s(&["models", "pull", first]));
    hub.assert_whole(&files);
    let there = hub.names("snapshots/abc");
    assert_eq!(there, files.into_keys().collect::<Vec<_>>());
    let listed = done(&hub.w2s(&["models"]));
    assert!(
        listed.contains(first) && !listed.contains("m-00002"),
        "{listed}"
    );
    // One that is gone comes again.
    fs::remove_file(hub.repo().join("snapshots/abc/m-00002-of-00003.gguf")).unwrap();
    let mut offline = hub.command(env!("CARGO_BIN_EXE_w2s"));
    offline.env("HF_HUB_OFFLINE", "1");
    let told = refusal(&offline.args(["models", "pull", first]).output().unwrap());
    assert!(told.contains("m-00002-of-00003.gguf of"), "{told}");
    done(&hub.w2s(&["models", "pull", first]));
    let half = "hf:owner/name:m-00001-of-00002.gguf";
    let told = refusal(&hub.w2s(&["models", "pull", half]));
    assert!(told.contains("no file 'm-00002-of-00002.gguf'"), "{told}");
}

#[test]
fn adapters_come_in_either_form() {
    let config = br#"{"base_model_name_or_path": "nowhere"}"#.to_vec();
    let mut files = BTreeMap::from([
        ("adapter_config.json".to_owned(), config),
        ("adapter_model.bin".to_owned(), vec![1; 9]),
        ("optimizer.pt".to_owned(), vec![1; 9]),
    ]);
    for newer in [false, true] {
        if newer {
            files.insert("adapter_model.safetensors".to_owned(), vec![2; 9]);
        }
        let hub = Hub::of(files.clone(), Fault::None);
        // Its base is on no hub.
        refusal(&hub.w2s(&["models", "pull", MODEL]));
        let tensors = ["adapter_model.bin", "adapter_model.safetensors"][usize::from(newer)];
        let there = hub.names("snapshots/abc");
        assert_eq!(there, ["adapter_config.json", tensors]);
    }
}

/// The tiny GPT-2 as older repositories have it.
fn older() -> BTreeMap<String, Vec<u8>> {
    let read = |path: &str| fs::read(repository(path)).unwrap();
    let whole: Value = serde_json::from_slice(&model()["tokenizer.json"]).unwrap();
    let mut vocab = whole["model"]["vocab"].clone();
    // As many bytes as there are, no pair merged.
    let words = vocab.as_object_mut().unwrap();
    words.retain(|_, id| id.as_u64() < Some(257));
    let files = [
        ("config.json", read("tests/families/gpt2/config.json")),
        ("vocab.json", vocab.to_string().into_bytes()),
        ("merges.txt", b"#version: 0.2\n".to_vec()),
        ("special_tokens_map.json", br#"{"eos_token": "!"}"#.to_vec()),
        ("generation_config.json", br#"{"eos_token_id": 7}"#.to_vec()),
        ("pytorch_model.bin", read("tests/older/pytorch_model.bin")),
    ];
    files.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

#[test]
fn older_repositories_come_too() {
    let mut files = older();
    files.insert("flax_model.msgpack".to_owned(), vec![0; 10]);
    let hub = Hub::of(files, Fault::None);
    let place = done(&hub.w2s(&["models", "pull", MODEL]));
    hub.assert_whole(&older());
    let there = hub.names("snapshots/abc");
    assert!(!there.contains(&"flax_model.msgpack".to_owned()));
    let told = done(&hub.w2s(&["models", "check", MODEL]));
    assert!(told.contains("hf:owner/name: good; gpt2"), "{told}");
    let ids = ["--ids", "5,6"];
    let logits = |model: &str| done(&hub.w2s(&[&["inspect", "--model", model], &ids[..]].concat()));
    let safetensors = repository("tests/families/gpt2");
    assert_eq!(logits(MODEL), logits(safetensors.to_str().unwrap()));
    for missing in ["merges.txt", "pytorch_model.bin"] {
        fs::remove_file(Path::new(place.trim()).join(missing)).unwrap();
        let mut offline = hub.command(env!("CARGO_BIN_EXE_w2s"));
        offline.env("HF_HUB_OFFLINE", "1");
        let told = refusal(&offline.args(["models", "pull", MODEL]).output().unwrap());
        assert!(told.contains(" of hf:owner/name is not in"), "{told}");
        done(&hub.w2s(&["models", "pull", MODEL]));
    }
}

#[test]
fn the_newer_of_two_forms_comes() {
    let mut files = model();
    files.extend(older().into_iter().filter(|(name, _)| {
        ["vocab.json", "merges.txt", "pytorch_model.bin"].contains(&name.as_str())
    }));
    let hub = Hub::of(files, Fault::None);
    done(&hub.w2s(&["models", "pull", MODEL]));
    hub.assert_whole(&model());
    let there = hub.names("snapshots/abc");
    assert_eq!(there, model().into_keys().collect::<Vec<_>>());
}

#[test]
fn older_shards_come_with_their_index() {
    let mut files = older();
    let weights = files.remove("pytorch_model.bin").unwrap();
    let index = br#"{"weight_map": {"transformer.wte.weight": "pytorch_model-1.bin"}}"#;
    let index_name = "pytorch_model.bin.index.json".to_owned();
    files.insert(index_name, index.to_vec());
    files.insert("pytorch_model-1.bin".to_owned(), weights);
    let hub = Hub::of(files.clone(), Fault::None);
    done(&hub.w2s(&["models", "pull", MODEL]));
    hub.assert_whole(&files);
    assert!(done(&hub.w2s(&["models", "check", MODEL])).contains("good"));
}

fn safetensors_names(bytes: &[u8]) -> Vec<String> {
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
    let names = header.as_object().unwrap().keys().cloned();
    names.filter(|name| name != "__metadata__").collect()
}

#[test]
fn the_playground_fetches_beside_its_search() {
    let server = HubServer::start(model(), Fault::Slow);
    let home = TempDir::new().unwrap();
    let vars = [("HF_ENDPOINT", &server.endpoint[..])];
    let args = ["--no-tour", "--pace", "0.1", "-n", "500"];
    let w2s = env!("CARGO_BIN_EXE_w2s");
    let mut tty = Tty::spawn(w2s, home.path(), (120, 40), &args, &vars);
    tty.wait("beams", |output| output.has(" beam 1"));
    tty.press("Hhf:owner/name,bundled:untuned\r");
    tty.wait("progress", |output| {
        output.has("fetching hf:owner/name") && output.has(" %") && output.has("searching")
    });
    tty.wait_for("pair hf:owner/name,bundled");
    // The same weights on both sides: every log-ratio is nought from here on.
    tty.wait("nought", |output| output.has(" 0.00"));
    tty.press("Hhf:owner/other,bundled:untuned\r");
    tty.wait("a refusal", |output| {
        output.one_line().contains("no such model")
    });
    assert!(tty.see(|output| output.has("searching")));
}

/// Classifiers are models like others: what judges is fetched once.
#[test]
fn a_judge_comes_from_the_hub() {
    let folder = repository("tests/judges/distilbert");
    let names = [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    let files = names.map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap()));
    let hub = Hub::of(files.into(), Fault::None);
    let judge = format!("{MODEL}:LABEL_1-LABEL_0");
    let args = [
        "judge",
        "--judge",
        &judge,
        "--text",
        "This story has held",
        "--format",
        "json",
    ];
    for n_fetched in [4, 4] {
        let output = hub.w2s(&args);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        // As transformers has it: 0.68601 - 0.28941.
        assert!(
            (told["score"].as_f64().unwrap() - 0.3966).abs() < 1e-3,
            "{told}"
        );
        assert_eq!(hub.server.seen().len(), n_fetched);
    }
}

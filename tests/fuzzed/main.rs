//! Two hundred damaged files of each kind, from a fixed seed: whatever a file says, it is read or
//! refused in one sentence, in time, with little more memory than the file before it was damaged.

mod damage;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use damage::{Random, bytes, json, text};
use peak_alloc::PeakAlloc;
use tempfile::TempDir;
use w2s::config::Config;
use w2s::decoder::DeviceChoice;
use w2s::guide::positions;
use w2s::judge::{Judge, JudgeError, Setup};
use w2s::library::Library;
use w2s::models::{ModelSpec, Prompt};
use w2s::template::Template;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory is counted for the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const VARIANTS: u64 = 200;
/// Bytes more than the intact file needs.
const MORE: usize = 300 << 20;
/// For what takes milliseconds: only a hang takes longer, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Reads the intact input and two hundred damaged ones.
fn fuzz<T: Send + 'static>(
    damaged: impl Fn(Option<&mut Random>) -> T,
    read: impl Fn(T) -> Result<(), String> + Copy + Send + 'static,
) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (needed, first) = measured(damaged(None), read, "the intact input");
    first.unwrap();
    for seed in 0..VARIANTS {
        let input = damaged(Some(&mut Random::new(seed)));
        let (peak, told) = measured(input, read, &format!("variant {seed}"));
        assert!(peak < needed + MORE, "variant {seed}: {peak} bytes");
        if let Err(told) = told {
            assert!(
                !told.is_empty() && told.len() < 2_000,
                "variant {seed}: {told}"
            );
        }
    }
}

/// The most memory that reading takes, and what became of it.
fn measured<T: Send + 'static>(
    input: T,
    read: impl Fn(T) -> Result<(), String> + Send + 'static,
    what: &str,
) -> (usize, Result<(), String>) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let (sender, receiver) = channel();
    let thread = std::thread::spawn(move || sender.send(read(input)));
    let told = receiver.recv_timeout(PATIENCE);
    let told = told.unwrap_or_else(|e| panic!("{what}: {e}"));
    thread.join().unwrap().unwrap();
    (MEMORY.peak_usage().saturating_sub(before), told)
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Loads a model and asks it for something.
fn load(spec: &str) -> Result<(), String> {
    let mut library = Library::open(DeviceChoice::Cpu).map_err(|e| e.to_string())?;
    let model = library
        .model(&ModelSpec::parse(spec))
        .map_err(|e| e.to_string())?;
    let prompt = Prompt::from("A film about <s> ½ \u{1f600}\n\n  aaaaaaaaaaaaaaaaaaaaaaaa!");
    let ids = model.try_text_ids(&prompt, "").map_err(|e| e.to_string())?;
    let _shown = model.tokenizer.decode(&ids);
    positions(&model.decoder, &ids, 1).map_err(|e| e.to_string())?;
    Ok(())
}

/// A folder with one file of it damaged.
fn folder(
    origin: &'static str,
    name: &'static str,
    damage: impl Fn(&[u8], &mut Random) -> Vec<u8>,
    random: Option<&mut Random>,
) -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in fs::read_dir(repository(origin)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    if let Some(random) = random {
        let path = folder.path().join(name);
        let damaged = damage(&fs::read(&path).unwrap(), random);
        fs::write(path, damaged).unwrap();
    }
    folder
}

fn load_folder(folder: TempDir) -> Result<(), String> {
    load(&folder.path().display().to_string())
}

const MODEL: &str = "tests/models/other";

/// Opens a classifier and asks it for something.
fn judge_folder(folder: TempDir) -> Result<(), String> {
    let spec = format!("{}:LABEL_0", folder.path().display());
    let spec = spec.parse().map_err(|e: JudgeError| e.to_string())?;
    let judge = Judge::open(&spec, &Setup::default());
    let mut judge = judge.map_err(|e| e.to_string())?;
    let text = "A film about <s> ½ \u{1f600}\n\n  aaaaaaaaaaaaaaaaaaaaaaaa! ".repeat(9);
    let verdict = judge.score("I saw", &text).map_err(|e| e.to_string())?;
    assert!(verdict.score.is_finite());
    Ok(())
}

#[test]
fn configurations_of_classifiers() {
    for origin in [
        "tests/judges/bert",
        "tests/judges/deberta-v2",
        "tests/judges/distilbert",
        "tests/judges/modernbert",
        "tests/judges/qwen3-reward",
        "tests/judges/roberta",
    ] {
        fuzz(
            |random| folder(origin, "config.json", json, random),
            judge_folder,
        );
    }
}

#[test]
fn words_of_classifiers() {
    for (origin, name) in [
        ("tests/judges/bert", "tokenizer.json"),
        ("tests/judges/modernbert", "tokenizer.json"),
        ("tests/judges/xlm-roberta", "tokenizer_config.json"),
    ] {
        fuzz(|random| folder(origin, name, json, random), judge_folder);
    }
}

#[test]
fn weights_of_classifiers() {
    let origin = "tests/judges/deberta-v2";
    fuzz(
        |random| folder(origin, "model.safetensors", damage::header, random),
        judge_folder,
    );
}

#[test]
fn configurations_of_models() {
    fuzz(
        |random| folder(MODEL, "config.json", json, random),
        load_folder,
    );
}

#[test]
fn tokenizers() {
    fuzz(
        |random| folder(MODEL, "tokenizer.json", json, random),
        load_folder,
    );
}

#[test]
fn configurations_of_tokenizers() {
    fuzz(
        |random| folder(MODEL, "tokenizer_config.json", json, random),
        load_folder,
    );
}

#[test]
fn headers_of_safetensors() {
    fuzz(
        |random| folder(MODEL, "model.safetensors", damage::header, random),
        load_folder,
    );
}

#[test]
fn pickles() {
    let read = |folder: TempDir| {
        let (config, weights) =
            w2s::models::read_folder(folder.path()).map_err(|e| e.to_string())?;
        let placement = w2s::decoder::Placement::cpu(w2s::decoder::Kernels::Fast);
        w2s::decoder::Decoder::load(config, &weights, &placement).map_err(|e| e.to_string())?;
        Ok(())
    };
    let damaged = |random: Option<&mut Random>| {
        let folder = TempDir::new().unwrap();
        let config = repository("tests/families/gpt2/config.json");
        fs::copy(config, folder.path().join("config.json")).unwrap();
        let whole = fs::read(repository("tests/older/pytorch_model.bin")).unwrap();
        let whole = random.map_or_else(|| whole.clone(), |random| damage::pickle(&whole, random));
        fs::write(folder.path().join("pytorch_model.bin"), whole).unwrap();
        folder
    };
    fuzz(damaged, read);
}

#[test]
fn gguf_files() {
    let read = |folder: TempDir| load(&folder.path().join("m.gguf").display().to_string());
    let damaged = |random: Option<&mut Random>| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("m.gguf");
        damage::write_gguf(&path);
        if let Some(random) = random {
            let damaged = damage::gguf(&fs::read(&path).unwrap(), random);
            fs::write(&path, damaged).unwrap();
        }
        folder
    };
    fuzz(damaged, read);
}

#[test]
fn adapters() {
    let read = |folder: TempDir| {
        load(&format!(
            "{}+{}",
            repository(MODEL).display(),
            folder.path().display()
        ))
    };
    let damaged = |random: Option<&mut Random>| {
        let folder = TempDir::new().unwrap();
        damage::write_adapter(folder.path());
        if let Some(random) = random {
            let of_config = random.below(2) == 0;
            let name = if of_config {
                "adapter_config.json"
            } else {
                "adapter_model.safetensors"
            };
            let path = folder.path().join(name);
            let whole = fs::read(&path).unwrap();
            let damaged = if of_config {
                json(&whole, random)
            } else {
                damage::header(&whole, random)
            };
            fs::write(path, damaged).unwrap();
        }
        folder
    };
    fuzz(damaged, read);
}

#[test]
fn pickles_of_adapters() {
    let read = |folder: TempDir| {
        let base = repository("tests/families/llama");
        let spec = format!("{}+{}", base.display(), folder.path().display());
        let mut library = Library::open(DeviceChoice::Cpu).map_err(|e| e.to_string())?;
        let decoder = library.decoder(&ModelSpec::parse(&spec));
        decoder.map(drop).map_err(|e| e.to_string())
    };
    let damaged = |random: Option<&mut Random>| {
        let folder = TempDir::new().unwrap();
        let config = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4}"#;
        fs::write(folder.path().join("adapter_config.json"), config).unwrap();
        let whole = fs::read(repository("tests/older/adapter_model.bin")).unwrap();
        let whole = random.map_or_else(|| whole.clone(), |random| damage::pickle(&whole, random));
        fs::write(folder.path().join("adapter_model.bin"), whole).unwrap();
        folder
    };
    fuzz(damaged, read);
}

/// Prompts, through raw text and a chat template.
#[test]
fn prompts() {
    let read = |prompt: String| {
        let mut library = Library::open(DeviceChoice::Cpu).map_err(|e| e.to_string())?;
        let mut model = library
            .model(&ModelSpec::parse("bundled:untuned"))
            .map_err(|e| e.to_string())?;
        model.chat_template = Some(
            "{{ messages[0].content|trim|tojson }}{{ messages[0].content.split()|join('%') }}"
                .into(),
        );
        for template in [Template::Raw, Template::Chat] {
            let shown = template
                .apply(&model, &prompt, None, None)
                .map_err(|e| e.to_string())?;
            let ids = model.try_text_ids(&shown, "").map_err(|e| e.to_string())?;
            let _shown = model.tokenizer.decode(&ids);
        }
        Ok(())
    };
    let whole = "The film was <|endoftext|> not\nwhat\u{301} anybody \u{1f600} expected \u{202e}{prompt} %d {{ }}";
    let damaged = |random: Option<&mut Random>| match random {
        Some(random) => String::from_utf8_lossy(&text(whole.as_bytes(), random)).into_owned(),
        None => whole.to_owned(),
    };
    fuzz(damaged, read);
}

/// Files of prompts, each of which is read by a model.
#[test]
fn lists_of_prompts() {
    let read = |list: Vec<u8>| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("prompts.json");
        fs::write(&path, list).unwrap();
        let prompts = w2s::report::prompts(&path).map_err(|e| e.to_string())?;
        let mut library = Library::open(DeviceChoice::Cpu).map_err(|e| e.to_string())?;
        let model = library
            .model(&ModelSpec::parse("bundled:untuned"))
            .map_err(|e| e.to_string())?;
        for prompt in prompts {
            let ids = model.prompt_ids(&Prompt::from(&prompt[..]), 10);
            ids.map_err(|e| e.to_string())?;
        }
        Ok(())
    };
    let whole = fs::read(repository("assets/prompts.json")).unwrap();
    let damaged = move |random: Option<&mut Random>| match random {
        Some(random) => match random.below(3) {
            0 => json(&whole, random),
            1 => bytes(&whole, random),
            _ => text(&whole, random),
        },
        None => whole.clone(),
    };
    fuzz(damaged, read);
}

/// Chat templates of models.
#[test]
fn templates() {
    let read = |template: String| {
        let mut library = Library::open(DeviceChoice::Cpu).map_err(|e| e.to_string())?;
        let mut model = library
            .model(&ModelSpec::parse("bundled:untuned"))
            .map_err(|e| e.to_string())?;
        model.chat_template = Some(template.into());
        let shown = Template::Chat.apply(&model, "Hi", Some("Be brief."), None);
        shown.map(drop).map_err(|e| e.to_string())
    };
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../recordings/templates.json")).unwrap();
    let whole = cases.last().unwrap()["source"].as_str().unwrap().to_owned();
    let damaged = move |random: Option<&mut Random>| match random {
        Some(random) => {
            let case = &cases[random.below(cases.len())]["source"];
            let text = text(case.as_str().unwrap().as_bytes(), random);
            String::from_utf8_lossy(&text).into_owned()
        }
        None => whole.clone(),
    };
    fuzz(damaged, read);
}

#[test]
fn configurations() {
    let read = |text: Vec<u8>| {
        let text = String::from_utf8_lossy(&text);
        let config = Config::parse(&text, Path::new("config.toml"));
        config.map(drop).map_err(|e| e.to_string())
    };
    let damaged = |random: Option<&mut Random>| match random {
        Some(random) => match random.below(2) {
            0 => bytes(w2s::config::MANUAL.as_bytes(), random),
            _ => text(w2s::config::MANUAL.as_bytes(), random),
        },
        None => w2s::config::MANUAL.as_bytes().to_vec(),
    };
    fuzz(damaged, read);
}

//! The decoder beyond the recordings: against an independent implementation, kernels against
//! plain tensors, the cache's laws, and everything that must be refused.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama;
use proptest::prelude::*;
use w2s::decoder::{Decoder, Feed, ForwardError, Kernels, KvCache, Placement, Want};
use w2s::models::{DecoderConfig, LoadError, Weights, read_folder};

const STRONG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/models/strong");
const LLAMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/families/llama");

fn open(folder: &str, kernels: Kernels) -> Decoder {
    let (config, weights) = read_folder(folder).unwrap();
    Decoder::load(config, &weights, &Placement::cpu(kernels)).unwrap()
}

fn text(salt: u32, n: usize, vocab: usize) -> Vec<u32> {
    let mut state = salt.wrapping_mul(2_654_435_761) ^ 0x9e37;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % vocab as u32
    };
    (0..n).map(|_| next()).collect()
}

/// The last logits of a text without any use of caching.
fn fresh(decoder: &Decoder, tokens: &[u32]) -> Vec<f32> {
    let feed = Feed { row: 0, tokens };
    let logits = decoder.forward(&mut decoder.cache(), &[feed], Want::Last);
    logits.unwrap().row(0).to_vec()
}

/// The largest difference, relative to the largest value.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let difference = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    difference / largest
}

#[test]
fn bundled_model_agrees_with_candle_transformers() {
    let bytes = fs::read(Path::new(STRONG).join("model.safetensors")).unwrap();
    let json = fs::read_to_string(Path::new(STRONG).join("config.json")).unwrap();
    let config: llama::LlamaConfig = serde_json::from_str(&json).unwrap();
    let config = config.into_config(false);
    let vars = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap();
    let oracle = llama::Llama::load(vars, &config).unwrap();
    let decoder = open(STRONG, Kernels::Fast);
    for n in [1, 2, 17, 60] {
        let tokens = text(n as u32, n, decoder.config().vocab_size);
        let mut cache = llama::Cache::new(true, DType::F32, &config, &Device::Cpu).unwrap();
        let input = Tensor::new(&tokens[..], &Device::Cpu)
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        let wanted = oracle.forward(&input, 0, &mut cache).unwrap();
        let wanted: Vec<f32> = wanted.flatten_all().unwrap().to_vec1().unwrap();
        let apart = distance(&fresh(&decoder, &tokens), &wanted);
        assert!(apart < 1e-5, "{n} tokens: {apart}");
    }
}

/// Shapes that leave every kind of remainder: heads of 20, 80, 24 and 15 values, 67 and 33
/// outputs, odd groups.
fn awkward(kind: usize) -> DecoderConfig {
    let json = [
        r#"{"model_type": "llama", "vocab_size": 67, "hidden_size": 60, "head_dim": 20,
            "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 33,
            "num_hidden_layers": 2, "max_position_embeddings": 512, "attention_bias": true}"#,
        r#"{"model_type": "gpt_neox", "vocab_size": 129, "hidden_size": 160,
            "num_attention_heads": 2, "intermediate_size": 37, "num_hidden_layers": 2,
            "max_position_embeddings": 512, "rotary_pct": 0.25}"#,
        r#"{"model_type": "gemma3_text", "vocab_size": 97, "hidden_size": 31, "head_dim": 24,
            "num_attention_heads": 10, "num_key_value_heads": 2, "intermediate_size": 50,
            "num_hidden_layers": 7, "max_position_embeddings": 512, "sliding_window": 21}"#,
        r#"{"model_type": "gpt2", "vocab_size": 35, "n_embd": 45, "n_head": 3, "n_layer": 2,
            "n_positions": 512}"#,
    ];
    DecoderConfig::parse(json[kind]).unwrap()
}

fn both(kind: usize) -> [Decoder; 2] {
    [Kernels::Fast, Kernels::Plain].map(|kernels| {
        let weights = Weights::Random { seed: kind as u64 };
        Decoder::load(awkward(kind), &weights, &Placement::cpu(kernels)).unwrap()
    })
}

#[test]
fn kernels_agree_on_awkward_shapes() {
    for kind in 0..4 {
        let [fast, plain] = both(kind);
        let vocab = fast.config().vocab_size;
        for lens in [
            &[1][..],
            &[80],
            &[300],
            &[1; 17],
            &[5, 1, 40, 2, 2],
            &[3; 16],
        ] {
            let texts: Vec<_> = (0..).zip(lens).map(|(i, &n)| text(i, n, vocab)).collect();
            let logits = [&fast, &plain].map(|decoder| {
                let mut cache = decoder.cache();
                cache.gather(&vec![0; texts.len()]).unwrap();
                let feeds = texts
                    .iter()
                    .enumerate()
                    .map(|(row, tokens)| Feed { row, tokens });
                let feeds: Vec<_> = feeds.collect();
                decoder.forward(&mut cache, &feeds, Want::All).unwrap()
            });
            assert_eq!(logits[0].n_rows(), lens.iter().sum::<usize>());
            for i in 0..logits[0].n_rows() {
                let apart = distance(logits[0].row(i), logits[1].row(i));
                assert!(
                    apart < 1e-4,
                    "shape {kind}, lengths {lens:?}, row {i}: {apart}"
                );
            }
        }
    }
}

/// A row's tokens, kept beside the cache.
type History = Vec<Vec<u32>>;

/// One random use of a cache: feeds, forks, drops, rollbacks.
fn act(decoder: &Decoder, cache: &mut KvCache, rows: &mut History, (kind, salt): (u8, u32)) {
    let vocab = decoder.config().vocab_size;
    let pick = |n: usize, i: u32| (salt.wrapping_mul(31).wrapping_add(i * 17) as usize >> 3) % n;
    match kind {
        0 => {
            let chosen = (0..5).map(|i| pick(rows.len(), i)).collect::<Vec<_>>();
            cache.gather(&chosen).unwrap();
            *rows = chosen.iter().map(|&r| rows[r].clone()).collect();
        }
        1 => {
            let row = pick(rows.len(), 1);
            let len = pick(rows[row].len() + 1, 2);
            cache.truncate(row, len);
            rows[row].truncate(len);
        }
        _ => {
            let fed = (0..rows.len())
                .rev()
                .filter(|&r| r == 0 || pick(3, r as u32) > 0);
            let fed: Vec<_> = fed
                .map(|r| (r, text(salt + r as u32, 1 + pick(19, r as u32), vocab)))
                .collect();
            let feeds: Vec<_> = fed
                .iter()
                .map(|(row, tokens)| Feed { row: *row, tokens })
                .collect();
            decoder.forward(cache, &feeds, Want::None).unwrap();
            fed.into_iter()
                .for_each(|(row, tokens)| rows[row].extend(tokens));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_cache_is_only_an_optimisation(
        acts in prop::collection::vec((0_u8..5, 0_u32..100_000), 1..12),
        kind in 0_usize..3,
    ) {
        for decoder in both(kind) {
            let (mut cache, mut rows) = (decoder.cache(), vec![Vec::new()]);
            for &how in &acts {
                act(&decoder, &mut cache, &mut rows, how);
                prop_assert_eq!(cache.n_rows(), rows.len());
            }
            let feeds: Vec<_> = (0..rows.len()).map(|row| Feed { row, tokens: &[7] }).collect();
            let logits = decoder.forward(&mut cache, &feeds, Want::Last).unwrap();
            for (i, row) in rows.iter_mut().enumerate() {
                row.push(7);
                prop_assert_eq!(cache.len(i), row.len());
                prop_assert!(distance(logits.row(i), &fresh(&decoder, row)) < 1e-4);
            }
        }
    }
}

/// A long prompt in pieces, which forks share; one that goes back into it, and one beside it.
#[test]
fn kernels_agree_on_prompts_that_rows_share() {
    for kind in 0..4 {
        let said = both(kind).map(|decoder| {
            let (vocab, mut cache) = (decoder.config().vocab_size, decoder.cache());
            let mut said = Vec::new();
            let mut feed = |cache: &mut KvCache, feeds: &[(usize, usize)]| {
                let texts: Vec<_> = feeds
                    .iter()
                    .map(|(row, n)| text((row * 31 + n) as u32, *n, vocab))
                    .collect();
                let feeds = feeds.iter().zip(&texts);
                let feeds: Vec<_> = feeds
                    .map(|((row, _), tokens)| Feed { row: *row, tokens })
                    .collect();
                let logits = decoder.forward(cache, &feeds, Want::All).unwrap();
                said.extend((0..logits.n_rows()).flat_map(|row| logits.row(row).to_vec()));
            };
            feed(&mut cache, &[(0, 150)]);
            feed(&mut cache, &[(0, 140)]);
            feed(&mut cache, &[(0, 20)]);
            cache.gather(&[0; 4]).unwrap();
            feed(&mut cache, &[(0, 1), (1, 1), (2, 1), (3, 1)]);
            cache.truncate(2, 200);
            cache.truncate(3, 0);
            feed(&mut cache, &[(3, 2), (1, 5), (0, 1), (2, 3)]);
            cache.fork(&[2, 1]).unwrap();
            feed(&mut cache, &[(5, 1), (4, 1), (0, 1)]);
            cache.gather(&[4, 5, 3]).unwrap();
            feed(&mut cache, &[(0, 1), (1, 1), (2, 1)]);
            let mut alone = cache.copy_of(1).unwrap();
            feed(&mut alone, &[(0, 4)]);
            // Until what they share lies before every window.
            feed(&mut cache, &[(0, 40), (1, 30), (2, 50)]);
            feed(&mut cache, &[(0, 1), (1, 3), (2, 1)]);
            said
        });
        let apart = distance(&said[0], &said[1]);
        assert!(apart < 1e-4, "{kind}: {apart}");
    }
}

#[test]
fn parameters_are_counted() {
    for family in fs::read_dir(Path::new(LLAMA).parent().unwrap()).unwrap() {
        let folder = family.unwrap().path();
        let (config, _) = read_folder(&folder).unwrap();
        let file = fs::read(folder.join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
        let stored: usize = tensors.iter().map(|(_, t)| t.data().len() / 4).sum();
        assert_eq!(config.n_params(), stored as u64, "{}", folder.display());
    }
}

#[test]
fn bad_feeds_are_refused_and_change_nothing() {
    let decoder = open(LLAMA, Kernels::Fast);
    let mut cache = decoder.cache();
    let long = vec![1; 129];
    let mut refused = |feeds: &[Feed<'_>]| {
        let error = decoder.forward(&mut cache, feeds, Want::Last).unwrap_err();
        assert!(cache.is_empty());
        error.to_string()
    };
    let feed = |row, tokens| Feed { row, tokens };
    assert_eq!(
        refused(&[feed(0, &[5, 320])]),
        "token id 320 is outside the model's vocabulary of 320: the tokenizer does not fit the model"
    );
    assert_eq!(
        refused(&[feed(0, &long)]),
        "row 0 would hold 129 tokens and the model's context is 128"
    );
    assert_eq!(
        refused(&[feed(1, &[5])]),
        "row 1 is not in the cache of 1 rows"
    );
    assert_eq!(
        refused(&[feed(0, &[5]), feed(0, &[6])]),
        "row 0 is fed twice in one pass"
    );
    assert_eq!(refused(&[feed(0, &[])]), "row 0 is fed no tokens");
}

#[test]
fn a_foreign_cache_is_refused() {
    let (one, other) = (open(LLAMA, Kernels::Fast), open(STRONG, Kernels::Fast));
    let feeds = [Feed {
        row: 0,
        tokens: &[1],
    }];
    let error = one
        .forward(&mut other.cache(), &feeds, Want::Last)
        .unwrap_err();
    assert!(matches!(error, ForwardError::Foreign));
}

/// A copy of the tiny Llama, to be damaged.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(Path::new(LLAMA).join(file), folder.path().join(file)).unwrap();
    }
    let weights = folder.path().join("model.safetensors");
    (folder, weights)
}

/// Why the folder cannot be loaded.
fn refusal(folder: &Path) -> String {
    let load = |(config, weights)| Decoder::load(config, &weights, &Placement::cpu(Kernels::Fast));
    let error: LoadError = read_folder(folder).and_then(load).map(|_| ()).unwrap_err();
    error.to_string()
}

fn edit_config(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let json = fs::read_to_string(&path).unwrap();
    assert!(json.contains(from), "{json}");
    fs::write(path, json.replace(from, to)).unwrap();
}

/// Where the data of a tensor begins in the file.
fn offset(file: &[u8], name: &str) -> usize {
    let (header, metadata) = safetensors::SafeTensors::read_metadata(file).unwrap();
    8 + header + metadata.info(name).unwrap().data_offsets.0
}

#[test]
fn damaged_folders_are_refused_in_one_sentence() {
    let (folder, weights) = copy();
    let bytes = fs::read(&weights).unwrap();

    fs::write(&weights, &bytes[..bytes.len() - 100]).unwrap();
    assert!(refusal(folder.path()).contains("is not a complete safetensors file"));
    fs::write(&weights, b"{}").unwrap();
    assert!(refusal(folder.path()).contains("is not a complete safetensors file"));

    for poison in [f32::NAN, f32::INFINITY] {
        for name in ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"] {
            let mut poisoned = bytes.clone();
            let at = offset(&bytes, name) + 12;
            poisoned[at..at + 4].copy_from_slice(&poison.to_le_bytes());
            fs::write(&weights, &poisoned).unwrap();
            let wanted = format!(
                "tensor '{name}' has a value that is not finite: the weights are damaged, download them again"
            );
            assert_eq!(refusal(folder.path()), wanted);
        }
    }

    fs::remove_file(&weights).unwrap();
    assert!(refusal(folder.path()).starts_with("cannot read "));
}

#[test]
fn weights_of_another_model_are_refused_by_name() {
    let (folder, _) = copy();
    edit_config(
        folder.path(),
        r#""intermediate_size": 64"#,
        r#""intermediate_size": 72"#,
    );
    assert!(refusal(folder.path()).contains("has shape [64, 32] where [72, 32] is needed"));

    let (folder, _) = copy();
    edit_config(
        folder.path(),
        r#""num_hidden_layers": 3"#,
        r#""num_hidden_layers": 4"#,
    );
    assert!(refusal(folder.path()).starts_with("tensor 'model.layers.3."));
}

#[test]
fn unknown_settings_are_refused_by_name() {
    let refused = |from, to, wanted: &str| {
        let (folder, _) = copy();
        edit_config(folder.path(), from, to);
        let found = refusal(folder.path());
        assert!(found.contains(wanted), "{found}");
    };
    refused(
        r#""llama""#,
        r#""mamba""#,
        "model type 'mamba' is not supported",
    );
    refused(
        r#""silu""#,
        r#""xielu""#,
        "llama with activation 'xielu' is not supported",
    );
    refused(
        r#""default""#,
        r#""yarn""#,
        "llama with rotary scaling 'yarn' is not supported",
    );
    refused(
        r#""vocab_size": 320"#,
        r#""vocab_size": "x""#,
        "vocab_size is \"x\"",
    );
    refused(
        r#""num_attention_heads": 4"#,
        r#""num_attention_heads": 0"#,
        "num_attention_heads is 0",
    );
    refused(
        r#""num_key_value_heads": 2"#,
        r#""num_key_value_heads": 3"#,
        "cannot share 3 key heads",
    );
}

/// The tensors of the tiny Llama in two files with an index.
#[test]
fn shards_are_read_through_their_index() {
    let (folder, weights) = copy();
    let bytes = fs::read(&weights).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut index = serde_json::Map::new();
    for shard in 0..2 {
        let file = format!("model-0000{}-of-00002.safetensors", shard + 1);
        let part: Vec<_> = tensors
            .iter()
            .enumerate()
            .filter(|(i, _)| i % 2 == shard)
            .collect();
        let part: Vec<_> = part
            .into_iter()
            .map(|(_, (name, view))| (name.to_owned(), view))
            .collect();
        for (name, _) in &part {
            index.insert(name.clone(), file.clone().into());
        }
        let path = folder.path().join(&file);
        safetensors::serialize_to_file(part, None, &path).unwrap();
    }
    fs::remove_file(&weights).unwrap();
    let json = serde_json::json!({ "weight_map": index }).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), json).unwrap();
    let whole = open(LLAMA, Kernels::Fast);
    let sharded = open(folder.path().to_str().unwrap(), Kernels::Fast);
    assert_eq!(fresh(&sharded, &[1, 2, 3]), fresh(&whole, &[1, 2, 3]));

    fs::remove_file(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
    assert!(refusal(folder.path()).contains("model-00002-of-00002.safetensors"));
}

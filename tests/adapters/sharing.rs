//! A base and what was tuned from it hold one copy of the weights.

use std::sync::Arc;

use tempfile::TempDir;
use w2s::decoder::{DeviceChoice, Kernels};
use w2s::guide::{ModelExecutor, Setting};
use w2s::library::Library;
use w2s::models::{Adapter, ModelSpec, PairSpec};
use w2s::search::{ChunkBeamSearch, Entry, LaneId, Lanes, PairId, Rules, Sampling, SearchParams};
use w2s::template::Templates;

use super::support::{Tensors, adapter, factor, factors, load, logits, repository};

const RANK: u64 = super::support::RANK as u64;
const PROMPT: &str = "This story has held";

/// An adapter for the bundled models, as PEFT makes them for all linear layers of one layer.
pub fn bundled(change: impl FnOnce(&mut Tensors)) -> TempDir {
    let name = |part: &str| format!("model.layers.2.{part}");
    let names = [
        (name("self_attn.q_proj"), 128, 128),
        (name("self_attn.v_proj"), 128, 128),
        (name("mlp.gate_proj"), 352, 128),
        (name("mlp.down_proj"), 128, 352),
    ];
    let modules = names.each_ref().map(|(name, n, k)| (name.as_str(), *n, *k));
    let mut lora = factors(&modules, 0);
    change(&mut lora);
    adapter(&repository("assets/models/untuned"), &lora, false)
}

/// Every score of a short search.
fn scores(setting: &Setting) -> Vec<f64> {
    let params = SearchParams::new(2, 3, 5, 20, Sampling::default(), Rules::Fixed, 3).unwrap();
    let (lane, pair) = (LaneId(0), PairId::from("pair"));
    let mut executor = ModelExecutor::new(setting.strong.clone(), Templates::default());
    executor.add_pair(pair.clone(), setting.pair.clone());
    executor.open(lane, PROMPT, &pair, &params).unwrap();
    let mut lanes = Lanes::new(executor);
    lanes.open(lane, ChunkBeamSearch::new(params, pair));
    let mut scores = Vec::new();
    while lanes.is_busy() {
        let entries = lanes
            .step()
            .into_iter()
            .flat_map(|progress| progress.entries);
        for entry in entries {
            if let Entry::Scored { candidates, .. } = entry {
                let terms = candidates.iter().flat_map(|c| c.score().terms());
                scores.extend(terms.map(|term| term.delta()));
            }
        }
    }
    scores
}

fn setting(library: &mut Library, tuned: &str) -> Setting {
    let pair = PairSpec::parse(&format!("{tuned},bundled:untuned")).unwrap();
    let pair = library.pair(&pair).unwrap();
    let strong = library.model(&ModelSpec::parse("bundled:strong")).unwrap();
    Setting::bare(strong, pair, PROMPT)
}

#[test]
fn factors_of_zero_score_exactly_zero() {
    let zero = bundled(|lora| {
        let outer = lora.iter_mut().filter(|(name, _)| name.contains("lora_B"));
        outer.for_each(|(_, (_, values))| values.fill(0.0));
    });
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let spec = format!("bundled:untuned+{}", zero.path().display());
    let found = scores(&setting(&mut library, &spec));
    assert!(
        found.len() > 20 && found.iter().all(|score| *score == 0.0),
        "{found:?}"
    );
    let other = bundled(|_| {});
    let spec = format!("bundled:untuned+{}", other.path().display());
    let found = scores(&setting(&mut library, &spec));
    assert!(found.iter().any(|score| score.abs() > 1e-3), "{found:?}");
}

#[test]
fn a_base_and_its_adapted_model_share_all_weights_in_any_order() {
    let adapter = bundled(|_| {});
    let base = repository("assets/models/untuned");
    let specs = [
        base.display().to_string(),
        format!("{}+{}", base.display(), adapter.path().display()),
        adapter.path().display().to_string(),
        // Another way to write the base.
        base.join("../untuned").display().to_string(),
    ];
    for turn in 0..specs.len() {
        let mut library = Library::open(DeviceChoice::Cpu).unwrap();
        let mut specs: Vec<_> = specs.iter().map(|s| ModelSpec::parse(s)).collect();
        specs.rotate_left(turn);
        let models: Vec<_> = specs.iter().map(|s| library.model(s).unwrap()).collect();
        for model in &models {
            assert!(model.decoder.shares_weights(&models[0].decoder), "{turn}");
        }
        // The base itself is under its own name.
        let base = library.model(&ModelSpec::Folder(base.clone())).unwrap();
        assert_eq!(
            base.name,
            repository("assets/models/untuned").display().to_string()
        );
        assert_eq!(
            models
                .iter()
                .filter(|m| Arc::ptr_eq(&m.decoder, &base.decoder))
                .count(),
            2
        );
    }
}

#[test]
fn weights_alone_are_shared_too() {
    let adapter = bundled(|_| {});
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let base = ModelSpec::parse("bundled:untuned");
    let adapted = format!("bundled:untuned+{}", adapter.path().display());
    let adapted = ModelSpec::parse(&adapted);
    let tuned = library.decoder(&adapted).unwrap();
    let untuned = library.decoder(&base).unwrap();
    assert!(tuned.shares_weights(&untuned));
    let model = library.model(&adapted).unwrap();
    assert!(Arc::ptr_eq(&model.decoder, &tuned));
    assert!(Arc::ptr_eq(
        &library.model(&base).unwrap().decoder,
        &untuned
    ));
}

#[test]
fn an_adapted_model_adds_its_factors_alone() {
    let adapter = bundled(|_| {});
    let n = RANK * (2 * (128 + 128) + 2 * (352 + 128));
    for kernels in [Kernels::Fast, Kernels::Plain] {
        let base = load(&repository("assets/models/untuned"), kernels);
        let tuned = base
            .adapted(&Adapter::open(adapter.path()).unwrap())
            .unwrap();
        assert!(
            tuned.shares_weights(&base)
                && !tuned.shares_weights(&load(&repository("assets/models/untuned"), kernels))
        );
        assert_eq!(tuned.n_params() - base.n_params(), n);
        assert_ne!(logits(&tuned), logits(&base));
    }
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let mut check = |spec: String| library.check(&ModelSpec::parse(&spec)).unwrap();
    let base = check("bundled:untuned".to_owned());
    let tuned = check(format!("bundled:untuned+{}", adapter.path().display()));
    assert_eq!(tuned.n_params - base.n_params, n);
    // Zeros fill the rows of the parts that are stored beside.
    let zeros = RANK * (384 - 128 + 384 - 128 + 352);
    assert_eq!(tuned.n_bytes - base.n_bytes, 4 * (n + zeros));
}

#[test]
fn names_without_the_familys_prefix_are_known() {
    let short = |name: String| name.replace("base_model.model.model.", "base_model.model.");
    let adapter_of = |rename: bool| {
        bundled(|lora| {
            if rename {
                *lora = std::mem::take(lora)
                    .into_iter()
                    .map(|(n, t)| (short(n), t))
                    .collect();
            }
        })
    };
    let base = load(&repository("assets/models/untuned"), Kernels::Fast);
    let [long, short] = [false, true].map(|rename| {
        let folder = adapter_of(rename);
        logits(
            &base
                .adapted(&Adapter::open(folder.path()).unwrap())
                .unwrap(),
        )
    });
    assert_eq!(long, short);
    assert!(factor("model.layers.2", "A").starts_with("base_model.model.model."));
}

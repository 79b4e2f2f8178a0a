//! Copies of bundled models with something changed, and searches on them.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use w2s::decoder::DeviceChoice;
use w2s::guide::ModelExecutor;
use w2s::library::{Library, Model, WeakPair};
use w2s::models::{ModelSpec, PairSpec};
use w2s::search::{
    ChunkBeamSearch, Entry, LaneId, Lanes, ModelError, PairId, Rules, Sampling, SearchParams,
};
use w2s::template::Templates;

pub const PROMPT: &str = "This story has held";

/// A copy of a bundled model; `change` edits one of its JSON files.
pub fn copy(name: &str, file: &str, change: impl Fn(&mut Value)) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/models")
        .join(name);
    let to = TempDir::new().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    let path = to.path().join(file);
    let mut json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
    to
}

pub fn model(spec: &str) -> Model {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    library.model(&ModelSpec::parse(spec)).unwrap()
}

pub fn pair(spec: &str) -> WeakPair {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    library.pair(&PairSpec::parse(spec).unwrap()).unwrap()
}

pub fn id() -> PairId {
    PairId::from("pair")
}

pub fn executor(strong: Model, pair: WeakPair) -> ModelExecutor {
    let mut executor = ModelExecutor::new(strong, Templates::default());
    executor.add_pair(id(), pair);
    executor
}

pub fn bundled() -> ModelExecutor {
    executor(model("bundled:strong"), pair("positive"))
}

pub fn params(w: usize, k: usize, l: usize, n: usize) -> SearchParams {
    SearchParams::new(w, k, l, n, Sampling::default(), Rules::Fixed, 3).unwrap()
}

/// Opens a search.
pub fn open(
    lanes: &mut Lanes<ModelExecutor>,
    lane: u64,
    prompt: &str,
    params: SearchParams,
) -> Result<(), ModelError> {
    let lane = LaneId(lane);
    lanes.executor().open(lane, prompt, &id(), &params)?;
    lanes.open(lane, ChunkBeamSearch::new(params, id()));
    Ok(())
}

/// Runs all searches to their ends; the entries of each.
pub fn run(lanes: &mut Lanes<ModelExecutor>) -> Vec<(LaneId, Entry)> {
    let mut entries = Vec::new();
    while lanes.is_busy() {
        for progress in lanes.step() {
            assert_eq!(progress.error, None);
            entries.extend(progress.entries.into_iter().map(|e| (progress.lane, e)));
        }
    }
    entries
}

/// One search alone.
pub fn run_one(
    executor: ModelExecutor,
    prompt: &str,
    params: SearchParams,
) -> (Arc<w2s::search::Hypothesis>, Vec<Entry>) {
    let mut lanes = Lanes::new(executor);
    open(&mut lanes, 1, prompt, params).unwrap();
    let entries = run(&mut lanes)
        .into_iter()
        .map(|(_, entry)| entry)
        .collect();
    (lanes.search(LaneId(1)).unwrap().best().unwrap(), entries)
}

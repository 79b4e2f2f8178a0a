//! The engine along every recording, with the recorded scores in the place of the weak pair:
//! layout, selection and ending are the reference implementation's.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;
use w2s::report::{Detokenizer, Models, Outcome, PromptExecutor, RecordedSearch, Recording, Stop};
use w2s::search::{
    Answer, Ask, Executor, HypothesisId, LaneId, LogRatio, ModelError, PairId, Panel, Partial,
    Rules, Score, SearchParams, Served, TokenId, TokenTerm,
};

use crate::conformance::{assert_same, recordings};
use crate::toy_models::run_on;

/// Real tokenizers, recorded scores, no weights.
struct Recorded(Recording);

impl Models for Recorded {
    fn executor(
        &mut self,
        _strong: &str,
        _panel: &Panel,
        _second: Option<&str>,
    ) -> Result<Box<dyn PromptExecutor>, ModelError> {
        Ok(Box::new(RecordedPair {
            recording: self.0.clone(),
            lanes: BTreeMap::new(),
        }))
    }

    fn score(&mut self, _: &str, _: &str, _: &str, _: bool) -> Result<LogRatio, ModelError> {
        unreachable!("nothing is given")
    }

    fn detokenizer(&mut self, strong: &str) -> Result<Box<dyn Detokenizer>, ModelError> {
        let name = strong.strip_prefix("bundled:").unwrap();
        Ok(Box::new(Decoder::open(&folder(name))))
    }

    fn device(&self) -> String {
        "none".to_owned()
    }
}

fn folder(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match name {
        "other" => root.join("tests/models/other"),
        bundled => root.join("assets/models").join(bundled),
    }
}

struct Decoder {
    tokenizer: Tokenizer,
    eos: TokenId,
}

impl Decoder {
    fn open(folder: &Path) -> Self {
        let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
        let eos = ["<|endoftext|>", "</s>"]
            .iter()
            .find_map(|t| tokenizer.token_to_id(t));
        let eos = eos.unwrap();
        Self { tokenizer, eos }
    }
}

impl Detokenizer for Decoder {
    fn decode(&self, ids: &[TokenId], _rules: Rules) -> String {
        self.tokenizer.decode(ids, true).unwrap()
    }

    fn is_eos(&self, id: TokenId) -> bool {
        id == self.eos
    }
}

/// The responses of a search, finished or not, with their scores.
type Table = HashMap<(String, bool), f64>;

/// Looks responses up; one that was not recorded scores far below all others.
struct RecordedPair {
    recording: Recording,
    lanes: BTreeMap<LaneId, (Table, Option<Score>)>,
}

fn table(search: &RecordedSearch) -> Table {
    let mut table = Table::new();
    for round in &search.rounds {
        for (i, text) in round.responses.iter().enumerate() {
            table.insert((text.clone(), round.eos[i]), round.scores[i]);
        }
    }
    table
}

fn look_up(table: &Table, score: Score) -> Answer {
    let one = |response: &w2s::search::Response| {
        let key = (response.text.to_string(), response.ended);
        let term = TokenTerm {
            id: 0,
            piece: key.0.as_str().into(),
            // The tuned half takes the whole score.
            tuned: table.get(&key).copied().unwrap_or(-1e9),
            untuned: 0.0,
        };
        (response.id, LogRatio::from(vec![term]))
    };
    Answer::Scored {
        scores: score.responses.iter().map(one).collect(),
        pair: score.pair,
    }
}

impl PromptExecutor for RecordedPair {
    fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        _params: &SearchParams,
    ) -> Result<(), ModelError> {
        let mut searches = self.recording.results.iter();
        let search = searches.find(|search| search.prompt == prompt).unwrap();
        self.lanes.insert(lane, (table(search), None));
        Ok(())
    }
}

impl Executor for RecordedPair {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        self.lanes.get_mut(&lane).unwrap().1 = match ask {
            Some(Ask::Score(score)) => Some(score.clone()),
            Some(Ask::Grow(_)) => unreachable!("a tape samples nothing"),
            _ => None,
        };
    }

    fn step(&mut self) -> Vec<Served> {
        let wanted = |(id, (table, score)): (&LaneId, &mut (Table, Option<Score>))| {
            Some((*id, Ok(look_up(table, score.take()?))))
        };
        self.lanes.iter_mut().filter_map(wanted).collect()
    }

    fn partials(&mut self, _: LaneId, _: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        Ok(Vec::new())
    }

    fn retain(&mut self, _: LaneId, _: &[HypothesisId]) {}

    fn close(&mut self, lane: LaneId) {
        self.lanes.remove(&lane);
    }
}

#[test]
fn every_recording_is_followed_to_its_end() {
    for (path, recording) in recordings() {
        let args = ["run", "--tape", path.to_str().unwrap()];
        let (outcome, out) = run_on(&mut Recorded(recording.clone()), Stop::default(), &args);
        assert_eq!(outcome.unwrap(), Outcome::Done, "{}", path.display());
        let list: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
        assert_eq!(list.len(), recording.results.len());
        for (report, recorded) in list.iter().zip(&recording.results) {
            assert_same(report, recorded, 1e-3);
        }
    }
}

#[test]
fn a_tape_that_diverges_is_told_in_one_sentence() {
    let (path, _) = recordings()
        .into_iter()
        .find(|(p, _)| p.ends_with("search-k1.json"))
        .unwrap();
    let mut value: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    value["results"][0]["rounds"][1]["ids"][0][0] = 1.into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tape.json");
    std::fs::write(&path, value.to_string()).unwrap();
    let recording: Recording = serde_json::from_value(value).unwrap();
    let args = ["run", "--tape", path.to_str().unwrap()];
    let (outcome, _) = run_on(&mut Recorded(recording.clone()), Stop::default(), &args);
    let told = outcome.unwrap_err().to_string();
    assert!(
        told.starts_with("prompt 1: the tape diverges in round 2: "),
        "{told}"
    );
}

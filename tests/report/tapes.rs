//! The engine along every recording, with the recorded scores in the place of the weak pair:
//! layout, selection and ending are the reference implementation's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;
use w2s::message::CancelToken;
use w2s::report::{Detokenizer, Models, Outcome, RecordedSearch, Recording};
use w2s::search::{
    ChunkSampler, HypothesisId, LogRatio, ModelError, Response, Rules, Scorer, SearchParams,
    TokenId, TokenTerm,
};

use crate::conformance::{assert_same, recordings};
use crate::toy_models::run_on;

/// Real tokenizers, recorded scores, no weights.
struct Recorded<'a>(&'a Recording);

impl Models for Recorded<'_> {
    fn prepare(&mut self, _strong: Option<&str>, _pair: &str) -> Result<(), ModelError> {
        Ok(())
    }

    fn strong(
        &mut self,
        _strong: &str,
        _prompt: &str,
        _params: &SearchParams,
    ) -> Result<Box<dyn ChunkSampler>, ModelError> {
        unreachable!("a tape samples nothing")
    }

    fn weak_pair(
        &mut self,
        pair: &str,
        _strong: &str,
        prompt: &str,
        _params: &SearchParams,
    ) -> Result<Box<dyn Scorer>, ModelError> {
        self.text_scorer(pair, prompt)
    }

    fn text_scorer(&mut self, _pair: &str, prompt: &str) -> Result<Box<dyn Scorer>, ModelError> {
        let search = self.0.results.iter().find(|r| r.prompt == prompt).unwrap();
        Ok(Box::new(RecordedScorer::new(search)))
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

/// Looks responses up; one that was not recorded scores far below all others.
struct RecordedScorer(HashMap<(String, bool), (f64, f64)>);

impl RecordedScorer {
    fn new(search: &RecordedSearch) -> Self {
        let mut table = HashMap::new();
        for round in &search.rounds {
            for (i, text) in round.responses.iter().enumerate() {
                // The tuned half takes the whole score.
                table.insert((text.clone(), round.eos[i]), (round.scores[i], 0.0));
            }
        }
        Self(table)
    }
}

impl Scorer for RecordedScorer {
    fn score(&mut self, responses: &[Response<'_>]) -> Result<Vec<LogRatio>, ModelError> {
        let one = |response: &Response<'_>| {
            let key = (response.text.to_owned(), response.ended);
            let (tuned, untuned) = self.0.get(&key).copied().unwrap_or((-1e9, 0.0));
            let piece = response.text.into();
            LogRatio {
                terms: vec![TokenTerm {
                    id: 0,
                    piece,
                    tuned,
                    untuned,
                }],
            }
        };
        Ok(responses.iter().map(one).collect())
    }

    fn retain(&mut self, _ids: &[HypothesisId]) {}
}

#[test]
fn every_recording_is_followed_to_its_end() {
    for (path, recording) in recordings() {
        let args = ["run", "--tape", path.to_str().unwrap()];
        let (outcome, out) = run_on(&mut Recorded(&recording), CancelToken::default(), &args);
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
    let recording = serde_json::from_value(value).unwrap();
    let args = ["run", "--tape", path.to_str().unwrap()];
    let (outcome, _) = run_on(&mut Recorded(&recording), CancelToken::default(), &args);
    let told = outcome.unwrap_err().to_string();
    assert!(
        told.starts_with("prompt 1: the tape diverges in round 2: "),
        "{told}"
    );
}

//! Compares what `run --tape` printed with the recording it replayed.

use std::path::PathBuf;

use serde_json::Value;
use w2s::report::{RecordedRound, RecordedSearch, Recording};

/// The recordings of whole searches, by file name.
pub fn recordings() -> Vec<(PathBuf, Recording)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("search-") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, serde_json::from_str(&text).unwrap()));
        }
    }
    found.sort_by(|a: &(PathBuf, _), b| a.0.cmp(&b.0));
    assert!(!found.is_empty());
    found
}

/// Texts, finished flags and selections are the recorded ones; scores within `tolerance`.
pub fn assert_same(report: &Value, recorded: &RecordedSearch, tolerance: f64) {
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), recorded.rounds.len(), "{}", recorded.prompt);
    for (round, recorded_round) in rounds.iter().zip(&recorded.rounds) {
        assert_same_candidates(round, recorded_round, tolerance);
        assert_same_selection(round, recorded_round, tolerance);
    }
    assert_eq!(report["response"], recorded.output.as_str());
}

fn assert_same_candidates(round: &Value, recorded: &RecordedRound, tolerance: f64) {
    let candidates = round["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), recorded.responses.len());
    for (i, candidate) in candidates.iter().enumerate() {
        let place = format!("round {}, row {i}", round["round"]);
        assert_eq!(candidate["text"], recorded.responses[i].as_str(), "{place}");
        assert_eq!(candidate["finished"], recorded.eos[i], "{place}");
        let off = candidate["score"].as_f64().unwrap() - recorded.scores[i];
        assert!(off.abs() < tolerance, "{place}: off by {off}");
    }
}

/// The same rows in the same order, unless their scores lie closer than `tolerance`.
fn assert_same_selection(round: &Value, recorded: &RecordedRound, tolerance: f64) {
    let candidates = round["candidates"].as_array().unwrap();
    let row = |id: &Value| {
        candidates
            .iter()
            .position(|c| c["hypothesis"] == *id)
            .unwrap()
    };
    let kept: Vec<usize> = round["kept"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(kept.len(), recorded.kept.len());
    for (ours, theirs) in kept.iter().zip(&recorded.kept) {
        let tie = (recorded.scores[*ours] - recorded.scores[*theirs]).abs() < tolerance;
        assert!(
            ours == theirs || tie,
            "{kept:?}, recorded {:?}",
            recorded.kept
        );
    }
}

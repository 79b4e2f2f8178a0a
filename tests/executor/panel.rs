//! Panels on real models: every pair scores every candidate, whatever its vocabulary.

use w2s::decoder::DeviceChoice;
use w2s::guide::ModelExecutor;
use w2s::library::Library;
use w2s::models::{ModelSpec, PairSpec};
use w2s::search::{ChunkBeamSearch, Entry, Executor, LaneId, Lanes, PairId, SearchParams};
use w2s::template::Templates;

const LANE: LaneId = LaneId(1);
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/other");

/// A search under a panel, about to begin.
fn lanes(pair: &PairId, params: SearchParams) -> Lanes<ModelExecutor> {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let strong = library.model(&ModelSpec::parse("bundled:strong")).unwrap();
    let mut executor = ModelExecutor::new(strong, Templates::default());
    for (id, _) in pair.members() {
        let pair = library
            .pair(&PairSpec::parse(id.as_str()).unwrap())
            .unwrap();
        executor.add_pair(id, pair);
    }
    executor.open(LANE, "The film", pair, &params).unwrap();
    let mut lanes = Lanes::new(executor);
    lanes.open(LANE, ChunkBeamSearch::new(params, pair.clone()));
    lanes
}

/// All entries of a search under a panel.
fn entries(pair: &PairId, params: SearchParams) -> Vec<Entry> {
    let mut lanes = lanes(pair, params);
    let mut all = Vec::new();
    while lanes.is_busy() {
        for brought in lanes.step() {
            assert!(brought.error.is_none(), "{brought:?}");
            all.extend(brought.entries);
        }
    }
    all
}

fn params(n: usize) -> SearchParams {
    let mut draft = SearchParams::default().draft();
    draft.max_new_tokens = n;
    draft.build().unwrap()
}

#[test]
fn pairs_of_other_vocabularies_speak_in_one_panel() {
    // The bundled base against one of another vocabulary: nonsense, but a pair.
    let other = format!("{OTHER},{OTHER}");
    let members = [
        (PairId::from("positive"), 1.0),
        (PairId::from(other.as_str()), 0.5),
        (PairId::from("critical"), -1.0),
    ];
    let panel = PairId::of_panel(members.to_vec());
    let all = entries(&panel, params(15));
    let mut n = 0;
    for entry in &all {
        let Entry::Scored { candidates, .. } = entry else {
            continue;
        };
        for candidate in candidates {
            let said = members.iter().map(|(pair, weight)| {
                let own = candidate.scores.by(pair).unwrap();
                weight * own.value()
            });
            let sum: f64 = said.sum();
            let own = candidate.score().value();
            assert!(
                (own - sum).abs() < 1e-9 * sum.abs().max(1.0),
                "{own} is not {sum}"
            );
            n += 1;
        }
    }
    assert_eq!(n, 3 * 16);
}

/// While chunks grow each pair has its say, and the score is their weighted sum.
#[test]
fn pairs_speak_of_chunks_that_grow() {
    let members = [("positive", 1.0), ("craft", -0.5)];
    let panel = PairId::of_panel(members.map(|(name, w)| (name.into(), w)).to_vec());
    let mut lanes = lanes(&panel, params(10));
    // One question reads the pairs' prompts.
    for _ in 0..2 {
        lanes.step();
    }
    let mut told = Vec::new();
    for _ in 0..3 {
        told = lanes.executor().partials(LANE, Some(&panel)).unwrap();
    }
    assert!(!told.is_empty());
    for partial in told {
        let [one, other] = partial.voices[..] else {
            panic!("{partial:?}");
        };
        let sum = one - 0.5 * other;
        assert!((partial.score.unwrap() - sum).abs() < 1e-9, "{partial:?}");
    }
}

/// Pairs of weight 0 change nothing of what is drawn and kept.
#[test]
fn a_silent_pair_changes_no_response() {
    let one = PairId::of_panel(vec![("positive".into(), 1.0), ("craft".into(), 0.0)]);
    let kept = |pair: &PairId| {
        let all = entries(pair, params(20));
        let kept = all.into_iter().filter_map(|entry| match entry {
            Entry::Selected { kept, pruned, .. } => Some((kept, pruned)),
            _ => None,
        });
        kept.collect::<Vec<_>>()
    };
    assert_eq!(kept(&one), kept(&"positive".into()));
}

/// The mean state is of the response's tokens, and the same whichever row is cached.
#[test]
fn a_mean_state_is_that_of_a_pass_over_the_whole() {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let strong = library.model(&ModelSpec::parse("bundled:strong")).unwrap();
    let pair = library.pair(&PairSpec::parse("positive").unwrap()).unwrap();
    let mut executor = ModelExecutor::new(strong.clone(), Templates::default());
    let id = PairId::from("positive");
    executor.add_pair(id.clone(), pair);
    let params = params(10);
    executor.open(LANE, "The film", &id, &params).unwrap();
    let mut lanes = Lanes::new(executor);
    lanes.open(LANE, ChunkBeamSearch::new(params, id));
    while !lanes.search(LANE).unwrap().is_finished() {
        lanes.step();
    }
    let best = lanes.search(LANE).unwrap().best().unwrap();
    let state = lanes.executor().mean_state(LANE, &best).unwrap();
    let decoder = &strong.decoder;
    let prompt = strong.tokenizer.encode("The film");
    let ids: Vec<u32> = prompt.iter().chain(best.tokens.iter()).copied().collect();
    let feed = w2s::decoder::Feed {
        row: 0,
        tokens: &ids,
    };
    let whole = decoder.states(&mut decoder.cache(), &[feed]).unwrap();
    let width = state.len();
    assert_eq!(whole.len(), width * ids.len());
    for (i, own) in state.iter().enumerate() {
        let rows = whole.chunks_exact(width).skip(prompt.len());
        let mean = rows.map(|row| row[i]).sum::<f32>() / best.tokens.len() as f32;
        assert!((own - mean).abs() < 1e-3, "{own} is not {mean}");
    }
}

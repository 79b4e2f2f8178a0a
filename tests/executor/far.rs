//! Logits that stay where they are: the ways of devices, on the CPU. What is fetched in blocks gives
//! the same search and the same evidence as whole vocabularies.

use std::sync::Arc;

use w2s::decoder::{Feed, Kernels, Placement, Want};
use w2s::evidence::{Evidence, Likely, Place};
use w2s::guide::{ModelExecutor, xray};
use w2s::library::Library;
use w2s::models::{ModelSpec, PairSpec};
use w2s::search::{Draft, Hypothesis, LaneId, Lanes, MethodName, Rules, SearchParams};

use crate::folder::{PROMPT, executor, id, open, run};

/// Bundled, and one with a vocabulary of its own, which is no multiple of a block.
const STRONG: [&str; 2] = ["bundled:strong", "tests/models/other"];

fn executor_on(place: Placement, strong: &str) -> ModelExecutor {
    let mut library = Library::on(place);
    let strong = library.model(&ModelSpec::parse(strong)).unwrap();
    let pair = library.pair(&PairSpec::parse("positive").unwrap()).unwrap();
    executor(strong, pair)
}

fn params(method: &str, change: impl Fn(&mut Draft)) -> SearchParams {
    let method: MethodName = method.parse().unwrap();
    let mut draft = method.apply(Draft {
        beam_width: 2,
        successors: 3,
        chunk_len: 4,
        max_new_tokens: 16,
        seed: 5,
        ..SearchParams::default().draft()
    });
    change(&mut draft);
    draft.build().unwrap()
}

fn searched(place: &Placement, strong: &str, params: SearchParams) -> (Arc<Hypothesis>, Evidence) {
    let mut lanes = Lanes::new(executor_on(place.clone(), strong));
    open(&mut lanes, 1, PROMPT, params).unwrap();
    run(&mut lanes);
    let lane = LaneId(1);
    let best = lanes.search(lane).unwrap().best().unwrap();
    let setting = lanes.executor().setting(lane, &id()).unwrap();
    let xray = Arc::new(xray(&setting, Rules::Fixed, None).unwrap());
    let witness = lanes
        .executor()
        .witness(lane, &id(), &params, (&best, None), 5);
    let mut witness = witness.unwrap();
    while !witness.is_done() {
        witness.step().unwrap();
    }
    (best, witness.evidence(xray))
}

fn assert_close(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() < 1e-4 || a == b, "{what}: {a} is not {b}");
}

fn assert_same(far: &[Likely], here: &[Likely], what: &str) {
    assert_eq!(far.len(), here.len(), "{what}");
    for (far, here) in far.iter().zip(here) {
        assert_close(far.log_prob, here.log_prob, what);
    }
}

fn assert_same_place(far: &Place, here: &Place, what: &str) {
    assert_close(far.log_prob, here.log_prob, what);
    assert_close(far.drawn, here.drawn, what);
    assert_same(&far.likeliest, &here.likeliest, what);
    assert_same(&far.proposed, &here.proposed, what);
}

fn check(strong: &str, name: &str, params: SearchParams) {
    let what = format!("{strong}, {name}");
    let plain = Placement::cpu(Kernels::Plain);
    let (here, told) = searched(&plain, strong, params);
    let (far, far_told) = searched(&plain.with_far_logits(), strong, params);
    assert_eq!(far.tokens.to_vec(), here.tokens.to_vec(), "{what}");
    assert_close(far.score().value(), here.score().value(), &what);
    for (far, here) in far.log_probs.iter().zip(here.log_probs.iter()) {
        assert_close(*far, *here, &what);
    }
    for (far, here) in far_told.strong.iter().zip(&told.strong) {
        assert_same_place(far, here, &what);
    }
    for (far, here) in far_told.weak.iter().zip(&told.weak) {
        assert_same_place(&far.tuned, &here.tuned, &what);
        assert_same_place(&far.untuned, &here.untuned, &what);
    }
}

#[test]
fn whatever_filters_leave_is_drawn_and_told_as_from_whole_vocabularies() {
    for strong in STRONG {
        for (t, k, p) in [
            (0.7, 50, 1.0),
            (1.0, 0, 1.0),
            (1.3, 0, 0.9),
            (0.8, 200, 0.5),
            (0.0, 0, 1.0),
            (0.7, 3, 1.0),
        ] {
            let params = params("cbs", |draft| {
                (draft.temperature, draft.top_k, draft.top_p) = (t, k, p);
            });
            check(strong, &format!("{t}, {k}, {p}"), params);
        }
    }
}

/// The tests above would show nothing of logits that are whole on the host.
#[test]
fn logits_are_not_on_the_host() {
    let place = Placement::cpu(Kernels::Plain).with_far_logits();
    let decoder = executor_on(place, STRONG[0]).strong().decoder.clone();
    let mut cache = decoder.cache();
    let feed = Feed {
        row: 0,
        tokens: &[1, 2],
    };
    let said = decoder.say(&mut cache, &[feed], Want::All, 1).unwrap();
    assert_eq!(said.n_places(), 2);
    assert!(said.place(1).here().is_none());
}

#[test]
fn methods_that_ask_for_more_are_told_the_same() {
    for method in ["cards:4", "tree:2", "smc:1", "eft-cbs:1"] {
        check(STRONG[0], method, params(method, |_| {}));
    }
}

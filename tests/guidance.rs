//! The method's laws, on the bundled models.

use std::ops::ControlFlow;
use std::sync::{LazyLock, Mutex};

use w2s::decoder::{DeviceChoice, Kernels, Placement};
use w2s::guide::{Join, PairScorer, Setting};
use w2s::library::{Library, WeakPair};
use w2s::models::{ModelSpec, PairSpec};
use w2s::search::{
    ChunkBeamSearch, ChunkSampler, Growth, Hypothesis, HypothesisId, Lineage, LogRatio, Response,
    Rules, SamplePlan, Sampling, Scorer, SearchEvent, SearchParams, Slot, Status,
};

static LIBRARY: LazyLock<Mutex<Library>> =
    LazyLock::new(|| Mutex::new(Library::open(DeviceChoice::Cpu).unwrap()));

const PROMPT: &str = "This story has held";

fn pair(spec: &str) -> WeakPair {
    LIBRARY
        .lock()
        .unwrap()
        .pair(&PairSpec::parse(spec).unwrap())
        .unwrap()
}

fn setting(pair_spec: &str) -> Setting {
    let pair = pair(pair_spec);
    let strong = ModelSpec::parse("bundled:strong");
    let strong = LIBRARY.lock().unwrap().model(&strong).unwrap();
    Setting::bare(strong, pair, PROMPT)
}

fn params(w: usize, k: usize, l: usize, n: usize) -> SearchParams {
    SearchParams::new(w, k, l, n, Sampling::default(), Rules::Fixed, 3).unwrap()
}

/// Runs a search to its end and returns all its events.
fn search(setting: &Setting, params: SearchParams) -> (Hypothesis, Vec<SearchEvent>) {
    let mut sampler = setting.sampler(&params).unwrap();
    let mut scorer = setting.scorer(&params).unwrap();
    let mut search = ChunkBeamSearch::new(params);
    let mut events = Vec::new();
    let mut on = |event: SearchEvent| {
        events.push(event);
        ControlFlow::Continue(())
    };
    while search.round(&mut sampler, &mut scorer, &mut on).unwrap() == Status::Running {}
    let best = search.best().unwrap().as_ref().clone();
    (best, events)
}

/// Samples complete responses from the bare prompt, one for each of `lineages`, with no search.
fn plain_samples(setting: &Setting, params: &SearchParams, lineages: &[Lineage]) -> Vec<Growth> {
    let mut sampler = setting.sampler(params).unwrap();
    let n_tokens = params.max_new_tokens.get();
    let slot = |(id, lineage): (u64, &Lineage)| Slot {
        id: HypothesisId(id),
        parent: None,
        lineage: *lineage,
        n_tokens,
    };
    let slots: Vec<Slot<'_>> = (0..).zip(lineages).map(slot).collect();
    let plan = SamplePlan {
        slots: &slots,
        sampling: params.sampling,
        rules: params.rules,
    };
    let go_on = &mut |_: &[Growth]| Ok(ControlFlow::Continue(()));
    sampler.sample(&plan, go_on).unwrap().unwrap()
}

fn whole_score(setting: &Setting, params: &SearchParams, growth: &Growth) -> LogRatio {
    let mut scorer = setting.scorer(params).unwrap();
    let response = Response {
        id: HypothesisId(0),
        parent: None,
        tokens: &growth.tokens,
        text: &growth.text,
        ended: growth.finish.is_some(),
    };
    scorer.score(&[response]).unwrap().remove(0)
}

#[test]
fn w_1_k_1_is_plain_sampling_whatever_l_is() {
    let setting = setting("positive");
    let plain = plain_samples(&setting, &params(1, 1, 0, 40), &[Lineage::root(3)]);
    for l in [1, 5, 7, 0] {
        let (best, _) = search(&setting, params(1, 1, l, 40));
        assert_eq!(best.tokens, plain[0].tokens, "L = {l}");
        assert_eq!(best.text, plain[0].text, "L = {l}");
    }
}

#[test]
fn w_1_without_chunks_is_best_of_k() {
    let setting = setting("critical");
    let params = params(1, 6, 0, 30);
    let lineages: Vec<Lineage> = (0..6).map(|k| Lineage::root(3).successor(1, k)).collect();
    let samples = plain_samples(&setting, &params, &lineages);
    let scores = samples
        .iter()
        .map(|s| whole_score(&setting, &params, s).value());
    let (best_of_k, score) = scores
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    let (best, _) = search(&setting, params);
    assert_eq!(best.tokens, samples[best_of_k].tokens);
    assert!((best.score.value() - score).abs() < 1e-4);
}

#[test]
fn k_1_keeps_everything() {
    let (_, events) = search(&setting("positive"), params(5, 1, 4, 24));
    for event in events {
        if let SearchEvent::Selected { kept, pruned, .. } = event {
            assert_eq!((kept.len(), pruned.len()), (5, 0));
        }
    }
}

#[test]
fn a_higher_k_leaves_the_lower_k_candidates_unchanged_in_round_1() {
    let first = |k| {
        let (_, events) = search(&setting("positive"), params(2, k, 5, 10));
        let scored = events.into_iter().find_map(|event| match event {
            SearchEvent::Scored { candidates, .. } => Some(candidates),
            _ => None,
        });
        scored
            .unwrap()
            .iter()
            .map(|c| c.tokens.clone())
            .collect::<Vec<_>>()
    };
    let few = first(3);
    assert_eq!(few, first(8)[..few.len()]);
}

#[test]
fn equal_halves_score_zero_everywhere() {
    let (_, events) = search(
        &setting("bundled:untuned,bundled:untuned"),
        params(2, 3, 5, 20),
    );
    for event in events {
        match event {
            SearchEvent::Scored { candidates, .. } => {
                let terms = candidates.iter().flat_map(|c| &c.score.terms);
                assert!(terms.into_iter().all(|t| t.delta() == 0.0));
            }
            SearchEvent::Grown { partials, .. } => {
                assert!(partials.iter().all(|p| p.score == Some(0.0)));
            }
            _ => {}
        }
    }
}

#[test]
fn a_cached_score_equals_the_uncached() {
    for rules in [Rules::Fixed, Rules::Reference] {
        let setting = setting("positive");
        let params = SearchParams {
            rules,
            ..params(3, 3, 4, 36)
        };
        let (_, events) = search(&setting, params);
        for event in events {
            let SearchEvent::Scored { candidates, .. } = event else {
                continue;
            };
            for c in candidates {
                let mut scorer = setting.scorer(&params).unwrap();
                let whole = scorer
                    .score(&[Response {
                        id: HypothesisId(0),
                        parent: None,
                        tokens: &c.tokens,
                        text: &c.text,
                        ended: c.finish == Some(w2s::search::Finish::Eos)
                            || (rules == Rules::Reference && c.is_finished()),
                    }])
                    .unwrap();
                let (cached, whole) = (c.score.value(), whole[0].value());
                assert!(
                    (cached - whole).abs() < 1e-4,
                    "{cached} {whole} {:?}",
                    c.text
                );
            }
        }
    }
}

#[test]
fn the_last_growth_has_the_final_score() {
    let (_, events) = search(&setting("craft"), params(2, 2, 5, 20));
    let mut partials = Vec::new();
    for event in events {
        match event {
            SearchEvent::Grown { partials: p, .. } => partials = p,
            SearchEvent::Scored { candidates, .. } => {
                for c in candidates.iter().filter(|c| !c.is_finished()) {
                    let last = partials.iter().find(|p| p.id == c.id).unwrap();
                    assert!((last.score.unwrap() - c.score.value()).abs() < 1e-6);
                    assert_eq!(last.text, c.text);
                }
            }
            _ => {}
        }
    }
}

/// Text that is re-tokenised may change tokens already scored: the cache is rolled back.
#[test]
fn growing_text_scores_as_if_it_were_new() {
    let pair = pair("positive");
    let text = " an unbelievably good movie!! I love Ünïcödé, 日本 and 10/10 stars.";
    let cuts: Vec<usize> = text
        .char_indices()
        .map(|(i, _)| i)
        .chain([text.len()])
        .collect();
    let mut growing = PairScorer::new(pair.clone(), &PROMPT.into(), Join::Text, 64).unwrap();
    for cut in cuts {
        let response = |id| Response {
            id: HypothesisId(id),
            parent: None,
            tokens: &[],
            text: &text[..cut],
            ended: false,
        };
        let mut fresh = PairScorer::new(pair.clone(), &PROMPT.into(), Join::Text, 64).unwrap();
        let grown = growing.score(&[response(7)]).unwrap().remove(0);
        let whole = fresh.score(&[response(0)]).unwrap().remove(0);
        let ids = |l: &LogRatio| l.terms.iter().map(|t| t.id).collect::<Vec<_>>();
        assert_eq!(ids(&grown), ids(&whole), "{:?}", &text[..cut]);
        assert!(
            (grown.value() - whole.value()).abs() < 1e-4,
            "{:?}",
            &text[..cut]
        );
    }
}

#[test]
fn a_hypothesis_whose_cache_is_gone_is_prefilled_again() {
    let setting = setting("positive");
    let params = params(2, 2, 5, 20);
    let (_, events) = search(&setting, params);
    let scored = events.iter().filter_map(|event| match event {
        SearchEvent::Scored { candidates, .. } => Some(candidates),
        _ => None,
    });
    let rounds: Vec<_> = scored.collect();
    let child = &rounds[2][0];
    let parent = rounds[1]
        .iter()
        .find(|c| Some(c.id) == child.parent)
        .unwrap();
    let mut sampler = setting.sampler(&params).unwrap();
    let slot = Slot {
        id: child.id,
        parent: Some(parent),
        lineage: child.lineage,
        n_tokens: 5,
    };
    let plan = SamplePlan {
        slots: &[slot],
        sampling: params.sampling,
        rules: params.rules,
    };
    let go_on = &mut |_: &[Growth]| Ok(ControlFlow::Continue(()));
    let again = sampler.sample(&plan, go_on).unwrap().unwrap();
    assert_eq!(again[0].tokens, child.tokens);
}

#[test]
fn a_pair_in_another_place_scores_the_same() {
    let (fast, plain) = (
        Placement::cpu(Kernels::Fast),
        Placement::cpu(Kernels::Plain),
    );
    let mut library = Library::on(fast.clone()).with_pairs_on(plain);
    let strong = library.model(&ModelSpec::parse("bundled:strong")).unwrap();
    let pair = library.pair(&PairSpec::parse("positive").unwrap()).unwrap();
    assert!(strong.decoder.on_host() && !pair.tuned.decoder.on_host());
    // The same model on both sides is in both places.
    let untuned = library.model(&ModelSpec::parse("untuned")).unwrap();
    assert!(untuned.decoder.on_host() && !pair.untuned.decoder.on_host());
    let apart = Setting::bare(strong, pair, PROMPT);
    let params = params(2, 2, 5, 15);
    let ((there, _), (here, _)) = (search(&apart, params), search(&setting("positive"), params));
    assert_eq!(there.text, here.text);
    assert!((there.score.value() - here.score.value()).abs() < 1e-3);
}

//! The method's laws, on the bundled models.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use w2s::decoder::{DeviceChoice, Kernels, Placement};
use w2s::guide::{self, ModelExecutor, Setting};
use w2s::library::{Library, WeakPair};
use w2s::models::{ModelSpec, PairSpec};
use w2s::search::{
    Answer, Ask, ChunkBeamSearch, Entry, Executor, Grow, Growth, Hypothesis, HypothesisId, LaneId,
    Lanes, Lineage, LogRatio, PairId, Partial, Response, Rope, Rules, Sampling, Score,
    SearchParams, Slot, Successor, Text,
};

static LIBRARY: LazyLock<Mutex<Library>> =
    LazyLock::new(|| Mutex::new(Library::open(DeviceChoice::Cpu).unwrap()));

const PROMPT: &str = "This story has held";
const LANE: LaneId = LaneId(0);

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

fn the_pair() -> PairId {
    PairId::from("the pair")
}

/// The models of a setting, at work on nothing yet.
fn idle(setting: &Setting) -> ModelExecutor {
    let mut executor = ModelExecutor::new(setting.strong.clone(), Default::default());
    executor.add_pair(the_pair(), setting.pair.clone());
    executor
}

/// The same with one search begun.
fn executor(setting: &Setting, params: &SearchParams) -> ModelExecutor {
    let mut executor = idle(setting);
    executor.open(LANE, PROMPT, &the_pair(), params).unwrap();
    executor
}

/// A search that is over.
#[derive(Debug, PartialEq)]
struct Past {
    best: Arc<Hypothesis>,
    entries: Vec<Entry>,
}

impl Past {
    /// The candidates of each round.
    fn rounds(&self) -> Vec<&[Arc<Hypothesis>]> {
        let scored = self.entries.iter().filter_map(|entry| match entry {
            Entry::Scored { candidates, .. } => Some(&candidates[..]),
            _ => None,
        });
        scored.collect()
    }
}

/// Runs a search to its end.
fn search(setting: &Setting, params: SearchParams) -> Past {
    watched(setting, params, &mut |_| {})
}

/// The same; `watch` sees all chunks after every step, scored.
fn watched(setting: &Setting, params: SearchParams, watch: &mut dyn FnMut(Vec<Partial>)) -> Past {
    let mut lanes = Lanes::new(executor(setting, &params));
    lanes.open(LANE, ChunkBeamSearch::new(params, the_pair()));
    let mut entries = Vec::new();
    while lanes.is_busy() {
        for progress in lanes.step() {
            assert_eq!(progress.error, None);
            entries.extend(progress.entries);
        }
        let partials = lanes.executor().partials(LANE, Some(&the_pair()));
        watch(partials.unwrap());
    }
    let best = lanes.search(LANE).unwrap().best().unwrap();
    Past { best, entries }
}

/// Asks until there is an answer.
fn ask(executor: &mut ModelExecutor, ask: &Ask) -> Answer {
    executor.post(LANE, Some(ask));
    // A prompt and a response are no more passes than they have tokens.
    let mut answers = (0..1000).flat_map(|_| executor.step());
    answers.next().unwrap().1.unwrap()
}

/// Grows all `slots` to their ends, in their order.
fn grow(setting: &Setting, params: &SearchParams, slots: Vec<Slot>) -> Vec<Growth> {
    let mut executor = executor(setting, params);
    let mut grown: HashMap<HypothesisId, Growth> = HashMap::new();
    let all = Ask::Grow(Grow {
        slots: slots.clone().into(),
        sampling: params.sampling(),
        rules: params.rules(),
        tilted: None,
        hesitation: None,
        wants_drawn: false,
    });
    while grown.len() < slots.len() {
        let Answer::Grown(some) = ask(&mut executor, &all) else {
            panic!("not what was asked for");
        };
        grown.extend(some);
    }
    slots.iter().map(|slot| grown[&slot.id].clone()).collect()
}

/// Samples complete responses from the bare prompt, one for each of `lineages`, with no search.
fn plain_samples(setting: &Setting, params: &SearchParams, lineages: &[Lineage]) -> Vec<Growth> {
    let n_tokens = params.max_new_tokens().get();
    let slot = |(id, lineage): (u64, &Lineage)| Slot {
        id: HypothesisId(id),
        parent: None,
        lineage: *lineage,
        n_tokens,
    };
    grow(setting, params, (0..).zip(lineages).map(slot).collect())
}

/// The log-ratio of a whole response, nothing cached.
fn whole_score(setting: &Setting, rules: Rules, response: Response) -> LogRatio {
    let responses = [Response {
        parent: None,
        ..response
    }];
    guide::score(setting, rules, &responses).unwrap().remove(0)
}

fn sampled(growth: &Growth) -> Response {
    Response {
        id: HypothesisId(0),
        parent: None,
        tokens: Rope::from(growth.tokens.clone()),
        text: growth.text.clone(),
        ended: growth.finish.is_some(),
    }
}

#[test]
fn w_1_k_1_is_plain_sampling_whatever_l_is() {
    let setting = setting("positive");
    let plain = plain_samples(&setting, &params(1, 1, 0, 40), &[Lineage::root(3)]);
    for l in [1, 5, 7, 0] {
        let best = search(&setting, params(1, 1, l, 40)).best;
        assert_eq!(best.tokens, plain[0].tokens, "L = {l}");
        assert_eq!(best.text, plain[0].text, "L = {l}");
    }
}

#[test]
fn w_1_without_chunks_is_best_of_k() {
    let setting = setting("critical");
    let params = params(1, 6, 0, 30);
    let nth = |k| Lineage::root(3).successor(1, Successor::Sampled(k));
    let lineages: Vec<Lineage> = (0..6).map(nth).collect();
    let samples = plain_samples(&setting, &params, &lineages);
    let scores = samples
        .iter()
        .map(|s| whole_score(&setting, Rules::Fixed, sampled(s)).value());
    let (best_of_k, score) = scores
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    let best = search(&setting, params).best;
    assert_eq!(best.tokens, samples[best_of_k].tokens);
    assert!((best.score().value() - score).abs() < 1e-4);
}

#[test]
fn k_1_keeps_everything() {
    for entry in search(&setting("positive"), params(5, 1, 4, 24)).entries {
        if let Entry::Selected { kept, pruned, .. } = entry {
            assert_eq!((kept.len(), pruned.len()), (5, 0));
        }
    }
}

#[test]
fn a_higher_k_leaves_the_lower_k_candidates_unchanged_in_round_1() {
    let first = |k| {
        let past = search(&setting("positive"), params(2, k, 5, 10));
        let tokens = past.rounds()[0].iter().map(|c| c.tokens.to_vec());
        tokens.collect::<Vec<_>>()
    };
    let few = first(3);
    assert_eq!(few, first(8)[..few.len()]);
}

#[test]
fn equal_halves_score_zero_everywhere() {
    let setting = setting("bundled:untuned,bundled:untuned");
    let mut n_partials = 0;
    let past = watched(&setting, params(2, 3, 5, 20), &mut |partials| {
        for partial in partials.iter().filter(|p| p.score.is_some()) {
            n_partials += 1;
            assert_eq!(partial.score, Some(0.0));
        }
    });
    assert!(n_partials > 0);
    for candidate in past.rounds().into_iter().flatten() {
        assert!(candidate.score().terms().all(|term| term.delta() == 0.0));
    }
}

#[test]
fn a_cached_score_equals_the_uncached() {
    for rules in [Rules::Fixed, Rules::Reference] {
        let setting = setting("positive");
        let past = search(&setting, params(3, 3, 4, 36).with_rules(rules));
        for candidate in past.rounds().into_iter().flatten() {
            let whole = whole_score(&setting, rules, Response::of(candidate, rules));
            let (cached, whole) = (candidate.score().value(), whole.value());
            let text = &candidate.text;
            assert!((cached - whole).abs() < 1e-4, "{cached} {whole} {text}");
        }
    }
}

#[test]
fn a_growing_chunk_is_scored_as_what_it_is_so_far() {
    let setting = setting("craft");
    let mut seen = Vec::new();
    let past = watched(&setting, params(2, 2, 5, 20), &mut |partials| {
        seen.extend(partials)
    });
    let whole: Vec<_> = past.rounds().concat();
    // From the first token on: the pair reads a short prompt and what has grown at once.
    assert!(seen.iter().all(|partial| partial.score.is_some()));
    for partial in &seen {
        let candidate = whole.iter().find(|c| c.id == partial.id).unwrap();
        assert!(candidate.chunk_text().starts_with(&partial.chunk));
        // Only ids are read where vocabularies are the same.
        let so_far = Response {
            tokens: candidate
                .tokens
                .iter()
                .take(partial.n_tokens)
                .copied()
                .collect(),
            ended: false,
            ..Response::of(candidate, Rules::Fixed)
        };
        let score = whole_score(&setting, Rules::Fixed, so_far);
        assert!((partial.score.unwrap() - score.value()).abs() < 1e-4);
    }
    assert!(seen.len() > 20, "{}", seen.len());
}

/// Text that is re-tokenised may change tokens already scored: the cache is rolled back.
#[test]
fn growing_text_scores_as_if_it_were_new() {
    let (setting, rules) = (setting("positive"), Rules::Reference);
    let text = " an unbelievably good movie!! I love Ünïcödé, 日本 and 10/10 stars.";
    let mut growing = executor(&setting, &params(1, 1, 0, 64).with_rules(rules));
    for cut in text.char_indices().map(|(i, _)| i).chain([text.len()]) {
        let response = Response {
            id: HypothesisId(7),
            parent: None,
            tokens: Rope::default(),
            text: Text::from(&text[..cut]),
            ended: false,
        };
        let wanted = Ask::Score(Score {
            pair: the_pair(),
            responses: [response.clone()].into(),
        });
        let Answer::Scored { scores, .. } = ask(&mut growing, &wanted) else {
            panic!("not what was asked for");
        };
        let (grown, whole) = (&scores[0].1, whole_score(&setting, rules, response));
        let ids = |l: &LogRatio| l.terms().map(|t| t.id).collect::<Vec<_>>();
        assert_eq!(ids(grown), ids(&whole), "{:?}", &text[..cut]);
        let off = grown.value() - whole.value();
        assert!(off.abs() < 1e-4, "{:?}", &text[..cut]);
    }
}

#[test]
fn a_hypothesis_whose_cache_is_gone_is_prefilled_again() {
    let setting = setting("positive");
    let params = params(2, 2, 5, 20);
    let past = search(&setting, params);
    let rounds = past.rounds();
    let child = &rounds[2][0];
    let parent = rounds[1].iter().find(|c| Some(c.id) == child.parent);
    let slot = Slot {
        id: child.id,
        parent: parent.cloned(),
        lineage: child.lineage,
        n_tokens: 5,
    };
    let again = grow(&setting, &params, vec![slot]).remove(0);
    let chunk: Vec<_> = child.tokens.since(child.chunk_start).copied().collect();
    assert_eq!(again.tokens, chunk);
    assert_eq!(again.text, child.text);
}

/// Whatever else is in a pass changes nothing, to the last bit.
#[test]
fn searches_side_by_side_are_as_each_alone() {
    let setting = setting("positive");
    let prompts = [PROMPT, "I went to see", "The", PROMPT];
    let many = params(3, 3, 5, 30);
    let each = [many, many, many, many.unguided()];
    let run = |some: &[usize]| -> HashMap<usize, Past> {
        let mut lanes = Lanes::new(idle(&setting));
        let mut told: HashMap<usize, Vec<Entry>> = HashMap::new();
        for i in some {
            let lane = LaneId(*i as u64);
            let executor = lanes.executor();
            executor
                .open(lane, prompts[*i], &the_pair(), &each[*i])
                .unwrap();
            lanes.open(lane, ChunkBeamSearch::new(each[*i], the_pair()));
        }
        while lanes.is_busy() {
            for progress in lanes.step() {
                let entries = told.entry(progress.lane.0 as usize).or_default();
                entries.extend(progress.entries);
            }
        }
        let past = |(i, entries)| {
            let best = lanes.search(LaneId(i as u64)).unwrap().best().unwrap();
            (i, Past { best, entries })
        };
        told.into_iter().map(past).collect()
    };
    let together = run(&[0, 1, 2, 3]);
    assert_eq!(together.len(), 4);
    for i in 0..4 {
        assert_eq!(run(&[i])[&i], together[&i], "{:?}", prompts[i]);
    }
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
    let (there, here) = (
        search(&apart, params).best,
        search(&setting("positive"), params).best,
    );
    assert_eq!(there.text, here.text);
    assert!((there.score().value() - here.score().value()).abs() < 1e-3);
}

//! A whole search, a round on a bigger model, and scoring: `cargo bench --bench search`.

use std::sync::Arc;

use divan::Bencher;
use w2s::decoder::{Decoder, DeviceChoice};
use w2s::guide::{self, ModelExecutor, Setting};
use w2s::library::{Library, Model};
use w2s::models::{DecoderConfig, ModelSpec, PairSpec};
use w2s::search::{
    Answer, Ask, ChunkBeamSearch, Executor, Grow, Hypothesis, HypothesisId, LaneId, Lanes,
    LogRatio, ModelError, PairId, Partial, Response, Rules, Sampling, Score, SearchParams, Served,
};

fn main() {
    divan::main();
}

const PROMPT: &str = "This story has held";
const LANE: LaneId = LaneId(0);

fn params(w: usize, k: usize, l: usize, n: usize) -> SearchParams {
    SearchParams::new(w, k, l, n, Sampling::default(), Rules::Fixed, 0).unwrap()
}

fn bundled() -> Setting {
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let strong = library.model(&ModelSpec::parse("bundled:strong")).unwrap();
    let pair = library.pair(&PairSpec::parse("positive").unwrap()).unwrap();
    Setting::bare(strong, pair, PROMPT)
}

/// The bundled pair beside a strong model of SmolLM2-135M's shape with random weights.
fn with_135m() -> Setting {
    let json = include_bytes!("llama-135m.json");
    let config = DecoderConfig::parse(std::str::from_utf8(json).unwrap()).unwrap();

    let decoder = Arc::new(Decoder::random(config, 1).unwrap());
    let Setting { strong, pair, .. } = bundled();
    let strong = Model {
        name: "135M random".to_owned(),
        decoder,
        ..strong
    };
    Setting::bare(strong, pair, PROMPT)
}

fn the_pair() -> PairId {
    PairId::from("positive")
}

/// The models of a setting at the beginning of a search: nothing is cached.
fn executor(setting: &Setting, params: &SearchParams) -> ModelExecutor {
    let mut executor = ModelExecutor::new(setting.strong.clone(), Default::default());
    executor.add_pair(the_pair(), setting.pair.clone());
    executor.open(LANE, PROMPT, &the_pair(), params).unwrap();
    executor
}

/// Scores nothing: the cost of sampling alone.
struct Unscored {
    strong: ModelExecutor,
    wanted: Option<Score>,
}

impl Executor for Unscored {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        self.wanted = match ask {
            Some(Ask::Score(score)) => Some(score.clone()),
            ask => {
                self.strong.post(lane, ask);
                None
            }
        };
    }

    fn step(&mut self) -> Vec<Served> {
        let Some(Score { pair, responses }) = self.wanted.take() else {
            return self.strong.step();
        };
        let nothing = |response: &Response| (response.id, LogRatio::default());
        let scores = responses.iter().map(nothing).collect();
        vec![(LANE, Ok(Answer::Scored { pair, scores }))]
    }

    fn partials(&mut self, lane: LaneId, _: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        self.strong.partials(lane, None)
    }

    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]) {
        self.strong.retain(lane, ids);
    }

    fn close(&mut self, lane: LaneId) {
        self.strong.close(lane);
    }
}

/// How much is scored.
#[derive(Clone, Copy, PartialEq)]
enum Scoring {
    Nothing,
    Chunks,
    /// Every token, for a screen and where there is time.
    Tokens,
    /// As often as a watched search at full speed does.
    Watched,
}

fn run(setting: &Setting, params: SearchParams, scoring: Scoring) -> Arc<Hypothesis> {
    let strong = executor(setting, &params);
    let rhythm = match scoring {
        Scoring::Tokens => Some(1),
        Scoring::Watched => Some(strong.scoring_rhythm(&the_pair())),
        Scoring::Nothing | Scoring::Chunks => None,
    };
    match scoring {
        Scoring::Nothing => drive(
            Unscored {
                strong,
                wanted: None,
            },
            params,
            None,
        ),
        _ => drive(strong, params, rhythm),
    }
}

/// A search to its end; growing chunks are scored after every `rhythm` tokens.
fn drive<E: Executor>(executor: E, params: SearchParams, rhythm: Option<usize>) -> Arc<Hypothesis> {
    let mut lanes = Lanes::new(executor);
    lanes.open(LANE, ChunkBeamSearch::new(params, the_pair()));
    let mut n_grown = 0;
    while lanes.is_busy() {
        lanes.step();
        let grows = lanes.search(LANE).is_some_and(ChunkBeamSearch::is_growing);
        n_grown = if grows { n_grown + 1 } else { 0 };
        if rhythm.is_some_and(|rhythm| grows && n_grown % rhythm == 0) {
            let partials = lanes.executor().partials(LANE, Some(&the_pair()));
            divan::black_box(partials.unwrap());
        }
    }
    lanes.search(LANE).unwrap().best().unwrap()
}

/// One prompt, W, K, L = 4, 4, 5, 50 new tokens: prefill and ten rounds, chunks scored when they
/// are complete, as `w2s run` does it and the playground at full speed.
#[divan::bench]
fn bundled_prompt_4_4_5(bencher: Bencher) {
    let setting = bundled();
    bencher.bench(|| run(&setting, params(4, 4, 5, 50), Scoring::Chunks));
}

/// The same with scores while chunks grow, as often as a watched search at full speed has them.
#[divan::bench]
fn bundled_prompt_4_4_5_watched(bencher: Bencher) {
    let setting = bundled();
    bencher.bench(|| run(&setting, params(4, 4, 5, 50), Scoring::Watched));
}

/// The same, every token scored as it comes, for a screen that shows chunks grow.
#[divan::bench]
fn bundled_prompt_4_4_5_every_token_scored(bencher: Bencher) {
    let setting = bundled();
    bencher.bench(|| run(&setting, params(4, 4, 5, 50), Scoring::Tokens));
}

/// The same up to 450 tokens of text: what a token costs late.
#[divan::bench(sample_count = 10)]
fn bundled_prompt_4_4_5_450_tokens(bencher: Bencher) {
    let setting = bundled();
    bencher.bench(|| run(&setting, params(4, 4, 5, 450), Scoring::Chunks));
}

/// The same without any scoring (the beam is arbitrary then, the work is the same).
#[divan::bench]
fn bundled_prompt_4_4_5_sampling_only(bencher: Bencher) {
    let setting = bundled();
    bencher.bench(|| run(&setting, params(4, 4, 5, 50), Scoring::Nothing));
}

/// Sixteen prompts, as many at once as there may be: what one of them costs is a sixteenth.
#[divan::bench(args = [1, 4, 16], sample_count = 10)]
fn bundled_16_prompts_4_4_5_at_once(bencher: Bencher, at_once: usize) {
    let setting = bundled();
    let prompts = w2s::samples::prompts();
    bencher.bench(|| many(&setting, &prompts[..16], at_once));
}

fn many(setting: &Setting, prompts: &[String], at_once: usize) {
    let params = params(4, 4, 5, 50);
    let mut executor = ModelExecutor::new(setting.strong.clone(), Default::default());
    executor.add_pair(the_pair(), setting.pair.clone());
    let mut lanes = Lanes::new(executor);
    let mut waiting = (0..).map(LaneId).zip(prompts);
    loop {
        let over = |lane: &LaneId| {
            lanes
                .search(*lane)
                .is_some_and(ChunkBeamSearch::is_finished)
        };
        let over: Vec<LaneId> = lanes.ids().filter(over).collect();
        over.iter().for_each(|lane| drop(lanes.close(*lane)));
        while lanes.ids().count() < at_once
            && let Some((lane, prompt)) = waiting.next()
        {
            let executor = lanes.executor();
            executor.open(lane, prompt, &the_pair(), &params).unwrap();
            lanes.open(lane, ChunkBeamSearch::new(params, the_pair()));
        }
        if lanes.ids().count() == 0 {
            return;
        }
        divan::black_box(lanes.step());
    }
}

/// Both weak models over 16 whole responses of 50 tokens, the prompt included.
#[divan::bench]
fn bundled_pair_one_pass_over_16_responses_of_50(bencher: Bencher) {
    let setting = bundled();
    let params = params(1, 16, 0, 50);
    let responses = responses(&setting, params);
    bencher
        .with_inputs(|| executor(&setting, &params))
        .bench_local_values(|mut executor| score(&mut executor, &responses, 50));
}

/// The same responses scored after every token, as the search does.
#[divan::bench]
fn bundled_pair_incremental_over_16_responses_of_50(bencher: Bencher) {
    let setting = bundled();
    let params = params(1, 16, 0, 50);
    let responses = responses(&setting, params);
    bencher
        .with_inputs(|| executor(&setting, &params))
        .bench_local_values(|mut executor| {
            for n in 1..=50 {
                divan::black_box(score(&mut executor, &responses, n));
            }
        });
}

/// The same, without a cache: every prefix from the beginning, as the reference does it.
#[divan::bench(sample_count = 5)]
fn bundled_pair_full_rescoring_over_16_responses_of_50(bencher: Bencher) {
    let setting = bundled();
    let responses = responses(&setting, params(1, 16, 0, 50));
    bencher.bench_local(|| {
        for n in (5..=50).step_by(5) {
            let beginnings = beginnings(&responses, n);
            let scores = guide::score(&setting, Rules::Fixed, &beginnings);
            divan::black_box(scores.unwrap());
        }
    });
}

/// Sixteen whole responses.
fn responses(setting: &Setting, params: SearchParams) -> Vec<Response> {
    let mut search = ChunkBeamSearch::new(params, the_pair());
    let Ask::Grow(Grow { slots, .. }) = search.ask() else {
        unreachable!("a search begins with chunks");
    };
    let mut executor = executor(setting, &params);
    while let ask @ Ask::Grow(_) = search.ask() {
        executor.post(LANE, Some(&ask));
        for (_, answer) in executor.step() {
            search.supply(answer.unwrap()).unwrap();
        }
    }
    let Ask::Score(score) = search.ask() else {
        unreachable!("complete chunks are scored");
    };
    assert_eq!(score.responses.len(), slots.len());
    score.responses.to_vec()
}

fn beginnings(responses: &[Response], n_tokens: usize) -> Vec<Response> {
    let beginning = |response: &Response| Response {
        tokens: response.tokens.iter().take(n_tokens).copied().collect(),
        ended: false,
        ..response.clone()
    };
    responses.iter().map(beginning).collect()
}

fn score(executor: &mut ModelExecutor, responses: &[Response], n_tokens: usize) -> f64 {
    let ask = Ask::Score(Score {
        pair: the_pair(),
        responses: beginnings(responses, n_tokens).into(),
    });
    executor.post(LANE, Some(&ask));
    loop {
        if let Some((_, Ok(Answer::Scored { scores, .. }))) = executor.step().pop() {
            return scores.iter().map(|(_, score)| score.value()).sum();
        }
    }
}

/// One round of W, K, L = 4, 4, 8 with a strong model of 135 M parameters.
#[divan::bench(sample_count = 5)]
fn round_135m_4_4_8(bencher: Bencher) {
    let setting = with_135m();
    let params = params(4, 4, 8, 8);
    bencher.bench(|| run(&setting, params, Scoring::Tokens));
}

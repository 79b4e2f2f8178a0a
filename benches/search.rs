//! A whole search, a round on a bigger model, and scoring: `cargo bench --bench search`.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use divan::Bencher;
use w2s::decoder::{Decoder, DeviceChoice};
use w2s::guide::{Join, PairScorer, Setting};
use w2s::library::{Library, Model};
use w2s::models::{DecoderConfig, ModelSpec, PairSpec};
use w2s::search::{
    ChunkBeamSearch, ChunkSampler, Growth, Hypothesis, HypothesisId, LogRatio, Response, Rules,
    SamplePlan, Sampling, Scorer, SearchEvent, SearchParams, Status,
};

fn main() {
    divan::main();
}

const PROMPT: &str = "This story has held";

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

/// Scores nothing: the cost of sampling alone.
struct NoScorer;

impl Scorer for NoScorer {
    fn score(
        &mut self,
        responses: &[Response<'_>],
    ) -> Result<Vec<LogRatio>, w2s::search::ModelError> {
        Ok(vec![LogRatio::default(); responses.len()])
    }

    fn retain(&mut self, _: &[HypothesisId]) {}
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
    let mut sampler = setting.sampler(&params).unwrap();
    let mut scorer: Box<dyn Scorer> = match scoring {
        Scoring::Nothing => Box::new(NoScorer),
        _ => Box::new(setting.scorer(&params).unwrap()),
    };
    let mut search = ChunkBeamSearch::new(params);
    search.score_partials(match scoring {
        Scoring::Tokens => Some(NonZeroUsize::MIN),
        Scoring::Watched => Some(setting.scoring_rhythm()),
        Scoring::Nothing | Scoring::Chunks => None,
    });
    let mut on = |_: SearchEvent| ControlFlow::Continue(());
    while search
        .round(&mut sampler, scorer.as_mut(), &mut on)
        .unwrap()
        == Status::Running
    {}
    search.best().unwrap().clone()
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

/// Both weak models over 16 whole responses of 50 tokens in one pass.
#[divan::bench]
fn bundled_pair_one_pass_over_16_responses_of_50(bencher: Bencher) {
    let setting = bundled();
    let params = params(1, 16, 0, 50);
    let responses = responses(&setting, params);
    bencher
        .with_inputs(|| setting.scorer(&params).unwrap())
        .bench_local_values(|mut scorer| score(&mut scorer, &responses, 50));
}

/// The same responses scored after every token, as the search does.
#[divan::bench]
fn bundled_pair_incremental_over_16_responses_of_50(bencher: Bencher) {
    let setting = bundled();
    let params = params(1, 16, 0, 50);
    let responses = responses(&setting, params);
    bencher
        .with_inputs(|| setting.scorer(&params).unwrap())
        .bench_local_values(|mut scorer| {
            for n in 1..=50 {
                divan::black_box(score(&mut scorer, &responses, n));
            }
        });
}

/// The same, without a cache: every prefix from the beginning, as the reference does it.
#[divan::bench(sample_count = 5)]
fn bundled_pair_full_rescoring_over_16_responses_of_50(bencher: Bencher) {
    let setting = bundled();
    let params = params(1, 16, 0, 50);
    let responses = responses(&setting, params);
    bencher.bench_local(|| {
        for n in (5..=50).step_by(5) {
            let pair = setting.pair.clone();
            let mut scorer = PairScorer::new(pair, &PROMPT.into(), Join::Ids, 50).unwrap();
            divan::black_box(score(&mut scorer, &responses, n));
        }
    });
}

fn responses(setting: &Setting, params: SearchParams) -> Vec<Growth> {
    let lineage = w2s::search::Lineage::root(0);
    let slots: Vec<_> = (0..params.n_candidates())
        .map(|i| w2s::search::Slot {
            id: HypothesisId(i as u64),
            parent: None,
            lineage: lineage.successor(1, i),
            n_tokens: params.max_new_tokens.get(),
        })
        .collect();
    let plan = SamplePlan {
        slots: &slots,
        sampling: params.sampling,
        rules: params.rules,
    };
    let mut sampler = setting.sampler(&params).unwrap();
    let go_on = &mut |_: &[Growth]| Ok(ControlFlow::Continue(()));
    sampler.sample(&plan, go_on).unwrap().unwrap()
}

fn score(scorer: &mut PairScorer, responses: &[Growth], n_tokens: usize) -> f64 {
    let responses: Vec<Response<'_>> = (0..)
        .zip(responses)
        .map(|(id, growth)| Response {
            id: HypothesisId(id),
            parent: None,
            tokens: &growth.tokens[..n_tokens.min(growth.tokens.len())],
            text: &growth.text,
            ended: false,
        })
        .collect();
    scorer
        .score(&responses)
        .unwrap()
        .iter()
        .map(LogRatio::value)
        .sum()
}

/// One round of W, K, L = 4, 4, 8 with a strong model of 135 M parameters.
#[divan::bench(sample_count = 5)]
fn round_135m_4_4_8(bencher: Bencher) {
    let setting = with_135m();
    let params = params(4, 4, 8, 8);
    bencher.bench(|| run(&setting, params, Scoring::Tokens));
}

//! The decoder's steps: sampling 16 rows and scoring their chunks.
//!
//! `cargo bench --bench decoder`; times are of one forward pass. At the end stands which share of the
//! machine's rate of multiplying large matrices in f32 (by `gemm`, on all threads) the passes of a
//! search make use of, the products of linear layers and of attention counted.

use std::time::Instant;

use candle_core::{Device, Tensor};
use divan::Bencher;
use w2s::decoder::{Decoder, Feed, Kernels, KvCache, Placement, Want, pool};
use w2s::models::{DecoderConfig, Weights};

const BUNDLED: &str = include_str!("../assets/models/strong/config.json");
const STRONG: &[u8] = include_bytes!("../assets/models/strong/model.safetensors");
const WEAK: &str = include_str!("../assets/models/untuned/config.json");
const UNTUNED: &[u8] = include_bytes!("../assets/models/untuned/model.safetensors");
const LLAMA_135M: &str = r#"{
    "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
    "max_position_embeddings": 2048, "tie_word_embeddings": true, "eos_token_id": 0
}"#;

const N_PARENTS: usize = 4;
const N_ROWS: usize = 16;
const CHUNK: usize = 5;
/// Tokens before those of a pass.
const LENGTH: usize = 50;

fn main() {
    divan::main();
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|arg| arg == "--bench") {
        tell_shares();
    }
}

/// How often sgemm and the passes are timed in turns: the machine is not always as fast.
const TURNS: usize = 50;

/// Seconds of one of some runs, after others that bring what it reads into the caches: a search
/// makes one pass after the other.
fn seconds(mut run: impl FnMut()) -> f64 {
    const RUNS: u32 = 8;
    for _ in 0..RUNS / 2 {
        run();
    }
    let began = Instant::now();
    for _ in 0..RUNS {
        run();
    }
    (began.elapsed() / RUNS).as_secs_f64()
}

/// A pass that a search makes, ready to be made again and again.
struct Timed<'a> {
    what: &'a str,
    decoder: &'a Decoder,
    cache: KvCache,
    texts: Vec<Vec<u32>>,
    want: Want,
    /// How often a round of the bundled search makes it.
    in_a_round: usize,
}

impl<'a> Timed<'a> {
    fn new(what: &'a str, decoder: &'a Decoder, (n_rows, n_new): (usize, usize)) -> Self {
        let mut cache = rows(decoder, LENGTH);
        let kept: Vec<_> = (0..n_rows).map(|row| row * N_ROWS / n_rows).collect();
        cache.gather(&kept).unwrap();
        let want = if n_new > 1 { Want::All } else { Want::Last };
        Self {
            what,
            decoder,
            cache,
            texts: (0..n_rows).map(|row| text(40 + row, n_new)).collect(),
            want,
            in_a_round: 0,
        }
    }

    fn in_a_round(self, in_a_round: usize) -> Self {
        Self { in_a_round, ..self }
    }

    /// What it multiplies: weights, and queries, keys and values.
    fn products(&self) -> f64 {
        let config = self.decoder.config();
        let seen = config.n_layers * config.n_heads * config.head_dim * LENGTH;
        let n_tokens: usize = self.texts.iter().map(Vec::len).sum();
        n_tokens as f64 * (self.decoder.n_params() as f64 + 2.0 * seen as f64)
    }

    fn run(&mut self) {
        feed(self.decoder, &mut self.cache, &self.texts, self.want);
        (0..self.texts.len()).for_each(|row| self.cache.truncate(row, LENGTH));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Every rate is the median of those beside the sgemm that was timed just before.
fn tell_shares() {
    let n = 1024;
    let square = Tensor::rand(-1f32, 1.0, (n, n), &Device::Cpu).unwrap();
    let strong = bundled(BUNDLED, STRONG);
    let weak = bundled(WEAK, UNTUNED);
    let large = large();
    let mut passes = [
        Timed::new("a step of 16 rows, bundled", &strong, (16, 1)).in_a_round(4),
        Timed::new("a step of their 4 parents", &strong, (4, 1)).in_a_round(1),
        Timed::new("16 chunks of 5 scored, bundled", &weak, (16, CHUNK)).in_a_round(2),
        Timed::new("a step of 16 rows, 135 M", &large, (16, 1)),
    ];
    let (mut wholes, mut shares, mut rounds) = (Vec::new(), vec![Vec::new(); 4], Vec::new());
    for _ in 0..TURNS {
        let multiply = || drop(divan::black_box(square.matmul(&square).unwrap()));
        let whole = (n * n * n) as f64 / seconds(multiply);
        wholes.push(whole / 1e9);
        let (mut products, mut time) = (0.0, 0.0);
        for (pass, shares) in passes.iter_mut().zip(&mut shares) {
            let (own, own_time) = (pass.products(), pool().install(|| seconds(|| pass.run())));
            shares.push(100.0 * own / own_time / whole);
            products += own * pass.in_a_round as f64;
            time += own_time * pass.in_a_round as f64;
        }
        rounds.push(100.0 * products / time / whole);
    }
    let whole = median(wholes);
    println!("products of {n} by {n} matrices in f32: {whole:.1} thousand million a second");
    for (pass, shares) in passes.iter().zip(shares) {
        println!("{}: {:.0} % of that", pass.what, median(shares));
    }
    let round = median(rounds);
    println!("a round of the bundled search, W = K = 4, L = 5: {round:.0} % of that");
}

fn bundled(config: &str, bytes: &'static [u8]) -> Decoder {
    let config = DecoderConfig::parse(config).unwrap();
    Decoder::load(
        config,
        &Weights::Bytes(bytes),
        &Placement::cpu(Kernels::Fast),
    )
    .unwrap()
}

fn large() -> Decoder {
    Decoder::random(DecoderConfig::parse(LLAMA_135M).unwrap(), 1).unwrap()
}

/// Some tokens, different for different `salt`.
fn text(salt: usize, n: usize) -> Vec<u32> {
    (0..n)
        .map(|i| ((salt * 7919 + i * 104_729) % 4000 + 1) as u32)
        .collect()
}

fn feed(decoder: &Decoder, cache: &mut KvCache, texts: &[Vec<u32>], want: Want) {
    let feeds: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(row, tokens)| Feed { row, tokens })
        .collect();
    let logits = decoder.forward(cache, &feeds, want).unwrap();
    divan::black_box(logits);
}

/// As in a search: 16 rows, in fours forked from parents, which share a prompt.
fn rows(decoder: &Decoder, len: usize) -> KvCache {
    let prompt = 24;
    let mut cache = decoder.cache();
    feed(decoder, &mut cache, &[text(0, prompt)], Want::None);
    cache.gather(&[0; N_PARENTS]).unwrap();
    let parents: Vec<_> = (1..=N_PARENTS)
        .map(|p| text(p, len - prompt - CHUNK))
        .collect();
    feed(decoder, &mut cache, &parents, Want::None);
    let children: Vec<_> = (0..N_ROWS).map(|row| row * N_PARENTS / N_ROWS).collect();
    cache.gather(&children).unwrap();
    let chunks: Vec<_> = (0..N_ROWS).map(|row| text(10 + row, CHUNK)).collect();
    feed(decoder, &mut cache, &chunks, Want::None);
    cache
}

/// Times feeding `n` tokens to every row at position `len`; the rollback is counted in.
fn time(bencher: Bencher<'_, '_>, decoder: &Decoder, len: usize, n: usize, want: Want) {
    let mut cache = rows(decoder, len);
    let texts: Vec<_> = (0..N_ROWS).map(|row| text(40 + row, n)).collect();
    let counter = divan::counter::ItemsCount::new(N_ROWS * n);
    bencher.counter(counter).bench_local(|| {
        pool().install(|| {
            feed(decoder, &mut cache, &texts, want);
            (0..N_ROWS).for_each(|row| cache.truncate(row, len));
        });
    });
}

#[divan::bench(args = [50, 200, 400], sample_count = 500)]
fn bundled_strong_step(bencher: Bencher<'_, '_>, len: usize) {
    time(bencher, &bundled(BUNDLED, STRONG), len, 1, Want::Last);
}

#[divan::bench(args = [50], sample_count = 500)]
fn bundled_weak_score_16x5(bencher: Bencher<'_, '_>, len: usize) {
    time(bencher, &bundled(WEAK, UNTUNED), len, 5, Want::All);
}

#[divan::bench(args = [50, 400], sample_count = 100)]
fn llama_135m_step(bencher: Bencher<'_, '_>, len: usize) {
    time(bencher, &large(), len, 1, Want::Last);
}

#[divan::bench(args = [64], sample_count = 20)]
fn llama_135m_score_16x8(bencher: Bencher<'_, '_>, len: usize) {
    time(bencher, &large(), len, 8, Want::All);
}

#[divan::bench(args = [24, 200], sample_count = 100)]
fn bundled_strong_prefill(bencher: Bencher<'_, '_>, len: usize) {
    let decoder = bundled(BUNDLED, STRONG);
    let prompt = [text(0, len)];
    bencher.bench_local(|| feed(&decoder, &mut decoder.cache(), &prompt, Want::Last));
}

#[divan::bench(sample_count = 20)]
fn bundled_strong_load() -> Decoder {
    bundled(BUNDLED, STRONG)
}

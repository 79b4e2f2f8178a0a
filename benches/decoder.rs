//! The decoder's steps: sampling 16 rows and scoring their chunks.
//!
//! `cargo bench --bench decoder`; times are of one forward pass. At the end stands which share of the
//! machine's rate of multiplying large matrices in f32 (by `gemm`, on all threads) the passes of a
//! search make use of, the arithmetic of linear layers counted.

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

fn main() {
    divan::main();
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|arg| arg == "--bench") {
        tell_shares();
    }
}

/// Products a second, in thousands of millions, of what `run` multiplies: the best of some tries,
/// as for both sides.
fn rate(products: f64, mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let began = Instant::now();
        run();
        best = best.min(began.elapsed().as_secs_f64());
    }
    products / best / 1e9
}

fn tell_shares() {
    let n = 1024;
    let square = Tensor::rand(-1f32, 1.0, (n, n), &Device::Cpu).unwrap();
    let whole = rate((n * n * n) as f64, || {
        divan::black_box(square.matmul(&square).unwrap());
    });
    println!("products of {n} by {n} matrices in f32: {whole:.1} thousand million a second");
    let strong = bundled(BUNDLED, STRONG);
    let weak = bundled(WEAK, UNTUNED);
    for (what, decoder, n_new, want) in [
        ("a step of 16 rows, bundled", &strong, 1, Want::Last),
        ("16 chunks of 5 scored, bundled", &weak, CHUNK, Want::All),
        ("a step of 16 rows, 135 M", &large(), 1, Want::Last),
    ] {
        let mut cache = rows(decoder, 50);
        let texts: Vec<_> = (0..N_ROWS).map(|row| text(40 + row, n_new)).collect();
        let products = (decoder.n_params() as usize * N_ROWS * n_new) as f64;
        let own = rate(products, || {
            pool().install(|| {
                feed(decoder, &mut cache, &texts, want);
                (0..N_ROWS).for_each(|row| cache.truncate(row, 50));
            });
        });
        println!("{what}: {own:.1}, {:.0} % of that", 100.0 * own / whole);
    }
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

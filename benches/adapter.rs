//! What a LoRA adapter on all linear layers costs: `cargo bench --bench adapter`; times are of
//! one forward pass, rank 0 being the base alone.

use divan::Bencher;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;
use w2s::decoder::{Decoder, Feed, Want, pool};
use w2s::models::{Adapter, DecoderConfig};

const WEAK: &str = include_str!("../assets/models/untuned/config.json");
const LLAMA_135M: &str = include_str!("llama-135m.json");

const N_ROWS: usize = 16;

fn main() {
    divan::main();
}

/// A model of random weights with an adapter of `rank` on it.
fn adapted(json: &str, rank: usize) -> Decoder {
    let config = DecoderConfig::parse(json).unwrap();
    let base = Decoder::random(config, 1).unwrap();
    if rank == 0 {
        return base;
    }
    let folder = adapter(base.config(), rank);
    base.adapted(&Adapter::open(folder.path()).unwrap())
        .unwrap()
}

/// Factors of noise for a Llama.
fn adapter(c: &DecoderConfig, rank: usize) -> TempDir {
    let (d, q, kv) = (c.hidden, c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
    let parts = [
        ("self_attn.q_proj", q, d),
        ("self_attn.k_proj", kv, d),
        ("self_attn.v_proj", kv, d),
        ("self_attn.o_proj", d, q),
        ("mlp.gate_proj", c.ffn, d),
        ("mlp.up_proj", c.ffn, d),
        ("mlp.down_proj", d, c.ffn),
    ];
    let most = rank * c.ffn.max(d).max(q);
    let noise: Vec<u8> = (0..most)
        .flat_map(|i| ((i * 7919 % 2003) as f32 / 1e5).to_le_bytes())
        .collect();
    let of = |shape: Vec<usize>| {
        let n = shape.iter().product::<usize>() * 4;
        TensorView::new(Dtype::F32, shape, &noise[..n]).unwrap()
    };
    let mut tensors = Vec::new();
    for layer in 0..c.n_layers {
        for (part, n, k) in parts {
            let name = format!("base_model.model.model.layers.{layer}.{part}");
            tensors.push((format!("{name}.lora_A.weight"), of(vec![rank, k])));
            tensors.push((format!("{name}.lora_B.weight"), of(vec![n, rank])));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = safetensors::serialize(tensors, None).unwrap();
    std::fs::write(folder.path().join("adapter_model.safetensors"), file).unwrap();
    let config = format!(r#"{{"peft_type": "LORA", "r": {rank}}}"#);
    std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    folder
}

/// Times feeding `n` tokens to each of 16 rows behind a prompt; the rollback is counted in.
fn time(bencher: Bencher<'_, '_>, decoder: &Decoder, n: usize) {
    let text: Vec<u32> = (1..=24).collect();
    let feed = |row| Feed {
        row,
        tokens: &text[row..row + n],
    };
    let prompt = Feed {
        row: 0,
        tokens: &text,
    };
    let mut cache = decoder.cache();
    decoder.forward(&mut cache, &[prompt], Want::None).unwrap();
    cache.gather(&[0; N_ROWS]).unwrap();
    let feeds: Vec<_> = (0..N_ROWS).map(feed).collect();
    bencher.bench_local(|| {
        pool().install(|| {
            let logits = decoder.forward(&mut cache, &feeds, Want::All).unwrap();
            divan::black_box(logits);
            (0..N_ROWS).for_each(|row| cache.truncate(row, text.len()));
        });
    });
}

#[divan::bench(args = [0, 8, 16, 64], sample_count = 500)]
fn bundled_weak_score_16x5(bencher: Bencher<'_, '_>, rank: usize) {
    time(bencher, &adapted(WEAK, rank), 5);
}

#[divan::bench(args = [0, 8, 16, 64], sample_count = 60)]
fn llama_135m_step_16x1(bencher: Bencher<'_, '_>, rank: usize) {
    time(bencher, &adapted(LLAMA_135M, rank), 1);
}

#[divan::bench(args = [0, 16, 64], sample_count = 20)]
fn llama_135m_score_16x8(bencher: Bencher<'_, '_>, rank: usize) {
    time(bencher, &adapted(LLAMA_135M, rank), 8);
}

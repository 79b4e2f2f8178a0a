//! What it costs that a pair reads text: tokenising sixteen candidates of a round, as a whole and from
//! the last boundary on, beside the time of the round. The strong model is $W2S_STRONG (a GGUF file,
//! or whatever `--strong` takes), whose vocabulary is not the pair's; without it the bundled one,
//! under the reference's rules, which read text always.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use w2s::decoder::{DeviceChoice, Sums};
use w2s::guide::ModelExecutor;
use w2s::library::{Library, WeakPair};
use w2s::models::{ModelSpec, PairSpec, TokenId, Tokenised};
use w2s::search::{
    ChunkBeamSearch, Entry, HypothesisId, LaneId, Lanes, PairId, Rules, Sampling, SearchParams,
};
use w2s::template::Templates;

const LANE: LaneId = LaneId(0);
const PROMPT: &str = "The history of the lighthouse began";

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let strong = std::env::var("W2S_STRONG").ok();
    let lengths: &[usize] = match (is_bench, &strong) {
        (false, _) => &[10],
        (true, None) => &[50, 400],
        (true, Some(_)) => &[50, 400, 1000],
    };
    for n in lengths {
        measure(strong.as_deref(), *n);
    }
}

fn measure(strong: Option<&str>, n: usize) {
    let library = Library::open(DeviceChoice::Cpu).expect("a CPU");
    let mut library = library.with_sums(Sums::Rounded);
    let spec = ModelSpec::parse(strong.unwrap_or("bundled:strong"));
    let model = library.model(&spec).expect("a model");
    let pair = library.pair(&PairSpec::parse("positive").expect("bundled"));
    let pair: WeakPair = pair.expect("bundled");
    let rules = if strong.is_some() {
        Rules::Fixed
    } else {
        Rules::Reference
    };
    let settings = SearchParams::new(4, 4, 5, n, Sampling::default(), rules, 0);
    let settings = settings.expect("in range");
    let id = PairId::from("positive");
    let mut executor = ModelExecutor::new(model, Templates::default());
    executor.add_pair(id.clone(), pair.clone());
    executor.open(LANE, PROMPT, &id, &settings).expect("room");
    let mut lanes = Lanes::new(executor);
    lanes.open(LANE, ChunkBeamSearch::new(settings, id));
    let began = Instant::now();
    let mut rounds = Vec::new();
    while lanes.is_busy() {
        for progress in lanes.step() {
            for entry in progress.entries {
                if let Entry::Scored { candidates, .. } = entry {
                    rounds.push(candidates);
                }
            }
        }
    }
    let round = began.elapsed() / rounds.len().max(1) as u32;
    let tokenizer = &pair.tuned.tokenizer;
    let (mut whole, mut tail) = (Duration::ZERO, Duration::ZERO);
    let mut known: HashMap<HypothesisId, Tokenised> = HashMap::new();
    for candidate in rounds.iter().flatten() {
        let text = format!("{PROMPT}{}", candidate.text);
        let start = Instant::now();
        let ids: Vec<TokenId> = tokenizer.try_encode(&text).expect("a text");
        whole += start.elapsed();
        let before = candidate.parent.and_then(|id| known.get(&id));
        let start = Instant::now();
        let read = tokenizer.try_encode_after(text, before).expect("a text");
        tail += start.elapsed();
        assert_eq!(read.ids(), &ids);
        known.insert(candidate.id, read);
    }
    let of_a_round = |time: Duration| time / rounds.len().max(1) as u32;
    let share = |time: Duration| 100.0 * of_a_round(time).as_secs_f64() / round.as_secs_f64();
    println!(
        "{n:>5} tokens  a round {:7.2} ms  as a whole {:6.3} ms ({:.1} %)  from the last boundary {:6.3} ms ({:.1} %)",
        round.as_secs_f64() * 1e3,
        of_a_round(whole).as_secs_f64() * 1e3,
        share(whole),
        of_a_round(tail).as_secs_f64() * 1e3,
        share(tail),
    );
}

//! How soon the worker obeys while a big model runs: best-of-16 on SmolLM2-135M, the unguided
//! search in the same passes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use w2s::decoder::{DeviceChoice, Sums};
use w2s::message::{Command, RunId, RunRequest, Update};
use w2s::models::{ModelSpec, PairSpec};
use w2s::search::{Entry, Hypothesis, Rules, Sampling, SearchParams};
use w2s::template::Templates;
use w2s::worker::{Startup, WorkerHandle, spawn};

use crate::support::tell;

const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// Candidates walked over while the run stands.
const WALKED: usize = 200;

/// All rows; nothing where the model is not here.
pub fn all(n: usize) {
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = std::env::var_os("W2S_TEST_MODELS");
    let folder = folder.map_or_else(
        || PathBuf::from(root).join("target/test-models"),
        PathBuf::from,
    );
    let model = folder.join(SMOLLM2);
    if !model.exists() {
        println!(
            "(no {SMOLLM2} in {}: run tests/fetch-models.sh)",
            folder.display()
        );
        return;
    }
    let mut desk = Desk::new(&model.display().to_string());
    let passes = desk.passes(n * 5);
    tell("SmolLM2, best-of-16: one pass", passes);
    tell("SmolLM2, best-of-16: stop to standing", desk.stops(n));
    tell(
        "SmolLM2, best-of-16: restart to first round",
        desk.restarts(n),
    );
    tell(
        "SmolLM2, 200 candidates walked, restart",
        desk.walks(n.div_ceil(5)),
    );
}

struct Desk {
    worker: WorkerHandle,
    run: RunId,
}

fn settings() -> SearchParams {
    SearchParams::new(1, 16, 0, 200, Sampling::default(), Rules::Fixed, 1).expect("in range")
}

impl Desk {
    fn new(strong: &str) -> Self {
        let pair = PairSpec::parse("positive").expect("a bundled pair");
        let startup = Startup {
            templates: Templates::default(),
            device: DeviceChoice::Cpu,
            pair_device: None,
            sums: Sums::Exact,
            strong: ModelSpec::parse(strong),
            pairs: vec![(pair, String::new())],
            judges: Vec::new(),
        };
        let worker = spawn(startup).expect("a thread");
        let mut desk = Self {
            worker,
            run: RunId(0),
        };
        desk.until(|u| matches!(u, Update::Loaded(_)));
        desk
    }

    fn send(&self, command: Command) {
        self.worker
            .commands
            .send(command)
            .expect("a worker that lives");
    }

    fn until(&mut self, wanted: impl Fn(&Update) -> bool) -> Update {
        loop {
            let update = self
                .worker
                .updates
                .blocking_recv()
                .expect("a worker that lives");
            if let Update::Failed { error, .. } = &update {
                panic!("{error}");
            }
            if wanted(&update) {
                return update;
            }
        }
    }

    fn start(&mut self, params: SearchParams) {
        self.run = RunId(self.run.0 + 1);
        self.send(Command::Start(RunRequest {
            run: self.run,
            prompt: "The film".to_owned(),
            params,
            pair: "positive".into(),
            paused: false,
            pace: Duration::ZERO,
            beside: Vec::new(),
        }));
    }

    /// Waits until chunks of this run have grown by some tokens.
    fn until_grown(&mut self, n: usize) {
        loop {
            let live = self.worker.live.borrow_and_update().clone();
            let grown = live.partials.iter().map(|p| p.n_tokens).max().unwrap_or(0);
            if live.run == self.run && grown >= n {
                return;
            }
            while self.worker.updates.try_recv().is_ok() {}
            std::thread::sleep(Duration::from_micros(300));
        }
    }

    /// From one token's growth to the next.
    fn passes(&mut self, n: usize) -> Vec<Duration> {
        self.start(settings());
        self.until_grown(2);
        let mut times = Vec::new();
        let mut last = Instant::now();
        for token in 3..(n + 3).min(150) {
            self.until_grown(token);
            times.push(last.elapsed());
            last = Instant::now();
        }
        times
    }

    fn stops(&mut self, n: usize) -> Vec<Duration> {
        let one = |i: usize, desk: &mut Self| {
            desk.start(settings());
            desk.until_grown(3 + i % 5);
            std::thread::sleep(Duration::from_millis(i as u64 * 7 % 40));
            let began = Instant::now();
            desk.send(Command::Pause(desk.run));
            desk.until(|u| matches!(u, Update::Paused { paused: true, .. }));
            began.elapsed()
        };
        (0..n).map(|i| one(i, self)).collect()
    }

    fn restarts(&mut self, n: usize) -> Vec<Duration> {
        let one = |i: usize, desk: &mut Self| {
            desk.start(settings());
            desk.until_grown(3 + i % 5);
            std::thread::sleep(Duration::from_millis(i as u64 * 7 % 40));
            let began = Instant::now();
            desk.start(settings());
            desk.until_begun();
            began.elapsed()
        };
        (0..n).map(|i| one(i, self)).collect()
    }

    fn until_begun(&mut self) {
        let id = self.run;
        self.until(|u| {
            matches!(u, Update::Search { run, entry: Entry::RoundStarted { .. } } if *run == id)
        });
    }

    /// The run stands, the selection goes over many candidates, then a restart.
    fn walks(&mut self, n: usize) -> Vec<Duration> {
        let short = SearchParams::new(4, 4, 5, 10, Sampling::default(), Rules::Fixed, 1);
        let short = short.expect("in range");
        let one = |desk: &mut Self| {
            desk.start(short);
            let scored = desk.until(|u| {
                matches!(
                    u,
                    Update::Search {
                        entry: Entry::Scored { .. },
                        ..
                    }
                )
            });
            desk.send(Command::Pause(desk.run));
            desk.until(|u| matches!(u, Update::Paused { paused: true, .. }));
            for candidate in candidates(&scored).iter().cycle().take(WALKED) {
                desk.send(Command::Inspect {
                    run: desk.run,
                    candidate: Arc::clone(candidate),
                    parent: None,
                });
            }
            std::thread::sleep(Duration::from_millis(10));
            let began = Instant::now();
            desk.start(short);
            desk.until_begun();
            began.elapsed()
        };
        (0..n).map(|_| one(self)).collect()
    }
}

fn candidates(update: &Update) -> Vec<Arc<Hypothesis>> {
    match update {
        Update::Search {
            entry: Entry::Scored { candidates, .. },
            ..
        } => candidates.clone(),
        _ => Vec::new(),
    }
}

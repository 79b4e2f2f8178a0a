//! Whole searches as data: `tests/scenarios/*.json`, one letter a token, `.` is EOS.
//!
//! `next` lists the chunks after a response, by successor; `scores` gives the log-ratio of a
//! response, with a `.` where EOS is scored, and `pairs` the same for other pairs by their names.
//! A search begins with the pair `weak`, whose scores are `scores`, and each letter is one term of
//! it: a response's score is the last term's sum.
//!
//! `steps` are done one after the other; then the search runs to its end.
//! - `{"grown": [r, t]}`: goes on until t tokens of round r have grown (no further than that)
//! - `{"scored": r}`: … until the candidates of round r wait for their cut
//! - `{"cut": r}`: … until round r has been cut; `"end"`: to the end
//! - `{"mark": [c, m]}`: m is `"pin"`, `"kill"`, `{"boost": nats}` or null
//! - `{"spend": [c, n]}`, `{"take": c}`, `{"write": [c, chunk]}` (beside c, in its chunk's place)
//! - `{"rewind": r}`: to the end of round r; run on from there it is a fork
//! - `{"go": node}` (nodes count from 0, the prompt, in the order of the cuts), `"undo"`, `"stop"`
//! - `{"pair": name}`, `{"retune": {"w": .., "k": .., "l": .., "n": .., "ranking": ..}}`
//! - `{"refused": [step, "why"]}`: the search says no, in these words
//!
//! A candidate c is the youngest whose response reads so. `retune` by itself sets W, K, L or n
//! before the round it names. `expect` tells the rounds that lead to the head; where it has
//! `tree`, that lists all nodes but the prompt as `[the node before, kept responses..]`, and where
//! it has `pairs`, whose scores each round's cut went by.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use w2s::search::{
    ChunkBeamSearch, EndReason, Finish, Hypothesis, HypothesisId, LaneId, Lanes, Lineage, LogRatio,
    Mark, ModelError, Motion, NodeId, PairId, Ranking, Refused, Response, Rules, Sampling,
    SearchParams, SearchTrace, Slot, Successor, TokenId,
};

use crate::toy::{Models, Toys, ids, term, typed};

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// What it shows.
    about: String,
    rules: Rules,
    w: usize,
    k: usize,
    l: usize,
    n: usize,
    next: BTreeMap<String, Vec<String>>,
    scores: BTreeMap<String, f64>,
    #[serde(default)]
    pairs: BTreeMap<String, BTreeMap<String, f64>>,
    #[serde(default)]
    retune: BTreeMap<usize, Retune>,
    #[serde(default)]
    steps: Vec<Step>,
    expect: Expect,
}

#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(deny_unknown_fields)]
struct Retune {
    w: Option<usize>,
    k: Option<usize>,
    l: Option<usize>,
    n: Option<usize>,
    ranking: Option<Ranking>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
enum Step {
    Grown(usize, usize),
    Scored(usize),
    Cut(usize),
    End,
    Mark(String, Option<Mark>),
    Spend(String, usize),
    Take(String),
    Write(String, String),
    Rewind(usize),
    Go(usize),
    Undo,
    Stop,
    Pair(String),
    Retune(Retune),
    Refused(Box<Step>, String),
}

#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Expect {
    rounds: Vec<ExpectedRound>,
    best: String,
    reason: EndReason,
    tree: Option<Vec<Value>>,
    pairs: Option<Vec<String>>,
}

#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct ExpectedRound {
    candidates: Vec<String>,
    /// Indices of candidates, best first.
    kept: Vec<usize>,
}

const LANE: LaneId = LaneId(0);

/// A scenario as far as it has been played.
struct Stage {
    scenario: Scenario,
    lanes: Lanes<Toys<Scenario>>,
    trace: SearchTrace,
}

impl Stage {
    fn new(scenario: &Scenario) -> Self {
        let mut lanes = Lanes::new(Toys::new(scenario.clone()));
        let params = scenario.params(None);
        lanes.open(LANE, ChunkBeamSearch::new(params, PairId::from("weak")));
        Self {
            scenario: scenario.clone(),
            lanes,
            trace: SearchTrace::default(),
        }
    }

    fn search(&mut self) -> &mut ChunkBeamSearch {
        self.lanes.search_mut(LANE).unwrap()
    }

    fn hear(&mut self) {
        for entry in self.search().news() {
            self.trace.apply(&entry);
        }
    }

    /// One pass of the models, or one cut.
    fn step(&mut self) {
        for entry in self
            .lanes
            .step()
            .into_iter()
            .flat_map(|progress| progress.entries)
        {
            self.trace.apply(&entry);
        }
        self.hear();
    }

    fn go_on_until(&mut self, motion: Motion, is_there: impl Fn(&mut ChunkBeamSearch) -> bool) {
        self.lanes.set_motion(LANE, motion);
        while !is_there(self.search()) {
            let next = self.search().round_idx() + 1;
            if let Some(retune) = self.scenario.retune.get(&next).copied() {
                self.retune(&retune);
            }
            assert!(
                self.lanes.is_busy(),
                "{}: it does not come to that",
                self.scenario.about
            );
            self.step();
        }
        self.hear();
    }

    fn retune(&mut self, retune: &Retune) {
        let params = self.scenario.params(Some(retune));
        self.search().set_params(params);
    }

    /// The youngest candidate that reads so.
    fn find(&mut self, response: &str) -> HypothesisId {
        let history = self.search().history();
        let mut ids: Vec<HypothesisId> = history
            .nodes()
            .filter_map(|(_, node)| node.round())
            .chain(history.rounds())
            .flat_map(|round| round.ids())
            .collect();
        ids.sort();
        let known = ids.iter().rev().filter_map(|id| history.hypothesis(*id));
        let mut found = known.filter(|h| shown(h) == response).map(|h| h.id);
        found
            .next()
            .unwrap_or_else(|| panic!("no candidate {response:?}"))
    }

    fn play(&mut self, step: &Step) -> Result<(), Refused> {
        match step {
            Step::Grown(round, tokens) => self.grow(*round, *tokens),
            Step::Scored(round) => {
                self.go_on_until(Motion::Runs, |search| search.round_idx() + 1 == *round);
                self.go_on_until(Motion::Holds, |search| search.is_open());
            }
            Step::Cut(round) => {
                self.go_on_until(Motion::Runs, |search| search.round_idx() == *round);
            }
            Step::End => self.go_on_until(Motion::Runs, |search| search.is_finished()),
            hand => return self.put(hand),
        }
        Ok(())
    }

    fn put(&mut self, step: &Step) -> Result<(), Refused> {
        match step {
            Step::Mark(of, mark) => {
                let id = self.find(of);
                self.search().mark(id, *mark)?;
            }
            Step::Spend(of, extra) => {
                let id = self.find(of);
                self.search().spend(id, *extra)?;
            }
            Step::Take(of) => {
                let id = self.find(of);
                self.search().take(id)?;
            }
            Step::Write(of, chunk) => self.write(of, chunk)?,
            Step::Rewind(round) => self.search().rewind(*round)?,
            Step::Go(node) => self.search().go(NodeId(*node))?,
            Step::Undo => self.search().undo()?,
            Step::Stop => self.search().stop(),
            Step::Pair(name) => self.search().use_pair(PairId::from(name.as_str())),
            Step::Retune(retune) => self.retune(retune),
            Step::Refused(step, why) => {
                let refused = self.play(step).expect_err(why);
                assert_eq!(refused.to_string(), *why);
            }
            other => panic!("{other:?} is no input"),
        }
        self.settle();
        Ok(())
    }

    /// What the input asks for is done; nothing goes on by itself.
    fn settle(&mut self) {
        if !self.search().is_growing() {
            self.go_on_until(Motion::Stands, |search| search.settle().is_none());
        }
        self.hear();
    }

    /// A round begins in the step that brings its first token.
    fn grow(&mut self, round: usize, tokens: usize) {
        self.go_on_until(Motion::Runs, |search| search.round_idx() + 1 == round);
        (0..tokens).for_each(|_| self.step());
        assert!(self.search().is_growing(), "{}", self.scenario.about);
    }

    fn write(&mut self, beside: &str, chunk: &str) -> Result<(), Refused> {
        let id = self.find(beside);
        let history = self.search().history();
        let parent = history.hypothesis(id).and_then(|h| h.parent);
        let parent = parent.and_then(|id| history.hypothesis(id));
        let parent = parent.map(|h| h.text.to_string()).unwrap_or_default();
        self.search().write(id, &typed(&parent, chunk))
    }

    fn observed(&mut self) -> Expect {
        let ending = self.trace.ending().unwrap().clone();
        let seen = self.trace.beam().iter().map(|id| self.trace.candidate(*id));
        assert!(seen.flatten().all(|candidate| candidate.is_finished()));
        let rounds = self.trace.rounds().iter().map(|round| ExpectedRound {
            candidates: round.candidates.iter().map(|h| shown(h)).collect(),
            kept: round
                .kept()
                .iter()
                .map(|id| round.candidates.iter().position(|h| h.id == *id).unwrap())
                .collect(),
        });
        let pairs = self
            .trace
            .rounds()
            .iter()
            .map(|round| round.pair.to_string());
        Expect {
            rounds: rounds.collect(),
            best: shown(&ending.best),
            reason: ending.reason,
            tree: self.scenario.expect.tree.as_ref().map(|_| self.tree()),
            pairs: self.scenario.expect.pairs.as_ref().map(|_| pairs.collect()),
        }
    }

    fn tree(&self) -> Vec<Value> {
        let history = self.trace.history();
        let rounds = history.nodes().filter_map(|(_, node)| node.round());
        let row = rounds.map(|round| {
            let kept = round
                .kept()
                .iter()
                .map(|id| history.hypothesis(*id).unwrap());
            let kept = kept.map(|h| Value::from(shown(h)));
            Value::from_iter([Value::from(round.after.0)].into_iter().chain(kept))
        });
        row.collect()
    }
}

impl Scenario {
    fn params(&self, retune: Option<&Retune>) -> SearchParams {
        let pick = |f: fn(&Retune) -> Option<usize>, default| retune.and_then(f).unwrap_or(default);
        let params = SearchParams::new(
            pick(|r| r.w, self.w),
            pick(|r| r.k, self.k),
            pick(|r| r.l, self.l),
            pick(|r| r.n, self.n),
            Sampling::default(),
            self.rules,
            0,
        );
        let ranking = retune.and_then(|retune| retune.ranking).unwrap_or_default();
        params.unwrap().with_ranking(ranking)
    }

    fn run(&self) -> Expect {
        let mut stage = Stage::new(self);
        for step in &self.steps {
            stage
                .play(step)
                .unwrap_or_else(|why| panic!("{}: {step:?}: {why}", self.about));
        }
        stage.play(&Step::End).unwrap();
        stage.observed()
    }
}

impl Models for Scenario {
    fn token(&self, slot: &Slot, chunk: &[TokenId]) -> TokenId {
        let parent = slot
            .parent
            .as_ref()
            .map(|p| p.text.to_string())
            .unwrap_or_default();
        let n = successor(slot);
        let next = self.next.get(&parent).and_then(|chunks| chunks.get(n));
        let next = next.unwrap_or_else(|| panic!("no successor {n} of {parent:?}"));
        let token = ids(next).get(chunk.len()).copied();
        token.unwrap_or_else(|| panic!("{next:?} is too short"))
    }

    /// A term a letter, of which the last makes the sum what the scenario says.
    fn score(&self, pair: &PairId, response: &Response) -> Result<LogRatio, ModelError> {
        let key = format!("{}{}", response.text, if response.ended { "." } else { "" });
        let scores = match pair.as_str() {
            "weak" => &self.scores,
            other => &self.pairs[other],
        };
        let score = |key: &str| scores.get(key).copied();
        let whole = score(&key).unwrap_or_else(|| panic!("{pair} has no score of {key:?}"));
        let mut sum = 0.0;
        let terms = (1..=key.len()).map(|end| {
            let next = if end == key.len() {
                whole
            } else {
                score(&key[..end]).unwrap_or(sum)
            };
            let delta = next - sum;
            sum = next;
            term(&key[end - 1..end], delta, 0.0)
        });
        Ok(LogRatio::from(terms.collect::<Vec<_>>()))
    }
}

/// Which successor of its parent a slot is: its lineage says so.
fn successor(slot: &Slot) -> usize {
    let parent = slot.parent.as_ref();
    let (lineage, round) = parent.map_or((Lineage::root(0), 0), |p| (p.lineage, p.round));
    let is_its = |n: &usize| lineage.successor(round + 1, Successor::Sampled(*n)) == slot.lineage;
    (0..100).find(is_its).unwrap()
}

fn shown(hypothesis: &Hypothesis) -> String {
    let eos = if hypothesis.finish == Some(Finish::Eos) {
        "."
    } else {
        ""
    };
    format!("{}{eos}", hypothesis.text)
}

/// Plays a file; panics where it goes otherwise than it says.
fn check(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let scenario: Scenario = serde_json::from_str(&text).unwrap();
    assert_eq!(scenario.run(), scenario.expect, "{}", scenario.about);
}

#[test]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(folder).unwrap();
    let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    // All of them, so that one run tells all that go wrong.
    let fails = |path: &&PathBuf| std::panic::catch_unwind(|| check(path)).is_err();
    let failed: Vec<&PathBuf> = paths.iter().filter(fails).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(!paths.is_empty(), "no scenarios found");
}

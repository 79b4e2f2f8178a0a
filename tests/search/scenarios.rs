//! Whole searches as data: `tests/scenarios/*.json`, one letter a token, `.` is EOS.
//!
//! `next` lists the chunks after a response, by successor; `scores` gives the log-ratio of a
//! response, with a `.` where EOS is scored; `retune` sets W, K, L or n before a round.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use w2s::search::{
    ChunkBeamSearch, ChunkSampler, EndReason, Finish, Growth, Hypothesis, HypothesisId, LogRatio,
    ModelError, OnGrowth, Response, Rules, SamplePlan, Sampling, Scorer, SearchEvent, SearchParams,
    SearchTrace, Status, TokenTerm,
};

use crate::toy::{EOS, grow};

#[derive(Deserialize)]
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
    retune: BTreeMap<usize, Retune>,
    expect: Expect,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct Retune {
    w: Option<usize>,
    k: Option<usize>,
    l: Option<usize>,
    n: Option<usize>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Expect {
    rounds: Vec<ExpectedRound>,
    best: String,
    reason: EndReason,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct ExpectedRound {
    candidates: Vec<String>,
    /// Indices of candidates, best first.
    kept: Vec<usize>,
}

impl Scenario {
    fn params(&self, retune: Option<&Retune>) -> SearchParams {
        let pick = |f: fn(&Retune) -> Option<usize>, default| retune.and_then(f).unwrap_or(default);
        SearchParams::new(
            pick(|r| r.w, self.w),
            pick(|r| r.k, self.k),
            pick(|r| r.l, self.l),
            pick(|r| r.n, self.n),
            Sampling::default(),
            self.rules,
            0,
        )
        .unwrap()
    }

    fn run(&self) -> SearchTrace {
        let mut search = ChunkBeamSearch::new(self.params(None));
        let mut trace = SearchTrace::default();
        loop {
            if let Some(retune) = self.retune.get(&(search.round_idx() + 1)) {
                search.set_params(self.params(Some(retune)));
            }
            let mut on = |event: SearchEvent| {
                trace.apply(&event);
                ControlFlow::Continue(())
            };
            let (mut sampler, mut scorer) = (Script(self), Script(self));
            let status = search.round(&mut sampler, &mut scorer, &mut on).unwrap();
            if status == Status::Finished {
                return trace;
            }
        }
    }
}

struct Script<'a>(&'a Scenario);

impl ChunkSampler for Script<'_> {
    fn sample(
        &mut self,
        plan: &SamplePlan<'_>,
        on_growth: OnGrowth<'_>,
    ) -> Result<Option<Vec<Growth>>, ModelError> {
        let chunks = self.chunks(plan);
        grow(plan, on_growth, |slot, tokens| {
            let start = slot.parent.map_or(0, |p| p.tokens.len());
            let chunk = &chunks[&slot.id];
            let c = chunk
                .as_bytes()
                .get(tokens.len() - start)
                .unwrap_or_else(|| panic!("{chunk:?} is too short"));
            match c {
                b'.' => EOS,
                letter => u32::from(letter - b'a') + 1,
            }
        })
    }

    fn retain(&mut self, _ids: &[HypothesisId]) {}
}

impl Script<'_> {
    fn chunks(&self, plan: &SamplePlan<'_>) -> BTreeMap<HypothesisId, &str> {
        let mut successors: BTreeMap<Option<HypothesisId>, usize> = BTreeMap::new();
        plan.slots
            .iter()
            .map(|slot| {
                let parent = slot.parent.map_or("", |p| p.text.as_str());
                let i = successors.entry(slot.parent.map(|p| p.id)).or_default();
                *i += 1;
                let chunks = self.0.next.get(parent);
                let chunk = chunks.and_then(|c| c.get(*i - 1));
                let chunk = chunk.unwrap_or_else(|| panic!("no successor {i} of {parent:?}"));
                (slot.id, chunk.as_str())
            })
            .collect()
    }
}

impl Scorer for Script<'_> {
    fn score(&mut self, responses: &[Response<'_>]) -> Result<Vec<LogRatio>, ModelError> {
        Ok(responses.iter().map(|r| self.log_ratio(r)).collect())
    }

    fn retain(&mut self, _ids: &[HypothesisId]) {}
}

impl Script<'_> {
    /// Responses that still grow have no entry and score 0.
    fn log_ratio(&self, response: &Response<'_>) -> LogRatio {
        let key = format!("{}{}", response.text, if response.ended { "." } else { "" });
        let tuned = self.0.scores.get(&key).copied().unwrap_or(0.0);
        let terms = vec![TokenTerm {
            id: 0,
            piece: Arc::from(key),
            tuned,
            untuned: 0.0,
        }];
        LogRatio { terms }
    }
}

fn shown(hypothesis: &Hypothesis) -> String {
    let eos = if hypothesis.finish == Some(Finish::Eos) {
        "."
    } else {
        ""
    };
    format!("{}{eos}", hypothesis.text)
}

fn observed(trace: &SearchTrace) -> Expect {
    let ending = trace.ending().unwrap();
    let rounds = trace
        .rounds()
        .iter()
        .map(|round| ExpectedRound {
            candidates: round.candidates.iter().map(|h| shown(h)).collect(),
            kept: round
                .kept()
                .iter()
                .map(|id| round.candidates.iter().position(|h| h.id == *id).unwrap())
                .collect(),
        })
        .collect();
    Expect {
        rounds,
        best: shown(&ending.best),
        reason: ending.reason,
    }
}

#[test]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let observed = observed(&scenario.run());
        assert_eq!(
            observed,
            scenario.expect,
            "{}: {}",
            path.display(),
            scenario.about
        );
        n += 1;
    }
    assert!(n > 0, "no scenarios found");
}

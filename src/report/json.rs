//! The shapes of `--format json`.

use serde::Serialize;

use super::input::Work;
use crate::search::{Fate, Finish, Hypothesis, HypothesisId, RoundTrace, SearchTrace, TokenTerm};

/// One finished search.
#[derive(Debug, Serialize)]
pub(super) struct RunReport<'a> {
    pub prompt: &'a str,
    pub response: &'a str,
    /// The log-ratio of the response, in nats.
    pub score: f64,
    /// The bundled judge on prompt + response.
    pub judge: f64,
    pub finished: bool,
    /// `eos` or `length`; `null` when the search was stopped.
    pub finish: Option<Finish>,
    pub settings: &'a Settings<'a>,
    pub rounds: Vec<RoundReport<'a>>,
    pub timing: Timing,
}

#[derive(Debug, Serialize)]
pub(super) struct Settings<'a> {
    w: usize,
    k: usize,
    /// 0: no chunking.
    l: usize,
    max_new_tokens: usize,
    temperature: f64,
    top_k: usize,
    top_p: f64,
    seed: u64,
    rules: crate::search::Rules,
    strong: &'a str,
    pair: &'a str,
    device: String,
}

impl<'a> Settings<'a> {
    pub fn new(work: &'a Work, device: String) -> Self {
        let params = work.params;
        Self {
            w: params.beam_width.get(),
            k: params.successors.get(),
            l: params.chunk_len.get(),
            max_new_tokens: params.max_new_tokens.get(),
            temperature: params.sampling.temperature(),
            top_k: params.sampling.top_k(),
            top_p: params.sampling.top_p(),
            seed: params.seed,
            rules: params.rules,
            strong: &work.strong,
            pair: &work.pair,
            device,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct RoundReport<'a> {
    round: usize,
    candidates: Vec<CandidateReport<'a>>,
    /// Best first.
    kept: &'a [HypothesisId],
}

#[derive(Debug, Serialize)]
struct CandidateReport<'a> {
    hypothesis: HypothesisId,
    parent: Option<HypothesisId>,
    text: &'a str,
    score: f64,
    /// log p_tuned and log p_untuned of the response.
    tuned: f64,
    untuned: f64,
    finished: bool,
    kept: bool,
}

impl<'a> RoundReport<'a> {
    /// Rounds that made their cut.
    pub fn all(trace: &'a SearchTrace) -> Vec<Self> {
        let complete = trace.rounds().iter().filter(|r| r.cut.is_some());
        complete.map(Self::new).collect()
    }

    fn new(round: &'a RoundTrace) -> Self {
        let candidates = round.candidates.iter().map(|c| candidate(round, c));
        Self {
            round: round.number,
            candidates: candidates.collect(),
            kept: round.kept(),
        }
    }
}

fn candidate<'a>(round: &RoundTrace, candidate: &'a Hypothesis) -> CandidateReport<'a> {
    CandidateReport {
        hypothesis: candidate.id,
        parent: candidate.parent,
        text: &candidate.text,
        score: candidate.score.value(),
        tuned: candidate.score.tuned(),
        untuned: candidate.score.untuned(),
        finished: candidate.is_finished(),
        kept: round.fate(candidate.id) == Fate::Kept,
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Timing {
    /// Wall-clock time of the search, prompt included, loading not.
    pub seconds: f64,
    /// Tokens the strong model sampled, all candidates together.
    pub strong_tokens: usize,
    /// Tokens the weak pair scored, all candidates together; each of its two models reads them.
    pub weak_tokens: usize,
}

impl Timing {
    pub fn new(seconds: f64, trace: &SearchTrace) -> Self {
        let sampled = |h: &Hypothesis| h.tokens.len() - h.chunk_start;
        let all = || {
            trace.rounds().iter().flat_map(|round| {
                let new = round.candidates.iter();
                new.filter(|candidate| candidate.round == round.number)
            })
        };
        Self {
            seconds,
            strong_tokens: all().map(|h| sampled(h)).sum(),
            weak_tokens: all().map(|h| scored(trace, h)).sum(),
        }
    }
}

/// Terms that the parent does not have.
fn scored(trace: &SearchTrace, hypothesis: &Hypothesis) -> usize {
    let known = hypothesis.parent.and_then(|id| trace.candidate(id));
    let known = known.and_then(|candidate| candidate.hypothesis.as_ref());
    let known = known.map_or(&[][..], |parent| &parent.score.terms);
    let terms = &hypothesis.score.terms;
    let shared = terms.iter().zip(known).take_while(|(a, b)| a.id == b.id);
    terms.len() - shared.count()
}

/// One line of `w2s score --cases`.
#[derive(Debug, Serialize)]
pub(super) struct ScoreReport<'a> {
    pub score: f64,
    pub tuned: f64,
    pub untuned: f64,
    pub tokens: Vec<TokenReport<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct TokenReport<'a> {
    id: crate::search::TokenId,
    text: &'a str,
    tuned: f64,
    untuned: f64,
    delta: f64,
}

impl<'a> From<&'a TokenTerm> for TokenReport<'a> {
    fn from(term: &'a TokenTerm) -> Self {
        Self {
            id: term.id,
            text: &term.piece,
            tuned: term.tuned,
            untuned: term.untuned,
            delta: term.delta(),
        }
    }
}

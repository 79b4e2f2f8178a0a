//! The shapes of `--format json`.

use serde::Serialize;

use super::input::Work;
use crate::search::{
    Fate, Finish, History, Hypothesis, HypothesisId, MethodName, PairId, Ranking, Round, Rules,
    Text, TokenTerm,
};

/// One finished search.
#[derive(Debug, Serialize)]
pub(super) struct RunReport<'a> {
    pub prompt: &'a str,
    pub response: &'a Text,
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
    rules: Rules,
    ranking: Ranking,
    weight: f64,
    method: String,
    strong: &'a str,
    pair: PairId,
    device: String,
}

impl<'a> Settings<'a> {
    pub fn new(work: &'a Work, device: String) -> Self {
        let params = work.params.draft();
        Self {
            w: params.beam_width,
            k: params.successors,
            l: params.chunk_len,
            max_new_tokens: params.max_new_tokens,
            temperature: params.temperature,
            top_k: params.top_k,
            top_p: params.top_p,
            seed: params.seed,
            rules: params.rules,
            ranking: params.ranking,
            weight: params.weight,
            method: MethodName::of(&work.params).to_string(),
            strong: &work.strong,
            pair: work.pair.id(),
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
    text: &'a Text,
    score: f64,
    /// log p_tuned and log p_untuned of the response.
    tuned: f64,
    untuned: f64,
    finished: bool,
    kept: bool,
}

impl<'a> RoundReport<'a> {
    /// Rounds that made their cut.
    pub fn all(history: &'a History) -> Vec<Self> {
        let complete = history.rounds().iter().filter(|r| r.cut.is_some());
        complete.map(|round| Self::new(round)).collect()
    }

    fn new(round: &'a Round) -> Self {
        let candidates = round.candidates.iter().map(|c| candidate(round, c));
        Self {
            round: round.number,
            candidates: candidates.collect(),
            kept: round.kept(),
        }
    }
}

fn candidate<'a>(round: &Round, candidate: &'a Hypothesis) -> CandidateReport<'a> {
    CandidateReport {
        hypothesis: candidate.id,
        parent: candidate.parent,
        text: &candidate.text,
        score: candidate.score().value(),
        tuned: candidate.score().tuned(),
        untuned: candidate.score().untuned(),
        finished: candidate.is_finished(),
        kept: round.fate(candidate.id) == Fate::Kept,
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Timing {
    /// This search's share of the wall-clock time, prompt included, loading not: each step of
    /// the models is shared alike by the searches in flight. So the shares of a list add up to
    /// the time that all of it took, and one search at a time has its own wall-clock time.
    pub seconds: f64,
    /// Tokens the strong model sampled, all candidates together.
    pub strong_tokens: usize,
    /// Tokens the weak pair scored, all candidates together; each of its two models reads them.
    pub weak_tokens: usize,
}

impl Timing {
    pub fn new(seconds: f64, history: &History) -> Self {
        let sampled = |h: &Hypothesis| h.tokens.len() - h.chunk_start;
        let all = || {
            history.rounds().iter().flat_map(|round| {
                let new = round.candidates.iter();
                new.filter(|candidate| candidate.round == round.number)
            })
        };
        Self {
            seconds,
            strong_tokens: all().map(|h| sampled(h)).sum(),
            weak_tokens: all().map(|h| scored(history, h)).sum(),
        }
    }
}

/// Terms that the parent does not have.
fn scored(history: &History, hypothesis: &Hypothesis) -> usize {
    let own = hypothesis.score();
    let parent = hypothesis.parent.and_then(|id| history.hypothesis(id));
    let shared = parent.map_or(0, |parent| {
        let both = own.terms().zip(parent.score().terms());
        both.take_while(|(a, b)| a.id == b.id).count()
    });
    own.len() - shared
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

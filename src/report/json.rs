//! The shapes of `--format json`.

use std::collections::BTreeMap;

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
    /// How several pairs rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    panel: Option<String>,
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
            panel: (!work.pair.is_single()).then(|| params.panel.to_string()),
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
    /// Of a panel: how far its pairs disagree, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<f64>,
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
    /// Of a panel: what each of its pairs says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    scores: BTreeMap<&'a str, f64>,
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
            conflict: round.conflict().and_then(|own| own.share()),
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
        scores: by_pair(round, candidate),
        finished: candidate.is_finished(),
        kept: round.fate(candidate.id) == Fate::Kept,
    }
}

fn by_pair<'a>(round: &Round, candidate: &'a Hypothesis) -> BTreeMap<&'a str, f64> {
    let own = candidate
        .scores
        .iter()
        .filter(|(pair, _)| round.pair.is_panel() && !pair.is_panel() && round.pair.includes(pair));
    own.map(|(pair, score)| (pair.as_str(), score.value()))
        .collect()
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

/// Terms that the parent does not have, by all who speak.
fn scored(history: &History, hypothesis: &Hypothesis) -> usize {
    let parent = hypothesis.parent.and_then(|id| history.hypothesis(id));
    let pairs = hypothesis.scored_by().map(PairId::members);
    let own = pairs.into_iter().flatten().filter_map(|(pair, _)| {
        let own = hypothesis.scores.by(&pair)?;
        let before = parent.and_then(|parent| parent.scores.by(&pair));
        let shared = before.map_or(0, |before| {
            let both = own.terms().zip(before.terms());
            both.take_while(|(a, b)| a.id == b.id).count()
        });
        Some(own.len() - shared)
    });
    own.sum()
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

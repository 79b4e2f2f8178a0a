//! Searches of the reference implementation, as its recordings have them.

use serde::Deserialize;

use crate::search::{Draft, ParamError, Rules, SearchParams, TokenId};

/// Searches recorded under one setting, as in `tests/recordings/search-*.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Recording {
    w: usize,
    k: usize,
    /// `null`: no chunking.
    l: Option<usize>,
    max_new_tokens: usize,
    /// `null`: unset, that is 1.
    temperature: Option<f64>,
    top_k: Option<usize>,
    top_p: Option<f64>,
    #[serde(default)]
    seed: u64,
    /// Names of bundled models.
    strong: String,
    tuned: String,
    untuned: String,
    pub results: Vec<RecordedSearch>,
}

/// The recorded search for one prompt.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordedSearch {
    pub prompt: String,
    pub rounds: Vec<RecordedRound>,
    /// The response that was returned.
    pub output: String,
}

/// One recorded round: a row is a candidate.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordedRound {
    /// Ids since the prompt, padded with EOS after EOS.
    pub ids: Vec<Vec<TokenId>>,
    pub responses: Vec<String>,
    /// Whether the row was finished.
    pub eos: Vec<bool>,
    pub scores: Vec<f64>,
    /// Rows, best first.
    pub kept: Vec<usize>,
}

/// The recorded rounds of one search.
pub(super) type Tape = Vec<RecordedRound>;

impl Recording {
    pub(super) fn params(&self, rules: Rules) -> Result<SearchParams, ParamError> {
        Draft {
            beam_width: self.w,
            successors: self.k,
            chunk_len: self.l.unwrap_or(0),
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature.unwrap_or(1.0),
            top_k: self.top_k.unwrap_or(0),
            top_p: self.top_p.unwrap_or(1.0),
            rules,
            seed: self.seed,
            ..SearchParams::default().draft()
        }
        .build()
    }

    pub(super) fn strong_spec(&self) -> String {
        format!("bundled:{}", self.strong)
    }

    pub(super) fn pair_spec(&self) -> String {
        format!("bundled:{},bundled:{}", self.tuned, self.untuned)
    }

    /// The prompts, and the tapes of their searches in the same order.
    pub(super) fn into_tapes(self) -> (Vec<String>, Vec<Tape>) {
        let split = |search: RecordedSearch| (search.prompt, search.rounds);
        self.results.into_iter().map(split).unzip()
    }
}

//! A recorded search, and the sampler that replays its token ids.
//!
//! Torch's random numbers cannot be reproduced, so a search is compared with the reference
//! implementation by feeding the ids that it drew.

use std::rc::Rc;

use serde::Deserialize;

use super::Detokenizer;
use super::input::Job;
use crate::search::{
    ChunkSampler, Finish, Growth, Hypothesis, HypothesisId, ModelError, OnGrowth, ParamError,
    Rules, SamplePlan, Sampling, SearchParams, Slot, TokenId,
};

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

impl Recording {
    pub(super) fn params(&self, rules: Rules) -> Result<SearchParams, ParamError> {
        let temperature = self.temperature.unwrap_or(1.0);
        let sampling = Sampling::new(
            temperature,
            self.top_k.unwrap_or(0),
            self.top_p.unwrap_or(1.0),
        )?;
        let l = self.l.unwrap_or(0);
        SearchParams::new(
            self.w,
            self.k,
            l,
            self.max_new_tokens,
            sampling,
            rules,
            self.seed,
        )
    }

    pub(super) fn strong_spec(&self) -> String {
        format!("bundled:{}", self.strong)
    }

    pub(super) fn pair_spec(&self) -> String {
        format!("bundled:{},bundled:{}", self.tuned, self.untuned)
    }

    pub(super) fn into_jobs(self) -> Vec<Job> {
        let jobs = self.results.into_iter().map(|search| Job {
            prompt: search.prompt,
            tape: Some(Tape {
                rounds: search.rounds.into(),
            }),
        });
        jobs.collect()
    }
}

/// The recorded rounds of one search.
#[derive(Debug, Clone)]
pub(super) struct Tape {
    rounds: Rc<[RecordedRound]>,
}

impl Tape {
    pub fn sampler(&self, detokenizer: Box<dyn Detokenizer>) -> TapeSampler {
        TapeSampler {
            tape: self.clone(),
            detokenizer,
            n_rounds: 0,
        }
    }
}

/// Gives the recorded ids of one search, round by round.
pub(super) struct TapeSampler {
    tape: Tape,
    detokenizer: Box<dyn Detokenizer>,
    n_rounds: usize,
}

impl ChunkSampler for TapeSampler {
    fn sample(
        &mut self,
        plan: &SamplePlan<'_>,
        on_growth: OnGrowth<'_>,
    ) -> Result<Option<Vec<Growth>>, ModelError> {
        let round = self.tape.rounds.get(self.n_rounds);
        let round = round.ok_or_else(|| self.diverged("it has no more rounds"))?;
        let mut taken = vec![false; round.ids.len()];
        let grown = plan
            .slots
            .iter()
            .map(|slot| self.replay(slot, round, &mut taken, plan.rules))
            .collect::<Result<Vec<_>, _>>()?;
        self.n_rounds += 1;
        Ok(on_growth(&grown)?.is_continue().then_some(grown))
    }

    fn retain(&mut self, _ids: &[HypothesisId]) {}
}

impl TapeSampler {
    /// The first row that continues the slot's parent and is not taken yet. Slots come in the
    /// order of rows, so it is the slot's own row, unless a tie was cut the other way.
    fn replay(
        &self,
        slot: &Slot<'_>,
        round: &RecordedRound,
        taken: &mut [bool],
        rules: Rules,
    ) -> Result<Growth, ModelError> {
        let free = |row: &usize| !taken[*row];
        let rows = 0..round.ids.len();
        let row = rows
            .clone()
            .filter(free)
            .find(|row| continues_ids(&round.ids[*row], slot.parent))
            .or_else(|| {
                let same_text =
                    |row: &usize| self.continues_text(&round.ids[*row], slot.parent, rules);
                rows.filter(free).find(same_text)
            })
            .ok_or_else(|| self.diverged("no recorded row continues a hypothesis that was kept"))?;
        taken[row] = true;
        self.growth(slot, &round.ids[row], &round.responses[row], rules)
    }

    /// Two ways to tokenise one text score the same, so the tape may hold the other one's rows.
    fn continues_text(&self, row: &[TokenId], parent: Option<&Hypothesis>, rules: Rules) -> bool {
        let Some(parent) = parent else { return true };
        let start = row.get(..parent.tokens.len());
        start.is_some_and(|ids| self.detokenizer.decode(ids, rules) == parent.text)
    }

    fn growth(
        &self,
        slot: &Slot<'_>,
        row: &[TokenId],
        recorded: &str,
        rules: Rules,
    ) -> Result<Growth, ModelError> {
        let start = slot.parent.map_or(0, |p| p.tokens.len());
        let new = row.get(start..).unwrap_or_default();
        let eos = new.iter().position(|id| self.detokenizer.is_eos(*id));
        let n_new = eos.map_or(new.len(), |at| at + 1).min(slot.n_tokens);
        let tokens = row[..start + n_new].to_vec();
        let text = self.detokenizer.decode(&tokens, rules);
        if rules == Rules::Reference && text != recorded {
            return Err(self.diverged("its ids read as other text: is it another strong model's?"));
        }
        Ok(Growth {
            tokens,
            text,
            log_probs: Vec::new(),
            finish: eos.is_some_and(|at| at < n_new).then_some(Finish::Eos),
        })
    }

    fn diverged(&self, why: &str) -> ModelError {
        let round = self.n_rounds + 1;
        ModelError::Other(format!("the tape diverges in round {round}: {why}"))
    }
}

fn continues_ids(row: &[TokenId], parent: Option<&Hypothesis>) -> bool {
    parent.is_none_or(|parent| row.starts_with(&parent.tokens))
}

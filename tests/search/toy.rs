//! Toy models: seeded tables as plain functions, one letter a token, id 0 is EOS.

use std::cell::Cell;
use std::sync::Arc;

use w2s::search::{
    ChunkSampler, Finish, Growth, HypothesisId, LogRatio, ModelError, OnGrowth, Response,
    SamplePlan, Scorer, Slot, TokenId, TokenTerm,
};

pub const EOS: TokenId = 0;

/// Samples letters from a table that depends on `seed` and on the letter before.
pub struct ToySampler {
    pub seed: u64,
    /// The probability of EOS at every position.
    pub eos: f64,
    pub retained: Vec<HypothesisId>,
}

impl ToySampler {
    pub fn new(seed: u64, eos: f64) -> Self {
        let retained = Vec::new();
        Self {
            seed,
            eos,
            retained,
        }
    }

    fn next(&self, so_far: &[TokenId], u: f64) -> TokenId {
        if u < self.eos {
            return EOS;
        }
        let within = (u - self.eos) / (1.0 - self.eos);
        let last = so_far.last().copied().unwrap_or(0);
        // A table with two letters after each: close to a text with few choices.
        let choice = u64::from(within > 0.6);
        1 + (hash(self.seed, u64::from(last), choice) % 25) as TokenId
    }
}

impl ChunkSampler for ToySampler {
    fn sample(
        &mut self,
        plan: &SamplePlan<'_>,
        on_growth: OnGrowth<'_>,
    ) -> Result<Option<Vec<Growth>>, ModelError> {
        let step = |slot: &Slot<'_>, tokens: &[TokenId]| {
            self.next(tokens, slot.lineage.uniform(tokens.len()))
        };
        grow(plan, on_growth, step)
    }

    fn retain(&mut self, ids: &[HypothesisId]) {
        self.retained = ids.to_vec();
    }
}

/// Grows all slots letter by letter; `step` says what comes next.
pub fn grow(
    plan: &SamplePlan<'_>,
    on_growth: OnGrowth<'_>,
    step: impl Fn(&Slot<'_>, &[TokenId]) -> TokenId,
) -> Result<Option<Vec<Growth>>, ModelError> {
    let mut rows: Vec<Growth> = plan.slots.iter().map(start).collect();
    let longest = plan.slots.iter().map(|s| s.n_tokens).max().unwrap_or(0);
    for t in 0..longest {
        for (row, slot) in rows.iter_mut().zip(plan.slots) {
            if t < slot.n_tokens && row.finish.is_none() {
                let token = step(slot, &row.tokens);
                push(row, token);
            }
        }
        if on_growth(&rows)?.is_break() {
            return Ok(None);
        }
    }
    Ok(Some(rows))
}

fn start(slot: &Slot<'_>) -> Growth {
    let (tokens, text) = slot
        .parent
        .map_or_else(Default::default, |p| (p.tokens.clone(), p.text.clone()));
    Growth {
        tokens,
        text,
        log_probs: Vec::new(),
        finish: None,
    }
}

fn push(row: &mut Growth, token: TokenId) {
    row.tokens.push(token);
    match token {
        EOS => row.finish = Some(Finish::Eos),
        id => row.text.push(letter(id)),
    }
}

pub fn letter(id: TokenId) -> char {
    char::from(b'a' + (id - 1) as u8)
}

/// A weak pair of two tables; `tuned` and `untuned` are their seeds.
pub struct ToyScorer {
    pub tuned: u64,
    pub untuned: u64,
    pub calls: Cell<usize>,
}

impl ToyScorer {
    pub fn new(tuned: u64, untuned: u64) -> Self {
        let calls = Cell::new(0);
        Self {
            tuned,
            untuned,
            calls,
        }
    }

    pub fn log_ratio(&self, text: &str, ended: bool) -> LogRatio {
        let eos = ended.then_some('.');
        let terms = text
            .chars()
            .chain(eos)
            .enumerate()
            .map(|(t, c)| TokenTerm {
                id: c as TokenId,
                piece: Arc::from(c.to_string()),
                tuned: log_prob(self.tuned, t, c),
                untuned: log_prob(self.untuned, t, c),
            })
            .collect();
        LogRatio { terms }
    }
}

impl Scorer for ToyScorer {
    fn score(&mut self, responses: &[Response<'_>]) -> Result<Vec<LogRatio>, ModelError> {
        self.calls.set(self.calls.get() + 1);
        Ok(responses
            .iter()
            .map(|r| self.log_ratio(r.text, r.ended))
            .collect())
    }

    fn retain(&mut self, _ids: &[HypothesisId]) {}
}

fn log_prob(seed: u64, position: usize, c: char) -> f64 {
    let bits = hash(seed, position as u64, c as u64);
    -((bits % 4096) as f64) / 1024.0
}

fn hash(a: u64, b: u64, c: u64) -> u64 {
    [a, b, c].iter().fold(0xCBF2_9CE4_8422_2325, |h, x| {
        let h = (h ^ x).wrapping_mul(0x0000_0100_0000_01B3);
        (h ^ (h >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    })
}

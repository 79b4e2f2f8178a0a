//! The settings of a search. A value that exists is valid: every constructor checks.

mod method;
mod named;
mod panel_rule;
mod values;

use serde::{Deserialize, Serialize};

pub use method::{Finite, Fraction, Method, Tilt};
pub use named::MethodName;
pub use panel_rule::PanelRule;
pub use values::*;

/// Everything that decides a search besides models and prompt. A value that exists is valid,
/// also when it was read from a file: changes go through a [`Draft`].
///
/// All but `seed` and `rules` may change between rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Draft", into = "Draft")]
pub struct SearchParams {
    beam_width: BeamWidth,
    successors: Successors,
    chunk_len: ChunkLen,
    max_new_tokens: MaxNewTokens,
    sampling: Sampling,
    rules: Rules,
    seed: u64,
    ranking: Ranking,
    weight: Weight,
    method: Method,
    tilt: Tilt,
    panel: PanelRule,
}

/// Settings as bare numbers: what files and keys say, before it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// W.
    pub beam_width: usize,
    /// K.
    pub successors: usize,
    /// L; 0 is no chunking.
    pub chunk_len: usize,
    /// n.
    pub max_new_tokens: usize,
    pub temperature: f64,
    /// 0 when off.
    pub top_k: usize,
    /// 1 when off.
    pub top_p: f64,
    pub rules: Rules,
    pub seed: u64,
    #[serde(default)]
    pub ranking: Ranking,
    #[serde(default = "Draft::unit")]
    pub weight: f64,
    #[serde(default, skip_serializing_if = "Method::is_cbs")]
    pub method: Method,
    /// β of EFT; 0 is the strong model alone.
    #[serde(default, skip_serializing_if = "Draft::is_zero")]
    pub tilt: f64,
    /// How several pairs rank.
    #[serde(default, skip_serializing_if = "PanelRule::is_mixture")]
    pub panel: PanelRule,
}

impl Draft {
    const fn unit() -> f64 {
        1.0
    }

    // By reference, since serde has it so.
    fn is_zero(value: &f64) -> bool {
        *value == 0.0
    }

    /// # Errors
    /// [`ParamError`] when a number is out of its range; the message names the setting.
    pub fn build(self) -> Result<SearchParams, ParamError> {
        let sampling = Sampling::new(self.temperature, self.top_k, self.top_p)?;
        let params = SearchParams {
            beam_width: BeamWidth::new(self.beam_width)?,
            successors: Successors::new(self.successors)?,
            chunk_len: ChunkLen::new(self.chunk_len),
            max_new_tokens: MaxNewTokens::new(self.max_new_tokens)?,
            sampling,
            rules: self.rules,
            seed: self.seed,
            ranking: self.ranking,
            weight: Weight::new(self.weight)?,
            method: self.method,
            tilt: Tilt::new(self.tilt)?,
            panel: self.panel,
        };
        params.check_panel()?;
        match self.beam_width.saturating_mul(self.successors) {
            got if got > SearchParams::MAX_CANDIDATES => Err(ParamError::TooManyCandidates {
                got,
                max: SearchParams::MAX_CANDIDATES,
            }),
            _ => Ok(params),
        }
    }
}

impl TryFrom<Draft> for SearchParams {
    type Error = ParamError;

    fn try_from(draft: Draft) -> Result<Self, ParamError> {
        draft.build()
    }
}

impl From<SearchParams> for Draft {
    fn from(params: SearchParams) -> Self {
        params.draft()
    }
}

impl SearchParams {
    /// The most candidates a round may have; keeps memory and the screen within reason.
    pub const MAX_CANDIDATES: usize = 1024;

    /// # Errors
    /// [`ParamError`] when a number is out of its range; the message names the setting.
    pub fn new(
        w: usize,
        k: usize,
        l: usize,
        max_new_tokens: usize,
        sampling: Sampling,
        rules: Rules,
        seed: u64,
    ) -> Result<Self, ParamError> {
        Draft {
            beam_width: w,
            successors: k,
            chunk_len: l,
            max_new_tokens,
            temperature: sampling.temperature(),
            top_k: sampling.top_k(),
            top_p: sampling.top_p(),
            rules,
            seed,
            ranking: Ranking::default(),
            weight: Weight::default().get(),
            method: Method::default(),
            tilt: Tilt::NONE.get(),
            panel: PanelRule::default(),
        }
        .build()
    }

    /// The settings as bare numbers, to be changed and built again.
    #[must_use]
    pub fn draft(&self) -> Draft {
        Draft {
            beam_width: self.beam_width.get(),
            successors: self.successors.get(),
            chunk_len: self.chunk_len.get(),
            max_new_tokens: self.max_new_tokens.get(),
            temperature: self.sampling.temperature(),
            top_k: self.sampling.top_k(),
            top_p: self.sampling.top_p(),
            rules: self.rules,
            seed: self.seed,
            ranking: self.ranking,
            weight: self.weight.get(),
            method: self.method,
            tilt: self.tilt.get(),
            panel: self.panel,
        }
    }

    /// W.
    #[must_use]
    pub const fn beam_width(&self) -> BeamWidth {
        self.beam_width
    }

    /// K.
    #[must_use]
    pub const fn successors(&self) -> Successors {
        self.successors
    }

    /// L.
    #[must_use]
    pub const fn chunk_len(&self) -> ChunkLen {
        self.chunk_len
    }

    /// n.
    #[must_use]
    pub const fn max_new_tokens(&self) -> MaxNewTokens {
        self.max_new_tokens
    }

    #[must_use]
    pub const fn sampling(&self) -> Sampling {
        self.sampling
    }

    #[must_use]
    pub const fn rules(&self) -> Rules {
        self.rules
    }

    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What the cut ranks by.
    #[must_use]
    pub const fn ranking(&self) -> Ranking {
        self.ranking
    }

    /// Of the pair, at the cut.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }

    /// Who is continued, and how a round ends.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// How far the pair tilts what the strong model proposes.
    #[must_use]
    pub const fn tilt(&self) -> Tilt {
        self.tilt
    }

    /// How several pairs rank.
    #[must_use]
    pub const fn panel(&self) -> PanelRule {
        self.panel
    }

    /// Methods that weigh nats have no use for opinions.
    fn check_panel(&self) -> Result<(), ParamError> {
        match self.panel.is_mixture() || self.method.ranks_alone() {
            true => Ok(()),
            false => Err(ParamError::NeedsNats {
                method: self.method.to_string(),
                rule: self.panel.name(),
            }),
        }
    }

    /// W·K: the candidates of a round.
    #[must_use]
    pub fn n_candidates(&self) -> usize {
        self.beam_width.get() * self.successors.get()
    }

    /// How many hypotheses are alive at once, at most: what memory has to hold.
    #[must_use]
    pub fn most_alive(&self) -> usize {
        let (n, k) = (self.n_candidates(), self.successors.get());
        let n_chunks = match self.chunk_len.get() {
            0 => 1,
            l => self.max_new_tokens.get().div_ceil(l),
        };
        match self.method {
            // Every leaf stays.
            Method::TreeSearch { .. } => n.max(self.beam_width.get() * n_chunks * (k - 1) + k),
            Method::Cards { .. } => n.max(Method::CARDS_TRIES),
            _ => n,
        }
    }

    /// The same settings with what may not change between rounds taken from `fixed`.
    #[must_use]
    pub fn within_run_of(self, fixed: &Self) -> Self {
        Self {
            seed: fixed.seed,
            rules: fixed.rules,
            ..self
        }
    }

    /// The same with nothing to choose from: W = K = 1, and the strong model alone.
    #[must_use]
    pub fn unguided(self) -> Self {
        Self {
            beam_width: BeamWidth::ONE,
            successors: Successors::ONE,
            method: Method::Cbs,
            tilt: Tilt::NONE,
            ..self
        }
    }

    #[must_use]
    pub fn with_ranking(self, ranking: Ranking) -> Self {
        Self { ranking, ..self }
    }

    #[must_use]
    pub fn with_weight(self, weight: Weight) -> Self {
        Self { weight, ..self }
    }

    #[must_use]
    pub fn with_panel(self, panel: PanelRule) -> Self {
        Self { panel, ..self }
    }

    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    #[must_use]
    pub fn with_max_new_tokens(self, max_new_tokens: MaxNewTokens) -> Self {
        Self {
            max_new_tokens,
            ..self
        }
    }
}

impl Default for SearchParams {
    /// The paper's sentiment settings: W, K, L = 4, 4, 5 and 50 new tokens.
    fn default() -> Self {
        Self::new(4, 4, 5, 50, Sampling::default(), Rules::default(), 0)
            .unwrap_or_else(|_| unreachable!("4, 4, 5, 50 are in range"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_a_file_are_checked_too() {
        let good = serde_json::to_value(SearchParams::default()).unwrap();
        let back: SearchParams = serde_json::from_value(good.clone()).unwrap();
        assert_eq!(back, SearchParams::default());
        for (key, bad) in [
            ("beam_width", 2000.into()),
            ("successors", 0.into()),
            ("max_new_tokens", u64::MAX.into()),
            ("top_p", 1.5.into()),
            ("temperature", (-1.0).into()),
        ] {
            let mut draft = good.clone();
            draft[key] = bad;
            assert!(
                serde_json::from_value::<SearchParams>(draft).is_err(),
                "{key}"
            );
        }
    }
}

//! The settings of a search. A value that exists is valid: every constructor checks.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A setting that cannot be used, with what was given and what is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParamError {
    #[error("{name} must be at least 1, got 0")]
    Zero { name: &'static str },
    #[error("temperature must be a finite number of at least 0, got {0}")]
    Temperature(f64),
    #[error("top-p must be above 0 and at most 1, got {0}")]
    TopP(f64),
    #[error("W·K must be at most {max}, got {got}: lower W or K")]
    TooManyCandidates { got: usize, max: usize },
    #[error("n must be at most {max} tokens, got {got}")]
    TooManyTokens { got: usize, max: usize },
    #[error("the weight of the pair must be a finite number, got {0}")]
    Weight(f64),
    #[error("unknown rules {0:?}: use `fixed` or `reference`")]
    Rules(String),
    #[error("unknown ranking {0:?}: use `sum`, `per-token` or `chunk`")]
    Ranking(String),
}

macro_rules! at_least_one {
    ($(#[$doc:meta])* $type:ident, $name:literal $(, at most $max:literal tokens)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $type(NonZeroUsize);

        impl $type {
            /// # Errors
            /// [`ParamError`] for 0 and, where there is a bound, for more than it.
            pub fn new(n: usize) -> Result<Self, ParamError> {
                $(if n > $max {
                    return Err(ParamError::TooManyTokens { got: n, max: $max });
                })?
                NonZeroUsize::new(n).map(Self).ok_or(ParamError::Zero { name: $name })
            }

            pub const ONE: Self = Self(NonZeroUsize::MIN);

            #[must_use]
            pub const fn get(self) -> usize {
                self.0.get()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

at_least_one!(
    /// W: how many hypotheses the beam keeps after a round.
    BeamWidth,
    "W (beam width)"
);
at_least_one!(
    /// K: how many successors are sampled after each hypothesis.
    Successors,
    "K (successors)"
);
at_least_one!(
    /// The token budget of a response. The bound is more than any model's context holds.
    MaxNewTokens,
    "n (new tokens)",
    at most 16_777_216 tokens
);

/// L: how many tokens one round adds to a hypothesis. Written as a number; 0 is no chunking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "usize", into = "usize")]
pub enum ChunkLen {
    Tokens(NonZeroUsize),
    /// No chunking (L = ∞): one round samples whole responses, which makes W = 1 best-of-K.
    Unbounded,
}

impl ChunkLen {
    /// `0` means no chunking, as on the command line.
    #[must_use]
    pub fn new(n: usize) -> Self {
        NonZeroUsize::new(n).map_or(Self::Unbounded, Self::Tokens)
    }

    /// The chunk length in tokens; 0 when there is no chunking.
    #[must_use]
    pub fn get(self) -> usize {
        match self {
            Self::Tokens(n) => n.get(),
            Self::Unbounded => 0,
        }
    }

    /// The tokens to sample in a round when `budget` tokens are left.
    #[must_use]
    pub fn within(self, budget: usize) -> usize {
        match self {
            Self::Tokens(n) => n.get().min(budget),
            Self::Unbounded => budget,
        }
    }
}

impl From<usize> for ChunkLen {
    fn from(n: usize) -> Self {
        Self::new(n)
    }
}

impl From<ChunkLen> for usize {
    fn from(len: ChunkLen) -> Self {
        len.get()
    }
}

impl fmt::Display for ChunkLen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(n) => n.fmt(f),
            Self::Unbounded => f.pad("∞"),
        }
    }
}

/// How the strong model's next token is drawn: temperature, then top-k, then top-p, then softmax.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sampling {
    temperature: f64,
    top_k: usize,
    top_p: f64,
}

impl Sampling {
    /// `top_k` 0 and `top_p` 1 switch the filters off. Temperature 0 is greedy under
    /// [`Rules::Fixed`] and means "unset" (1.0) under [`Rules::Reference`].
    ///
    /// # Errors
    /// A temperature that is negative or not finite; a `top_p` outside (0, 1].
    pub fn new(temperature: f64, top_k: usize, top_p: f64) -> Result<Self, ParamError> {
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(ParamError::Temperature(temperature));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(ParamError::TopP(top_p));
        }
        Ok(Self {
            temperature,
            top_k,
            top_p,
        })
    }

    #[must_use]
    pub const fn temperature(&self) -> f64 {
        self.temperature
    }

    /// 0 when off.
    #[must_use]
    pub const fn top_k(&self) -> usize {
        self.top_k
    }

    /// 1 when off.
    #[must_use]
    pub const fn top_p(&self) -> f64 {
        self.top_p
    }
}

impl Default for Sampling {
    /// The released settings of the paper's code: 0.7, 50, 1.0.
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_k: 50,
            top_p: 1.0,
        }
    }
}

/// Which of two rule sets the search follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rules {
    /// What serves a user: a finished hypothesis stands once in the beam, the best finished
    /// response is never lost, EOS counts only where it was emitted, temperature 0 is greedy,
    /// and sampled ids are scored as they are where the vocabularies allow it.
    #[default]
    Fixed,
    /// The reference implementation's meaning, quirks included
    /// (`decoders/cbs.py`, `scorers.py` of the paper's code).
    Reference,
}

impl FromStr for Rules {
    type Err = ParamError;

    fn from_str(s: &str) -> Result<Self, ParamError> {
        match s {
            "fixed" => Ok(Self::Fixed),
            "reference" => Ok(Self::Reference),
            other => Err(ParamError::Rules(other.to_owned())),
        }
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fixed => "fixed",
            Self::Reference => "reference",
        })
    }
}

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
}

impl Draft {
    const fn unit() -> f64 {
        1.0
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
        };
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

/// What of a candidate's log-ratio decides the cut. The method's is [`Ranking::Sum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ranking {
    /// The response's log-ratio, a sum over its tokens.
    #[default]
    Sum,
    /// The log-ratio divided by the number of weak tokens.
    PerToken,
    /// What this chunk alone added.
    Chunk,
}

impl FromStr for Ranking {
    type Err = ParamError;

    fn from_str(s: &str) -> Result<Self, ParamError> {
        match s {
            "sum" => Ok(Self::Sum),
            "per-token" => Ok(Self::PerToken),
            "chunk" => Ok(Self::Chunk),
            other => Err(ParamError::Ranking(other.to_owned())),
        }
    }
}

impl fmt::Display for Ranking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sum => "sum",
            Self::PerToken => "per token",
            Self::Chunk => "this chunk",
        })
    }
}

/// Multiplies the log-ratio at the cut: 1 follows the weak pair, 0 ignores it, −1 turns it round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Weight(f64);

impl Weight {
    /// # Errors
    /// [`ParamError::Weight`] when it is not finite.
    pub fn new(weight: f64) -> Result<Self, ParamError> {
        if weight.is_finite() {
            Ok(Self(weight))
        } else {
            Err(ParamError::Weight(weight))
        }
    }

    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1.0)
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
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            rules,
            seed,
            ranking: Ranking::default(),
            weight: Weight::default().0,
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
            temperature: self.sampling.temperature,
            top_k: self.sampling.top_k,
            top_p: self.sampling.top_p,
            rules: self.rules,
            seed: self.seed,
            ranking: self.ranking,
            weight: self.weight.0,
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

    /// W·K: the candidates of a round.
    #[must_use]
    pub fn n_candidates(&self) -> usize {
        self.beam_width.get() * self.successors.get()
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

    /// The same with nothing to choose from: W = K = 1.
    #[must_use]
    pub fn unguided(self) -> Self {
        Self {
            beam_width: BeamWidth::ONE,
            successors: Successors::ONE,
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

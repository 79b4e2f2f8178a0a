//! The single settings of a search. A value that exists is valid: every constructor checks.

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
    #[error("one method is searched with here: the playground and `w2s eval` compare several")]
    OneMethod,
    #[error("the playground shows at most {0} methods side by side: name fewer")]
    TooManyMethods(usize),
    #[error("one pair is asked here: name one, and no weights")]
    OnePair,
    #[error("{pairs} pairs and {weights} weights: give each pair one weight")]
    Weights { pairs: usize, weights: usize },
    #[error("there are no scores: give a list of numbers for each pair")]
    NoScores,
    #[error(
        "pair {pair} scores {got} candidates and pair 1 scores {n}: give all the same candidates"
    )]
    Ragged { pair: usize, got: usize, n: usize },
    #[error("unknown rule for a panel {0:?}: use `mixture`, `naive`, `bayes` or `bayes:KAPPA`")]
    PanelRule(String),
    #[error("refine takes answers to other prompts as examples: `w2s eval` has them")]
    Refine,
    #[error("--kappa is for --panel bayes: give both, or neither")]
    Kappa,
    #[error(
        "{method} weighs log-ratios in nats, and {rule} ranks by opinions: use `--panel mixture`, or another method"
    )]
    NeedsNats { method: String, rule: &'static str },
    #[error(
        "bayes needs at least {least} pairs to say how sure they are, got {got}: name more, or use `--panel naive`"
    )]
    FewPairs { least: usize, got: usize },
    #[error("{name} must be a finite number, got {got}")]
    NotFinite { name: &'static str, got: f64 },
    #[error("the share that rejection drops must be at least 0 and below 1, got {0}")]
    Fraction(f64),
    #[error(
        "unknown method {0:?}: use `base`, `greedy`, `bon:N`, `cbs`, `eft:BETA`, `eft-cbs:BETA`, \
         `dvts`, `smc:ALPHA`, `tree:C`, `cards:TARGET`, `rejection:SHARE`, or in an evaluation \
         `refine:N`"
    )]
    Method(String),
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

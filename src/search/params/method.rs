//! Ways to decode: who proposes a token, and who survives a round.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::values::ParamError;

/// A number that is neither NaN nor infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finite(f64);

impl Finite {
    /// # Errors
    /// [`ParamError::NotFinite`]; `name` says of what.
    pub fn new(name: &'static str, value: f64) -> Result<Self, ParamError> {
        match value.is_finite() {
            true => Ok(Self(value)),
            false => Err(ParamError::NotFinite { name, got: value }),
        }
    }

    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// A share from 0 on and below 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fraction(f64);

impl Fraction {
    /// # Errors
    /// [`ParamError::Fraction`].
    pub fn new(value: f64) -> Result<Self, ParamError> {
        match (0.0..1.0).contains(&value) {
            true => Ok(Self(value)),
            false => Err(ParamError::Fraction(value)),
        }
    }

    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Who is continued, and how a round ends: each has a file of its own beside the engine.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Method {
    /// Chunk-level beam search (arXiv 2405.19262): the best W of all candidates. With W = 1 and
    /// no chunking it is best-of-K, with W = K = 1 plain sampling.
    #[default]
    Cbs,
    /// Diverse verifier tree search: W subtrees, each of which keeps its own best.
    Dvts,
    /// Sequential Monte Carlo: W·K particles, resampled by exp(α · what a chunk adds).
    Smc { alpha: Finite },
    /// Entropy-aware tree search (arXiv 2511.11518): a round expands one leaf.
    TreeSearch { exploration: Finite },
    /// Cascade reward sampling (arXiv 2406.16306): chunks that end where the strong model
    /// hesitates, accepted by a threshold that rises to `target`.
    Cards { target: Finite },
    /// Speculative rejection (arXiv 2410.20290): W·K responses, of which a round drops a share.
    SpeculativeRejection { drop: Fraction },
}

impl Method {
    /// The constant of exploration in the authors' code.
    const EXPLORATION: f64 = 2.0;
    /// In nats; of the order that responses guided by the bundled pairs reach.
    const TARGET: f64 = 4.0;
    const DROP: f64 = 0.25;
    /// How many chunks CARDS draws after one hypothesis, at most.
    pub(in crate::search) const CARDS_TRIES: usize = 20;

    /// # Errors
    /// [`ParamError`] for a number that the method cannot use; `None` is its default.
    pub fn smc(alpha: Option<f64>) -> Result<Self, ParamError> {
        let alpha = Finite::new("the exponent of smc", alpha.unwrap_or(1.0))?;
        Ok(Self::Smc { alpha })
    }

    /// # Errors
    /// As [`Self::smc`].
    pub fn tree(exploration: Option<f64>) -> Result<Self, ParamError> {
        let value = exploration.unwrap_or(Self::EXPLORATION);
        let exploration = Finite::new("the exploration of tree", value)?;
        Ok(Self::TreeSearch { exploration })
    }

    /// # Errors
    /// As [`Self::smc`].
    pub fn cards(target: Option<f64>) -> Result<Self, ParamError> {
        let target = Finite::new("the target of cards", target.unwrap_or(Self::TARGET))?;
        Ok(Self::Cards { target })
    }

    /// # Errors
    /// As [`Self::smc`].
    pub fn rejection(drop: Option<f64>) -> Result<Self, ParamError> {
        let drop = Fraction::new(drop.unwrap_or(Self::DROP))?;
        Ok(Self::SpeculativeRejection { drop })
    }

    /// Whether the cut is the best W by rank: only then is there a line that decides it.
    #[must_use]
    pub const fn cuts_by_rank(self) -> bool {
        matches!(self, Self::Cbs)
    }

    /// Whether candidates are only ever ranked among each other, whatever their keys' scale.
    #[must_use]
    pub const fn ranks_alone(self) -> bool {
        matches!(
            self,
            Self::Cbs | Self::Dvts | Self::SpeculativeRejection { .. }
        )
    }

    /// Whether it is the paper's own.
    #[must_use]
    pub fn is_cbs(&self) -> bool {
        *self == Self::Cbs
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cbs => f.pad("cbs"),
            Self::Dvts => f.pad("dvts"),
            Self::Smc { alpha } => write!(f, "smc:{}", alpha.get()),
            Self::TreeSearch { exploration } => write!(f, "tree:{}", exploration.get()),
            Self::Cards { target } => write!(f, "cards:{}", target.get()),
            Self::SpeculativeRejection { drop } => write!(f, "rejection:{}", drop.get()),
        }
    }
}

impl FromStr for Method {
    type Err = ParamError;

    fn from_str(text: &str) -> Result<Self, ParamError> {
        let unknown = || ParamError::Method(text.to_owned());
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (name, value) {
            ("cbs", None) => Ok(Self::Cbs),
            ("dvts", None) => Ok(Self::Dvts),
            ("smc", alpha) => Self::smc(alpha),
            ("tree", exploration) => Self::tree(exploration),
            ("cards", target) => Self::cards(target),
            ("rejection", drop) => Self::rejection(drop),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for Method {
    type Error = ParamError;

    fn try_from(text: String) -> Result<Self, ParamError> {
        text.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.to_string()
    }
}

/// β of emulated fine-tuning (EFT, arXiv 2310.12962): tokens are drawn from
/// softmax(strong + β (tuned − untuned)), logits that is, before temperature and filters. 0, the
/// usual value, leaves the strong model to itself. The pair needs the strong model's vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Tilt(f64);

impl Tilt {
    pub const NONE: Self = Self(0.0);

    /// # Errors
    /// [`ParamError::NotFinite`].
    pub fn new(beta: f64) -> Result<Self, ParamError> {
        Finite::new("β of EFT", beta).map(|beta| Self(beta.get()))
    }

    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether the pair has a say in what is drawn.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.0 != 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_written_as_they_are_read() {
        for text in [
            "cbs",
            "dvts",
            "smc:1",
            "tree:2",
            "cards:4",
            "rejection:0.25",
        ] {
            let method: Method = text.parse().unwrap();
            assert_eq!(method.to_string(), text);
        }
        assert_eq!("smc".parse(), Method::smc(Some(1.0)));
        for bad in [
            "",
            "beam",
            "cbs:1",
            "smc:x",
            "smc:inf",
            "tree:NaN",
            "rejection:1",
        ] {
            assert!(bad.parse::<Method>().is_err(), "{bad}");
        }
    }
}

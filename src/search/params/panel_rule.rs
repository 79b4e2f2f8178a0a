//! How a panel of several pairs ranks candidates.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::method::Finite;
use super::values::ParamError;

/// What the candidates of a round are ranked by where several pairs speak.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PanelRule {
    /// Σ w_m s_m, in nats: the product of experts.
    #[default]
    Mixture,
    /// The mean of the pairs' opinions. A weight below 0 turns a pair round, one of 0 silences it;
    /// how high it is does not count.
    Naive,
    /// The lower bound of that mean, κ standard deviations of the pairs' posterior below it
    /// (arXiv 2406.03199). Needs three pairs; where fewer have a say it is the mean.
    Bayes { kappa: Finite },
}

impl PanelRule {
    const KAPPA: f64 = 1.0;

    /// # Errors
    /// [`ParamError::NotFinite`]; `None` is κ = 1.
    pub fn bayes(kappa: Option<f64>) -> Result<Self, ParamError> {
        let kappa = Finite::new("κ of a panel", kappa.unwrap_or(Self::KAPPA))?;
        Ok(Self::Bayes { kappa })
    }

    /// Whether it is the sum of weighted log-ratios.
    #[must_use]
    pub fn is_mixture(&self) -> bool {
        *self == Self::Mixture
    }

    /// Without its number.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mixture => "mixture",
            Self::Naive => "naive",
            Self::Bayes { .. } => "bayes",
        }
    }
}

impl fmt::Display for PanelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bayes { kappa } => write!(f, "bayes:{}", kappa.get()),
            _ => f.pad(self.name()),
        }
    }
}

impl FromStr for PanelRule {
    type Err = ParamError;

    fn from_str(text: &str) -> Result<Self, ParamError> {
        let unknown = || ParamError::PanelRule(text.to_owned());
        match text.split_once(':') {
            None if text == "mixture" => Ok(Self::Mixture),
            None if text == "naive" => Ok(Self::Naive),
            None if text == "bayes" => Self::bayes(None),
            Some(("bayes", kappa)) => Self::bayes(Some(kappa.parse().map_err(|_| unknown())?)),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for PanelRule {
    type Error = ParamError;

    fn try_from(text: String) -> Result<Self, ParamError> {
        text.parse()
    }
}

impl From<PanelRule> for String {
    fn from(rule: PanelRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in ["mixture", "naive", "bayes:1", "bayes:-0.5"] {
            assert_eq!(text.parse::<PanelRule>().unwrap().to_string(), text);
        }
        assert_eq!("bayes".parse(), PanelRule::bayes(None));
        for bad in ["", "mean", "naive:1", "bayes:x", "bayes:NaN"] {
            assert!(bad.parse::<PanelRule>().is_err(), "{bad}");
        }
    }
}

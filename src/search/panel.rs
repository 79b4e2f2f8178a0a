//! Weak pairs that speak as one: their log-ratios count by weights (the product of experts of
//! EFT's sum, arXiv 2310.12962, and of a mixture of pairs).

use super::params::{Finite, ParamError};
use super::score::PairId;

/// Pairs by their names or SPECs, each with its weight; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel(Vec<(String, f64)>);

impl Panel {
    /// A pair by itself.
    #[must_use]
    pub fn one(name: String) -> Self {
        Self(vec![(name, 1.0)])
    }

    /// # Errors
    /// [`ParamError`]: no pair; not one weight a pair, where there are any; one that is not
    /// finite.
    pub fn new(names: Vec<String>, weights: &[f64]) -> Result<Self, ParamError> {
        let weights = match weights {
            [] => vec![1.0; names.len()],
            weights => weights.to_vec(),
        };
        if names.is_empty() || names.len() != weights.len() {
            return Err(ParamError::Weights {
                pairs: names.len(),
                weights: weights.len(),
            });
        }
        for weight in &weights {
            Finite::new("the weight of a pair", *weight)?;
        }
        Ok(Self(names.into_iter().zip(weights).collect()))
    }

    #[must_use]
    pub fn members(&self) -> &[(String, f64)] {
        &self.0
    }

    /// Whether it is a pair by itself.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(&self.0[..], [(_, weight)] if *weight == 1.0)
    }

    /// The name under which searches know it: a pair's own, or all with their weights.
    #[must_use]
    pub fn id(&self) -> PairId {
        if let [(name, weight)] = &self.0[..]
            && *weight == 1.0
        {
            return PairId::from(name.as_str());
        }
        let terms = self
            .0
            .iter()
            .map(|(name, weight)| format!("{weight}*{name}"));
        PairId::from(terms.collect::<Vec<_>>().join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_by_itself_keeps_its_name() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        let one = Panel::new(names(&["positive"]), &[]).unwrap();
        assert_eq!((one.id(), one.is_single()), ("positive".into(), true));
        let two = Panel::new(names(&["positive", "craft"]), &[0.5, -1.0]).unwrap();
        assert_eq!(two.id(), "0.5*positive+-1*craft".into());
        assert!(Panel::new(names(&["a", "b"]), &[1.0]).is_err());
        assert!(Panel::new(names(&["a"]), &[f64::NAN]).is_err());
    }
}

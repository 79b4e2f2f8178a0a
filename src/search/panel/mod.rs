//! A panel: weak pairs with weights that speak together, and the numbers of what they say (Bayesian
//! WeakS-to-Strong, arXiv 2406.03199; the product of experts of EFT's sum, arXiv 2310.12962).

mod opinion;
mod posterior;
mod table;

pub use opinion::{Conflict, agreement, mean_opinion, opinion};
pub use posterior::{LEAST_PAIRS, Posterior};
pub use table::{ScoreTable, order};

use super::params::{Finite, PanelRule, ParamError};
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
    /// [`ParamError`]: no pair; not one weight a pair, where there are any; one that
    /// is not finite.
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

    /// The same pairs with other weights; those beyond the last one stay.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn weighted(&self, weights: &[f64]) -> Result<Self, ParamError> {
        let mut own = self.clone();
        for ((_, own), weight) in own.0.iter_mut().zip(weights) {
            *own = Finite::new("the weight of a pair", *weight)?.get();
        }
        Ok(own)
    }

    /// Whether these pairs can rank as `rule` says.
    ///
    /// # Errors
    /// [`ParamError::FewPairs`]: a posterior is fitted to more opinions.
    pub fn check(&self, rule: PanelRule) -> Result<(), ParamError> {
        let got = self.0.iter().filter(|(_, weight)| *weight != 0.0).count();
        match rule {
            PanelRule::Bayes { .. } if got < LEAST_PAIRS => Err(ParamError::FewPairs {
                least: LEAST_PAIRS,
                got,
            }),
            _ => Ok(()),
        }
    }

    /// The name under which searches know it: a pair's own, or all with their weights.
    #[must_use]
    pub fn id(&self) -> PairId {
        match &self.0[..] {
            [(name, weight)] if *weight == 1.0 => PairId::from(name.as_str()),
            members => PairId::of_panel(
                members
                    .iter()
                    .map(|(name, weight)| (PairId::from(name.as_str()), *weight))
                    .collect(),
            ),
        }
    }
}

impl From<&PairId> for Panel {
    fn from(id: &PairId) -> Self {
        let members = id.members().into_iter();
        Self(members.map(|(id, w)| (id.to_string(), w)).collect())
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
        assert_eq!(two.id().as_str(), "0.5*positive+-1*craft");
        assert_eq!(Panel::from(&two.id()), two);
        assert_eq!(Panel::from(&one.id()), one);
        // A pair may be called anything.
        assert_ne!(two.id(), PairId::from("0.5*positive+-1*craft"));
        assert!(Panel::new(names(&["a", "b"]), &[1.0]).is_err());
        assert!(Panel::new(names(&["a"]), &[f64::NAN]).is_err());
    }
}

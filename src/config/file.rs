//! The file's sections, their values checked as they are read, so that a fault has its line.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::error::Fault;
use super::values::{self, Device, Ground};
use crate::search::{
    BeamWidth, Draft, MaxNewTokens, MethodName, Panel, PanelRule, Ranking, Rules, Sampling,
    SearchParams, Successors, Weight,
};
use crate::template::Date;

/// The file as a whole. Names are checked before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub search: Search,
    pub models: Models,
    pub playground: Playground,
    pub keys: HashMap<String, Vec<Spanned<String>>>,
}

/// W, K, L and what else decides a search.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Search {
    #[serde(deserialize_with = "beam_width")]
    pub beam_width: Option<usize>,
    #[serde(deserialize_with = "successors")]
    pub successors: Option<usize>,
    pub chunk_len: Option<usize>,
    #[serde(deserialize_with = "max_new_tokens")]
    pub max_new_tokens: Option<usize>,
    #[serde(deserialize_with = "temperature")]
    pub temperature: Option<f64>,
    pub top_k: Option<usize>,
    #[serde(deserialize_with = "top_p")]
    pub top_p: Option<f64>,
    pub seed: Option<u64>,
    pub rules: Option<Rules>,
    pub ranking: Option<Ranking>,
    #[serde(deserialize_with = "weight")]
    pub weight: Option<f64>,
    pub panel: Option<PanelRule>,
    #[serde(deserialize_with = "method")]
    pub method: Option<MethodName>,
}

/// Which models, and where they run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Models {
    pub strong: Option<String>,
    /// Empty where the file is silent.
    #[serde(deserialize_with = "one_or_more")]
    pub pair: Vec<String>,
    /// Of each pair; none for 1 each.
    pub weights: Vec<f64>,
    pub device: Option<Device>,
    pub pair_device: Option<Device>,
    pub exact: Option<bool>,
    #[serde(deserialize_with = "date")]
    pub date: Option<Date>,
}

/// How the playground looks and begins.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Playground {
    #[serde(deserialize_with = "pace")]
    pub pace: Option<Duration>,
    pub theme: Option<Ground>,
    pub tour: Option<bool>,
    pub ascii: Option<bool>,
}

/// # Errors
/// A value of the wrong type or out of its range.
pub(super) fn parse(text: &str) -> Result<File, Fault> {
    let file: File = toml::from_str(text)?;
    file.search.check_together()?;
    file.models.check_together()?;
    Ok(file)
}

impl Search {
    /// Each value alone is in range; together they may be too many candidates.
    fn check_together(&self) -> Result<(), Fault> {
        let usual = SearchParams::default().draft();
        let params = Draft {
            beam_width: self.beam_width.unwrap_or(usual.beam_width),
            successors: self.successors.unwrap_or(usual.successors),
            ..usual
        };
        // No single line is at fault.
        params.build().map(drop).map_err(|error| Fault {
            span: 0..0,
            what: format!("in [search]: {error}"),
        })
    }
}

impl Models {
    /// The same with the first pair alone, for what takes only one.
    #[must_use]
    pub fn with_one_pair(&self) -> Self {
        Self {
            pair: self.pair.iter().take(1).cloned().collect(),
            weights: Vec::new(),
            ..self.clone()
        }
    }

    /// A weight for each pair.
    fn check_together(&self) -> Result<(), Fault> {
        let pairs = match self.pair.is_empty() {
            true => vec![String::new()],
            false => self.pair.clone(),
        };
        let panel = Panel::new(pairs, &self.weights);
        panel.map(drop).map_err(|error| Fault {
            span: 0..0,
            what: format!("in [models]: {error}"),
        })
    }
}

/// A text, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMore::deserialize(from)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    })
}

/// A value that `check` accepts.
fn checked<'de, D, T, C, E>(
    from: D,
    check: impl Fn(T) -> Result<C, E>,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Copy,
    E: Display,
{
    let value = T::deserialize(from)?;
    check(value).map_err(D::Error::custom)?;
    Ok(Some(value))
}

fn beam_width<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    checked(from, BeamWidth::new)
}

fn successors<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    checked(from, Successors::new)
}

fn max_new_tokens<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    checked(from, MaxNewTokens::new)
}

fn temperature<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    checked(from, |t| Sampling::new(t, 0, 1.0))
}

fn top_p<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    checked(from, |p| Sampling::new(1.0, 0, p))
}

fn weight<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    checked(from, Weight::new)
}

fn method<'de, D: Deserializer<'de>>(from: D) -> Result<Option<MethodName>, D::Error> {
    let method = String::deserialize(from)?.parse();
    method.map(Some).map_err(D::Error::custom)
}

fn date<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    let date = String::deserialize(from)?.parse();
    date.map(Some).map_err(D::Error::custom)
}

fn pace<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let pace = values::pace(f64::deserialize(from)?);
    pace.map(Some).map_err(D::Error::custom)
}

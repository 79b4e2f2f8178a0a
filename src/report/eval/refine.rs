//! Refinement instead of fine-tuning (arXiv 2405.16236): the best weak-guided answers to other
//! prompts stand before a prompt as examples, and the strong model answers it unguided.

use serde::Serialize;

use super::cell::{CellResult, Outcome};
use super::plan::Plan;
use super::summary::{Metric, Summary};
use super::text::aligned;
use crate::measure::{Interval, Mean};

/// So much may the strong model's log-probability a token fall, in nats.
const FALL: f64 = 0.5;

/// What refinement came to, by the first judge.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Refined {
    pub method: String,
    /// Its mean score less that of base.
    pub delta: Option<Interval>,
    /// How much the strong model's log-probability a token rises.
    pub strong: Option<f64>,
    pub accepted: bool,
}

/// Every refinement against base.
pub(super) fn refined(plan: &Plan, results: &[CellResult], summary: &Summary) -> Vec<Refined> {
    let Some(base) = plan.contenders.iter().position(|c| c.name == "base") else {
        return Vec::new();
    };
    let is_refined = |i: &usize| plan.contenders[*i].refine.is_some();
    let own = (0..plan.contenders.len()).filter(is_refined);
    own.map(|i| one(plan, results, summary, i, base)).collect()
}

fn one(plan: &Plan, results: &[CellResult], summary: &Summary, own: usize, base: usize) -> Refined {
    let said = |i: usize| -> Vec<f64> {
        let name = &plan.contenders[i].name;
        let done = results.iter().filter(|result| result.method == *name);
        let score = |result: &CellResult| match &result.outcome {
            Outcome::Done(measured) => measured.judges.first()?.score(),
            Outcome::Failed { .. } => None,
        };
        done.filter_map(score).collect()
    };
    let strong = |i: usize| {
        let mean: Mean = summary.value(&summary.rows[i], Metric::StrongLogProb)?;
        Some(mean.mean)
    };
    let delta = Interval::welch(&said(own), &said(base));
    let strong = strong(own).zip(strong(base)).map(|(own, base)| own - base);
    let rises = delta.is_some_and(|delta| delta.value > 0.0);
    Refined {
        method: plan.contenders[own].name.clone(),
        accepted: rises && strong.is_some_and(|by| by >= -FALL),
        delta,
        strong,
    }
}

/// A line each, and why.
pub(super) fn told(all: &[Refined], judge: &str) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut lines = vec![vec![
        "refined against base".to_owned(),
        format!("{judge} Δ [95 %, Welch]"),
        "ln S/token".to_owned(),
        String::new(),
    ]];
    for own in all {
        let delta = own
            .delta
            .map_or_else(|| "-".to_owned(), |delta| delta.to_string());
        let strong = own
            .strong
            .map_or_else(|| "-".to_owned(), |by| format!("{by:+.2}"));
        lines.push(vec![own.method.clone(), delta, strong, why(own)]);
    }
    aligned(&lines)
}

fn why(own: &Refined) -> String {
    let rises = own.delta.is_some_and(|delta| delta.value > 0.0);
    let is_tied = own.delta.is_some_and(|delta| delta.is_tied());
    match (own.accepted, rises, is_tied) {
        (true, _, true) => "accepted, but the interval covers 0".to_owned(),
        (true, _, false) => "accepted".to_owned(),
        (false, false, _) => "not accepted: the score does not rise".to_owned(),
        (false, true, _) => format!(
            "not accepted: the strong model finds it less likely by more than {FALL} nat a token"
        ),
    }
}

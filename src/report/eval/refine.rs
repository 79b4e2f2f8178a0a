//! Refinement instead of fine-tuning (arXiv 2405.16236): the best weak-guided answers to other
//! prompts stand before a prompt as examples, and the strong model answers it unguided.

use serde::Serialize;

use super::cell::{CellResult, Measured, Outcome};
use super::plan::Plan;
use super::summary::{Metric, Summary};
use super::text::aligned;
use crate::measure::{Interval, Mean};

/// So much may the strong model's log-probability a token fall, in nats.
const FALL: f64 = 0.5;

/// An answer that stands before other prompts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Example {
    /// Of the plan.
    pub prompt: usize,
    pub response: String,
}

/// Guided answers as examples, the best by the pair that guided them first.
pub(super) fn examples(results: &[CellResult]) -> Vec<Example> {
    let done = |result: &CellResult| match &result.outcome {
        Outcome::Done(measured) => Some((result.prompt, measured.clone())),
        Outcome::Failed { .. } => None,
    };
    let mut all: Vec<(usize, Box<Measured>)> = results.iter().filter_map(done).collect();
    all.sort_by(|(i, a), (j, b)| b.log_ratio.total_cmp(&a.log_ratio).then(i.cmp(j)));
    let example = |(prompt, measured): (usize, Box<Measured>)| Example {
        prompt,
        response: measured.response,
    };
    all.into_iter().map(example).collect()
}

/// What the strong model is asked: the `n` best examples of other prompts, then the prompt itself;
/// with none of them just that.
pub(super) fn asked(prompts: &[String], prompt: usize, examples: &[Example], n: usize) -> String {
    let others = examples.iter().filter(|own| own.prompt != prompt).take(n);
    let told = others.map(|own| format!("{}{}\n\n", prompts[own.prompt], own.response));
    told.chain([prompts[prompt].clone()]).collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_of_other_prompts_and_none_is_the_prompt_itself() {
        let prompts = ["a", "b", "c"].map(str::to_owned);
        let example = |prompt, response: &str| Example {
            prompt,
            response: response.to_owned(),
        };
        let examples = [example(1, " one"), example(0, " two"), example(2, " three")];
        assert_eq!(asked(&prompts, 1, &examples, 0), "b");
        assert_eq!(asked(&prompts, 1, &examples, 1), "a two\n\nb");
        assert_eq!(asked(&prompts, 1, &examples, 2), "a two\n\nc three\n\nb");
        assert_eq!(asked(&prompts, 0, &examples, 9), "b one\n\nc three\n\na");
    }
}

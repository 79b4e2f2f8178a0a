//! Refinement instead of fine-tuning (arXiv 2405.16236): the best weak-guided answers to other
//! prompts stand before a prompt as examples, and the strong model answers it unguided.

use serde::Serialize;

use super::cell::{CellResult, Outcome, Verdict};
use super::plan::{Contender, Plan};
use super::text::aligned;
use crate::examples::{Example, best_first};
use crate::measure::{Answers, Refined};

/// What refinement came to, by the first judge.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OfMethod {
    pub method: String,
    #[serde(flatten)]
    pub refined: Refined,
}

/// Guided answers as examples.
pub(super) fn examples(results: &[CellResult]) -> Vec<Example> {
    let done = |result: &CellResult| match &result.outcome {
        Outcome::Done(own) => Some((result.prompt, own.log_ratio, own.response.clone())),
        Outcome::Failed { .. } => None,
    };
    best_first(results.iter().filter_map(done).collect())
}

/// Every refinement against base.
pub(super) fn refined(plan: &Plan, results: &[CellResult]) -> Vec<OfMethod> {
    let Some(base) = plan.contenders.iter().find(|c| c.name == "base") else {
        return Vec::new();
    };
    let base = answers(results, &base.name);
    let own = plan.contenders.iter().filter(|c| c.refine.is_some());
    let of = |own: &Contender| OfMethod {
        refined: Refined::of(&answers(results, &own.name), &base),
        method: own.name.clone(),
    };
    own.map(of).collect()
}

/// What the first judge says of a method's answers, and the strong model.
fn answers(results: &[CellResult], method: &str) -> Answers {
    let own = results.iter().filter(|result| result.method == method);
    let done = own.filter_map(|result| match &result.outcome {
        Outcome::Done(measured) => Some(measured),
        Outcome::Failed { .. } => None,
    });
    let mut all = Answers::default();
    for measured in done {
        all.scores
            .extend(measured.judges.first().and_then(Verdict::score));
        all.strong.extend(measured.strong_log_prob);
    }
    all
}

/// A line each, and why.
pub(super) fn told(all: &[OfMethod], judge: &str) -> String {
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
        let refined = &own.refined;
        let delta = refined
            .delta
            .map_or_else(|| "-".to_owned(), |delta| delta.to_string());
        let strong = refined
            .strong
            .map_or_else(|| "-".to_owned(), |by| format!("{by:+.2}"));
        lines.push(vec![own.method.clone(), delta, strong, why(refined)]);
    }
    aligned(&lines)
}

fn why(own: &Refined) -> String {
    let (verdict, why) = own.verdict();
    match (own.accepted, why) {
        (_, "") => verdict.to_owned(),
        (true, why) => format!("{verdict}, {why}"),
        (false, why) => format!("{verdict}: {why}"),
    }
}

//! `w2s panel`: what several pairs' scores of the same candidates come to.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{ReportError, parse, read};
use super::{Outcome, Session};
use crate::cli::{PanelArgs, TextOrJson};
use crate::search::panel::{Conflict, Posterior, ScoreTable, mean_opinion, order};
use crate::search::{Finite, ParamError};

/// What a file is to be.
const EXPECTED: &str = "scores of pairs, {\"scores\": [pair][candidate], \"weights\"}";

/// For P(best): its standard deviation is then 0.006 at most.
const DRAWS: usize = 8000;

/// Several rounds.
#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

/// A round: what each pair says of each candidate, in nats.
#[derive(Deserialize)]
struct Case {
    scores: Vec<Vec<f64>>,
    weights: Option<Vec<f64>>,
}

/// The numbers of a round, under the names of `tests/recordings/panel.json`.
#[derive(Serialize)]
struct Numbers {
    mixture: Vec<f64>,
    opinions: Vec<Vec<f64>>,
    mean_opinion: Vec<f64>,
    total: f64,
    within: f64,
    between: f64,
    /// between / ln M; null for one pair.
    conflict: Option<f64>,
    /// Of three pairs and more.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    bayes: Option<Bayes>,
}

#[derive(Serialize)]
struct Bayes {
    a0: f64,
    alpha: Vec<f64>,
    mean: Vec<f64>,
    sd: Vec<f64>,
    lower: Vec<f64>,
    /// Candidates by the lower bound, the best first.
    rank: Vec<usize>,
    p_best: Vec<f64>,
}

/// # Errors
/// A file that cannot be read or holds no scores, told with the number of the case; output that
/// cannot be written.
pub(super) fn panel(args: &PanelArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    Finite::new("κ of a panel", args.kappa)?;
    let tables = tables(&args.scores)?;
    let is_several = tables.len() > 1;
    for (i, table) in tables.iter().enumerate() {
        let numbers = numbers(table, args)?;
        let printed = match args.format {
            TextOrJson::Json => serde_json::to_string(&numbers)? + "\n",
            TextOrJson::Text => {
                let gap = if i > 0 { "\n" } else { "" };
                let title = is_several.then(|| format!("{gap}case {}\n", i + 1));
                title.unwrap_or_default() + &text(table, &numbers)
            }
        };
        session.out.write_all(printed.as_bytes())?;
    }
    Ok(Outcome::Done)
}

fn tables(path: &Path) -> Result<Vec<ScoreTable>, ReportError> {
    let text = read(path)?;
    let file: Value = parse(path, &text, EXPECTED)?;
    let cases = match file.get("cases") {
        Some(_) => parse::<Cases>(path, &text, EXPECTED)?.cases,
        None => vec![parse(path, &text, EXPECTED)?],
    };
    if cases.is_empty() {
        return Err(ParamError::NoScores.into());
    }
    let is_several = cases.len() > 1;
    let table = |(i, case): (usize, Case)| {
        let table = ScoreTable::new(case.scores, case.weights);
        table.map_err(|source| match is_several {
            true => ReportError::ScoreCase {
                number: i + 1,
                source,
            },
            false => source.into(),
        })
    };
    cases.into_iter().enumerate().map(table).collect()
}

fn numbers(table: &ScoreTable, args: &PanelArgs) -> Result<Numbers, ReportError> {
    let opinions = table.opinions();
    let conflict = Conflict::of(&opinions).ok_or(ParamError::NoScores)?;
    Ok(Numbers {
        mixture: table.mixture(),
        mean_opinion: mean_opinion(&opinions),
        total: conflict.total,
        within: conflict.within,
        between: conflict.between,
        conflict: conflict.share(),
        bayes: Posterior::fitted(&opinions).map(|own| bayes(own, args)),
        opinions,
    })
}

fn bayes(posterior: Posterior, args: &PanelArgs) -> Bayes {
    let lower = posterior.lower(args.kappa);
    Bayes {
        rank: order(&lower),
        p_best: posterior.best(args.seed, DRAWS),
        lower,
        a0: posterior.a0,
        alpha: posterior.alpha,
        mean: posterior.mean,
        sd: posterior.sd,
    }
}

/// A line a candidate, and below them how far the pairs disagree.
fn text(table: &ScoreTable, numbers: &Numbers) -> String {
    let mut out = String::from("candidate   mixture  mean opinion");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}",
        if numbers.bayes.is_some() {
            "     lower  P(best)"
        } else {
            ""
        }
    );
    for (i, (mixture, mean)) in numbers
        .mixture
        .iter()
        .zip(&numbers.mean_opinion)
        .enumerate()
    {
        let _ = write!(out, "{:>9}  {mixture:>+8.3}  {mean:>12.3}", i + 1);
        if let Some(own) = &numbers.bayes {
            let _ = write!(out, "  {:>+8.3}  {:>7.3}", own.lower[i], own.p_best[i]);
        }
        out.push('\n');
    }
    let Numbers {
        total,
        within,
        between,
        ..
    } = numbers;
    let _ = write!(
        out,
        "pairs {}; entropy {total:.3} = within {within:.3} + between {between:.3} nats",
        table.n_pairs()
    );
    let _ = match numbers.conflict {
        Some(share) => writeln!(out, "; conflict {:.0} %", 100.0 * share),
        None => writeln!(out),
    };
    if numbers.bayes.is_none() && table.n_pairs() > 1 {
        out.push_str("a lower bound and P(best) need three pairs\n");
    }
    out
}

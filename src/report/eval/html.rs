//! The report as one file that a browser opens by itself: nothing is fetched, nothing runs.

use std::fmt::Write as _;

use super::cell::{CellResult, Outcome, Verdict};
use super::chart::{self, escaped};
use super::plan::Plan;
use super::summary::Summary;
use crate::measure::Mean;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;text-align:right;\
border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}.tied{color:#888}\
svg{max-width:44em}details{margin:.4em 0}pre{white-space:pre-wrap;margin:.3em 0 .8em}";

/// Table, comparisons, charts and every response.
pub(super) fn html(summary: &Summary, plan: &Plan, results: &[CellResult], header: &str) -> String {
    let mut out = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>w2s eval</title>\n\
         <style>{STYLE}</style>\n<h1>w2s eval</h1>\n<p>{}</p>\n",
        escaped(header)
    );
    out.push_str(&table(summary));
    out.push_str(&comparisons(summary));
    out.push_str("<h2>What a method reaches for what it costs</h2>\n");
    out.push_str(&chart::tokens_svg(summary));
    out.push_str(&chart::divergence_svg(summary).unwrap_or_default());
    out.push_str(&responses(plan, results));
    out
}

fn row(cells: impl IntoIterator<Item = String>, tag: &str) -> String {
    let cells = cells
        .into_iter()
        .map(|cell| format!("<{tag}>{cell}</{tag}>"));
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}

fn table(summary: &Summary) -> String {
    let metrics = summary.metrics();
    let names = metrics.iter().map(|m| escaped(&m.name(&summary.judges)));
    let mut out = String::from("<table>\n");
    out.push_str(&row(["method".to_owned()].into_iter().chain(names), "th"));
    for own in &summary.rows {
        let values = metrics.iter().map(|m| value(summary.value(own, *m)));
        out.push_str(&row([escaped(&own.method)].into_iter().chain(values), "td"));
    }
    out + "</table>\n"
}

fn value(own: Option<Mean>) -> String {
    match own {
        None => "–".to_owned(),
        Some(Mean {
            mean,
            half_width: None,
        }) => format!("{mean:.2}"),
        Some(Mean {
            mean,
            half_width: Some(half),
        }) => format!("{mean:.2} ± {half:.2}"),
    }
}

fn comparisons(summary: &Summary) -> String {
    let mut out = String::from(
        "<h2>Paired by prompt and seed</h2>\n<p>Differences with 95 % bootstrap intervals over \
         prompts; shares of wins with Wilson intervals; grey where the interval covers 0.</p>\n\
         <table>\n",
    );
    let head = ["method", "against", "by", "n", "Δ", "wins"];
    out.push_str(&row(head.map(str::to_owned), "th"));
    for own in &summary.comparisons {
        let wins = [own.wins.value, own.wins.low, own.wins.high].map(|share| 100.0 * share);
        let cells = [
            escaped(&own.method),
            escaped(&own.against),
            escaped(&own.metric.name(&summary.judges)),
            own.n.to_string(),
            own.delta.to_string(),
            format!("{:.0} % [{:.0}, {:.0}]", wins[0], wins[1], wins[2]),
        ];
        let line = row(cells, "td");
        out.push_str(&match own.tied {
            true => line.replacen("<tr>", "<tr class=\"tied\">", 1),
            false => line,
        });
    }
    out + "</table>\n"
}

fn responses(plan: &Plan, results: &[CellResult]) -> String {
    let mut out = String::from("<h2>Responses</h2>\n");
    for (number, prompt) in plan.prompts.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<details><summary>{}</summary>", escaped(prompt));
        for seed in &plan.seeds {
            for contender in &plan.contenders {
                let is_it = |r: &&CellResult| {
                    r.prompt == number && r.seed == *seed && r.method == contender.name
                };
                if let Some(own) = results.iter().find(is_it) {
                    out.push_str(&response(own, plan.seeds.len() > 1));
                }
            }
        }
        out.push_str("</details>\n");
    }
    out
}

fn response(own: &CellResult, with_seed: bool) -> String {
    let seed = match with_seed {
        true => format!(", seed {}", own.seed),
        false => String::new(),
    };
    match &own.outcome {
        Outcome::Failed { error } => format!(
            "<b>{}</b>{seed}: failed: {}<br>\n",
            escaped(&own.method),
            escaped(error)
        ),
        Outcome::Done(measured) => {
            let verdict = |v: &Verdict| match v {
                Verdict::Score(score) => format!("{score:+.2}"),
                Verdict::Failed { error } => format!("failed: {}", escaped(error)),
            };
            let verdicts: Vec<String> = measured.judges.iter().map(verdict).collect();
            format!(
                "<b>{}</b>{seed}: judge {}, log-ratio {:+.2}<pre>{}</pre>\n",
                escaped(&own.method),
                verdicts.join(", "),
                measured.log_ratio,
                escaped(&measured.response)
            )
        }
    }
}

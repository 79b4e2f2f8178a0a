//! The table as text.

use std::fmt::Write as _;

use super::chart;
use super::summary::{Comparison, Curve, Metric, Row, Summary};
use crate::line::one_line;
use crate::measure::{Interval, Mean};

/// The whole of what is printed.
pub(super) fn text(summary: &Summary, header: &str) -> String {
    let mut out = format!("{header}\n\n{}", table(summary));
    for part in [
        comparisons(summary),
        meters(summary),
        curves(summary),
        failures(summary),
    ] {
        if !part.is_empty() {
            out.push('\n');
            out.push_str(&part);
        }
    }
    out.push('\n');
    out.push_str(&chart::plot(summary));
    out
}

/// A line a method; columns as wide as they need.
fn table(summary: &Summary) -> String {
    let metrics = summary.metrics();
    let mut lines = vec![vec!["method".to_owned()]];
    lines[0].extend(metrics.iter().map(|m| m.name(&summary.judges)));
    for row in &summary.rows {
        let values = metrics.iter().map(|m| value(*m, summary.value(row, *m)));
        lines.push([row.method.clone()].into_iter().chain(values).collect());
    }
    aligned(&lines)
}

fn value(metric: Metric, value: Option<Mean>) -> String {
    let Some(Mean { mean, half_width }) = value else {
        return "-".to_owned();
    };
    let (mean, half) = match metric {
        Metric::Tokens | Metric::StrongTokens => {
            (format!("{mean:.0}"), half_width.map(|h| format!("{h:.0}")))
        }
        _ => (format!("{mean:.2}"), half_width.map(|h| format!("{h:.2}"))),
    };
    match half {
        Some(half) => format!("{mean} ± {half}"),
        None => mean,
    }
}

/// Columns side by side: the first to the left, all others to the right.
pub(super) fn aligned(lines: &[Vec<String>]) -> String {
    let n = lines.first().map_or(0, Vec::len);
    let width = |i: usize| {
        let cells = lines.iter().filter_map(|line| line.get(i));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n).map(width).collect();
    let mut out = String::new();
    for line in lines {
        for (i, cell) in line.iter().enumerate() {
            let width = widths[i];
            match i {
                0 => out.push_str(&format!("{cell:<width$}")),
                _ => out.push_str(&format!("  {cell:>width$}")),
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

fn comparisons(summary: &Summary) -> String {
    let mut out = String::new();
    let mut last = None;
    let mut lines: Vec<Vec<String>> = Vec::new();
    for own in &summary.comparisons {
        let about = (&own.against, own.metric);
        if last.is_some_and(|last| last != about) {
            out.push_str(&aligned(&std::mem::take(&mut lines)));
            out.push('\n');
        }
        if last != Some(about) {
            lines.push(vec![
                format!(
                    "{} against {}",
                    own.metric.name(&summary.judges),
                    own.against
                ),
                "Δ [95 %]".to_owned(),
                "wins [95 %]".to_owned(),
            ]);
        }
        last = Some(about);
        lines.push(compared(own));
    }
    out + &aligned(&lines)
}

fn compared(own: &Comparison) -> Vec<String> {
    let Interval { value, low, high } = own.wins;
    let wins = format!(
        "{:.0} % [{:.0}, {:.0}]",
        100.0 * value,
        100.0 * low,
        100.0 * high
    );
    let tied = if own.tied { "  tied" } else { "" };
    vec![
        own.method.clone(),
        own.delta.to_string(),
        format!("{wins}{tied}"),
    ]
}

/// What selection gains a round, by who chose and by who had no say.
fn meters(summary: &Summary) -> String {
    let mut lines = vec![vec![
        "a round's gain by selection".to_owned(),
        "claimed".to_owned(),
        "shown by the second pair".to_owned(),
    ]];
    for row in &summary.rows {
        if let Some((claimed, shown)) = row.meter {
            lines.push(vec![
                row.method.clone(),
                claimed.to_string(),
                shown.to_string(),
            ]);
        }
    }
    match lines.len() {
        1 => String::new(),
        _ => aligned(&lines),
    }
}

fn curves(summary: &Summary) -> String {
    summary.curves.iter().map(curve).collect()
}

fn curve(own: &Curve) -> String {
    let mut lines = vec![vec![
        format!("{} by size", own.method),
        "log-ratio".to_owned(),
        "judge".to_owned(),
    ]];
    for point in &own.points {
        lines.push(vec![
            point.size.to_string(),
            format!("{:.2}", point.proxy),
            format!("{:.2}", point.judge),
        ]);
    }
    let mut out = aligned(&lines);
    // Writing to a String cannot fail.
    let _ = match own.over_optimised {
        Some(size) => writeln!(
            out,
            "over-optimised from {size} on: the judge falls while the log-ratio rises"
        ),
        None => Ok(()),
    };
    out
}

/// Cells without a response, and texts without a verdict.
fn failures(summary: &Summary) -> String {
    let of = |row: &Row| {
        let mut out = String::new();
        if row.n_failed > 0 {
            let why = row.failure.as_deref().unwrap_or_default();
            let _ = writeln!(
                out,
                "{}: {} of {} searches failed: {}",
                row.method,
                row.n_failed,
                row.n,
                one_line(why)
            );
        }
        for (i, (judge, n)) in summary.judges.iter().zip(&row.judge_failures).enumerate() {
            if *n > 0 {
                let why = row.judge_faults.get(i).and_then(Option::as_deref);
                let _ = writeln!(
                    out,
                    "{}: {} could not judge {n} of {}: {}",
                    row.method,
                    one_line(judge),
                    row.n,
                    one_line(why.unwrap_or_default())
                );
            }
        }
        out
    };
    summary.rows.iter().map(of).collect()
}

/// A line a method: every mean with the half-width of its interval.
pub(super) fn csv(summary: &Summary) -> String {
    let metrics = summary.metrics();
    let mut head = vec!["method".to_owned(), "n".to_owned(), "failed".to_owned()];
    for metric in &metrics {
        let name = metric.name(&summary.judges);
        head.extend([field(&name), field(&format!("{name} ±"))]);
    }
    head.push("kl_bound".to_owned());
    let mut out = head.join(",") + "\n";
    for row in &summary.rows {
        let mut line = vec![
            field(&row.method),
            row.n.to_string(),
            row.n_failed.to_string(),
        ];
        for metric in &metrics {
            let own = summary.value(row, *metric);
            line.push(own.map_or(String::new(), |own| own.mean.to_string()));
            let half = own.and_then(|own| own.half_width);
            line.push(half.map_or(String::new(), |half| half.to_string()));
        }
        line.push(row.kl_bound.map_or(String::new(), |kl| kl.to_string()));
        out.push_str(&(line.join(",") + "\n"));
    }
    out
}

/// As RFC 4180 has it.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

//! `w2s score`: what the weak pair thinks of a given response, token by token.

use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;
use unicode_width::UnicodeWidthStr;

use super::error::{ReportError, parse, read};
use super::json::{ScoreReport, TokenReport};
use super::{Outcome, Session};
use crate::cli::ScoreArgs;
use crate::search::{LogRatio, ModelError};

/// A response to score.
#[derive(Debug, Deserialize)]
struct Case {
    prompt: String,
    response: String,
    /// Whether the EOS after the response is scored.
    eos: bool,
}

/// # Errors
/// Bad files or models; output that cannot be written.
pub(super) fn score(args: &ScoreArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    match &args.cases {
        Some(path) => score_cases(args, path, session),
        None => {
            let case = Case {
                // The command line insists on both where there are no cases.
                prompt: args.prompt.clone().unwrap_or_default(),
                response: args.response.clone().unwrap_or_default(),
                eos: args.finished,
            };
            let log_ratio = score_case(args, &case, session)?;
            write_table(session.out, &log_ratio)?;
            Ok(Outcome::Done)
        }
    }
}

fn score_cases(
    args: &ScoreArgs,
    path: &Path,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    let cases = read_cases(path)?;
    session.stop.heed();
    for case in &cases {
        if session.stop.is_set() {
            return Ok(Outcome::Stopped);
        }
        let log_ratio = score_case(args, case, session)?;
        write_line(session.out, &log_ratio)?;
    }
    Ok(Outcome::Done)
}

fn read_cases(path: &Path) -> Result<Vec<Case>, ReportError> {
    let text = read(path)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| parse(path, line, "lines of {prompt, response, eos}"))
        .collect()
}

fn score_case(
    args: &ScoreArgs,
    case: &Case,
    session: &mut Session<'_>,
) -> Result<LogRatio, ReportError> {
    let (pair, prompt) = (args.pair.only_pair()?, &case.prompt);
    let score = session
        .models
        .score(pair, prompt, &case.response, case.eos)?;
    match score.value().is_finite() {
        true => Ok(score),
        false => Err(ModelError::NotFinite {
            who: format!("the weak pair {pair}"),
        }
        .into()),
    }
}

fn write_line(out: &mut dyn Write, log_ratio: &LogRatio) -> Result<(), ReportError> {
    let report = ScoreReport {
        score: log_ratio.value(),
        tuned: log_ratio.tuned(),
        untuned: log_ratio.untuned(),
        tokens: log_ratio.terms().map(TokenReport::from).collect(),
    };
    serde_json::to_writer(&mut *out, &report)?;
    Ok(out.write_all(b"\n")?)
}

/// One line a token, and the sum: the log-ratio.
fn write_table(out: &mut dyn Write, log_ratio: &LogRatio) -> io::Result<()> {
    let rows: Vec<(String, f64, f64)> = log_ratio
        .terms()
        .map(|term| (shown(&term.piece), term.tuned, term.untuned))
        .collect();
    let widest = rows.iter().map(|(text, ..)| text.width()).max();
    let width = widest.unwrap_or(0).max("log-ratio".len());
    write_cells(out, width, "token", ["tuned", "untuned", "tuned − untuned"])?;
    for (text, tuned, untuned) in &rows {
        write_numbers(out, width, text, *tuned, *untuned)?;
    }
    write_numbers(
        out,
        width,
        "log-ratio",
        log_ratio.tuned(),
        log_ratio.untuned(),
    )
}

fn write_numbers(
    out: &mut dyn Write,
    width: usize,
    name: &str,
    tuned: f64,
    untuned: f64,
) -> io::Result<()> {
    let cells = [
        format!("{tuned:.4}"),
        format!("{untuned:.4}"),
        format!("{:+.4}", tuned - untuned),
    ];
    write_cells(out, width, name, cells.each_ref().map(String::as_str))
}

fn write_cells(
    out: &mut dyn Write,
    width: usize,
    name: &str,
    [tuned, untuned, delta]: [&str; 3],
) -> io::Result<()> {
    // Padded by hand: columns are counted on the screen, not in characters.
    let gap = " ".repeat(width.saturating_sub(name.width()));
    writeln!(out, "{name}{gap}  {tuned:>10}  {untuned:>10}  {delta:>15}")
}

/// A token in quotes, so that its spaces and line breaks are seen and nothing reaches the
/// terminal that could move its cursor.
fn shown(piece: &str) -> String {
    format!("{piece:?}")
}

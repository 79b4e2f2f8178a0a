//! The runs so far: settings and outcome side by side.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw::Parts;
use super::theme::Theme;
use super::{draw, run_pair, text};
use crate::app::{App, Pane, RunSummary};
use crate::search::SearchParams;

/// Cells for W,K,L,n and for the pair.
const SIZES: usize = 16;
const PAIR: usize = 18;

/// Cells for the pair where there is little room, and the width from which there is more.
const SHORT_PAIR: usize = 10;
const ROOMY: u16 = 96;

/// Cells for a run's name: its number, its way, and whether the user's hand was on it.
const NAME: usize = 5;

/// Lines that the list keeps beside a comparison.
const LEAST: u16 = 4;

/// A line for every way of every run, that on the screen in view; below them the comparison of two
/// runs, while one is asked for.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let runs = app.runs();
    let list = match compared(app, &runs) {
        None => area,
        Some(both) => {
            let height = wanted(area, runs.len());
            let below = draw::below(area, height);
            run_pair::render(buf, below, both, theme);
            Rect { height, ..area }
        }
    };
    render_list(buf, list, app, &runs, theme);
}

/// Lines of the list above a comparison.
fn wanted(area: Rect, n_runs: usize) -> u16 {
    let all = u16::try_from(n_runs + 2).unwrap_or(u16::MAX);
    all.min((area.height / 3).max(LEAST)).min(area.height)
}

/// The run that others are compared with, and the one on screen, unless they are the same.
fn compared<'a>(app: &App, runs: &'a [Arc<RunSummary>]) -> Option<[&'a RunSummary; 2]> {
    let (here, other) = (app.shown_run(runs)?, app.run_reference(runs)?);
    (here != other).then(|| [&*runs[other], &*runs[here]])
}

fn render_list(buf: &mut Buffer, area: Rect, app: &App, runs: &[Arc<RunSummary>], theme: &Theme) {
    let height = usize::from(draw::below(area, 2).height);
    let (shown, reference) = (app.shown_run(runs), app.run_reference(runs));
    let skip = draw::scroll(shown.unwrap_or(runs.len()), runs.len(), height);
    let below = runs.len().saturating_sub(skip + height);
    let more = text::more(skip, below);
    let details = legend(app, runs, theme);
    let body = draw::titled(buf, area, Pane::Runs, details, &more, app, theme);
    let pair = if area.width < ROOMY { SHORT_PAIR } else { PAIR };
    draw::line(buf, body, 0, heading(pair, area.width, theme));
    let rows = draw::below(body, 1);
    for (row, (i, run)) in runs.iter().enumerate().skip(skip).take(height).enumerate() {
        let line = spans(run, is_best(run, runs), pair, rows.width, theme);
        draw::line(buf, rows, row, line);
        let sign = |sign| vec![Span::styled(sign, theme.accent)];
        if reference == Some(i) {
            draw::line(buf, rows, row, sign("◇"));
        }
        if shown == Some(i) {
            draw::line(buf, rows, row, sign("▸"));
            draw::tint(buf, rows, row, theme.selected);
        }
    }
}

/// How many there are, and what the signs say.
fn legend(app: &App, runs: &[Arc<RunSummary>], theme: &Theme) -> Parts<'static> {
    let n = runs.last().map_or(0, |run| run.number);
    let forgotten = match app.n_forgotten_runs() {
        0 => String::new(),
        n => format!(", the first {n} let go"),
    };
    let mut parts = vec![format!("{n} so far{forgotten}"), "  ▸ on screen".to_owned()];
    if runs.iter().any(|run| run.by_hand > 0) {
        parts.push("  * steered by hand".to_owned());
    }
    parts.push("  ● best of its prompt and pair".to_owned());
    let note = |text| vec![Span::styled(text, theme.muted)];
    parts.into_iter().map(note).collect()
}

fn heading(pair: usize, width: u16, theme: &Theme) -> Vec<Span<'static>> {
    let numbers = format!(
        "  {:>NAME$} {:<SIZES$} {:>4} {:>4}  {:<pair$} {:>9} {:>7} {:>6} {:>8}",
        "run ", "W,K,L,n", "T", "seed", "pair", "log-ratio", "judge", "tokens", "sampled"
    );
    let parts = [numbers, "  response".to_owned()];
    let parts = parts.map(|part| vec![Span::styled(part, theme.faint)]);
    draw::fitting(parts.into(), usize::from(width))
}

/// Whether a run beats others of its prompt and pair: scores of other pairs do not compare.
fn is_best(run: &RunSummary, runs: &[Arc<RunSummary>]) -> bool {
    let is_rival = |other: &&Arc<RunSummary>| {
        other.has_ended && other.prompt == run.prompt && other.pairs.last() == run.pairs.last()
    };
    let rivals: Vec<f64> = runs.iter().filter(is_rival).map(|r| r.score).collect();
    run.has_ended && rivals.len() > 1 && rivals.iter().all(|score| *score <= run.score)
}

/// A setting of all rounds: once, or as it changed, `4→8`.
fn course<T: ToString>(run: &RunSummary, setting: impl Fn(&SearchParams) -> T) -> String {
    let mut values: Vec<String> = run.params.iter().map(|p| setting(p).to_string()).collect();
    values.dedup();
    values.join("→")
}

fn spans(
    run: &RunSummary,
    is_best: bool,
    pair: usize,
    width: u16,
    theme: &Theme,
) -> Vec<Span<'static>> {
    let sizes = [
        course(run, |p| p.beam_width()),
        course(run, |p| p.successors()),
        course(run, |p| p.chunk_len()),
        course(run, |p| p.max_new_tokens()),
    ];
    let mark = if is_best { "●" } else { " " };
    let style = if is_best { theme.title } else { theme.text };
    let lead = format!(
        " {mark}{:>NAME$} {} {:>4} {:>4}  {} ",
        name(run),
        text::pad(&sizes.join(","), SIZES),
        course(run, |p| p.sampling().temperature()),
        course(run, |p| p.seed()),
        text::pad(&text::clean(&run.pairs.join("→")), pair),
    );
    let numbers = format!(" {:>6} {:>8}  ", run.n_tokens, run.cost);
    let room = usize::from(width).saturating_sub(text::width(&lead) + text::width(&numbers) + 17);
    vec![
        Span::styled(lead, style),
        Span::styled(text::signed(Some(run.score), 9), theme.signed(run.score)),
        Span::styled(
            text::signed(run.judge, 8),
            theme.signed(run.judge.unwrap_or(0.0)),
        ),
        Span::styled(numbers, style),
        Span::styled(text::head(&response(run, room), room), theme.muted),
    ]
}

/// `3b*`
fn name(run: &RunSummary) -> String {
    let hand = if run.by_hand > 0 { "*" } else { " " };
    format!("{}{hand}", run.name())
}

/// The response; before one that has not ended, how far it has come.
fn response(run: &RunSummary, cells: usize) -> String {
    let text = text::clean(&text::beginning(&run.text, cells));
    match run.has_ended {
        true => text,
        false => format!("(after round {}){text}", run.means.len()),
    }
}

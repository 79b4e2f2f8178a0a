//! The runs so far: settings and outcome side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::Theme;
use super::{draw, text};
use crate::app::{App, Pane, RunSummary};
use crate::search::SearchParams;

/// Cells for W,K,L,n and for the pair.
const SIZES: usize = 16;
const PAIR: usize = 18;

/// Cells for the pair where there is little room, and the width from which there is more.
const SHORT_PAIR: usize = 10;
const ROOMY: u16 = 96;

/// A line for every finished run, the newest last and in view.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let runs = app.runs();
    let details = format!("{} finished   ● best of its prompt and pair", runs.len());
    let details = vec![vec![Span::styled(details, theme.muted)]];
    let height = usize::from(draw::below(area, 2).height);
    let skip = runs.len().saturating_sub(height);
    let more = text::more(skip, 0);
    let body = draw::titled(buf, area, Pane::Runs, details, &more, app, theme);
    let pair = if area.width < ROOMY { SHORT_PAIR } else { PAIR };
    draw::line(buf, body, 0, heading(pair, area.width, theme));
    let rows = draw::below(body, 1);
    for (row, run) in runs.iter().skip(skip).enumerate() {
        let line = spans(run, is_best(run, runs), pair, rows.width, theme);
        draw::line(buf, rows, row, line);
    }
}

fn heading(pair: usize, width: u16, theme: &Theme) -> Vec<Span<'static>> {
    let numbers = format!(
        " {:>3}  {:<SIZES$} {:>4} {:>4}  {:<pair$} {:>9} {:>7} {:>6} {:>8}",
        "run", "W,K,L,n", "T", "seed", "pair", "log-ratio", "judge", "tokens", "sampled"
    );
    let parts = [numbers, "  response".to_owned()];
    let parts = parts.map(|part| vec![Span::styled(part, theme.faint)]);
    draw::fitting(parts.into(), usize::from(width))
}

/// Whether a run beats others of its prompt and pair: scores of other pairs do not compare.
fn is_best(run: &RunSummary, runs: &[RunSummary]) -> bool {
    let is_rival =
        |other: &&RunSummary| other.prompt == run.prompt && other.pairs.last() == run.pairs.last();
    let rivals: Vec<f64> = runs.iter().filter(is_rival).map(|r| r.score).collect();
    rivals.len() > 1 && rivals.iter().all(|score| *score <= run.score)
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
        "{mark}{:>3}  {} {:>4} {:>4}  {} ",
        run.run.0,
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
        Span::styled(text::head(&text::clean(&run.text), room), theme.muted),
    ]
}

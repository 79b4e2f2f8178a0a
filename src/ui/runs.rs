//! The runs so far: settings and outcome side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::Theme;
use super::{draw, text};
use crate::app::{App, Pane, RunSummary};

/// A line for every finished run, the newest last and in view.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let n = app.runs().len();
    let details = vec![Span::styled(format!("{n} finished"), theme.muted)];
    let body = draw::titled(buf, area, Pane::Runs, details, app, theme);
    let heading = format!(
        " {:>3}  {:<14} {:>4} {:>4}  {:<12} {:>9} {:>7} {:>6} {:>8}  response",
        "run", "W,K,L,n", "T", "seed", "pair", "log-ratio", "judge", "tokens", "sampled"
    );
    draw::line(buf, body, 0, vec![Span::styled(heading, theme.faint)]);
    let rows = draw::below(body, 1);
    let skip = n.saturating_sub(usize::from(rows.height));
    let best = app
        .runs()
        .iter()
        .map(|run| run.score)
        .fold(f64::MIN, f64::max);
    for (row, run) in app.runs().iter().skip(skip).enumerate() {
        let is_best = n > 1 && run.score >= best;
        draw::line(
            buf,
            rows,
            row,
            spans(run, is_best, usize::from(rows.width), theme),
        );
    }
}

fn spans(run: &RunSummary, is_best: bool, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let p = &run.params;
    let sizes = format!(
        "{},{},{},{}",
        p.beam_width, p.successors, p.chunk_len, p.max_new_tokens
    );
    let mark = if is_best { "●" } else { " " };
    let style = if is_best { theme.title } else { theme.text };
    let lead = format!(
        "{mark}{:>3}  {sizes:<14} {:>4} {:>4}  {} ",
        run.run.0,
        p.sampling.temperature(),
        p.seed,
        text::pad(&text::clean(&run.pair), 12),
    );
    let numbers = format!(" {:>6} {:>8}  ", run.n_tokens, run.cost);
    let room = width.saturating_sub(text::width(&lead) + text::width(&numbers) + 17);
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

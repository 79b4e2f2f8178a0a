//! The cut in words: where it lies, in what, how sure it is.

use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw;
use super::theme::Theme;
use crate::app::{App, Sureness};
use crate::search::{Ranking, SearchParams};

/// The line between kept and pruned: what has no room is left out whole.
pub fn spans(line: f64, area: Rect, app: &App, theme: &Theme) -> Vec<Span<'static>> {
    let round = app.shown_round();
    let unit = round.map_or_else(String::new, |round| ranked_by(&round.params));
    let sure = round.and_then(|round| app.sureness(round));
    let told = [
        Some(format!(" ── cut at {line:+.2}{unit}")),
        sure.as_ref().map(margin),
        Some(": kept above, pruned below".to_owned()),
        sure.as_ref().map(with_other_draws),
        Some(" ".to_owned()),
    ];
    let part = |text| vec![Span::styled(text, theme.accent)];
    let room = usize::from(area.width);
    let mut spans = draw::fitting(told.into_iter().flatten().map(part).collect(), room);
    let rest = room.saturating_sub(draw::width(&spans));
    spans.push(Span::styled("─".repeat(rest), theme.accent));
    spans
}

/// What the cut ranks by, where it is not the log-ratio itself.
pub fn ranked_by(params: &SearchParams) -> String {
    let what = match params.ranking() {
        Ranking::Sum => "",
        Ranking::PerToken => " a token",
        Ranking::Chunk => " by this chunk",
    };
    match params.weight().get() {
        1.0 => what.to_owned(),
        weight => format!("{what} × {weight}"),
    }
}

/// How sure the cut was, where there is little room.
pub fn margin(sure: &Sureness) -> String {
    format!(", margin {:.2}", sure.margin)
}

/// How the cut would fall with other draws.
fn with_other_draws(sure: &Sureness) -> String {
    let percent = sure.same.map(|same| same * 100.0);
    percent.map_or_else(String::new, |percent| {
        format!(", with other draws {percent:.0} % of places to the same beams")
    })
}

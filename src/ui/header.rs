//! The first line: what happens, on what.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw;
use super::text;
use super::theme::Theme;
use crate::app::{App, Phase};
use crate::search::SearchParams;

/// Name, phase, round, models, device, speeds; what does not fit is left out from the end.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let mut parts = vec![
        Span::styled(" w2s ", theme.title),
        phase(app, theme),
        Span::raw(round(app)),
        Span::styled(fetch(app), theme.accent),
    ];
    parts.extend(
        machine(app)
            .into_iter()
            .map(|part| Span::styled(part, theme.muted)),
    );
    let parts = parts.into_iter().filter(|part| !part.content.is_empty());
    let parts = parts.map(|part| vec![part, Span::raw("  ")]).collect();
    // The last part needs no space behind it.
    let spans = draw::fitting(parts, usize::from(area.width) + 2);
    draw::line(buf, area, 0, spans);
}

fn phase(app: &App, theme: &Theme) -> Span<'static> {
    let (mark, style) = match app.phase() {
        Phase::Loading { .. } => ("◌ loading", theme.muted),
        Phase::Running => ("▶ searching", theme.accent),
        Phase::Pausing => ("▶ pausing", theme.accent),
        Phase::Paused => ("‖ paused", theme.accent),
        Phase::Stepping => ("▶ one round", theme.accent),
        Phase::Finished => ("■ finished", theme.finished),
        Phase::Over => {
            let mark = format!("‹ run {} of before", app.run_number());
            return Span::styled(mark, theme.accent);
        }
        Phase::Failed { .. } => ("✗ failed", theme.error),
    };
    Span::styled(mark, style)
}

/// `◌ fetching NAME 34 %`: a load beside the search.
fn fetch(app: &App) -> String {
    app.fetch().map_or_else(String::new, |fetch| {
        let (doing, what) = fetch.what.split_once(' ').unwrap_or(("", &fetch.what));
        let what = text::tail(&text::clean(what), 24);
        let percent = (fetch.done * 100).checked_div(fetch.total);
        let percent = percent.map_or_else(String::new, |p| format!(" {p} %"));
        format!("◌ {doing} {what}{percent}")
    })
}

/// `round 3/10`.
fn round(app: &App) -> String {
    let Some(round) = app.trace().last_round() else {
        return String::new();
    };
    let of = rounds_expected(&round.params);
    format!("round {}/{}", round.number, of.max(round.number))
}

/// How many rounds fill the token budget.
pub fn rounds_expected(params: &SearchParams) -> usize {
    let n = params.max_new_tokens().get();
    match params.chunk_len().get() {
        0 => 1,
        l => n.div_ceil(l),
    }
}

fn machine(app: &App) -> Vec<String> {
    let Some(models) = app.models() else {
        return Vec::new();
    };
    let speeds = app.speeds();
    let params = app.params_in_use();
    let mut parts = vec![format!(
        "strong model: {}, {}",
        text::clean(&text::short_name(&models.strong.name)),
        count(models.strong.n_params as f64)
    )];
    if speeds.strong_tokens_per_s > 0.0 {
        parts.push(format!("{} tok/s", count(speeds.strong_tokens_per_s)));
    }
    parts.push(text::clean(&models.device));
    // What is not as usual stands among the settings, which are never cut.
    let usual = SearchParams::default();
    if params.seed() == usual.seed() {
        parts.push(format!("seed {}", params.seed()));
    }
    if speeds.weak_tokens_per_s > 0.0 {
        parts.push(format!("scored {} tok/s", count(speeds.weak_tokens_per_s)));
    }
    if speeds.round_s > 0.0 {
        parts.push(format!("last round {:.0} ms", speeds.round_s * 1000.0));
    }
    parts
}

/// A number with its size in a letter: `1.6M`.
pub fn count(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.1}B", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

//! The last two lines: what happens now, in a sentence, and what can be done now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::Theme;
use super::{draw, text};
use crate::app::{Action, App, Context, Phase};

/// What the last key did, else what the search does.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let (sentence, style) = match (app.phase(), app.notice()) {
        (Phase::Failed { error }, None) => (error.clone(), theme.error),
        (_, Some(notice)) => (notice.to_owned(), theme.accent),
        _ => (story(app), theme.text),
    };
    let room = usize::from(area.width).saturating_sub(2);
    let sentence = text::head(&text::clean(&sentence), room);
    draw::line(
        buf,
        area,
        0,
        vec![Span::raw(" "), Span::styled(sentence, style)],
    );
}

/// One sentence on what happens, for someone who sees this for the first time.
fn story(app: &App) -> String {
    if let Phase::Loading { what, done, total } = app.phase() {
        return loading(what, *done, *total);
    }
    if *app.phase() == Phase::Finished {
        return "Finished. Change W, K, L or the pair to see what they do; r searches again."
            .to_owned();
    }
    if let (Phase::Paused, true) = (app.phase(), is_before_cut(app)) {
        let key = |action| app.keymap().label(Context::Main, action);
        let (pin, kill, boost) = (key(Action::Pin), key(Action::Kill), key(Action::Boost));
        return format!(
            "Paused before the cut: pin {pin}, kill {kill} or boost {boost} a candidate."
        );
    }
    let Some(round) = app.trace().last_round() else {
        return "The search begins.".to_owned();
    };
    match &round.cut {
        Some(cut) => format!(
            "The weak pair likes these {} of {} best: kept (✓). The others are pruned (✗).",
            cut.kept.len(),
            cut.kept.len() + cut.pruned.len(),
        ),
        None => {
            let (w, k) = (round.params.beam_width, round.params.successors);
            format!("{w} × {k} candidates grow by a chunk; the weak pair scores every token.")
        }
    }
}

fn is_before_cut(app: &App) -> bool {
    let round = app.trace().last_round();
    round.is_some_and(|round| round.cut.is_none())
}

fn loading(what: &str, done: u64, total: u64) -> String {
    match (done * 100).checked_div(total) {
        Some(percent) => format!("Now {what}: {percent} %"),
        None => format!("Now {what}"),
    }
}

/// Keys and what they do, as many as fit.
pub fn render_hints(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let mut left = usize::from(area.width).saturating_sub(1);
    let mut spans = vec![Span::raw(" ")];
    for hint in app.hints() {
        let n = text::width(&hint.keys) + text::width(hint.label) + 3;
        let Some(rest) = left.checked_sub(n) else {
            break;
        };
        left = rest;
        spans.extend([
            Span::styled(hint.keys, theme.key),
            Span::styled(format!(" {}  ", hint.label), theme.muted),
        ]);
    }
    draw::line(buf, area, 0, spans);
}

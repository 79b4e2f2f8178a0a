//! The panel: a slider a pair, what ranks, and how far the pairs disagree.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw::Parts;
use super::settings::pair_name;
use super::theme::Theme;
use super::{draw, text};
use crate::app::board::label;
use crate::app::panel::{MOST, Slider};
use crate::app::{Action, App, Context, Pane, Target};
use crate::search::PanelRule;

/// Cells of a pair's name, and of a slider.
const NAME: usize = 12;
const TRACK: usize = 33;

/// Sliders first, then what the pairs make of the round on the board.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let body = draw::titled(buf, area, Pane::Panel, title(app, theme), "", app, theme);
    let sliders = app.sliders();
    let n = sliders.len();
    for (row, slider) in sliders.iter().enumerate() {
        draw::line(buf, body, row, spans(slider, theme));
        if slider.is_chosen && app.look().focus == Pane::Panel {
            draw::tint(buf, body, row, theme.selected);
        }
    }
    let rest = draw::below(body, u16::try_from(n).unwrap_or(u16::MAX));
    let facts = [
        Some(rules(app, theme)),
        conflict(app, theme),
        accords(app, theme),
        chances(app, theme),
    ];
    for (row, line) in facts.into_iter().flatten().enumerate() {
        draw::line(buf, rest, row, line);
    }
}

fn title(app: &App, theme: &Theme) -> Parts<'static> {
    let keys = |action| app.keymap().label(Context::Main, action);
    let (down, up) = (keys(Action::LowerWeight), keys(Action::RaiseWeight));
    let how =
        format!("{down} {up} or a click: how much a pair counts at the next cut; 0 is not heard");
    vec![vec![Span::styled(how, theme.muted)]]
}

/// `positive  ────────┼───●────  +0.75  what it was tuned for`.
fn spans(slider: &Slider<'_>, theme: &Theme) -> Vec<Span<'static>> {
    let name = text::pad(&pair_name(slider.name, NAME), NAME);
    let weight = match slider.weight {
        0.0 => format!("{:>6}", "-"),
        weight => format!("{weight:>+6.2}"),
    };
    let style = match slider.weight {
        0.0 => theme.muted,
        weight => theme.signed(weight),
    };
    let [before, after] = track(slider.weight);
    vec![
        Span::raw(format!("  {name} ")),
        Span::styled(before, theme.faint),
        Span::styled("●", style),
        Span::styled(after, theme.faint),
        Span::styled(format!("{weight}  "), style),
        Span::styled(text::clean(slider.about), theme.muted),
    ]
}

/// The track before and after the knob; zero is marked.
fn track(weight: f64) -> [String; 2] {
    let knob = cell(weight);
    let sign = |at: usize| if at == TRACK / 2 { '┼' } else { '─' };
    [0..knob, knob + 1..TRACK].map(|cells| cells.map(sign).collect())
}

/// The cell of the track that a weight is at.
fn cell(weight: f64) -> usize {
    let share = (weight / MOST).clamp(-1.0, 1.0) / 2.0 + 0.5;
    (share * (TRACK - 1) as f64).round() as usize
}

/// The slider at a place of the pane, and the weight that a click there gives.
pub fn target_at(app: &App, area: Rect, x: u16, row: usize) -> Option<Target> {
    let pair = row.checked_sub(1)?;
    if pair >= app.sliders().len() {
        return None;
    }
    let first = NAME + 3;
    let at = usize::from(x.checked_sub(area.x)?).checked_sub(first)?;
    (at < TRACK).then(|| Target::Voice {
        pair,
        eighths: i8::try_from(at).unwrap_or_default() - (TRACK / 2) as i8,
    })
}

/// What ranks, and what could.
fn rules(app: &App, theme: &Theme) -> Vec<Span<'static>> {
    let wanted = app.wanted().params.panel();
    let key = app.keymap().label(Context::Main, Action::NextRule);
    let mut spans = vec![Span::styled("  ranks by  ", theme.muted)];
    let all = [
        ("mixture Σ w·s", wanted == PanelRule::Mixture),
        ("naive: mean opinion", wanted == PanelRule::Naive),
        (
            "bayes: its lower bound",
            matches!(wanted, PanelRule::Bayes { .. }),
        ),
    ];
    for (name, is_used) in all {
        let (mark, style) = if is_used {
            ("● ", theme.accent)
        } else {
            ("○ ", theme.muted)
        };
        spans.push(Span::styled(format!("{mark}{name}  "), style));
    }
    spans.push(Span::styled(key, theme.key));
    spans
}

/// Conflict by round; nothing without a panel.
fn conflict(app: &App, theme: &Theme) -> Option<Vec<Span<'static>>> {
    let all = app.conflicts();
    let last = all.iter().rev().flatten().next()?;
    let bar = |share: &Option<f64>| {
        let level = share.map_or(0.0, |share| (share * 8.0).round().clamp(0.0, 8.0));
        draw::LEVELS[level as usize]
    };
    let bars: String = all.iter().map(bar).collect();
    Some(vec![
        Span::styled("  conflict  ", theme.muted),
        Span::styled(bars, theme.accent),
        Span::raw(format!("  {:.0} %", 100.0 * last)),
        Span::styled(
            " of what is open is open between the pairs, by round to the last",
            theme.muted,
        ),
    ])
}

/// Who disagrees with whom, those furthest apart first.
fn accords(app: &App, theme: &Theme) -> Option<Vec<Span<'static>>> {
    let mut all = app.accords();
    if all.is_empty() {
        return None;
    }
    all.sort_by(|a, b| {
        a.correlation
            .unwrap_or(0.0)
            .total_cmp(&b.correlation.unwrap_or(0.0))
    });
    let mut spans = vec![Span::styled("  rank alike ", theme.muted)];
    for own in &all {
        let name = |pair: &crate::search::PairId| pair_name(pair.as_str(), NAME);
        let r = own
            .correlation
            .map_or_else(|| "-".to_owned(), |r| format!("{r:+.2}"));
        let style = own.correlation.map_or(theme.muted, |r| theme.signed(r));
        spans.push(Span::raw(format!(
            " {} × {} ",
            name(&own.one),
            name(&own.other)
        )));
        spans.push(Span::styled(r, style));
    }
    Some(spans)
}

/// P(best), where there are pairs enough.
fn chances(app: &App, theme: &Theme) -> Option<Vec<Span<'static>>> {
    let round = app.round_told()?;
    let all = app.chances();
    let waits = round.pair.is_panel().then(|| {
        vec![Span::styled(
            "  P(best)    needs three pairs with a say",
            theme.muted,
        )]
    });
    if all.is_empty() {
        return waits;
    }
    let mut spans = vec![Span::styled("  P(best)   ", theme.muted)];
    for (id, chance) in all.iter().take(6) {
        let name = label(app.trace(), round, *id).unwrap_or_default();
        spans.push(Span::raw(format!(" {name} ")));
        spans.push(Span::styled(
            format!("{:.0} %", 100.0 * chance),
            theme.accent,
        ));
    }
    Some(spans)
}

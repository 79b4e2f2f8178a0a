//! The guided response, the best so far, and what the strong model says unguided: always both.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::parting::{From, Sides, View};
use super::summary::{BOTH, Summary, beside, body};
use super::terms::end_sign;
use super::theme::{Depth, Theme};
use super::wrap::wrap;
use super::{comparison, draw, text};
use crate::app::{Action, App, Context};

/// Cells of a response's name and numbers before its text, where one stands above the other.
const LEAD: u16 = 28;

/// Lines the panel would fill at `width`; of more than `most`, at least so many.
pub fn height_wanted(app: &App, width: u16, most: u16) -> usize {
    if is_comparison(app) {
        return comparison::height_wanted(app, width, most);
    }
    let sides = Sides::of(app);
    let cells = match width >= BOTH {
        true => (width - 2) / 2,
        false => width.saturating_sub(LEAD),
    };
    let theme = Theme::new(Depth::None, false);
    let lines = [0, 1].map(|side| {
        let pieces = sides.pieces(app, side, View::default(), &theme);
        wrap(&pieces, usize::from(cells.saturating_sub(2))).len()
    });
    let longest = lines[0].max(lines[1]);
    match width >= BOTH {
        true => longest + 1,
        false => 2 * longest + 1,
    }
}

/// Whether the responses of all ways are compared in full.
pub fn is_comparison(app: &App) -> bool {
    app.look().twin && app.has_beside()
}

/// Side by side where there is room, else one above the other; compared in full when asked for.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    if is_comparison(app) {
        return comparison::render(buf, area, app, theme);
    }
    let sides = Sides::of(app);
    match area.width >= BOTH {
        true => render_beside(buf, area, app, &sides, theme),
        false => render_above(buf, area, app, &sides, theme),
    }
}

fn render_beside(buf: &mut Buffer, area: Rect, app: &App, sides: &Sides<'_>, theme: &Theme) {
    let places = beside(area);
    let rows = usize::from(area.height.saturating_sub(1));
    let from = sides.from(app, usize::from(places[0].width.saturating_sub(2)), rows);
    for ((side, place), summary) in places.into_iter().enumerate().zip(sides.summaries()) {
        let others = match side {
            0 => Vec::new(),
            _ => others(app, theme),
        };
        let taken = u16::try_from(draw::width(&others)).unwrap_or(u16::MAX);
        let title = summary.title(place.width.saturating_sub(taken), theme);
        draw::rule(buf, place, 0, [title, others].concat(), theme);
        let from = from.get(side).copied().flatten();
        let text = sides.pieces(app, side, view(from), theme);
        body(buf, draw::below(place, 1), &text, from.is_some());
    }
}

fn view(from: From) -> View {
    View { from, until: None }
}

/// That there are more ways, and which key shows them.
fn others(app: &App, theme: &Theme) -> Vec<Span<'static>> {
    let key = app.keymap().label(Context::Main, Action::ToggleTwin);
    match app.beside().len().saturating_sub(1) {
        0 => Vec::new(),
        1 => vec![Span::styled(format!("  +1 way: {key}"), theme.accent)],
        n => vec![Span::styled(format!("  +{n} ways: {key}"), theme.accent)],
    }
}

/// A heading where there is room, then one response above the other, each with its numbers.
fn render_above(buf: &mut Buffer, area: Rect, app: &App, sides: &Sides<'_>, theme: &Theme) {
    let has_heading = area.height >= 3;
    if has_heading {
        let heading = format!("  {:<10}{:>9}{:>7} ", "response", "log-ratio", "judge");
        let spans = vec![
            Span::styled(heading, theme.faint),
            Span::styled(sides.parting(1), theme.muted),
        ];
        let room = usize::from(area.width).saturating_sub(draw::width(&spans));
        let others = draw::fitting(vec![others(app, theme)], room);
        draw::rule(buf, area, 0, [spans, others].concat(), theme);
    }
    let rest = draw::below(area, u16::from(has_heading));
    let each = (rest.height / 2).max(1);
    let width = usize::from(area.width.saturating_sub(LEAD + 2));
    let from = sides.from(app, width, usize::from(each));
    for (side, height) in [each, rest.height.saturating_sub(each)]
        .into_iter()
        .enumerate()
    {
        let place = Rect {
            height,
            ..draw::below(rest, each * u16::try_from(side).unwrap_or(0))
        };
        let from = from.get(side).copied().flatten();
        render_row(buf, place, app, sides, (side, from), theme);
    }
}

fn render_row(
    buf: &mut Buffer,
    place: Rect,
    app: &App,
    sides: &Sides<'_>,
    (side, from): (usize, From),
    theme: &Theme,
) {
    let spans = sides
        .summaries()
        .nth(side)
        .map(|summary| lead(summary, theme));
    draw::line(buf, place, 0, spans.unwrap_or_default());
    let place = Rect {
        x: place.x + LEAD.min(place.width),
        width: place.width.saturating_sub(LEAD),
        ..place
    };
    let text = sides.pieces(app, side, view(from), theme);
    body(buf, place, &text, from.is_some());
}

/// The name, and the numbers below their headings.
fn lead(summary: &Summary<'_>, theme: &Theme) -> Vec<Span<'static>> {
    let number = |value: Option<f64>, cells: usize| {
        let style = value.map_or(theme.muted, |value| theme.signed(value));
        Span::styled(text::signed(value, cells), style)
    };
    vec![
        Span::styled(format!("  {:<9}", summary.short), theme.title),
        Span::styled(end_sign(summary.finish), theme.finished),
        number(summary.log_ratio, 9),
        number(summary.judge, 7),
    ]
}

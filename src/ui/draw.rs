//! Drawing within bounds: nothing here writes outside its area, however small that is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text;
use super::theme::Theme;
use crate::app::{App, Pane};

/// Eighths of a cell, from nothing to full.
pub const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A line of spans at `row` of `area`, cut at its right edge.
pub fn line(buf: &mut Buffer, area: Rect, row: usize, spans: Vec<Span<'_>>) {
    let area = area.intersection(buf.area);
    let Some(y) = u16::try_from(row)
        .ok()
        .filter(|row| *row < area.height)
        .map(|row| area.y + row)
    else {
        return;
    };
    buf.set_line(area.x, y, &Line::from(spans), area.width);
}

/// Lays a style over `row` of `area`.
pub fn tint(buf: &mut Buffer, area: Rect, row: usize, style: Style) {
    let Ok(row) = u16::try_from(row) else {
        return;
    };
    if row < area.height {
        let line = Rect::new(area.x, area.y.saturating_add(row), area.width, 1);
        buf.set_style(line.intersection(buf.area), style);
    }
}

/// Parts of a line, most important first: each is shown whole or not at all.
pub type Parts<'a> = Vec<Vec<Span<'a>>>;

/// The cells that spans take.
pub fn width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| text::width(&span.content)).sum()
}

/// As many of the parts as fit into `room` cells, from the first on.
pub fn fitting<'a>(parts: Parts<'a>, room: usize) -> Vec<Span<'a>> {
    let mut left = room;
    let mut spans = Vec::new();
    for part in parts {
        let Some(rest) = left.checked_sub(width(&part)) else {
            break;
        };
        left = rest;
        spans.extend(part);
    }
    spans
}

/// A pane's title line, `▸ name  details ───── ▼ 4 more`, and what is left below it.
pub fn titled(
    buf: &mut Buffer,
    area: Rect,
    pane: Pane,
    details: Parts<'_>,
    more: &str,
    app: &App,
    theme: &Theme,
) -> Rect {
    let (title, end) = split_end(area, more);
    line(
        buf,
        end,
        0,
        vec![Span::styled(format!(" {more}"), theme.accent)],
    );
    let mut spans = name(pane, app, theme);
    let room = usize::from(title.width).saturating_sub(width(&spans));
    spans.extend(fitting(details, room));
    rule(buf, title, 0, spans, theme);
    below(area, 1)
}

/// `area` without the cells at its right end that `text` takes with a space either side; these.
fn split_end(area: Rect, text: &str) -> (Rect, Rect) {
    let wanted = match text::width(text) {
        0 => 0,
        n => u16::try_from(n + 2).unwrap_or(u16::MAX),
    };
    let n = wanted.min(area.width);
    let start = Rect {
        width: area.width - n,
        ..area
    };
    let end = Rect {
        x: start.right(),
        width: n,
        ..area
    };
    (start, end)
}

fn name(pane: Pane, app: &App, theme: &Theme) -> Vec<Span<'static>> {
    let (mark, style) = match app.look().focus == pane {
        true => ("▸ ", theme.accent),
        false => ("  ", theme.title),
    };
    vec![
        Span::styled(mark, style),
        Span::styled(pane.title(), style),
        Span::raw("  "),
    ]
}

/// `area` without a column either side.
pub fn margins(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1).min(area.right()),
        width: area.width.saturating_sub(2),
        ..area
    }
}

/// Says in the right margin of the last line that there is more.
pub fn goes_on(buf: &mut Buffer, area: Rect) {
    let margin = Rect {
        x: area.right().saturating_sub(1),
        width: area.width.min(1),
        ..area
    };
    let last = usize::from(area.height.saturating_sub(1));
    line(buf, margin, last, vec![Span::raw("…")]);
}

/// Says in the left margin of `area`'s first line that there is something before.
pub fn began_before(buf: &mut Buffer, area: Rect) {
    let margin = Rect {
        width: area.width.min(1),
        ..area
    };
    line(buf, margin, 0, vec![Span::raw("…")]);
}

/// A line of spans, ruled to the right edge.
pub fn rule(buf: &mut Buffer, area: Rect, row: usize, mut spans: Vec<Span<'_>>, theme: &Theme) {
    let left = usize::from(area.width).saturating_sub(width(&spans) + 1);
    spans.push(Span::raw(" "));
    spans.push(Span::styled("─".repeat(left), theme.faint));
    line(buf, area, row, spans);
}

/// `area` without its first `rows`.
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    }
}

/// The first line to show of `n`, so that line `at` is in view among `height`.
pub fn scroll(at: usize, n: usize, height: usize) -> usize {
    let last = n.saturating_sub(height);
    at.saturating_sub(height / 2).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_outside_the_buffer_are_left_out() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 2));
        line(
            &mut buf,
            Rect::new(2, 1, 9, 9),
            0,
            vec![Span::raw("abcdef")],
        );
        line(&mut buf, Rect::new(0, 5, 4, 4), 0, vec![Span::raw("x")]);
        line(&mut buf, Rect::new(0, 0, 4, 2), 7, vec![Span::raw("x")]);
        assert_eq!(buf, Buffer::with_lines(["    ", "  ab"]));
    }

    #[test]
    fn parts_are_shown_whole_or_not_at_all() {
        let parts = |room| {
            let parts = ["ab", "cde", "f"].map(|part| vec![Span::raw(part)]);
            let spans = fitting(parts.into(), room);
            spans.iter().map(|s| s.content.as_ref()).collect::<String>()
        };
        assert_eq!(
            (&*parts(6), &*parts(5), &*parts(4)),
            ("abcdef", "abcde", "ab")
        );
        assert_eq!(parts(1), "");
    }

    #[test]
    fn scrolling_keeps_the_line_in_view() {
        for (at, n, height) in [(0, 64, 10), (63, 64, 10), (30, 64, 10), (3, 5, 10)] {
            let first = scroll(at, n, height);
            assert!(first <= at && at < first + height);
        }
    }
}

//! Drawing within bounds: nothing here writes outside its area, however small that is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text;
use super::theme::Theme;
use crate::app::{App, Pane};

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

/// A pane's title line, `▸ name  details ─────`, and what is left below it.
pub fn titled(
    buf: &mut Buffer,
    area: Rect,
    pane: Pane,
    details: Vec<Span<'_>>,
    app: &App,
    theme: &Theme,
) -> Rect {
    let focused = app.look().focus == pane;
    let (mark, style) = match focused {
        true => ("▸ ", theme.accent),
        false => ("  ", theme.title),
    };
    let mut spans = vec![
        Span::styled(mark, style),
        Span::styled(pane.title(), style),
        Span::raw("  "),
    ];
    spans.extend(details);
    rule(buf, area, 0, spans, theme);
    below(area, 1)
}

/// A line of spans, ruled to the right edge.
pub fn rule(buf: &mut Buffer, area: Rect, row: usize, mut spans: Vec<Span<'_>>, theme: &Theme) {
    let used: usize = spans.iter().map(|span| text::width(&span.content)).sum();
    let left = usize::from(area.width).saturating_sub(used + 1);
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
    fn scrolling_keeps_the_line_in_view() {
        for (at, n, height) in [(0, 64, 10), (63, 64, 10), (30, 64, 10), (3, 5, 10)] {
            let first = scroll(at, n, height);
            assert!(first <= at && at < first + height);
        }
    }
}

//! The cards of the tour. They have lines of their own and lie over nothing: what they speak of
//! stays in sight, the two responses above all.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::theme::Theme;
use super::wrap::wrap;
use super::{draw, text};
use crate::app::App;

/// The lines that the card takes, if there is one.
pub fn height_wanted(app: &App, width: u16) -> u16 {
    let Some(card) = app.tour_card() else {
        return 0;
    };
    let lines = wrapped(&card.text, width, Style::new());
    u16::try_from(lines.len()).unwrap_or(0) + 1
}

pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let Some(card) = app.tour_card() else {
        return;
    };
    let title = vec![
        Span::styled("━━ ", theme.accent),
        Span::styled(card.title, theme.title),
        Span::styled(format!("  {} ", card.foot), theme.muted),
    ];
    let left = usize::from(area.width).saturating_sub(draw::width(&title));
    let rule = Span::styled("━".repeat(left), theme.accent);
    draw::line(buf, area, 0, [title, vec![rule]].concat());
    let inner = draw::margins(draw::below(area, 1));
    for (row, line) in wrapped(&card.text, area.width, theme.text)
        .into_iter()
        .enumerate()
    {
        draw::line(buf, inner, row, line);
    }
}

fn wrapped(text: &str, width: u16, style: Style) -> Vec<Vec<Span<'static>>> {
    let room = usize::from(width).saturating_sub(2);
    wrap(&[(text::clean(text), style)], room)
}

//! Windows over the playground.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::theme::Theme;
use super::{draw, text};

/// A fringe of the screen below that is narrower than this beside a window is but noise.
const FRINGE: u16 = 3;

/// The width of a window that wants `wanted` cells: all of the screen where little would be left.
pub fn width_of(area: Rect, wanted: u16) -> u16 {
    match area.width < wanted.saturating_add(2 * FRINGE) {
        true => area.width,
        false => wanted,
    }
}

/// `width` × `height` in the middle of `area`, or as much of it as there is.
pub fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width_of(area, width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

pub fn inside(area: Rect) -> Rect {
    Block::bordered().inner(area)
}

/// A cleared box with a title, what can be done at its foot, and how much of it is out of view;
/// what is inside its border.
pub fn window(
    buf: &mut Buffer,
    area: Rect,
    title: &str,
    foot: &str,
    more: &str,
    theme: &Theme,
) -> Rect {
    let area = area.intersection(buf.area);
    Clear.render(area, buf);
    let mut block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.accent)
        .title(Span::styled(format!(" {title} "), theme.title))
        .title_bottom(Span::styled(foot.to_owned(), theme.muted));
    if !more.is_empty() {
        let more = Span::styled(format!(" {more} "), theme.accent);
        block = block.title_bottom(Line::from(more).right_aligned());
    }
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}

/// The first of `n` lines in view inside a window at `place`, below `above` other lines, so that
/// line `at` is in view; and how many are out of it.
pub fn view(place: Rect, above: u16, at: usize, n: usize) -> (usize, String) {
    let height = usize::from(draw::below(inside(place), above).height);
    let first = draw::scroll(at, n, height);
    (first, text::more(first, n.saturating_sub(first + height)))
}

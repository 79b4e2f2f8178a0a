//! The cards of the first start. They lie over the response, of which there is none yet: what
//! they speak of, settings and board, stays visible.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::Theme;
use super::window::window;
use super::{draw, text};

/// The width of a card where there is more; a narrow screen gives all it has.
const WIDTH: u16 = 64;
const NARROW: u16 = 100;

/// The cards: title and text.
const CARDS: [(&str, &str); 3] = [
    (
        "1 of 3: candidates",
        "The strong model writes several continuations at once. Each line of the board is a \
         candidate: a few tokens after a hypothesis of the beam.",
    ),
    (
        "2 of 3: the number",
        "The log-ratio says how much more a small model likes a response when tuned. After every \
         chunk the best are kept (✓), the others pruned (✗).",
    ),
    (
        "3 of 3: take the wheel",
        "Press W now (a capital): the beam widens at the next chunk; w narrows it. K, L and T \
         work the same way, p changes the weak pair, ? lists all keys.",
    ),
];

/// Card number `card`, from line `y` on.
pub fn render(buf: &mut Buffer, area: Rect, y: u16, card: usize, theme: &Theme) {
    let Some((title, body)) = CARDS.get(card) else {
        return;
    };
    let width = match area.width {
        0..NARROW => area.width,
        _ => WIDTH,
    };
    let body = [((*body).to_owned(), theme.text)];
    let lines = text::wrap(&body, usize::from(width).saturating_sub(4));
    let height = u16::try_from(lines.len()).unwrap_or(0) + 2;
    let x = area.right().saturating_sub(width);
    let place = Rect::new(x, y, width, height).intersection(area);
    let foot = " enter: next, esc: no more cards ";
    let inner = window(buf, place, title, foot, "", theme);
    for (row, mut line) in lines.into_iter().enumerate() {
        line.insert(0, Span::raw(" "));
        draw::line(buf, inner, row, line);
    }
}

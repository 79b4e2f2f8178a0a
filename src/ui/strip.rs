//! The strip: prompt and response with every token tinted by its difference.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::spelling::{Spelt, spelt};
use super::theme::{Depth, Theme};
use super::wrap::wrap;
use super::{draw, text};
use crate::app::{App, Pane};
use crate::search::{Hypothesis, LogRatio};

/// Draws at the top of `area`, the token in detail in view; the height used.
pub fn render(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    known: &Hypothesis,
    scale: f64,
    theme: &Theme,
) -> u16 {
    let width = usize::from(area.width);
    let strip = Strip::of(app, known, cells(area), scale, theme);
    let at = strip.line_of_cursor(width);
    let lines = wrap(&strip.pieces, width);
    let room = usize::from(area.height);
    let height = match room > 8 {
        true => (room / 2).min(lines.len()),
        false => room,
    };
    let skip = first(at, lines.len(), height);
    let n = height.min(lines.len() - skip);
    for (row, line) in lines.into_iter().skip(skip).take(height).enumerate() {
        draw::line(buf, area, row, line);
    }
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Lines that all of it takes at `width`.
pub fn height_wanted(app: &App, known: &Hypothesis, width: u16) -> usize {
    let plain = Theme::new(Depth::None, false);
    let cells = usize::from(width) * MOST;
    let strip = Strip::of(app, known, cells, 1.0, &plain);
    wrap(&strip.pieces, usize::from(width)).len().min(MOST)
}

/// More lines than this no strip asks for.
const MOST: usize = 12;

/// The first line in view: the last ones, as long as the cursor's is among them.
fn first(at: usize, n: usize, height: usize) -> usize {
    let last = n.saturating_sub(height.max(1));
    match at < last {
        true => at.saturating_sub(height / 2),
        false => last,
    }
}

fn cells(area: Rect) -> usize {
    usize::from(area.width) * usize::from(area.height)
}

/// Prompt and tokens as styled text, as much as may be seen.
struct Strip {
    pieces: Vec<(String, Style)>,
    /// How many of them lead to the token in detail.
    cursor: usize,
}

impl Strip {
    fn of(app: &App, known: &Hypothesis, cells: usize, scale: f64, theme: &Theme) -> Self {
        let score = known.score();
        let first = first_token(app.token(), score.len(), cells);
        let mut pieces = match first {
            0 => prompt(app, score, theme),
            _ => Vec::new(),
        };
        let cursor = pieces.len() + app.token().saturating_sub(first) + 1;
        let focused = app.look().focus == Pane::Evidence;
        let tokens = spelt(score, &known.text);
        let most = 3 * cells.max(1);
        let terms = score
            .terms_since(first)
            .zip(&tokens[first.min(tokens.len())..]);
        for (i, (term, token)) in (first..).zip(terms).take(most) {
            let style = theme.tint(strongest(score, i, token, term.delta()) / scale);
            let style = match focused && is_in(i, token, app.token()) {
                true => style.patch(theme.selected).underlined(),
                false => style,
            };
            pieces.push((token.once().to_owned(), style));
        }
        pieces.extend(chunk_to_come(app, cells, theme));
        Self { pieces, cursor }
    }

    fn line_of_cursor(&self, width: usize) -> usize {
        let before = &self.pieces[..self.cursor.min(self.pieces.len())];
        wrap(before, width).len().saturating_sub(1)
    }
}

/// The strongest difference of the tokens of one character, told by the first of them.
fn strongest(score: &LogRatio, i: usize, token: &Spelt, own: f64) -> f64 {
    let (_, n) = token.part;
    let terms = score.terms_since(i).take(n);
    let deltas = terms.map(|term| term.delta());
    deltas.fold(own, |a, b| if b.abs() > a.abs() { b } else { a })
}

/// Whether the first token of a character is, or stands for, number `cursor`.
fn is_in(i: usize, token: &Spelt, cursor: usize) -> bool {
    let (part, n) = token.part;
    part == 0 && (i..i + n).contains(&cursor)
}

/// The text of a chunk that still grows, after the terms of what it continues.
fn chunk_to_come(app: &App, cells: usize, theme: &Theme) -> Option<(String, Style)> {
    let subject = app
        .subject()
        .filter(|subject| subject.hypothesis.is_none())?;
    let end = subject.text.len();
    let chunk = text::head_of(&subject.text, subject.text_start..end, cells);
    Some((chunk, theme.title))
}

/// The first of `n` tokens that may be seen in `cells` while token `at` is in view; the same for as
/// long as possible, so that lines do not break anew with every token.
fn first_token(at: usize, n: usize, cells: usize) -> usize {
    let step = cells.max(1);
    let last = (n / step).saturating_sub(1) * step;
    last.min((at / step).saturating_sub(1) * step)
}

/// The prompt as far as no term covers it; its last weak token, which the response joins on to,
/// is underlined once known.
fn prompt(app: &App, score: &LogRatio, theme: &Theme) -> Vec<(String, Style)> {
    let is_merged = app.evidence().is_some_and(|e| e.seams.merged > 0);
    let first = score.term(0).filter(|_| is_merged);
    let prompt = first.map_or(app.prompt(), |term| uncovered(app.prompt(), &term.piece));
    let join = app.evidence().and_then(|evidence| evidence.joins.last());
    let split = join.and_then(|join| Some((prompt.strip_suffix(&**join)?, &**join)));
    let (before, join) = split.unwrap_or((prompt, ""));
    vec![
        (text::clean(before), theme.muted),
        (text::clean(join), theme.muted.underlined()),
    ]
}

/// The prompt without its end that a token across the join begins with.
fn uncovered<'a>(prompt: &'a str, piece: &str) -> &'a str {
    let mut ends = prompt.char_indices().map(|(at, _)| at);
    let cut = ends.find(|at| piece.starts_with(&prompt[*at..]));
    &prompt[..cut.unwrap_or(prompt.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_across_the_join_covers_the_end_of_the_prompt() {
        for (prompt, piece, before) in [
            ("It was a wonder", " wonderful", "It was a"),
            ("The fil", "film", "The "),
            ("It was", " fine", "It was"),
            ("", "x", ""),
        ] {
            assert_eq!(uncovered(prompt, piece), before);
        }
    }
}

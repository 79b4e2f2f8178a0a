//! What guidance changed: the guided and the unguided response in full, marked where they part,
//! and below them their numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use super::summary::{BOTH, Summary, beside, body, wrapped};
use super::terms::end_sign;
use super::theme::{Depth, Theme};
use super::{draw, text};
use crate::app::{App, Unguided};
use crate::search::Text;

/// Lines of the table: where the texts part, headings, both, their difference.
const TABLE: u16 = 5;

/// Cells of the table's first column.
const NAME: usize = 20;

/// Lines the comparison would fill at `width`; of more than `most`, at least so many.
pub fn height_wanted(app: &App, unguided: &Unguided, width: u16, most: u16) -> usize {
    let both = Both::of(app, unguided);
    let theme = Theme::new(Depth::None, false);
    let [guided, other] = match width >= BOTH {
        true => both.heights(app, (width - 2) / 2, most, &theme),
        false => both.heights(app, width, most, &theme),
    };
    let texts = match width >= BOTH {
        true => guided.max(other),
        false => guided + other,
    };
    texts + usize::from(TABLE)
}

/// Both texts, side by side where there is room, and the table.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, unguided: &Unguided, theme: &Theme) {
    let both = Both::of(app, unguided);
    let rows = [Constraint::Fill(1), Constraint::Length(TABLE)];
    let [texts, table] = Layout::vertical(rows).areas(area);
    let places = match area.width >= BOTH {
        true => beside(texts),
        false => above(texts, both.heights(app, area.width, area.height, theme)),
    };
    for (place, summary) in places.into_iter().zip([&both.guided, &both.unguided]) {
        draw::rule(buf, place, 0, title(summary, theme), theme);
        let cells = usize::from(place.width) * usize::from(place.height);
        let pieces = pieces(app, summary, both.shared, cells, theme);
        body(buf, draw::below(place, 1), &pieces, false);
    }
    both.render_table(buf, table, theme);
}

/// One above the other: each as high as it wants to be, or half where that is too much.
fn above(area: Rect, [guided, other]: [usize; 2]) -> [Rect; 2] {
    let height = usize::from(area.height);
    let room = height.saturating_sub(other).max(height / 2);
    let first = u16::try_from(guided.min(room)).unwrap_or(u16::MAX);
    Layout::vertical([Constraint::Length(first), Constraint::Fill(1)]).areas(area)
}

/// The two responses.
struct Both<'a> {
    guided: Summary<'a>,
    unguided: Summary<'a>,
    /// How much they have in common from the first word on, in bytes and in words.
    shared: usize,
    n_words: usize,
}

impl<'a> Both<'a> {
    fn of(app: &'a App, unguided: &'a Unguided) -> Self {
        let (guided, unguided) = (Summary::guided(app), Summary::unguided(unguided));
        let texts = guided.text.zip(unguided.text);
        let shared = texts.map(|(a, b)| shared(a, b)).unwrap_or_default();
        Self {
            shared: shared.len(),
            n_words: shared.split_whitespace().count(),
            guided,
            unguided,
        }
    }

    /// Lines that either would fill, its title included; of more than `most`, at least so many.
    fn heights(&self, app: &App, width: u16, most: u16, theme: &Theme) -> [usize; 2] {
        let cells = usize::from(width) * usize::from(most);
        [&self.guided, &self.unguided].map(|summary| {
            let pieces = pieces(app, summary, self.shared, cells, theme);
            wrapped(&pieces, width).len() + 1
        })
    }

    fn render_table(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        let title = vec![
            Span::styled("  what guidance changed  ", theme.title),
            Span::styled(self.parting(), theme.muted),
        ];
        draw::rule(buf, area, 0, title, theme);
        let headings = format!(
            " {:NAME$}{:>10}{:>10}{:>14}{:>8}",
            "", "log-ratio", "judge", "strong/token", "tokens"
        );
        draw::line(buf, area, 1, vec![Span::styled(headings, theme.faint)]);
        let (guided, unguided) = (Numbers::of(&self.guided), Numbers::of(&self.unguided));
        draw::line(buf, area, 2, guided.spans("guided", false, theme));
        draw::line(buf, area, 3, unguided.spans("unguided", false, theme));
        let difference = guided.minus(&unguided);
        let spans = difference.spans("guided − unguided", true, theme);
        draw::line(buf, area, 4, spans);
    }

    /// Where the texts part, in words: not all screens can underline.
    fn parting(&self) -> String {
        match (self.guided.text, self.n_words) {
            (None, _) => "nothing is chosen yet".to_owned(),
            (guided, _) if guided == self.unguided.text => {
                "nothing: the texts are the same".to_owned()
            }
            (_, 0) => "the texts part at the first word".to_owned(),
            (_, 1) => "the texts part after one word".to_owned(),
            (_, n) => format!("the texts part after {n} words"),
        }
    }
}

/// What both begin with, in whole words.
fn shared(a: &Text, b: &Text) -> String {
    let mut same = a.between(0, a.leaves(b));
    if a != b {
        same.truncate(same.rfind(char::is_whitespace).unwrap_or(0));
    }
    same
}

fn title(summary: &Summary<'_>, theme: &Theme) -> Vec<Span<'static>> {
    let mut title = vec![Span::styled(format!("  {}", summary.name), theme.title)];
    if summary.finish.is_some() {
        let sign = format!(" {}", end_sign(summary.finish));
        title.push(Span::styled(sign, theme.finished));
    }
    title
}

/// The prompt, what both texts begin with, the word they part at, and the rest, as far as `cells`
/// show it.
fn pieces(
    app: &App,
    summary: &Summary<'_>,
    shared: usize,
    cells: usize,
    theme: &Theme,
) -> Vec<(String, Style)> {
    let text = summary.text.map(|text| text::beginning(text, cells));
    let text = text.unwrap_or_default();
    let (same, own) = text.split_at_checked(shared).unwrap_or((&text, ""));
    let start = own.len() - own.trim_start().len();
    let end = own[start..].find(char::is_whitespace);
    let (space, own) = own.split_at(start);
    let (word, rest) = own.split_at(end.unwrap_or(own.len()));
    let piece = |text: &str, style: Style| (text::clean(text), style);
    vec![
        piece(app.prompt(), theme.muted),
        piece(same, theme.text),
        piece(space, theme.text),
        piece(word, theme.title.underlined()),
        piece(rest, theme.title),
    ]
}

/// A line of the table.
struct Numbers {
    log_ratio: Option<f64>,
    judge: Option<f64>,
    strong: Option<f64>,
    n_tokens: isize,
}

impl Numbers {
    fn of(summary: &Summary<'_>) -> Self {
        Self {
            log_ratio: summary.log_ratio.map(text::hundredths),
            judge: summary.judge.map(text::hundredths),
            strong: summary.strong.map(text::hundredths),
            n_tokens: isize::try_from(summary.n_tokens).unwrap_or(isize::MAX),
        }
    }

    fn minus(&self, other: &Self) -> Self {
        let difference = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        Self {
            log_ratio: difference(self.log_ratio, other.log_ratio),
            judge: difference(self.judge, other.judge),
            strong: difference(self.strong, other.strong),
            n_tokens: self.n_tokens.saturating_sub(other.n_tokens),
        }
    }

    fn spans(&self, name: &str, is_difference: bool, theme: &Theme) -> Vec<Span<'static>> {
        let number = |value: Option<f64>, width: usize| {
            let style = value.map_or(theme.muted, |value| theme.signed(value));
            Span::styled(text::signed(value, width), style)
        };
        let tokens = match is_difference {
            true if self.n_tokens != 0 => format!("{:>+8}", self.n_tokens),
            _ => format!("{:>8}", self.n_tokens),
        };
        vec![
            Span::raw(format!(" {}", text::pad(name, NAME))),
            number(self.log_ratio, 10),
            number(self.judge, 10),
            // Always negative: by itself it is neither good nor bad.
            match is_difference {
                true => number(self.strong, 14),
                false => Span::styled(text::signed(self.strong, 14), theme.text),
            },
            Span::raw(tokens),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_share_whole_words() {
        for (a, b, both) in [
            (" a good film", " a good plot", " a good"),
            (" a good film", " a good films", " a good"),
            (" a film", " the film", ""),
            (" a film", " a film", " a film"),
        ] {
            assert_eq!(shared(&Text::from(a), &Text::from(b)), both);
        }
    }
}

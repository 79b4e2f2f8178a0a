//! The token table: a score as the sum of its tokens' differences, line by line, beside another
//! candidate's where one is compared.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::spelling::{Spelt, spelt};
use super::terms::{by_the_same, parts};
use super::theme::Theme;
use super::{bar, draw, text};
use crate::app::{App, Pane};
use crate::search::{Hypothesis, LogRatio, Rope, Text, TokenTerm};

/// Cells of the widest bar.
const BAR: usize = 31;

/// Cells of a token's text.
const PIECE: usize = 14;

/// Cells of all other columns: those always shown, the raw log-probabilities and ids, the other
/// candidate's.
const ALWAYS: usize = 35;
const RAW: usize = 32;
const COMPARED: usize = 41;

/// Headings, the lines in view around the cursor, and the sum.
pub fn render(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    hypothesis: &Hypothesis,
    scale: f64,
    theme: &Theme,
) {
    if area.height < 4 {
        return;
    }
    let table = Table::of(app, hypothesis, scale, usize::from(area.width));
    let score = hypothesis.score();
    draw::line(buf, area, 0, table.headings(theme));
    let rows = usize::from(area.height) - 2;
    let cursor = app.token();
    let first = match app.sight().token {
        // It opens with what the candidate itself adds, and the token before it.
        None => cursor
            .saturating_sub(1)
            .min(score.len().saturating_sub(rows)),
        Some(_) => draw::scroll(cursor, score.len(), rows),
    };
    for (row, term) in score.terms_since(first).take(rows).enumerate() {
        let i = first + row;
        draw::line(buf, area, row + 1, table.row(i, term, theme));
        if i == cursor && app.look().focus == Pane::Evidence {
            draw::tint(buf, area, row + 1, theme.selected);
        }
    }
    let last = rows.min(score.len()) + 1;
    let below = score.len().saturating_sub(first + rows);
    let more = text::more(first, below);
    draw::line(buf, area, last, table.total(&more, theme));
}

/// What the lines are made of.
struct Table<'a> {
    score: &'a LogRatio,
    tokens: Vec<Spelt>,
    /// The strong model's raw log-probabilities, where its tokens are the weak pair's.
    strong: Option<&'a Rope<f64>>,
    /// The score compared with, by the same pair.
    other: Option<&'a LogRatio>,
    other_tokens: Vec<Spelt>,
    scale: f64,
    /// Whether ids and raw log-probabilities have room.
    raw: bool,
    bar: usize,
}

impl<'a> Table<'a> {
    fn of(app: &'a App, hypothesis: &'a Hypothesis, scale: f64, width: usize) -> Self {
        let other = app.reference();
        let told = |other| Some((by_the_same(hypothesis, other)?, &other.text));
        let other: Option<(&LogRatio, &Text)> = other.and_then(told);
        let other_tokens = other.map(|(score, text)| spelt(score, text));
        let other = other.map(|(score, _)| score);
        let needed = ALWAYS + if other.is_some() { COMPARED } else { 0 };
        let raw = width >= needed + RAW || other.is_none();
        let left = width.saturating_sub(needed + if raw { RAW } else { 0 });
        Self {
            raw,
            // Odd, so that zero has a cell of its own.
            bar: if left < 5 { 0 } else { (left.min(BAR) - 1) | 1 },
            score: hypothesis.score(),
            tokens: spelt(hypothesis.score(), &hypothesis.text),
            other_tokens: other_tokens.unwrap_or_default(),
            strong: strong(hypothesis),
            other,
            scale,
        }
    }

    fn headings(&self, theme: &Theme) -> Vec<Span<'static>> {
        let mut heading = format!("{:>4} ", "#");
        match (self.raw, self.strong) {
            (false, _) => heading += &format!("{:<PIECE$} ", "token"),
            (true, None) => {
                heading += &format!("{:>6} {:<PIECE$} ", "id", "token raw ln p");
                heading += &format!("{:>7} {:>7} ", "tuned", "untuned");
            }
            (true, Some(_)) => {
                heading += &format!("{:>6} {:<PIECE$} ", "id", "token raw ln p");
                heading += &format!("{:>7} {:>7} {:>7} ", "strong", "tuned", "untuned");
            }
        }
        let (bar, scale) = (self.bar, format!("±{:.1}", self.scale));
        heading += &format!("{:>6} ", "diff");
        if bar > 0 {
            heading += &format!("{scale:^bar$}");
        }
        heading += &format!("{:>8}", "sum");
        if self.other.is_some() {
            heading += &format!(
                "  │ {:<PIECE$}{:>7}{:>8}{:>8}",
                "compared", "diff", "sum", "ahead"
            );
        }
        vec![Span::styled(heading, theme.faint)]
    }

    fn row(&self, i: usize, term: &TokenTerm, theme: &Theme) -> Vec<Span<'static>> {
        let delta = term.delta();
        let id = if self.raw {
            format!("{:>6} ", term.id)
        } else {
            String::new()
        };
        let mut spans = vec![
            Span::styled(format!("{:>4} {id}", i + 1), theme.faint),
            Span::raw(text::pad(&told(&self.tokens, i), PIECE)),
            Span::raw(" "),
        ];
        let strong = self.strong.and_then(|strong| strong.get(i)).copied();
        spans.extend(self.raws(strong, term.tuned, term.untuned, theme));
        spans.push(Span::styled(
            text::signed(Some(delta), 6),
            theme.signed(delta),
        ));
        spans.push(Span::raw(" "));
        if self.bar > 0 {
            let bar = bar::diverging(Some(delta), self.scale, self.bar, false, theme);
            spans.extend(bar);
        }
        spans.push(Span::styled(
            text::signed(Some(self.score.value_at(i + 1)), 8),
            theme.muted,
        ));
        spans.extend(self.compared(i, theme));
        spans
    }

    /// The raw log-probabilities, where they have room.
    fn raws(
        &self,
        strong: Option<f64>,
        tuned: f64,
        untuned: f64,
        theme: &Theme,
    ) -> Vec<Span<'static>> {
        if !self.raw {
            return Vec::new();
        }
        let strong = strong.map(|strong| format!("{strong:>7.2} "));
        vec![
            Span::styled(strong.unwrap_or_default(), theme.muted),
            Span::raw(format!("{tuned:>7.2} {untuned:>7.2} ")),
        ]
    }

    /// The other candidate's token at the same place, and how far ahead of it this one is.
    fn compared(&self, i: usize, theme: &Theme) -> Vec<Span<'static>> {
        let Some(other) = self.other else {
            return Vec::new();
        };
        let Some(term) = other.term(i) else {
            return vec![Span::styled("  │", theme.faint)];
        };
        let sum = other.value_at(i + 1);
        let ahead = self.score.value_at(i + 1) - sum;
        let is_same = self.score.term(i).is_some_and(|own| own.id == term.id);
        let style = if is_same { theme.faint } else { theme.text };
        vec![
            Span::styled("  │ ", theme.faint),
            Span::styled(text::pad(&told(&self.other_tokens, i), PIECE), style),
            Span::styled(
                text::signed(Some(term.delta()), 7),
                theme.signed(term.delta()),
            ),
            Span::styled(text::signed(Some(sum), 8), theme.muted),
            Span::styled(text::signed(Some(ahead), 8), theme.signed(ahead)),
        ]
    }

    /// What the column of differences sums to is the score. `more` says how many lines are out of
    /// view, where the line has room for it: before the sum, or where the other candidate is.
    fn total(&self, more: &str, theme: &Theme) -> Vec<Span<'static>> {
        let value = self.score.value();
        let indent = if self.raw { 12 } else { 5 };
        let (before, behind) = match self.other.is_some() {
            true => ("", format!("  │ {more}")),
            false => (more, String::new()),
        };
        let strong = self.strong.map(|strong| strong.iter().sum());
        let (tuned, untuned) = parts(self.score);
        let mut spans = vec![
            Span::styled(text::pad(before, indent), theme.accent),
            Span::styled(format!("{:<PIECE$} ", "Σ = log-ratio"), theme.title),
        ];
        spans.extend(self.raws(strong, tuned, untuned, theme));
        spans.extend([
            Span::styled(text::signed(Some(value), 6), theme.signed(value)),
            Span::raw(" ".repeat(self.bar + 1)),
            Span::styled(text::signed(Some(value), 8), theme.title),
            Span::styled(behind, theme.accent),
        ]);
        spans
    }
}

/// A token by its place.
fn told(tokens: &[Spelt], i: usize) -> String {
    tokens.get(i).map(Spelt::alone).unwrap_or_default()
}

/// The strong model's log-probabilities, if they belong to the same tokens as the terms.
fn strong(hypothesis: &Hypothesis) -> Option<&Rope<f64>> {
    let ids = hypothesis.score().terms().map(|term| term.id);
    let is_same = ids.eq(hypothesis.tokens.iter().copied());
    let is_known = hypothesis.log_probs.len() == hypothesis.tokens.len();
    (is_same && is_known).then_some(&hypothesis.log_probs)
}

//! The token table of a panel: what each pair's tokens add, told in the strong model's tokens, and
//! the weighted sum of all.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::settings::pair_name;
use super::theme::Theme;
use super::{bar, draw, text};
use crate::app::{App, Pane};
use crate::search::{Hypothesis, LogRatio, Span as Place, spans};

/// Cells of a token's text, of a number, of the widest bar.
const PIECE: usize = 14;
const NUMBER: usize = 8;
const BAR: usize = 31;

/// Cells of the other columns.
const ALWAYS: usize = 5 + PIECE + 2 * NUMBER;

/// Headings, the lines in view around the cursor, and the sums.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, hypothesis: &Hypothesis, theme: &Theme) {
    if area.height < 4 {
        return;
    }
    let table = Table::of(app, hypothesis, usize::from(area.width));
    draw::line(buf, area, 0, table.headings(theme));
    let (rows, n) = (usize::from(area.height) - 2, table.pieces.len());
    let cursor = app.token().min(n.saturating_sub(1));
    let first = draw::scroll(cursor, n, rows);
    for (row, i) in (first..n).take(rows).enumerate() {
        draw::line(buf, area, row + 1, table.row(i, theme));
        if i == cursor && app.look().focus == Pane::Evidence {
            draw::tint(buf, area, row + 1, theme.selected);
        }
    }
    let more = text::more(first, n.saturating_sub(first + rows));
    draw::line(buf, area, rows.min(n) + 1, table.total(&more, theme));
}

struct Table {
    /// The tokens that all is told in.
    pieces: Vec<String>,
    /// By pair of the panel: its name, its weight, what it says of each token.
    voices: Vec<(String, f64, Vec<f64>)>,
    /// The weighted sum by token.
    mixture: Vec<f64>,
    bar: usize,
    scale: f64,
}

impl Table {
    fn of(app: &App, hypothesis: &Hypothesis, width: usize) -> Self {
        let text = hypothesis.text.to_string();
        let pieces = pieces(app, hypothesis);
        let places = spans(
            &pieces.iter().map(String::as_str).collect::<Vec<_>>(),
            &text,
        );
        let members = hypothesis.scored_by().map(|pair| pair.members());
        let voice = |(pair, weight): (crate::search::PairId, f64)| {
            let score = hypothesis.scores.by(&pair)?;
            let name = pair_name(pair.as_str(), NUMBER - 1);
            Some((name, weight, told(score, &places, &pieces, &text)))
        };
        let voices: Vec<_> = members.into_iter().flatten().filter_map(voice).collect();
        let sum = |i: usize| voices.iter().map(|(_, w, own)| w * own[i]).sum();
        let mixture: Vec<f64> = (0..pieces.len()).map(sum).collect();
        let left = width.saturating_sub(ALWAYS + voices.len() * NUMBER);
        Self {
            scale: bar::scale(mixture.iter().map(|x: &f64| x.abs()).fold(0.0, f64::max)),
            bar: if left < 5 { 0 } else { (left.min(BAR) - 1) | 1 },
            pieces,
            voices,
            mixture,
        }
    }

    fn headings(&self, theme: &Theme) -> Vec<Span<'static>> {
        let names = self
            .voices
            .iter()
            .map(|(name, ..)| format!("{name:>NUMBER$}"));
        let names: String = names.collect();
        let bar = self.bar;
        let scale = match bar {
            0 => String::new(),
            _ => format!("{:^bar$}", format!("±{:.1}", self.scale)),
        };
        let line = format!(
            "{:>4} {:<PIECE$}{names}{:>NUMBER$}{scale}{:>NUMBER$}",
            "#", "token", "mixture", "sum"
        );
        vec![Span::styled(line, theme.faint)]
    }

    fn row(&self, i: usize, theme: &Theme) -> Vec<Span<'static>> {
        let mut spans = vec![
            Span::styled(format!("{:>4} ", i + 1), theme.faint),
            Span::raw(text::pad(&text::clean(&self.pieces[i]), PIECE)),
        ];
        let number =
            |value: f64| Span::styled(text::signed(Some(value), NUMBER), theme.signed(value));
        spans.extend(self.voices.iter().map(|(_, _, own)| number(own[i])));
        spans.push(number(self.mixture[i]));
        if self.bar > 0 {
            spans.extend(bar::diverging(
                Some(self.mixture[i]),
                self.scale,
                self.bar,
                false,
                theme,
            ));
        }
        spans.push(number(self.mixture[..=i].iter().sum()));
        spans
    }

    /// The log-ratio of each pair, with what it counts, and of all.
    fn total(&self, more: &str, theme: &Theme) -> Vec<Span<'static>> {
        let mut spans = vec![Span::styled(
            format!("{:>4} {:<PIECE$}", "Σ", text::head(more, PIECE)),
            theme.muted,
        )];
        let sum = |values: &[f64]| text::signed(Some(values.iter().sum()), NUMBER);
        let totals = self.voices.iter().map(|(_, _, own)| sum(own));
        spans.extend(totals.map(|total| Span::styled(total, theme.text)));
        spans.push(Span::styled(sum(&self.mixture), theme.title));
        let weights = self
            .voices
            .iter()
            .map(|(name, w, _)| format!("{w:+} {name}"));
        let weights = weights.collect::<Vec<_>>().join(" ");
        spans.push(Span::styled(format!("  {weights}"), theme.muted));
        spans
    }
}

/// The strong model's tokens once they are known and spell the text, else those of the first pair.
fn pieces(app: &App, hypothesis: &Hypothesis) -> Vec<String> {
    let first = || {
        let terms = hypothesis.score().terms();
        terms.map(|term| term.piece.to_string()).collect()
    };
    let strong = app.evidence().map(|evidence| &evidence.strong);
    let strong = strong.map(|places| places.iter().map(|place| place.piece.to_string()));
    let strong = strong.map(Iterator::collect::<Vec<String>>);
    let text = hypothesis.text.to_string();
    strong
        .filter(|pieces| spell(pieces, &text))
        .unwrap_or_else(first)
}

/// Whether these tokens leave nothing of the text over.
fn spell(pieces: &[String], text: &str) -> bool {
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let end = spans(&pieces, text).last().map_or(0.0, |place| place.1);
    end == text.len() as f64 && !pieces.is_empty()
}

/// A pair's terms: as they are where it has these tokens itself, else spread over their bytes.
fn told(score: &LogRatio, places: &[Place], pieces: &[String], text: &str) -> Vec<f64> {
    let own = score.terms().map(|term| &*term.piece);
    let is_same = score.len() == pieces.len() && own.eq(pieces.iter().map(String::as_str));
    match is_same {
        true => score.terms().map(|term| term.delta()).collect(),
        false => score.deltas_by(places, text),
    }
}

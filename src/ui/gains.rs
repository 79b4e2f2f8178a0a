//! What the strong model would gain of each pair: predicted by the misfit, judged, what would make
//! the prediction fail, and one against the other.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::settings::pair_name;
use super::theme::Theme;
use super::window::{centered, window};
use super::wrap::wrap;
use super::{draw, text};
use crate::app::{App, Gauge};
use crate::measure::{Gains, PairGain};

/// Cells of a pair's name with its letter, and of a number.
const NAME: usize = 16;
const NUMBER: usize = 12;

/// Lines of the plot at most, and at least where there is one at all; cells of its scale.
const MOST_PLOT: u16 = 12;
const LEAST_PLOT: u16 = 5;
const SCALE: u16 = 8;

/// Lines of a window with so many pairs that all have room in.
const OTHERS: u16 = 10;

pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let Some(gauge) = app.gauge() else {
        return;
    };
    let n = u16::try_from(gauge.request.pairs.len()).unwrap_or(u16::MAX);
    let wanted = match gauge.gains {
        Some(Ok(_)) => n.saturating_add(OTHERS + MOST_PLOT),
        _ => OTHERS,
    };
    let place = centered(area, 100, wanted);
    let inner = window(buf, place, &title(gauge), foot(gauge), "", theme);
    let width = usize::from(inner.width);
    let told = match &gauge.gains {
        None => told(&waiting(gauge), width, theme.muted),
        Some(Err(why)) => told(&text::clean(why), width, theme.accent),
        Some(Ok(gains)) => lines(gains, width, theme),
    };
    let below = u16::try_from(told.len()).unwrap_or(u16::MAX);
    for (row, line) in told.into_iter().enumerate() {
        draw::line(buf, inner, row, line);
    }
    if let Some(Ok(gains)) = &gauge.gains {
        plot(buf, draw::below(inner, below), gains, theme);
    }
}

fn title(gauge: &Gauge) -> String {
    let n = gauge.request.prompts.len();
    match &gauge.gains {
        None => format!("Gain: {} of {n} prompts", gauge.done),
        Some(_) => "Gain: what the strong model would gain of each pair".to_owned(),
    }
}

fn foot(gauge: &Gauge) -> &'static str {
    match gauge.gains {
        None => " C stops, esc closes ",
        Some(_) => " r anew, esc closes ",
    }
}

fn waiting(gauge: &Gauge) -> String {
    format!(
        "The strong model answers {} prompts {} times each; all pairs score what it says, the judge \
         judges it, and the strong model reads it once more. How much of a pair's scores is not in \
         what the strong model makes of texts (the misfit) predicts what it would gain by learning \
         from them (arXiv 2405.15116).",
        gauge.request.prompts.len(),
        gauge.request.params.n_candidates(),
    )
}

fn told(text: &str, width: usize, style: Style) -> Vec<Vec<Span<'static>>> {
    wrap(&[(text.to_owned(), style)], width.max(1))
}

fn lines(gains: &Gains, width: usize, theme: &Theme) -> Vec<Vec<Span<'static>>> {
    let note = |text: &str| told(text, width, theme.muted);
    let mut lines = note(&format!(
        "{} responses to {} prompts; scores and verdicts with variance 1",
        gains.n_responses, gains.n_prompts
    ));
    lines.push(headings(theme));
    let rows = gains.rows.iter().zip(letters());
    lines.extend(rows.map(|(row, letter)| line(row, letter, theme)));
    let choice = match gains.choice(0) {
        None => "the judge finds all alike: nothing can be chosen".to_owned(),
        Some(own) if own.predicted == own.judged => {
            format!(
                "the prediction chooses {}, and so does the judge",
                own.judged
            )
        }
        Some(own) => format!(
            "the prediction chooses {}, the judge {}",
            own.predicted, own.judged
        ),
    };
    lines.extend(told(&text::clean(&choice), width, theme.title));
    let why = gains.cautions(0).join("; ");
    lines.extend(note(&format!(
        "what would make it fail: {}",
        text::clean(&why)
    )));
    lines
}

fn headings(theme: &Theme) -> Vec<Span<'static>> {
    let mut spans = vec![Span::styled(text::pad("pair", NAME), theme.faint)];
    let names = ["misfit", "err(weak)", "predicted ≤", "err(fit)", "gain"];
    spans.extend(names.map(|name| Span::styled(format!("{name:>NUMBER$}"), theme.faint)));
    spans
}

fn line(row: &PairGain, letter: char, theme: &Theme) -> Vec<Span<'static>> {
    let name = format!("{letter} {}", pair_name(&row.pair, NAME - 3));
    let mut spans = vec![Span::raw(text::pad(&name, NAME))];
    let mut number = |text: String, style: Style| {
        spans.push(Span::styled(format!("{text:>NUMBER$}"), style));
    };
    number(format!("{:.2}", row.misfit), theme.title);
    match row.judged.first().copied().flatten() {
        None => (0..4).for_each(|_| number("-".to_owned(), theme.muted)),
        Some(own) => {
            for error in [own.weak_error, own.predicted_error, own.strong_error] {
                number(format!("{error:.2}"), Style::default());
            }
            number(format!("{:+.2}", own.gain), theme.signed(own.gain));
        }
    }
    spans
}

fn letters() -> impl Iterator<Item = char> {
    ('a'..='z').cycle()
}

/// The judged gain (up) against the predicted one (right), a letter a pair; where they are the
/// same the line y = x.
fn plot(buf: &mut Buffer, area: Rect, gains: &Gains, theme: &Theme) {
    let judged = |row: &PairGain| Some((row.misfit, row.judged.first().copied()??.gain));
    let points = gains.rows.iter().map(judged).zip(letters());
    let points = points.filter_map(|(point, letter)| Some((point?, letter)));
    let points: Vec<((f64, f64), char)> = points.collect();
    // A caption, and the numbers below.
    let height = area.height.saturating_sub(2).min(MOST_PLOT);
    if points.is_empty() || height < LEAST_PLOT || area.width < 3 * SCALE {
        return;
    }
    let caption = "the judge's gain (up), the predicted one (right); ∙ where both are the same";
    draw::line(buf, area, 0, vec![Span::styled(caption, theme.muted)]);
    let field = Rect::new(area.x + SCALE, area.y + 1, area.width - SCALE, height);
    let axes = Axes::of(&points, field);
    axes.scale(buf, area, theme);
    for column in 0..field.width {
        axes.set(buf, axes.x_at(column), axes.x_at(column), '∙', theme.faint);
    }
    for ((x, y), letter) in points {
        axes.set(buf, x, y, letter, theme.accent);
    }
}

/// Values as cells of a field.
struct Axes {
    field: Rect,
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn of(points: &[((f64, f64), char)], field: Rect) -> Self {
        let range = |values: Vec<f64>| {
            let low = values.iter().copied().fold(0.0, f64::min);
            let high = values.iter().copied().fold(low + 0.1, f64::max);
            (low, high)
        };
        Self {
            field,
            x: range(points.iter().map(|((x, _), _)| *x).collect()),
            y: range(points.iter().map(|((_, y), _)| *y).collect()),
        }
    }

    fn x_at(&self, column: u16) -> f64 {
        let share = f64::from(column) / f64::from(self.field.width.max(2) - 1);
        self.x.0 + share * (self.x.1 - self.x.0)
    }

    fn set(&self, buf: &mut Buffer, x: f64, y: f64, sign: char, style: Style) {
        let share = |v: f64, (low, high): (f64, f64)| (v - low) / (high - low);
        let (right, up) = (share(x, self.x), share(y, self.y));
        if !(0.0..=1.0).contains(&right) || !(0.0..=1.0).contains(&up) {
            return;
        }
        let cell = |share: f64, n: u16| (share * f64::from(n - 1)).round() as u16;
        let column = self.field.x + cell(right, self.field.width);
        let row = self.field.y + cell(1.0 - up, self.field.height);
        if let Some(cell) = buf.cell_mut((column, row)) {
            cell.set_char(sign).set_style(style);
        }
    }

    /// Numbers at the ends of both axes.
    fn scale(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        let width = usize::from(SCALE) - 1;
        let up = |value: f64| vec![Span::styled(format!("{value:>width$.2}"), theme.faint)];
        draw::line(buf, area, 1, up(self.y.1));
        let last = usize::from(self.field.height);
        draw::line(buf, area, last, up(self.y.0));
        let room = usize::from(self.field.width).saturating_sub(4);
        let right = format!("{:>width$} {:<4.2}{:>room$.2}", "", self.x.0, self.x.1);
        draw::line(buf, area, last + 1, vec![Span::styled(right, theme.faint)]);
    }
}

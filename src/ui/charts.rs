//! The charts: scores by round, their spread and distribution, and what length has to do with it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::draw::Parts;
use super::settings::pair_name;
use super::spelling::{Spelt, spelt};
use super::theme::Theme;
use super::{draw, header, text};
use crate::app::stats::{self, STRONG};
use crate::app::{App, Pane};
use crate::search::{Round, SearchTrace};

/// Lines that the plot keeps; what is more goes to at most four notes below it.
const PLOT: u16 = 7;
const NOTES: u16 = 4;

/// Decisive tokens that are told.
const DECISIVE: usize = 8;

/// Cells for a pair's name.
const PAIR: usize = 18;

/// Cells of the plot's scale.
const SCALE: u16 = 9;

/// The plot of rounds, and below it a line each for spread, distribution and length.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let details = legend(app, theme);
    let body = draw::titled(buf, area, Pane::Charts, details, "", app, theme);
    let notes = n_notes(body.height);
    let plot_height = body.height - notes;
    let plot_area = Rect {
        height: plot_height,
        ..body
    };
    plot(buf, plot_area, app, theme);
    let trace = app.trace();
    let notes = draw::below(body, plot_height);
    draw::line(buf, notes, 0, spread(trace, theme));
    draw::line(buf, notes, 1, distribution(trace, notes.width, theme));
    draw::line(buf, notes, 2, length(trace, theme));
    draw::line(buf, notes, 3, decisive(trace, notes.width, theme));
}

/// What the signs say, and whose scores these are: of all pairs in order, where there are several.
fn legend(app: &App, theme: &Theme) -> Parts<'static> {
    let rounds = app.trace().rounds().iter();
    let mut pairs: Vec<String> = rounds
        .map(|round| pair_name(round.pair.as_str(), PAIR))
        .collect();
    pairs.dedup();
    let pairs = match pairs.len() {
        0 => String::new(),
        _ => format!("pair {}, ", pairs.join(" ┊ ")),
    };
    let signs = "by round: ┃ kept  ● their mean  │ pruned  ╌ cut".to_owned();
    let note = |text: String| vec![Span::styled(text, theme.muted)];
    vec![note(pairs), note(signs)]
}

fn n_notes(height: u16) -> u16 {
    height.saturating_sub(PLOT).min(NOTES)
}

/// Scores from `low` at the bottom line to `high` at the top one.
struct Axis {
    low: f64,
    high: f64,
    rows: u16,
}

impl Axis {
    fn of(trace: &SearchTrace, rows: u16) -> Option<Self> {
        let ranges = trace
            .rounds()
            .iter()
            .filter_map(|round| round.figures().range);
        let (low, high) = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let margin = if high > low { 0.0 } else { 1.0 };
        (rows > 1).then_some(Self {
            low: low.min(0.0) - margin,
            high: high.max(0.0) + margin,
            rows,
        })
    }

    fn row(&self, score: f64) -> u16 {
        let share = (self.high - score) / (self.high - self.low);
        (share.clamp(0.0, 1.0) * f64::from(self.rows - 1)).round() as u16
    }
}

fn plot(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let trace = app.trace();
    // The last line numbers the rounds.
    let rows = area.height.saturating_sub(1);
    let Some(axis) = Axis::of(trace, rows).filter(|_| area.width > SCALE) else {
        return;
    };
    scale(buf, area, &axis, theme);
    let rounds = trace.rounds();
    let expected = rounds
        .last()
        .map_or(1, |r| header::rounds_expected(&r.params));
    let room = area.width - SCALE;
    let n = u16::try_from(expected.max(rounds.len()))
        .unwrap_or(u16::MAX)
        .max(1);
    let step = (room / n).clamp(1, 8);
    let fits = usize::from(room / step);
    let skip = rounds.len().saturating_sub(fits);
    for (i, round) in rounds.iter().skip(skip).enumerate() {
        // At most `fits` rounds, so this stays within the width.
        let x = area.x + SCALE + step * i as u16;
        let column = Rect::new(x, area.y, step, area.height);
        draw_round(buf, column, &axis, round, theme);
        let before = rounds.get((skip + i).wrapping_sub(1));
        if before.is_some_and(|before| before.pair != round.pair) {
            draw_change(buf, column, theme);
        }
    }
}

/// From here on scores are of another pair and do not compare with those before.
fn draw_change(buf: &mut Buffer, column: Rect, theme: &Theme) {
    let edge = Rect { width: 1, ..column };
    for row in 0..usize::from(column.height) {
        draw::line(buf, edge, row, vec![Span::styled("┊", theme.accent)]);
    }
}

/// The ends of the scale, and zero.
fn scale(buf: &mut Buffer, area: Rect, axis: &Axis, theme: &Theme) {
    for value in [axis.high, axis.low, 0.0] {
        let row = usize::from(axis.row(value));
        let label = format!("{} ┤", text::signed(Some(value), usize::from(SCALE) - 3));
        draw::line(buf, area, row, vec![Span::styled(label, theme.faint)]);
    }
    let zero = Rect {
        x: area.x + SCALE,
        width: area.width - SCALE,
        ..area
    };
    let line = "┈".repeat(usize::from(zero.width));
    let row = usize::from(axis.row(0.0));
    draw::line(buf, zero, row, vec![Span::styled(line, theme.faint)]);
}

fn draw_round(buf: &mut Buffer, column: Rect, axis: &Axis, round: &Round, theme: &Theme) {
    let middle = Rect {
        x: column.x + column.width / 2,
        width: 1,
        ..column
    };
    let mut put = |area: Rect, row: u16, text: &str, style: Style| {
        let spans = vec![Span::styled(text.to_owned(), style)];
        draw::line(buf, area, usize::from(row), spans);
    };
    if let Some((low, high)) = round.figures().range {
        for row in axis.row(high)..=axis.row(low) {
            put(middle, row, "│", theme.pruned);
        }
    }
    if let Some(line) = round.cut_score() {
        let dashes = "╌".repeat(usize::from(column.width));
        put(column, axis.row(line), &dashes, theme.accent);
    }
    if let Some((best, mean, worst)) = round.kept_range() {
        for row in axis.row(best)..=axis.row(worst) {
            put(middle, row, "┃", theme.kept);
        }
        put(middle, axis.row(mean), "●", theme.positive);
    }
    put(column, axis.rows, &number(round, column.width), theme.faint);
}

/// The round's number under the middle of its column, if it fits.
fn number(round: &Round, width: u16) -> String {
    let number = round.number.to_string();
    let width = usize::from(width);
    match number.len() <= width {
        true => format!("{number:^width$}"),
        false => String::new(),
    }
}

fn bars(values: &[f64]) -> String {
    let largest = values.iter().copied().fold(0.0, f64::max);
    let level = |value: &f64| {
        let share = if largest > 0.0 { value / largest } else { 0.0 };
        draw::LEVELS[((share * 8.0).ceil() as usize).min(8)]
    };
    values.iter().map(level).collect()
}

fn note(name: &str, theme: &Theme) -> Span<'static> {
    Span::styled(format!(" {name:<13}"), theme.muted)
}

/// The standard deviation of the candidates, round by round.
fn spread(trace: &SearchTrace, theme: &Theme) -> Vec<Span<'static>> {
    let spreads: Vec<f64> = trace
        .rounds()
        .iter()
        .filter_map(|round| round.figures().spread)
        .collect();
    let latest = spreads
        .last()
        .map(|s| format!("  {s:.2} nats in the last round"));
    vec![
        note("spread", theme),
        Span::styled(bars(&spreads), theme.positive),
        Span::styled(latest.unwrap_or_default(), theme.muted),
    ]
}

/// How all scores so far are distributed between the lowest and the highest.
fn distribution(trace: &SearchTrace, width: u16, theme: &Theme) -> Vec<Span<'static>> {
    let scores = stats::scores(trace);
    let Some((low, high)) = stats::extremes(scores.iter().copied()) else {
        return vec![note("distribution", theme)];
    };
    let n = usize::from(width).saturating_sub(42).clamp(8, 48);
    let counts: Vec<f64> = stats::histogram(&scores, n)
        .iter()
        .map(|n| *n as f64)
        .collect();
    vec![
        note("distribution", theme),
        Span::styled(format!("{low:+.1} "), theme.muted),
        Span::styled(bars(&counts), theme.positive),
        Span::styled(format!(" {high:+.1}"), theme.muted),
        Span::styled(format!("  {} candidates", scores.len()), theme.muted),
    ]
}

/// The tokens of the best response that count most, with the rounds that they are of.
fn decisive(trace: &SearchTrace, width: u16, theme: &Theme) -> Vec<Span<'static>> {
    let best = trace.best().and_then(|best| best.hypothesis.as_deref());
    let spelt = best.map_or_else(Vec::new, |best| spelt(best.score(), &best.text));
    let mut parts = vec![vec![note("decisive", theme)]];
    let tokens = stats::decisive(trace).into_iter().take(DECISIVE);
    parts.extend(tokens.map(|token| {
        let piece = spelt.get(token.term).map(Spelt::alone).unwrap_or_default();
        vec![
            Span::raw(format!("{} ", text::head(&piece, 14))),
            Span::styled(format!("{:+.2}", token.delta), theme.signed(token.delta)),
            Span::styled(format!(" in {}  ", token.round), theme.muted),
        ]
    }));
    draw::fitting(parts, usize::from(width))
}

/// Whether length explains the scores.
fn length(trace: &SearchTrace, theme: &Theme) -> Vec<Span<'static>> {
    let (sentence, style) = match stats::length_correlation(trace) {
        None => ("lengths do not vary within a round".to_owned(), theme.muted),
        Some(r) if r.abs() < STRONG => (format!("r = {r:+.2} with the score"), theme.muted),
        Some(r) => {
            let kind = if r > 0.0 { "longer" } else { "shorter" };
            (
                format!("r = {r:+.2}: {kind} responses score higher"),
                theme.accent,
            )
        }
    };
    vec![note("length", theme), Span::styled(sentence, style)]
}

//! What a method reaches for what it costs: in characters, and as SVG.

use std::fmt::Write as _;

use super::summary::{Metric, Row, Summary};

/// The plot's size in characters.
const COLUMNS: usize = 60;
const LINES: usize = 12;

/// A method in the plane.
struct Dot<'a> {
    name: &'a str,
    x: f64,
    y: f64,
    half: f64,
    /// Whether no other is better and cheaper.
    is_best: bool,
}

/// The judge against the tokens that were sampled.
fn dots(summary: &Summary) -> Vec<Dot<'_>> {
    let of = |row: &Row, metric| summary.value(row, metric);
    let dot = |row| {
        let row: &Row = row;
        Some((
            row.method.as_str(),
            of(row, Metric::StrongTokens)?,
            of(row, Metric::Judge(0))?,
        ))
    };
    placed(
        summary
            .rows
            .iter()
            .filter_map(dot)
            .map(|(name, x, y)| (name, x.mean, y.mean, y.half_width.unwrap_or(0.0))),
    )
}

/// The judge against the bound of the divergence, where it is known.
fn divergences(summary: &Summary) -> Vec<Dot<'_>> {
    let dot = |row| {
        let row: &Row = row;
        let judge = summary.value(row, Metric::Judge(0))?;
        let half = judge.half_width.unwrap_or(0.0);
        Some((row.method.as_str(), row.kl_bound?, judge.mean, half))
    };
    placed(summary.rows.iter().filter_map(dot))
}

fn placed<'a>(all: impl Iterator<Item = (&'a str, f64, f64, f64)>) -> Vec<Dot<'a>> {
    let all: Vec<_> = all.collect();
    let is_best = |x: f64, y: f64| {
        !all.iter()
            .any(|(_, cost, gain, _)| *gain > y && *cost <= x || *gain >= y && *cost < x)
    };
    let dot = |(name, x, y, half): &(&'a str, f64, f64, f64)| Dot {
        name,
        x: *x,
        y: *y,
        half: *half,
        is_best: is_best(*x, *y),
    };
    all.iter().map(dot).collect()
}

/// From the least to the most, with a margin where that is nothing.
fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    match high > low {
        true => (low, high),
        false => (low - 1.0, high + 1.0),
    }
}

/// The judge against sampled tokens, each method a letter.
pub(super) fn plot(summary: &Summary) -> String {
    let title = "judge (up) against sampled tokens (right); best for their cost: *";
    drawn(&dots(summary), title, 0)
}

/// A point of what two judges say.
pub(super) struct Point {
    pub name: String,
    pub x: f64,
    pub y: f64,
    /// Whether no other is better by both.
    pub is_best: bool,
}

fn of_points(points: &[Point]) -> Vec<Dot<'_>> {
    points.iter().map(Dot::of).collect()
}

impl<'a> Dot<'a> {
    fn of(point: &'a Point) -> Self {
        Self {
            name: &point.name,
            x: point.x,
            y: point.y,
            half: 0.0,
            is_best: point.is_best,
        }
    }
}

/// One judge against another, each point a letter.
pub(super) fn front(points: &[Point], [x, y]: [&str; 2]) -> String {
    let title = format!("{y} (up) against {x} (right); beaten by none on both: *");
    drawn(&of_points(points), &title, 2)
}

/// Points in the plane, each a letter, and those marked that are above the line y = x.
pub(super) fn diagonal(points: &[Point], title: &str) -> String {
    drawn(&of_points(points), title, 2)
}

/// The same as SVG.
pub(super) fn front_svg(points: &[Point], [x, y]: [&str; 2]) -> String {
    svg(&of_points(points), &escaped(x), &escaped(y))
}

/// Dots in the plane, numbers below it with so many decimals.
fn drawn(dots: &[Dot<'_>], title: &str, decimals: usize) -> String {
    if dots.is_empty() {
        return String::new();
    }
    let (left, right) = range(dots.iter().map(|d| d.x));
    let (low, high) = range(dots.iter().map(|d| d.y));
    let mut grid = vec![vec![' '; COLUMNS]; LINES];
    for (dot, letter) in dots.iter().zip(letters()) {
        let column = (dot.x - left) / (right - left) * (COLUMNS - 1) as f64;
        let line = (high - dot.y) / (high - low) * (LINES - 1) as f64;
        grid[line.round() as usize][column.round() as usize] = letter;
    }
    let mut out = format!("{title}\n{high:>8.2} ┤");
    for (i, line) in grid.iter().enumerate() {
        let text: String = line.iter().collect();
        out.push_str(text.trim_end());
        out.push('\n');
        out.push_str(&match i + 2 {
            LINES => format!("{low:>8.2} ┤"),
            n if n < LINES => format!("{:>8} │", ""),
            _ => String::new(),
        });
    }
    let (left, right) = (format!("{left:.decimals$}"), format!("{right:.decimals$}"));
    let gap = COLUMNS.saturating_sub(left.len());
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:>9}└{}", "", "─".repeat(COLUMNS));
    let _ = writeln!(out, "{:>10}{left}{right:>gap$}", "");
    for (dot, letter) in dots.iter().zip(letters()) {
        let best = if dot.is_best { " *" } else { "" };
        let _ = writeln!(out, "  {letter} {}{best}", dot.name);
    }
    out
}

fn letters() -> impl Iterator<Item = char> {
    ('a'..='z').chain('A'..='Z').cycle()
}

/// The judge against sampled tokens.
pub(super) fn tokens_svg(summary: &Summary) -> String {
    svg(&dots(summary), "strong tokens sampled", "judge")
}

/// The judge against the bound of the divergence from the strong model.
pub(super) fn divergence_svg(summary: &Summary) -> Option<String> {
    let dots = divergences(summary);
    (dots.len() > 1).then(|| {
        svg(
            &dots,
            "upper bound of KL to the strong model, nats",
            "judge",
        )
    })
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 56.0;

fn svg(dots: &[Dot<'_>], x_name: &str, y_name: &str) -> String {
    let (left, right) = range(dots.iter().map(|d| d.x));
    let ends = dots.iter().flat_map(|d| [d.y - d.half, d.y + d.half]);
    let (low, high) = range(ends.collect::<Vec<_>>().into_iter());
    let x = |v: f64| MARGIN + (v - left) / (right - left) * (WIDTH - 2.0 * MARGIN);
    let y = |v: f64| HEIGHT - MARGIN - (v - low) / (high - low) * (HEIGHT - 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    let (bottom, end) = (HEIGHT - MARGIN, WIDTH - MARGIN);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<path d=\"M{MARGIN} {MARGIN}V{bottom}H{end}\" fill=\"none\" stroke=\"#888\"/>"
    );
    for (at, value, anchor) in [(MARGIN, left, "start"), (end, right, "end")] {
        let _ = writeln!(
            out,
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"{anchor}\" fill=\"#555\">{value:.2}</text>",
            bottom + 16.0
        );
    }
    for value in [low, high] {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{value:.2}</text>",
            MARGIN - 6.0,
            y(value) + 4.0
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{x_name}</text>\n\
         <text x=\"14\" y=\"{}\" transform=\"rotate(-90 14 {})\" text-anchor=\"middle\">{y_name}</text>",
        WIDTH / 2.0,
        HEIGHT - 14.0,
        HEIGHT / 2.0,
        HEIGHT / 2.0
    );
    for dot in dots {
        let (at, colour) = (x(dot.x), if dot.is_best { "#0a7" } else { "#36c" });
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} {:.1}V{:.1}\" stroke=\"{colour}\"/>\
             <circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            y(dot.y - dot.half),
            y(dot.y + dot.half),
            y(dot.y),
            at + 7.0,
            y(dot.y) - 5.0,
            escaped(dot.name)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// `text` with what HTML would obey spelled out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::line::visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

//! The numbers of all ways: who leads by the judge, and who by log-ratio among those whose pair is
//! the same.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::parting::Sides;
use super::summary::Summary;
use super::theme::Theme;
use super::{draw, text};

/// Cells of the first column at least.
const NAME: usize = 20;

/// What leads.
const LEADS: &str = "●";

/// A column after the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    LogRatio,
    Pair,
    Judge,
    Strong,
    Tokens,
    Sampled,
}

use Column::{Judge, LogRatio, Pair, Sampled, Strong, Tokens};

/// In the order in which they are given up where there is no room.
const MINOR: [Column; 4] = [Strong, Tokens, Sampled, Pair];

impl Column {
    const fn heading(self) -> &'static str {
        match self {
            LogRatio => "log-ratio",
            Pair => "by pair",
            Judge => "judge",
            Strong => "strong/token",
            Tokens => "tokens",
            Sampled => "sampled",
        }
    }

    fn width(self, rows: &[Row]) -> usize {
        match self {
            LogRatio | Judge => 10,
            Strong => 14,
            Tokens => 8,
            Sampled => 9,
            Pair => {
                let names = rows.iter().map(|row| text::width(&row.pair));
                names.max().unwrap_or(0).clamp(7, 16) + 2
            }
        }
    }
}

/// Lines of the table: a title, headings, every way, of two their difference.
pub fn height(sides: &Sides<'_>) -> usize {
    sides.len() + 2 + usize::from(sides.len() == 2)
}

pub fn render(buf: &mut Buffer, area: Rect, sides: &Sides<'_>, theme: &Theme) {
    let rows = Row::all(sides);
    let title = draw::fitting(title(sides, &rows, theme), usize::from(area.width));
    draw::rule(buf, area, 0, title, theme);
    let table = Table::of(&rows, sides.len() == 2, usize::from(area.width));
    draw::line(
        buf,
        area,
        1,
        vec![Span::styled(table.headings(), theme.faint)],
    );
    for (n, row) in rows.iter().enumerate() {
        draw::line(buf, area, n + 2, table.line(row, theme));
    }
    if let [guided, other] = &rows[..] {
        let difference = guided.minus(other);
        draw::line(buf, area, 4, table.line(&difference, theme));
    }
}

fn title(sides: &Sides<'_>, rows: &[Row], theme: &Theme) -> draw::Parts<'static> {
    let note = |text: &str| vec![Span::styled(format!("  {text}"), theme.muted)];
    let mut parts = vec![vec![Span::styled("  what guidance changed", theme.title)]];
    if sides.len() == 2 {
        parts.push(note(&sides.parting(1)));
    }
    if rows.iter().any(|row| row.leads.contains(&true)) {
        parts.push(note(&format!("{LEADS} leads")));
    }
    if !is_of_one_pair(rows) {
        parts.push(note("log-ratios of two pairs do not compare"));
    }
    parts
}

fn is_of_one_pair(rows: &[Row]) -> bool {
    let mut pairs = rows
        .iter()
        .filter(|row| row.log_ratio.is_some())
        .map(|row| &row.pair);
    let first = pairs.next();
    pairs.all(|pair| Some(pair) == first)
}

/// A line of the table.
#[derive(Debug, Clone, Default)]
struct Row {
    name: String,
    log_ratio: Option<f64>,
    pair: String,
    judge: Option<f64>,
    strong: Option<f64>,
    /// `None` where nothing is sampled.
    n_tokens: Option<isize>,
    sampled: Option<isize>,
    /// By log-ratio, and by the judge.
    leads: [bool; 2],
    is_difference: bool,
}

impl Row {
    fn all(sides: &Sides<'_>) -> Vec<Self> {
        let mut rows: Vec<Self> = sides.summaries().map(Self::of).collect();
        let leads: Vec<[bool; 2]> = rows
            .iter()
            .map(|row| {
                let same = rows.iter().filter(|other| other.pair == row.pair);
                [
                    is_ahead(row.log_ratio, same.map(|other| other.log_ratio)),
                    is_ahead(row.judge, rows.iter().map(|other| other.judge)),
                ]
            })
            .collect();
        for (row, leads) in rows.iter_mut().zip(leads) {
            row.leads = leads;
        }
        rows
    }

    fn of(summary: &Summary<'_>) -> Self {
        let whole = |n: usize| isize::try_from(n).ok().filter(|_| summary.text.is_some());
        Self {
            name: text::clean(&summary.short),
            log_ratio: summary.log_ratio.map(text::hundredths),
            pair: text::clean(&summary.pair),
            judge: summary.judge.map(text::hundredths),
            strong: summary.strong.map(text::hundredths),
            n_tokens: whole(summary.n_tokens),
            sampled: whole(summary.sampled),
            ..Self::default()
        }
    }

    /// What is the same is left out; scores of two pairs have no difference.
    fn minus(&self, other: &Self) -> Self {
        let difference = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        let whole = |a: Option<isize>, b: Option<isize>| Some(a?.saturating_sub(b?));
        let log_ratio = difference(self.log_ratio, other.log_ratio);
        Self {
            name: format!("{} − {}", self.name, other.name),
            log_ratio: log_ratio.filter(|_| self.pair == other.pair),
            judge: difference(self.judge, other.judge),
            strong: difference(self.strong, other.strong),
            n_tokens: whole(self.n_tokens, other.n_tokens),
            sampled: whole(self.sampled, other.sampled),
            is_difference: true,
            ..Self::default()
        }
    }
}

/// Whether a number is the largest of several that are not all the same.
fn is_ahead(own: Option<f64>, all: impl Iterator<Item = Option<f64>>) -> bool {
    let Some(own) = own else { return false };
    let all: Vec<f64> = all.flatten().collect();
    all.iter().all(|other| *other <= own) && all.iter().any(|other| *other < own)
}

/// Which columns are shown.
struct Table {
    name: usize,
    columns: Vec<(Column, usize)>,
}

impl Table {
    fn of(rows: &[Row], has_difference: bool, room: usize) -> Self {
        let longest = rows
            .iter()
            .map(|row| text::width(&row.name))
            .max()
            .unwrap_or(0);
        let name = match has_difference {
            true => NAME,
            false => (longest + 1).clamp(NAME, 36),
        };
        let mut columns = vec![LogRatio, Pair, Judge, Strong, Tokens, Sampled];
        columns.retain(|column| *column != Pair || !is_of_one_pair(rows));
        let width = |columns: &[Column]| columns.iter().map(|c| c.width(rows)).sum::<usize>();
        for minor in MINOR {
            if 1 + name + width(&columns) > room {
                columns.retain(|column| *column != minor);
            }
        }
        let columns = columns.into_iter().map(|c| (c, c.width(rows))).collect();
        Self { name, columns }
    }

    fn headings(&self) -> String {
        let heading = |(column, width): &(Column, usize)| match column {
            Pair => text::pad(&format!("  {}", column.heading()), *width),
            _ => format!("{:>width$}", column.heading()),
        };
        let headings: String = self.columns.iter().map(heading).collect();
        format!(" {}{headings}", text::pad("", self.name))
    }

    fn line(&self, row: &Row, theme: &Theme) -> Vec<Span<'static>> {
        let mut spans = vec![Span::raw(format!(" {}", text::pad(&row.name, self.name)))];
        for (column, width) in &self.columns {
            spans.extend(cell(row, *column, *width, theme));
        }
        spans
    }
}

fn cell(row: &Row, column: Column, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let count = |n: Option<isize>| match n {
        Some(n) if row.is_difference && n != 0 => Span::raw(format!("{n:>+width$}")),
        Some(n) => Span::raw(format!("{n:>width$}")),
        None => Span::styled(format!("{:>width$}", "·"), theme.muted),
    };
    match column {
        LogRatio => number(row.log_ratio, row.leads[0], width, theme),
        Judge => number(row.judge, row.leads[1], width, theme),
        // Always negative: by itself it is neither good nor bad.
        Strong if !row.is_difference => {
            vec![Span::styled(text::signed(row.strong, width), theme.text)]
        }
        Strong => number(row.strong, false, width, theme),
        Tokens => vec![count(row.n_tokens)],
        Sampled => vec![count(row.sampled)],
        Pair => {
            let name = text::pad(&format!("  {}", row.pair), width);
            vec![Span::styled(name, theme.muted)]
        }
    }
}

/// A number flush right, with a mark before the one that leads.
fn number(value: Option<f64>, leads: bool, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let style = value.map_or(theme.muted, |value| theme.signed(value));
    if !leads {
        return vec![Span::styled(text::signed(value, width), style)];
    }
    let shown = text::signed(value, 0);
    let before = width.saturating_sub(text::width(&shown) + 1);
    vec![
        Span::raw(" ".repeat(before)),
        Span::styled(LEADS, theme.accent),
        Span::styled(shown, style),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leads_has_somebody_behind() {
        let all = || [Some(1.0), None, Some(2.0), Some(2.0)].into_iter();
        assert!(is_ahead(Some(2.0), all()) && !is_ahead(Some(1.0), all()));
        assert!(!is_ahead(None, all()) && !is_ahead(Some(1.0), [Some(1.0)].into_iter()));
    }
}

//! What guidance changed: the responses of all ways in full, marked where each parts from the
//! guided one, and below them their numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use super::parting::{Sides, View};
use super::summary::{BOTH, Summary, body, wrapped};
use super::terms::end_sign;
use super::theme::{Depth, Theme};
use super::{draw, text, ways_table};
use crate::app::App;

/// Cells that a way has at least where several stand side by side, the gap among them.
const COLUMN: u16 = 40;

/// Cells between two columns.
const GAP: u16 = 2;

/// Lines the comparison would fill at `width`; of more than `most`, at least so many.
pub fn height_wanted(app: &App, width: u16, most: u16) -> usize {
    let sides = Sides::all(app);
    let grid = Grid::of(&sides, width);
    let texts: usize = grid.heights(app, &sides, most).iter().sum();
    texts + ways_table::height(&sides)
}

/// All texts, side by side as far as there is room, and the table.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let sides = Sides::all(app);
    let grid = Grid::of(&sides, area.width);
    let table = u16::try_from(ways_table::height(&sides)).unwrap_or(u16::MAX);
    let rows = [Constraint::Fill(1), Constraint::Length(table)];
    let [texts, table] = Layout::vertical(rows).areas(area);
    let wanted = grid.heights(app, &sides, area.height);
    for (side, (place, summary)) in grid
        .places(texts, &wanted)
        .into_iter()
        .zip(sides.summaries())
        .enumerate()
    {
        draw::rule(
            buf,
            place,
            0,
            title(&sides, side, summary, place.width, theme),
            theme,
        );
        let view = grid.view(side, usize::from(place.width) * usize::from(place.height));
        let pieces = pieces(app, &sides, side, view, theme);
        body(buf, draw::below(place, 1), &pieces, false);
    }
    ways_table::render(buf, table, &sides, theme);
}

/// How the texts stand: in columns, row after row.
struct Grid {
    n: usize,
    columns: usize,
    width: u16,
}

impl Grid {
    fn of(sides: &Sides<'_>, width: u16) -> Self {
        let n = sides.len().max(1);
        let most = match width >= BOTH {
            true => usize::from((width + GAP) / COLUMN).clamp(1, n),
            false => 1,
        };
        // No more columns than it takes: rows are filled alike.
        let columns = n.div_ceil(n.div_ceil(most));
        Self { n, columns, width }
    }

    /// Of a column.
    fn column(&self) -> u16 {
        let columns = u16::try_from(self.columns).unwrap_or(1).max(1);
        (self.width.saturating_sub(GAP * (columns - 1))) / columns
    }

    /// What of a text is in view. Many texts that stand one below the other begin with the same
    /// prompt: it is read in the first.
    fn view(&self, side: usize, cells: usize) -> View {
        let is_first = side == 0 || self.n == 2 || self.columns > 1;
        View {
            from: (!is_first).then_some(0),
            until: Some(text::BYTES * cells),
        }
    }

    /// Lines that each row would fill, its title included; of more than `most`, at least so many.
    fn heights(&self, app: &App, sides: &Sides<'_>, most: u16) -> Vec<usize> {
        let theme = Theme::new(Depth::None, false);
        let width = self.column();
        let cells = usize::from(width) * usize::from(most);
        let height = |side: usize| {
            let pieces = pieces(app, sides, side, self.view(side, cells), &theme);
            wrapped(&pieces, width).len() + 1
        };
        let all: Vec<usize> = (0..self.n).map(height).collect();
        let rows = all.chunks(self.columns);
        rows.map(|row| row.iter().copied().max().unwrap_or(0))
            .collect()
    }

    /// The place of each text.
    fn places(&self, area: Rect, wanted: &[usize]) -> Vec<Rect> {
        let heights = shares(wanted, usize::from(area.height));
        let lengths = heights
            .into_iter()
            .map(|n| Constraint::Length(u16::try_from(n).unwrap_or(u16::MAX)));
        let rows = Layout::vertical(lengths).split(area);
        let columns = vec![Constraint::Fill(1); self.columns];
        let row = |row: &Rect| {
            Layout::horizontal(columns.clone())
                .spacing(GAP)
                .split(*row)
                .to_vec()
        };
        let places = rows.iter().flat_map(row);
        places.take(self.n).collect()
    }
}

/// Divides lines among rows: none gets more than it wants while another one wants more, and the
/// last has what is left.
fn shares(wanted: &[usize], room: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|row| wanted[*row]);
    let mut shares = vec![0; wanted.len()];
    let mut left = room;
    for (done, row) in order.into_iter().enumerate() {
        let share = wanted[row].min(left / (wanted.len() - done));
        shares[row] = share;
        left -= share;
    }
    if let Some(last) = shares.last_mut() {
        *last += left;
    }
    shares
}

/// The name, and of more than two ways where each parts from the guided one.
fn title(
    sides: &Sides<'_>,
    side: usize,
    summary: &Summary<'_>,
    width: u16,
    theme: &Theme,
) -> Vec<Span<'static>> {
    let mut parts = vec![vec![Span::styled(
        format!("  {}", text::clean(&summary.name)),
        theme.title,
    )]];
    if summary.finish.is_some() {
        let sign = format!(" {}", end_sign(summary.finish));
        parts.push(vec![Span::styled(sign, theme.finished)]);
    }
    if side > 0 && sides.len() > 2 {
        let parting = sides.parting_in_short(side);
        let parting = parting.map(|parting| Span::styled(format!("  {parting}"), theme.muted));
        parts.push(parting.into_iter().collect());
    }
    draw::fitting(parts, usize::from(width))
}

/// A text with its marks, or why there is none.
fn pieces(
    app: &App,
    sides: &Sides<'_>,
    side: usize,
    view: View,
    theme: &Theme,
) -> Vec<(String, Style)> {
    match sides.summaries().nth(side) {
        Some(summary) if summary.text.is_none() => {
            vec![(text::clean(&summary.silence), theme.muted)]
        }
        _ => {
            let mut pieces = sides.pieces(app, side, view, theme);
            let first = pieces.iter_mut().find(|(text, _)| !text.is_empty());
            if let Some((text, _)) = first.filter(|_| view.from == Some(0)) {
                *text = text.trim_start().to_owned();
            }
            pieces
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_divided_by_what_each_row_wants() {
        assert_eq!(shares(&[3, 9], 20), [3, 17]);
        assert_eq!(shares(&[9, 3], 10), [7, 3]);
        assert_eq!(shares(&[9, 9], 10), [5, 5]);
        assert_eq!(shares(&[2, 9, 9], 10), [2, 4, 4]);
        assert_eq!(shares(&[4, 4, 4], 2), [0, 1, 1]);
    }
}

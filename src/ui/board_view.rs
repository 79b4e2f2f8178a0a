//! Which lines of the board are in view where not all have room: the candidate selected, those
//! kept or about to be, those the user has a hand in; then what is nearest to the selection.

use super::text;
use crate::app::App;
use crate::app::board::{Line, Row};
use crate::search::{Fate, Successor};

/// The board's lines as drawn.
pub struct View<'a> {
    lines: Vec<Line<'a>>,
    /// Which of them are in view, in order.
    shown: Vec<usize>,
    /// The line that the others are near to.
    at: usize,
}

impl<'a> View<'a> {
    /// With the hypotheses of the beam as `heads`, where there is room for them.
    pub fn of(app: &'a App, heads: bool, height: usize) -> Self {
        let mut lines = app.board();
        if !heads {
            lines.retain(|line| !matches!(line, Line::Head(_)));
        }
        // At the end nothing moves any more: then the best is what there is to see.
        let ending = app.trace().ending().map(|ending| ending.best.id);
        let wanted = app.sight().selected.or(ending);
        let is_wanted = |line: &Line<'_>| wanted.is_some() && line.id() == wanted;
        let at = lines.iter().rposition(is_wanted).unwrap_or(0);
        let shown = shown(app, &lines, at, height);
        Self { lines, shown, at }
    }

    /// The lines in view, and whether each follows the one above it.
    pub fn shown(&self) -> impl Iterator<Item = (&Line<'a>, bool)> {
        let before = [None]
            .into_iter()
            .chain(self.shown.iter().copied().map(Some));
        let pairs = before.zip(&self.shown);
        pairs.map(|(before, at)| {
            let expected = before.map_or(0, |before| before + 1);
            (&self.lines[*at], *at == expected)
        })
    }

    /// How many candidates are out of view, before the line that the others are near to and behind
    /// it.
    pub fn more(&self) -> String {
        let is_hidden = |at: &usize| self.shown.binary_search(at).is_err();
        let n = |range: std::ops::Range<usize>| -> usize {
            range
                .filter(is_hidden)
                .map(|at| times(&self.lines[at]))
                .sum()
        };
        text::more(n(0..self.at), n(self.at..self.lines.len()))
    }
}

/// How many candidates a line stands for.
fn times(line: &Line<'_>) -> usize {
    match line {
        Line::Candidate(row) => row.times,
        Line::Head(_) | Line::Cut(_) => 0,
    }
}

/// As many lines as have room, in order.
fn shown(app: &App, lines: &[Line<'_>], at: usize, height: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    if lines.len() <= height {
        return order;
    }
    order.sort_by_key(|i| (class(app, &lines[*i]), i.abs_diff(at)));
    loop {
        let mut shown = order.clone();
        shown.truncate(height);
        shown.sort_unstable();
        let Some(idle) = idle(lines, &shown) else {
            return shown;
        };
        order.retain(|i| *i != idle);
    }
}

/// A line in view that says whose candidates follow, though none of them does.
fn idle(lines: &[Line<'_>], shown: &[usize]) -> Option<usize> {
    let follows = |i: usize| shown.get(i + 1).map(|at| &lines[*at]);
    let is_idle = |(i, at): &(usize, &usize)| match (&lines[**at], follows(*i)) {
        (Line::Head(head), Some(Line::Candidate(row))) => row.beam != head.beam,
        (Line::Head(_), _) => true,
        _ => false,
    };
    let mut lines_shown = shown.iter().enumerate();
    lines_shown.find(is_idle).map(|(_, at)| *at)
}

/// What goes before what, where there is no room for all.
fn class(app: &App, line: &Line<'_>) -> u8 {
    let chosen = app.sight().selected.is_some() && line.id() == app.sight().selected;
    let compared = app.sight().reference.is_some() && line.id() == app.sight().reference;
    match line {
        Line::Candidate(_) | Line::Head(_) if chosen => 0,
        Line::Candidate(row) if row.fate == Fate::Kept || would_be_kept(app, row) => 1,
        Line::Cut(_) => 2,
        Line::Candidate(row) if compared || is_of_user(row) => 3,
        _ => 4,
    }
}

/// Whether the cut would keep it if it came now.
fn would_be_kept(app: &App, row: &Row<'_>) -> bool {
    let round = app.shown_round();
    let w = round.map_or(0, |round| round.params.beam_width().get());
    row.fate == Fate::Scored && row.rank.is_some_and(|rank| rank <= w)
}

/// Whether the user has a hand in it.
fn is_of_user(row: &Row<'_>) -> bool {
    let is_typed = matches!(row.successor, Some(Successor::Typed { .. }));
    row.mark.is_some() || row.extra > 0 || is_typed
}

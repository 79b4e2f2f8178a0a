//! The tree: every candidate of every branch below the one it continues, and where the head is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::board::sign;
use super::draw::Parts;
use super::terms::end_sign;
use super::theme::Theme;
use super::{draw, text};
use crate::app::tree::{Leaf, Line, Spot, Way, branches, find};
use crate::app::{App, Pane};
use crate::search::{CandidateTrace, Fate, Ids, Successor};

/// Ways within ways that have a rail of their own.
const MOST_WAYS: usize = 8;

/// The lines in view: the chosen one, else the newest of the best lineage.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let lines = app.tree();
    let height = usize::from(draw::below(area, 1).height);
    let view = View::of(app, &lines, height);
    let more = text::more(view.first, lines.len().saturating_sub(view.first + height));
    let details = legend(app, &lines, theme);
    let body = draw::titled(buf, area, Pane::Tree, details, &more, app, theme);
    let shown = lines.iter().enumerate().skip(view.first).take(height);
    for (row, (i, line)) in shown.enumerate() {
        let spans = spans(app, line, usize::from(body.width), theme);
        draw::line(buf, body, row, spans);
        let id = line.spot().and_then(|spot| spot.id);
        if id.is_some() && id == app.sight().reference {
            draw::line(buf, body, row, vec![Span::styled("◇", theme.accent)]);
        }
        if view.chosen == Some(i) {
            draw::line(buf, body, row, vec![Span::styled("▸", theme.accent)]);
            draw::tint(buf, body, row, theme.selected);
        }
    }
}

/// How much there is, and what its signs say.
fn legend(app: &App, lines: &[Line<'_>], theme: &Theme) -> Parts<'static> {
    let ids = lines.iter().filter_map(|line| line.spot()?.id);
    let n = ids.collect::<Ids>().len();
    let note = |text: String| vec![Span::styled(text, theme.muted)];
    let n_branches = branches(app.trace().history());
    let mut legend = vec![note(format!("{n} candidates"))];
    if n_branches > 1 {
        legend.push(note(format!("  {n_branches} branches, ┊ left")));
    }
    legend.push(note("  ◀ head".to_owned()));
    legend.push(note("  ● leads to the best response".to_owned()));
    legend
}

/// Which lines are in view, and which of all is the chosen one.
struct View {
    first: usize,
    chosen: Option<usize>,
}

impl View {
    fn of(app: &App, lines: &[Line<'_>], height: usize) -> Self {
        let chosen = find(lines, app.spot());
        let is_best = |line: &Line<'_>| matches!(line, Line::Leaf(leaf) if leaf.leads_to_best);
        let newest = || lines.iter().rposition(is_best);
        let at = chosen.or_else(newest).unwrap_or(0);
        Self {
            first: draw::scroll(at, lines.len(), height),
            chosen,
        }
    }
}

/// What can be chosen at `row` of the pane's area.
pub fn spot_at(app: &App, area: Rect, row: usize) -> Option<Spot> {
    let lines = app.tree();
    let height = usize::from(area.height).saturating_sub(1);
    let first = View::of(app, &lines, height).first;
    lines.get(first + row.checked_sub(1)?)?.spot()
}

fn spans(app: &App, line: &Line<'_>, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    match line {
        Line::Prompt { is_head } => prompt_spans(app, *is_head, width, theme),
        Line::Way(way) => way_spans(way, width, theme),
        Line::Leaf(leaf) => leaf_spans(app, leaf, width, theme),
    }
}

fn prompt_spans(app: &App, is_head: bool, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let head = if is_head { "◀ " } else { "" };
    let lead = "   0 ";
    let room = width.saturating_sub(lead.len() + text::width(head));
    let prompt = text::tail(&text::clean(app.prompt()), room);
    vec![
        Span::styled(lead, theme.faint),
        Span::styled(head, theme.accent),
        Span::styled(prompt, theme.muted),
    ]
}

/// `├─ 4b  2.3 taken  to round 7, best +9.10  left`
fn way_spans(way: &Way<'_>, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let style = if way.is_on_path {
        theme.title
    } else {
        theme.faint
    };
    let (own, outer) = way.rails.split_last().unwrap_or((&false, &[]));
    let corner = if *own { "├─ " } else { "└─ " };
    let why = match (way.parts.is_empty(), way.is_first) {
        (false, _) => way.parts.join(", "),
        (true, true) => "the first way".to_owned(),
        (true, false) => "once more".to_owned(),
    };
    let left = if way.is_on_path { "" } else { "  left" };
    let lead = format!(" {}{corner}", rails(outer));
    let room = width.saturating_sub(text::width(&lead));
    let parts = vec![
        vec![Span::styled(format!("round {}", way.name), style)],
        vec![Span::styled(left, style)],
        vec![Span::styled(format!("  {}", text::clean(&why)), style)],
        vec![Span::styled(format!("  {}", how_far(way)), theme.muted)],
    ];
    let mut spans = vec![Span::styled(lead, theme.faint)];
    spans.extend(draw::fitting(parts, room));
    spans
}

/// How far a way has come, and how well.
fn how_far(way: &Way<'_>) -> String {
    if let Some(ending) = way.ending {
        let score = text::signed(Some(ending.best.score().value()), 0);
        return format!("■ after round {} with {score}", way.tip.number);
    }
    let best = way.tip.kept_range().map(|(best, ..)| best);
    match best {
        Some(best) => {
            let score = text::signed(Some(best), 0);
            format!("to round {}, best {score}", way.tip.number)
        }
        None => format!("to round {}, not cut yet", way.tip.number),
    }
}

/// A rail for each way around, and none where nothing follows.
fn rails(ways: &[bool]) -> String {
    let inner = ways.len().saturating_sub(MOST_WAYS);
    let rail = |follows: &bool| if *follows { '│' } else { ' ' };
    ways[inner..].iter().map(rail).collect()
}

fn leaf_spans(app: &App, leaf: &Leaf, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let Some(candidate) = app.trace().candidate(leaf.id) else {
        return Vec::new();
    };
    let (mark, style) = look(leaf, theme);
    let finished = end_sign(candidate.hypothesis.as_ref().and_then(|h| h.finish));
    let name = format!(" {}{:>3} ", rails(&leaf.ways), leaf.name);
    let lead = name + &branch_lines(leaf, width);
    let hand = hand(candidate, leaf);
    let room = width.saturating_sub(text::width(&lead) + text::width(&hand) + 13);
    let before = match leaf.is_below_parent {
        true => String::new(),
        false => text::tail_of(&candidate.text, 0..candidate.text_start, room / 3),
    };
    let room = room.saturating_sub(text::width(&before));
    let chunk = candidate.text_start..candidate.text.len();
    vec![
        Span::styled(lead, theme.faint),
        Span::styled(mark, style),
        Span::styled(
            finished,
            if leaf.is_on_path {
                theme.finished
            } else {
                style
            },
        ),
        Span::styled(text::signed(candidate.score, 8), style),
        Span::raw(" "),
        Span::styled(hand, if leaf.is_on_path { theme.accent } else { style }),
        Span::styled(before, theme.faint),
        Span::styled(text::head_of(&candidate.text, chunk, room), style),
    ]
}

/// The head, and what the user did to a candidate: wrote it, marked it for its cut.
fn hand(candidate: &CandidateTrace, leaf: &Leaf) -> String {
    let is_own = matches!(candidate.slot.successor, Successor::Typed { .. });
    let signs = [
        if leaf.is_head { "◀" } else { "" },
        if is_own { "own" } else { "" },
        &sign(leaf.mark),
    ];
    let signs = signs.into_iter().filter(|sign| !sign.is_empty());
    signs.map(|sign| format!("{sign} ")).collect()
}

/// The mark and style of a candidate by its fate; faint where the head is not on its branch.
fn look(leaf: &Leaf, theme: &Theme) -> (&'static str, Style) {
    let (mark, style) = match leaf.fate {
        _ if leaf.leads_to_best => ("●", theme.accent),
        Fate::Kept => ("✓", theme.kept),
        Fate::Pruned => ("✗", theme.pruned),
        Fate::Scored => ("○", theme.text),
        Fate::Growing => ("·", theme.text),
    };
    match leaf.is_on_path {
        true => (mark, style),
        false => (mark, theme.faint),
    }
}

/// The lines that lead from the nearest ancestors to a candidate.
fn branch_lines(leaf: &Leaf, width: usize) -> String {
    // Half of the width is left to the text, however deep the tree is.
    let levels = leaf.depth.min(width / 4).min(63);
    let open = |level: usize| leaf.rails >> level & 1 == 1;
    // Broken where the head is not: colours are not everywhere.
    let [rail, branch, last] = match leaf.is_on_path {
        true => ["│ ", "├─", "└─"],
        false => ["┊ ", "┊╌", "└╌"],
    };
    let mut rails: String = (1..=levels)
        .rev()
        .map(|level| if open(level) { rail } else { "  " })
        .collect();
    rails.push_str(if open(0) { branch } else { last });
    rails
}

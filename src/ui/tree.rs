//! The tree: every candidate of every round below the one it continues.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::board::sign;
use super::theme::Theme;
use super::{draw, text};
use crate::app::board::split;
use crate::app::tree::{Node, nodes};
use crate::app::{App, Pane};
use crate::search::{CandidateTrace, Fate, HypothesisId, SearchParams};

/// The lines in view: the selected one, else the newest of the best lineage.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let all = nodes(app.trace());
    let details = format!("{} candidates   ● leads to the best response", all.len());
    let details = vec![vec![Span::styled(details, theme.muted)]];
    let height = usize::from(draw::below(area, 1).height);
    let first = first_in_view(app, &all, height);
    let more = text::more(first, all.len().saturating_sub(first + height));
    let body = draw::titled(buf, area, Pane::Tree, details, &more, app, theme);
    for (row, node) in all.iter().skip(first).take(height).enumerate() {
        draw::line(
            buf,
            body,
            row,
            spans(app, node, usize::from(body.width), theme),
        );
        if app.look().selected == Some(node.id) {
            draw::line(buf, body, row, vec![Span::styled("▸", theme.accent)]);
            draw::tint(buf, body, row, theme.selected);
        }
    }
}

fn first_in_view(app: &App, all: &[Node], height: usize) -> usize {
    let selected = all
        .iter()
        .position(|node| app.look().selected == Some(node.id));
    let newest = || all.iter().rposition(|node| node.leads_to_best);
    let at = selected.or_else(newest).unwrap_or(0);
    draw::scroll(at, all.len(), height)
}

/// The candidate drawn at `row` of the pane's area.
pub fn candidate_at(app: &App, area: Rect, row: usize) -> Option<HypothesisId> {
    let all = nodes(app.trace());
    let height = usize::from(area.height).saturating_sub(1);
    let first = first_in_view(app, &all, height);
    all.get(first + row.checked_sub(1)?).map(|node| node.id)
}

fn spans(app: &App, node: &Node, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let Some(candidate) = app.trace().candidate(node.id) else {
        return Vec::new();
    };
    let parent = candidate
        .slot
        .parent
        .and_then(|id| app.trace().candidate(id));
    let (_, chunk) = split(parent.map_or("", |parent| &parent.text), &candidate.text);
    let (mark, style) = look(node, theme);
    let finished = if candidate.is_finished() { "■" } else { " " };
    let lead = format!(" {:>3} {}", node.round, rails(node, width));
    let hand = hand(candidate, node);
    let room = width.saturating_sub(text::width(&lead) + text::width(&hand) + 13);
    vec![
        Span::styled(lead, theme.faint),
        Span::styled(mark, style),
        Span::styled(finished, theme.finished),
        Span::styled(text::signed(candidate.score, 8), style),
        Span::raw(" "),
        Span::styled(hand, theme.accent),
        Span::styled(text::head(&text::clean(chunk), room), style),
    ]
}

/// What the user did to a candidate: wrote it, marked it for its cut.
fn hand(candidate: &CandidateTrace, node: &Node) -> String {
    let is_own = candidate.slot.successor >= SearchParams::MAX_CANDIDATES;
    let own = if is_own { "own " } else { "" };
    match sign(node.mark) {
        sign if sign.is_empty() => own.to_owned(),
        sign => format!("{own}{sign} "),
    }
}

/// The mark and style of a node by its fate.
fn look(node: &Node, theme: &Theme) -> (&'static str, Style) {
    match node.fate {
        _ if node.leads_to_best => ("●", theme.accent),
        Fate::Kept => ("✓", theme.kept),
        Fate::Pruned => ("✗", theme.pruned),
        Fate::Scored => ("?", theme.text),
        Fate::Growing => ("·", theme.text),
    }
}

/// The lines that lead from the nearest ancestors to a node.
fn rails(node: &Node, width: usize) -> String {
    // Half of the width is left to the text, however deep the tree is.
    let levels = node.depth.min(width / 4).min(63);
    let open = |level: usize| node.rails >> level & 1 == 1;
    let mut rails: String = (1..=levels)
        .rev()
        .map(|level| if open(level) { "│ " } else { "  " })
        .collect();
    rails.push_str(if open(0) { "├─" } else { "└─" });
    rails
}

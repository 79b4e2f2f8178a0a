//! The evidence: a response's score token by token, as tinted text and as a table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::terms::{by_the_same, parts, shown};
use super::theme::Theme;
use super::{branches, draw, likeliest, text, token_table};
use crate::app::board::label;
use crate::app::{Action, App, Context, Pane};
use crate::search::{CandidateTrace, Hypothesis, HypothesisId, LogRatio};

/// The strip of tinted tokens, and below it the table where there is room.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let subject = app.subject();
    // Beside the name there is that much less room.
    let room = usize::from(area.width).saturating_sub(NAME);
    let details = subject.map_or_else(Vec::new, |subject| title(app, subject, room, theme));
    let body = draw::titled(buf, area, Pane::Evidence, vec![details], "", app, theme);
    let body = Rect {
        x: body.x.saturating_add(1),
        width: body.width.saturating_sub(1),
        ..body
    };
    let Some(subject) = subject else {
        return;
    };
    match &subject.hypothesis {
        None => growing(buf, body, app, subject, theme),
        Some(hypothesis) => {
            let scale = scale(app, subject);
            let used = match branches::other(app) {
                Some(other) => branches::render(buf, body, app, [subject, other], scale, theme),
                None => strip(buf, body, app, hypothesis.score(), scale, theme),
            };
            let body = match app.evidence() {
                Some(evidence) => likeliest::render(buf, body, app, evidence, theme),
                None => body,
            };
            token_table::render(buf, draw::below(body, used), app, hypothesis, scale, theme);
        }
    }
}

/// Cells of the pane's name before the title, with its mark and a space behind the title.
const NAME: usize = 13;

/// Which candidate, what became of it, what it scores: the fullest wording that has room.
fn title(app: &App, subject: &CandidateTrace, room: usize, theme: &Theme) -> Vec<Span<'static>> {
    let fate = fate(app, subject);
    let mark: String = fate.chars().take(1).collect();
    let (value, rest) = score(app, subject, theme);
    let wordings = [
        [
            named(app, subject, &fate, theme),
            value.clone(),
            rest.clone(),
        ]
        .concat(),
        [named(app, subject, &mark, theme), value.clone(), rest].concat(),
        [named(app, subject, &mark, theme), value.clone()].concat(),
    ];
    let mut wordings = wordings.into_iter();
    let fitting = wordings.find(|spans| draw::width(spans) <= room);
    fitting.unwrap_or(value)
}

fn named(app: &App, subject: &CandidateTrace, fate: &str, theme: &Theme) -> Vec<Span<'static>> {
    let (what, _) = headed(app, subject);
    vec![
        Span::raw(what),
        Span::styled(format!("  {fate}  "), theme.muted),
        Span::styled(by_another(app, subject), theme.accent),
    ]
}

/// `by PAIR  ` where the terms are of another pair than the one in use.
fn by_another(app: &App, subject: &CandidateTrace) -> String {
    let pair = subject.hypothesis.as_ref().and_then(|h| h.scored_by());
    let other = pair.filter(|pair| pair.as_str() != app.pair_in_use());
    other.map_or_else(String::new, |pair| {
        format!("by {}  ", text::clean(pair.as_str()))
    })
}

/// `log-ratio +4.32`, and what it is the difference of, or compared with.
fn score(
    app: &App,
    subject: &CandidateTrace,
    theme: &Theme,
) -> (Vec<Span<'static>>, Vec<Span<'static>>) {
    let Some(hypothesis) = &subject.hypothesis else {
        return (Vec::new(), Vec::new());
    };
    let value = hypothesis.score().value();
    let start = vec![
        Span::styled("log-ratio ", theme.muted),
        Span::styled(text::signed(Some(value), 0), theme.signed(value)),
    ];
    let rest = match app.reference() {
        Some(other) => comparison(app, hypothesis, other, theme),
        None => vec![Span::styled(equation(hypothesis.score()), theme.muted)],
    };
    (start, rest)
}

/// Why the candidate is in detail, and its fate.
pub fn headed(app: &App, subject: &CandidateTrace) -> (String, String) {
    let id = subject.slot.id;
    let is_chosen = app.sight().selected == Some(id);
    let round = app.round_of(id).filter(|_| is_chosen);
    let name = round.and_then(|round| label(app.trace(), round, id));
    let what = name.unwrap_or_else(|| "best so far".to_owned());
    (what, fate(app, subject))
}

/// When the candidate was sampled and what became of it.
fn fate(app: &App, subject: &CandidateTrace) -> String {
    let id = subject.slot.id;
    let branch = app.branch();
    let is_in = branch.iter().any(|round| round.holds(id));
    let rounds = if is_in {
        branch
    } else {
        app.round_of(id).into_iter().collect()
    };
    let pruned = rounds.iter().find(|round| round.pruned().contains(&id));
    let kept = rounds.iter().find(|round| round.kept().contains(&id));
    let holds = rounds.iter().find(|round| round.holds(id));
    match (pruned, kept, holds) {
        (Some(round), ..) => format!("✗ in round {}", app.name_of(round)),
        (None, Some(round), _) => format!("✓ in round {}", app.name_of(round)),
        (None, None, Some(round)) => format!("· of round {}", app.name_of(round)),
        (None, None, None) => format!("· of round {}", subject.round),
    }
}

/// ` = tuned −60.10 − untuned −64.42`, after the log-ratio.
fn equation(score: &LogRatio) -> String {
    let (tuned, untuned) = parts(score);
    format!(" = tuned {tuned:.2} − untuned {untuned:.2}")
}

/// ` is +1.20 against the +3.12 of 1.1`, after the log-ratio; the difference is that of the numbers
/// shown. Scores of two pairs do not compare.
fn comparison(
    app: &App,
    own: &Hypothesis,
    other: &CandidateTrace,
    theme: &Theme,
) -> Vec<Span<'static>> {
    let note = |text: String| Span::styled(text, theme.muted);
    let number = |value: f64| Span::styled(text::signed(Some(value), 0), theme.signed(value));
    let name = compared(app, other);
    let Some(base) = by_the_same(own, other) else {
        return vec![note(format!(", {name} is scored by another pair"))];
    };
    let base = base.value();
    vec![
        note(" is ".into()),
        number(text::hundredths(own.score().value()) - text::hundredths(base)),
        note(" against the ".into()),
        number(base),
        note(format!(" of {name}")),
    ]
}

/// What the candidate compared with is called.
fn compared(app: &App, other: &CandidateTrace) -> String {
    let id = other.slot.id;
    match branches::other(app) {
        Some(_) => branches::name(app, id),
        None => {
            let round = app.round_of(id);
            let name = round.and_then(|round| label(app.trace(), round, id));
            name.unwrap_or_default()
        }
    }
}

fn growing(buf: &mut Buffer, area: Rect, app: &App, subject: &CandidateTrace, theme: &Theme) {
    let pieces = [
        (text::clean(app.prompt()), theme.muted),
        (
            text::clean(&text::beginning(&subject.text, cells(area))),
            theme.text,
        ),
    ];
    let key = app.keymap().label(Context::Main, Action::ToCut);
    let note = format!("Its terms are known when its chunk is complete: {key} goes on to the cut.");
    let mut lines = text::wrap(&pieces, usize::from(area.width));
    lines.push(vec![Span::styled(note, theme.muted)]);
    for (row, line) in lines.into_iter().enumerate() {
        draw::line(buf, area, row, line);
    }
}

/// The largest difference by magnitude among the candidates of the same round.
fn scale(app: &App, subject: &CandidateTrace) -> f64 {
    let id = subject.slot.id;
    let round = app.round_of(id);
    let siblings: Vec<HypothesisId> = round.map_or(vec![id], |round| round.ids().collect());
    let largest = siblings
        .into_iter()
        .filter_map(|id| app.trace().candidate(id)?.hypothesis.as_ref())
        .flat_map(|hypothesis| hypothesis.score().terms())
        .map(|term| term.delta().abs())
        .fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

/// The prompt and every token with its tint; the height used.
fn strip(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    score: &LogRatio,
    scale: f64,
    theme: &Theme,
) -> u16 {
    let first = first_in_strip(score.len(), cells(area));
    let mut pieces = match first {
        0 => prompt(app, score, theme),
        _ => Vec::new(),
    };
    let focused = app.look().focus == Pane::Evidence;
    for (i, term) in (first..).zip(score.terms_since(first)) {
        let style = theme.tint(term.delta() / scale);
        let style = match focused && i == app.sight().token {
            true => style.patch(theme.selected).underlined(),
            false => style,
        };
        pieces.push((shown(term), style));
    }
    let lines = text::wrap(&pieces, usize::from(area.width));
    let room = usize::from(area.height);
    let height = if room > 8 {
        (room / 2).min(lines.len())
    } else {
        room
    };
    let skip = lines.len().saturating_sub(height.max(1));
    let n = lines.len() - skip;
    for (row, line) in lines.into_iter().skip(skip).enumerate() {
        draw::line(buf, area, row, line);
    }
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// The first of `n` tokens that may be seen where the end of them is shown in `cells`; the same for
/// as long as possible, so that lines do not break anew with every token.
fn first_in_strip(n: usize, cells: usize) -> usize {
    let step = cells.max(1);
    (n / step).saturating_sub(1) * step
}

fn cells(area: Rect) -> usize {
    usize::from(area.width) * usize::from(area.height)
}

/// The prompt as far as no term covers it; its last weak token, which the response joins on to,
/// is underlined once known.
fn prompt(app: &App, score: &LogRatio, theme: &Theme) -> Vec<(String, Style)> {
    let is_merged = app.evidence().is_some_and(|e| e.seams.merged > 0);
    let first = score.term(0).filter(|_| is_merged);
    let prompt = first.map_or(app.prompt(), |term| uncovered(app.prompt(), &term.piece));
    let join = app.evidence().and_then(|evidence| evidence.joins.last());
    let split = join.and_then(|join| Some((prompt.strip_suffix(&**join)?, &**join)));
    let (before, join) = split.unwrap_or((prompt, ""));
    vec![
        (text::clean(before), theme.muted),
        (text::clean(join), theme.muted.underlined()),
    ]
}

/// The prompt without its end that a token across the join begins with.
fn uncovered<'a>(prompt: &'a str, piece: &str) -> &'a str {
    let mut ends = prompt.char_indices().map(|(at, _)| at);
    let cut = ends.find(|at| piece.starts_with(&prompt[*at..]));
    &prompt[..cut.unwrap_or(prompt.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_across_the_join_covers_the_end_of_the_prompt() {
        for (prompt, piece, before) in [
            ("It was a wonder", " wonderful", "It was a"),
            ("The fil", "film", "The "),
            ("It was", " fine", "It was"),
            ("", "x", ""),
        ] {
            assert_eq!(uncovered(prompt, piece), before);
        }
    }
}

//! The evidence: a response's score token by token, as tinted text and as a table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::terms::{by_the_same, parts};
use super::theme::Theme;
use super::wrap::wrap;
use super::{branches, draw, likeliest, strip, text, token_table, voices};
use crate::app::board::label;
use crate::app::{Action, App, Context, Pane};
use crate::search::{CandidateTrace, Hypothesis, HypothesisId, LogRatio, PairId};

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
    let Some(known) = app.detailed() else {
        let body = bare(buf, body, app, subject, theme);
        growing(buf, body, app, subject, theme);
        return;
    };
    let scale = scale(app, subject);
    let used = match branches::other(app) {
        Some(other) => branches::render(buf, body, app, [subject, other], scale, theme),
        None => strip::render(buf, body, app, known, scale, theme),
    };
    let mut body = draw::below(body, used);
    if subject.hypothesis.is_none() {
        body = growing(buf, body, app, subject, theme);
    }
    if let Some(evidence) = app.evidence() {
        body = likeliest::render(buf, body, app, evidence, theme);
    }
    match known.scored_by().is_some_and(PairId::is_panel) {
        true => voices::render(buf, body, app, known, theme),
        false => token_table::render(buf, body, app, known, scale, theme),
    }
}

/// From so many tokens on no screen has room for all lines.
const LONG: usize = 100;

/// Lines that all of it takes at `width`.
pub fn height_wanted(app: &App, width: u16) -> u16 {
    let Some(known) = app.detailed() else {
        return 3;
    };
    if known.score().len() > LONG {
        return u16::MAX;
    }
    let strip = strip::height_wanted(app, known, width.saturating_sub(1));
    let table = known.score().len() + 2;
    let below = match app.evidence() {
        Some(_) => usize::from(likeliest::height(app)),
        None => 1,
    };
    u16::try_from(1 + strip + table + below).unwrap_or(u16::MAX)
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
        return (so_far(subject, theme), Vec::new());
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

/// The log-ratio of a response whose chunk grows.
fn so_far(subject: &CandidateTrace, theme: &Theme) -> Vec<Span<'static>> {
    let Some(value) = subject.score else {
        return Vec::new();
    };
    vec![
        Span::styled("log-ratio ", theme.muted),
        Span::styled(text::signed(Some(value), 0), theme.signed(value)),
        Span::styled(" so far", theme.muted),
    ]
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

/// A first chunk that grows: there are no terms yet; what is left of `area`.
fn bare(buf: &mut Buffer, area: Rect, app: &App, subject: &CandidateTrace, theme: &Theme) -> Rect {
    let cells = usize::from(area.width) * usize::from(area.height);
    let text = text::clean(&text::beginning(&subject.text, cells));
    let pieces = [
        (text::clean(app.prompt()), theme.muted),
        (text, theme.title),
    ];
    let lines = wrap(&pieces, usize::from(area.width));
    let n = u16::try_from(lines.len()).unwrap_or(area.height);
    for (row, line) in lines.into_iter().enumerate() {
        draw::line(buf, area, row, line);
    }
    draw::below(area, n)
}

/// Says of whom the terms are while the chunk grows; what is left of `area`.
fn growing(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    subject: &CandidateTrace,
    theme: &Theme,
) -> Rect {
    let key = app.keymap().label(Context::Main, Action::ToCut);
    let whose = match subject.slot.parent {
        Some(_) => "these terms are what it continues",
        None => "it follows the bare prompt",
    };
    let note = format!("Its chunk grows: {whose}; {key} goes on to the cut, and to its own.");
    let lines = wrap(&[(note, theme.muted)], usize::from(area.width));
    let n = lines.len();
    for (row, line) in lines.into_iter().enumerate() {
        draw::line(buf, area, row, line);
    }
    draw::below(area, u16::try_from(n).unwrap_or(area.height))
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

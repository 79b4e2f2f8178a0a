//! The evidence: a response's score token by token, as tinted text and as a table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::theme::Theme;
use super::{draw, likeliest, text, token_table};
use crate::app::board::label;
use crate::app::{Action, App, Context, Pane};
use crate::search::{CandidateTrace, HypothesisId, LogRatio, TokenTerm};

/// The strip of tinted tokens, and below it the table where there is room.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let subject = app.subject();
    let details = subject.map_or_else(Vec::new, |subject| title(app, subject, theme));
    let body = draw::titled(buf, area, Pane::Evidence, details, app, theme);
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
            let used = strip(buf, body, app, &hypothesis.score, scale, theme);
            let body = match app.evidence() {
                Some(evidence) => likeliest::render(buf, body, app, evidence, theme),
                None => body,
            };
            token_table::render(buf, draw::below(body, used), app, hypothesis, scale, theme);
        }
    }
}

fn title(app: &App, subject: &CandidateTrace, theme: &Theme) -> Vec<Span<'static>> {
    let (what, fate) = told(app, subject);
    let mut spans = vec![
        Span::raw(what),
        Span::styled(format!("  {fate}"), theme.muted),
    ];
    let Some(hypothesis) = &subject.hypothesis else {
        return spans;
    };
    match app.reference() {
        Some(other) => spans.extend(comparison(app, hypothesis.score.value(), other, theme)),
        None => spans.extend(equation(&hypothesis.score, theme)),
    }
    spans
}

/// Why the candidate is in detail, and its fate.
pub fn told(app: &App, subject: &CandidateTrace) -> (String, String) {
    let id = subject.slot.id;
    let name = label(app.trace(), id).filter(|_| app.look().selected == Some(id));
    let what = name.unwrap_or_else(|| "best so far".to_owned());
    (what, fate(app, subject))
}

/// When the candidate was sampled and what became of it.
fn fate(app: &App, subject: &CandidateTrace) -> String {
    let id = subject.slot.id;
    let rounds = app.trace().rounds();
    let pruned = rounds.iter().find(|round| round.pruned().contains(&id));
    let kept = rounds.iter().find(|round| round.kept().contains(&id));
    match (pruned, kept) {
        (Some(round), _) => format!("✗ in round {}", round.number),
        (None, Some(round)) => format!("✓ in round {}", round.number),
        (None, None) => format!("· of round {}", subject.round),
    }
}

/// `log-ratio +4.32 = −60.10 tuned − −64.42 untuned`.
fn equation(score: &LogRatio, theme: &Theme) -> Vec<Span<'static>> {
    let value = score.value();
    let note = |text: String| Span::styled(text, theme.muted);
    vec![
        note("  log-ratio ".into()),
        Span::styled(text::signed(Some(value), 0), theme.signed(value)),
        note(format!(
            " = tuned {:.2} − untuned {:.2}",
            score.tuned(),
            score.untuned()
        )),
    ]
}

/// `log-ratio +4.32 is +1.20 against the +3.12 of 1.1`.
fn comparison(app: &App, value: f64, other: &CandidateTrace, theme: &Theme) -> Vec<Span<'static>> {
    let note = |text: String| Span::styled(text, theme.muted);
    let number = |value: f64| Span::styled(text::signed(Some(value), 0), theme.signed(value));
    let base = other.score.unwrap_or(0.0);
    let name = label(app.trace(), other.slot.id).unwrap_or_default();
    vec![
        note("  log-ratio ".into()),
        number(value),
        note(" is ".into()),
        number(value - base),
        note(" against the ".into()),
        number(base),
        note(format!(" of {name}")),
    ]
}

fn growing(buf: &mut Buffer, area: Rect, app: &App, subject: &CandidateTrace, theme: &Theme) {
    let pieces = [
        (text::clean(app.prompt()), theme.muted),
        (text::clean(&subject.text), theme.text),
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
    let rounds = app.trace().rounds();
    let id = subject.slot.id;
    let round = rounds
        .iter()
        .rev()
        .find(|round| round.ids().any(|other| other == id));
    let siblings: Vec<HypothesisId> = round.map_or(vec![id], |round| round.ids().collect());
    let largest = siblings
        .into_iter()
        .filter_map(|id| app.trace().candidate(id)?.hypothesis.as_ref())
        .flat_map(|hypothesis| hypothesis.score.terms.iter())
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
    let mut pieces = prompt(app, theme);
    let focused = app.look().focus == Pane::Evidence;
    for (i, term) in score.terms.iter().enumerate() {
        let style = theme.tint(term.delta() / scale);
        let style = match focused && i == app.look().token {
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

/// The prompt; its last weak token, which the response joins on to, is underlined once known.
fn prompt(app: &App, theme: &Theme) -> Vec<(String, Style)> {
    let prompt = app.prompt();
    let join = app.evidence().and_then(|evidence| evidence.joins.last());
    let split = join.and_then(|join| Some((prompt.strip_suffix(&**join)?, &**join)));
    let (before, join) = split.unwrap_or((prompt, ""));
    vec![
        (text::clean(before), theme.muted),
        (text::clean(join), theme.muted.underlined()),
    ]
}

/// A token as text; one that has no text, such as the end of sequence, by its number.
pub fn shown(term: &TokenTerm) -> String {
    match text::clean(&term.piece) {
        piece if piece.is_empty() => format!("⟨{}⟩", term.id),
        piece => piece,
    }
}

//! Two runs compared: how their settings differ, how the kept scored round by round, and what
//! either says.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw::Parts;
use super::parting;
use super::summary::{BOTH, beside, body, wrapped};
use super::theme::Theme;
use super::{draw, text};
use crate::app::RunSummary;
use crate::app::settings::changes;

/// Cells for a run's name, and for a score.
const NAME: usize = 12;
const SCORE: usize = 7;

/// Lines above the texts: the title, the rounds' numbers, both.
const ABOVE: u16 = 4;

/// The title says what differs; then the scores, then the texts, side by side where there is room.
pub fn render(buf: &mut Buffer, area: Rect, both: [&RunSummary; 2], theme: &Theme) {
    let title = vec![
        Span::styled(format!("  {} ", names(both)), theme.title),
        Span::styled(text::clean(&difference(both)), theme.muted),
    ];
    draw::rule(buf, area, 0, title, theme);
    let n = usize::from(area.width).saturating_sub(NAME) / SCORE;
    draw::line(buf, area, 1, rounds(both, n, theme));
    for (row, run) in both.into_iter().enumerate() {
        draw::line(buf, area, row + 2, means(run, n, theme));
    }
    let texts = draw::below(area, ABOVE);
    let pieces = parting::both([&both[0].text, &both[1].text], theme);
    let places = match area.width >= BOTH {
        true => beside(texts),
        false => above(texts, wrapped(&pieces[0], texts.width).len()),
    };
    for ((place, pieces), run) in places.into_iter().zip(pieces).zip(both) {
        let heading = draw::fitting(heading(run, theme), usize::from(place.width));
        draw::rule(buf, place, 0, heading, theme);
        body(buf, draw::below(place, 1), &pieces, false);
    }
}

/// One above the other: the first as high as it wants to be, or half where that is too much.
fn above(area: Rect, n_lines: usize) -> [Rect; 2] {
    let wanted = u16::try_from(n_lines + 1).unwrap_or(u16::MAX);
    let height = wanted.min(area.height / 2);
    [Rect { height, ..area }, draw::below(area, height)]
}

fn names([first, second]: [&RunSummary; 2]) -> String {
    format!("run {} → {}", first.name(), second.name())
}

/// What the second was searched with that the first was not.
fn difference([first, second]: [&RunSummary; 2]) -> String {
    let mut parts = Vec::new();
    if first.prompt != second.prompt {
        parts.push("another prompt".to_owned());
    }
    if let (Some(a), Some(b)) = (first.last_params(), second.last_params()) {
        parts.extend(changes(a, b));
        parts.extend(change("seed", &a.seed(), &b.seed()));
        parts.extend(change("rules", &a.rules(), &b.rules()));
    }
    let pairs = |run: &RunSummary| run.pairs.join(", then ");
    parts.extend(change("pair", &pairs(first), &pairs(second)));
    if first.pairs.last() != second.pairs.last() {
        parts.push("(scores do not compare)".to_owned());
    }
    parts.extend(change(
        "strong model",
        &first.strong_model,
        &second.strong_model,
    ));
    parts.extend(change("by hand", &first.by_hand, &second.by_hand));
    match parts.is_empty() {
        true => "the same settings".to_owned(),
        false => parts.join("  "),
    }
}

fn change(
    name: &str,
    a: &(impl ToString + PartialEq),
    b: &(impl ToString + PartialEq),
) -> Option<String> {
    let (a, b) = (a.to_string(), b.to_string());
    (a != b).then(|| format!("{name} {a} → {b}"))
}

/// The rounds' numbers.
fn rounds(both: [&RunSummary; 2], n: usize, theme: &Theme) -> Vec<Span<'static>> {
    let most = both[0].means.len().max(both[1].means.len()).min(n);
    let numbers: String = (1..=most).map(|round| format!("{round:>SCORE$}")).collect();
    vec![
        Span::styled(text::pad(" kept, mean", NAME), theme.muted),
        Span::styled(numbers, theme.faint),
    ]
}

fn means(run: &RunSummary, n: usize, theme: &Theme) -> Vec<Span<'static>> {
    let name = text::pad(&format!(" run {}", run.name()), NAME);
    let mut spans = vec![Span::styled(name, theme.title)];
    let mean = |mean: &f64| Span::styled(text::signed(Some(*mean), SCORE), theme.signed(*mean));
    spans.extend(run.means.iter().take(n).map(mean));
    spans
}

/// A run's name and numbers above its text.
fn heading(run: &RunSummary, theme: &Theme) -> Parts<'static> {
    let note = |text: String| Span::styled(text, theme.muted);
    let numbered = |what: &str, value: Option<f64>| {
        let style = value.map_or(theme.muted, |value| theme.signed(value));
        let number = Span::styled(text::signed(value, 0), style);
        vec![note(format!("  {what} ")), number]
    };
    let strong = run
        .strong
        .map(|strong| format!("  strong {strong:.2}/token"));
    vec![
        vec![Span::styled(format!("  run {}", run.name()), theme.title)],
        numbered("log-ratio", Some(run.score)),
        numbered("judge", run.judge),
        vec![note(format!("  {} tokens", run.n_tokens))],
        vec![note(strong.unwrap_or_default())],
    ]
}

//! The prompt and the best response so far, and beside it what the strong model says unguided.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Span;

use super::theme::{Depth, Theme};
use super::{draw, text};
use crate::app::{App, Phase, Unguided};
use crate::search::Hypothesis;

/// The width from which guided and unguided response stand side by side.
const BOTH: u16 = 116;

/// Lines the panel would fill at `width`.
pub fn height_wanted(app: &App, width: u16) -> usize {
    let theme = Theme::new(Depth::None, false);
    let width = if side_by_side(app, width) {
        width / 2
    } else {
        width
    };
    let guided = lines(
        app,
        app.trace().best().map(|b| b.text.as_str()),
        width,
        &theme,
    )
    .len();
    let other = app.unguided().map(|u| u.response.text.as_str());
    guided.max(lines(app, other, width, &theme).len()) + 1
}

/// Both responses where there is room, else the one the user wants to see.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    if !side_by_side(app, area.width) {
        return match app.unguided().filter(|_| app.look().twin) {
            Some(unguided) => render_unguided(buf, area, app, unguided, theme),
            None => render_guided(buf, area, app, theme),
        };
    }
    let columns = [Constraint::Fill(1), Constraint::Fill(1)];
    let [left, right] = Layout::horizontal(columns).spacing(2).areas(area);
    render_guided(buf, left, app, theme);
    if let Some(unguided) = app.unguided() {
        render_unguided(buf, right, app, unguided, theme);
    }
}

fn side_by_side(app: &App, width: u16) -> bool {
    width >= BOTH && app.unguided().is_some()
}

fn render_guided(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let name = match app.phase() {
        Phase::Finished => "  best response",
        _ => "  best so far",
    };
    let mut title = vec![Span::styled(name, theme.title), Span::raw("  ")];
    let best = app.trace().best();
    match best {
        Some(best) => {
            let numbers = Numbers {
                log_ratio: best.score,
                judge: app.judge_of(best.slot.id),
                hypothesis: best.hypothesis.as_deref(),
                n_tokens: best.n_tokens,
            };
            title.extend(numbers.spans(area.width, theme));
        }
        None => title.push(Span::styled("the prompt, nothing chosen yet", theme.muted)),
    }
    draw::rule(buf, area, 0, title, theme);
    body(buf, area, app, best.map(|best| best.text.as_str()), theme);
}

fn render_unguided(buf: &mut Buffer, area: Rect, app: &App, unguided: &Unguided, theme: &Theme) {
    let response = &unguided.response;
    let numbers = Numbers {
        log_ratio: Some(response.score.value()),
        judge: Some(unguided.judge),
        hypothesis: Some(response),
        n_tokens: response.tokens.len(),
    };
    let mut title = vec![Span::styled("  unguided", theme.title), Span::raw("  ")];
    title.extend(numbers.spans(area.width, theme));
    draw::rule(buf, area, 0, title, theme);
    body(buf, area, app, Some(&response.text), theme);
}

/// The text below the title. One that outgrows the panel shows its end, where it grows.
fn body(buf: &mut Buffer, area: Rect, app: &App, response: Option<&str>, theme: &Theme) {
    let body = draw::below(area, 1);
    let lines = lines(app, response, body.width, theme);
    let inner = Rect {
        x: body.x.saturating_add(1),
        width: body.width.saturating_sub(2),
        ..body
    };
    let skip = lines.len().saturating_sub(usize::from(inner.height));
    for (row, line) in lines.into_iter().skip(skip).enumerate() {
        draw::line(buf, inner, row, line);
    }
}

/// Prompt and response, wrapped, with one column of margin either side.
fn lines(app: &App, response: Option<&str>, width: u16, theme: &Theme) -> Vec<Vec<Span<'static>>> {
    let mut pieces = vec![(text::clean(app.prompt()), theme.muted)];
    if let Some(response) = response {
        pieces.push((text::clean(response), theme.title));
    }
    text::wrap(&pieces, usize::from(width.saturating_sub(2)))
}

/// What is told of a response.
struct Numbers<'a> {
    log_ratio: Option<f64>,
    judge: Option<f64>,
    hypothesis: Option<&'a Hypothesis>,
    n_tokens: usize,
}

impl Numbers<'_> {
    fn spans(&self, width: u16, theme: &Theme) -> Vec<Span<'static>> {
        let number = |value: Option<f64>| {
            let style = value.map_or(theme.muted, |value| theme.signed(value));
            Span::styled(text::signed(value, 0), style)
        };
        let note = |text: String| Span::styled(text, theme.muted);
        let mut spans = vec![note("log-ratio ".into()), number(self.log_ratio)];
        if self.judge.is_some() {
            let judge = if width >= 84 {
                "  independent judge "
            } else {
                "  judge "
            };
            spans.extend([note(judge.into()), number(self.judge)]);
        }
        let strong = self.hypothesis.and_then(Hypothesis::log_prob_per_token);
        if let Some(strong) = strong.filter(|_| width >= 70) {
            spans.push(note(format!("  strong {strong:.2}/token")));
        }
        spans.push(note(format!("  {} tokens", self.n_tokens)));
        if self.hypothesis.is_some_and(Hypothesis::is_finished) {
            spans.push(Span::styled("  ■", theme.finished));
        }
        spans
    }
}

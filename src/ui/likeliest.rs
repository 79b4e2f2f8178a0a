//! What the models would rather have said in the place of one token.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw::Parts;
use super::settings::pair_name;
use super::theme::Theme;
use super::{draw, text};
use crate::app::App;
use crate::evidence::{Evidence, Likely, Place};
use crate::message::Verdict;

/// Cells for the pair's name.
const PAIR: usize = 24;

/// Lines of this panel without the user's judges, and the height from which the evidence has room
/// for it.
const LINES: u16 = 5;
const ROOM: u16 = 15;

/// As many of the user's judges have a line.
const JUDGES: usize = 4;

/// Lines of this panel.
pub fn height(app: &App) -> u16 {
    LINES + app.judges().len().min(JUDGES) as u16
}

/// Draws at the bottom of `area`; what is left of it above.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, evidence: &Evidence, theme: &Theme) -> Rect {
    let height = height(app);
    if area.height < ROOM + height - LINES {
        return area;
    }
    let above = Rect {
        height: area.height - height,
        ..area
    };
    let here = draw::below(area, above.height);
    let at = app.token();
    let heading = match (at, evidence.joins.last()) {
        (0, Some(join)) => format!("instead of token 1 after {:?}", text::clean(join)),
        _ => format!("instead of token {}", at + 1),
    };
    let pair = pair_name(evidence.pair.as_str(), PAIR);
    let heading = format!("{heading}, raw probabilities, pair {pair}:");
    draw::rule(
        buf,
        here,
        0,
        vec![Span::styled(heading, theme.muted)],
        theme,
    );
    if let Some(place) = evidence.weak.get(at) {
        let room = usize::from(here.width);
        let tuned = likely("tuned", &place.tuned.likeliest, theme);
        let untuned = likely("untuned", &place.untuned.likeliest, theme);
        draw::line(buf, here, 1, draw::fitting(tuned, room));
        draw::line(buf, here, 2, draw::fitting(untuned, room));
    }
    if let Some(place) = evidence.strong.get(at) {
        draw::line(buf, here, 3, strong(place, here.width, theme));
    }
    let room = usize::from(here.width);
    draw::line(
        buf,
        here,
        4,
        draw::fitting(judged(app, evidence, theme), room),
    );
    for (judge, spec) in app.judges().iter().enumerate().take(JUDGES) {
        let said = app.verdict_of(judge, evidence.id);
        draw::line(buf, here, 5 + judge, verdict(spec, said, theme));
    }
    above
}

/// What the strong model drew, and before it as many of the likeliest as have room beside it.
fn strong(place: &Place, width: u16, theme: &Theme) -> Vec<Span<'static>> {
    let drawn = format!(
        "  drawn: {} {:.0} % after filters",
        text::head(&text::clean(&place.piece), 12),
        place.drawn * 100.0
    );
    let room = usize::from(width).saturating_sub(text::width(&drawn));
    let mut spans = draw::fitting(likely("strong", &place.likeliest, theme), room);
    spans.push(Span::styled(drawn, theme.muted));
    spans
}

/// Why the judge says what it says: its strongest words, to be held against the pair's.
fn judged(app: &App, evidence: &Evidence, theme: &Theme) -> Parts<'static> {
    let value = app.judge_of(evidence.id);
    let style = value.map_or(theme.muted, |value| theme.signed(value));
    let mut parts = vec![vec![
        Span::styled(format!("{:>8} ", "judge"), theme.muted),
        Span::styled(format!(" {} by", text::signed(value, 0)), style),
    ]];
    if evidence.judged.is_empty() {
        parts.push(vec![Span::styled(" no word that it knows", theme.muted)]);
    }
    parts.extend(evidence.judged.iter().map(|(word, weight)| {
        let word = text::head(&text::clean(word), 20);
        vec![
            Span::raw(format!("  {word}")),
            Span::styled(format!(" {weight:+.2}"), theme.signed(*weight)),
        ]
    }));
    parts
}

/// What one of the user's judges says, or why it says nothing.
fn verdict(spec: &str, said: Option<&Verdict>, theme: &Theme) -> Vec<Span<'static>> {
    let said = match said {
        None => Span::styled("has not spoken yet", theme.muted),
        Some(Ok(score)) => Span::styled(text::signed(Some(*score), 0), theme.signed(*score)),
        Some(Err(why)) => Span::styled(format!("fails: {}", text::clean(why)), theme.accent),
    };
    let name = text::head(&text::clean(spec), 40);
    vec![Span::styled(format!("{name:>8}  "), theme.muted), said]
}

fn likely(who: &str, tokens: &[Likely], theme: &Theme) -> Parts<'static> {
    let mut parts = vec![vec![Span::styled(format!("{who:>8} "), theme.muted)]];
    for token in tokens.iter().take(5) {
        let share = 100.0 * token.log_prob.exp();
        let piece = text::head(&text::clean(&token.piece), 14);
        parts.push(vec![
            Span::raw(format!(" {piece}")),
            Span::styled(format!(" {share:.0} % "), theme.muted),
        ]);
    }
    parts
}

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

/// Cells for the pair's name.
const PAIR: usize = 24;

/// Lines of this panel, and the height from which the evidence has room for it.
pub const LINES: u16 = 5;
const ROOM: u16 = 15;

/// Draws at the bottom of `area`; what is left of it above.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, evidence: &Evidence, theme: &Theme) -> Rect {
    if area.height < ROOM {
        return area;
    }
    let above = Rect {
        height: area.height - LINES,
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

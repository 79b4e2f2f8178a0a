//! The help: every action with its keys, and every sign with its meaning.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::Theme;
use super::window::{centered, inside, window};
use super::{draw, text};
use crate::app::help::{SIGNS, SIGNS_TITLE};
use crate::app::{Action, App, Context, Group};

/// Cells for keys and signs.
const KEYS: usize = 14;

/// All of it from line `first` on; dim what is not possible now.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, first: usize, theme: &Theme) {
    let lines = lines(app, theme);
    let n = lines.len();
    let wanted = u16::try_from(n + 2).unwrap_or(u16::MAX);
    let place = centered(area, 86, wanted);
    let height = usize::from(inside(place).height);
    let first = first.min(n.saturating_sub(height));
    let more = text::more(first, n.saturating_sub(first + height));
    let foot = " ↑↓ scroll, esc closes ";
    let inner = window(buf, place, "All keys", foot, &more, theme);
    for (row, line) in lines.into_iter().skip(first).enumerate() {
        draw::line(buf, inner, row, line);
    }
}

fn lines(app: &App, theme: &Theme) -> Vec<Vec<Span<'static>>> {
    let heading = |title: &str| vec![Span::styled(format!(" {title}"), theme.title)];
    let mut lines = Vec::new();
    for group in Group::ALL {
        lines.push(heading(group.title()));
        let actions = Action::ALL.iter().filter(|action| action.group() == group);
        let actions = actions.filter(|action| !action.is_modal());
        lines.extend(actions.map(|action| action_line(app, *action, theme)));
        lines.push(Vec::new());
    }
    lines.push(heading(SIGNS_TITLE));
    lines.extend(SIGNS.map(|(sign, meaning)| {
        let sign = format!("  {}", text::pad(sign, KEYS));
        vec![Span::styled(sign, theme.title), Span::raw(meaning)]
    }));
    lines
}

fn action_line(app: &App, action: Action, theme: &Theme) -> Vec<Span<'static>> {
    let keys = app.keymap().keys(action).map(|key| key.to_string());
    let keys = match keys.collect::<Vec<_>>() {
        keys if keys.is_empty() => {
            format!("{} …", app.keymap().label(Context::Main, Action::Palette))
        }
        keys => keys.join(" "),
    };
    let style = match app.is_available(action) {
        true => theme.text,
        false => theme.faint,
    };
    vec![
        Span::styled(format!("  {}", text::pad(&keys, KEYS)), theme.key),
        Span::styled(action.help(), style),
    ]
}

//! The prompt and the best response so far, and beside it what the strong model says unguided.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::comparison;
use super::summary::{BOTH, Summary, beside};
use super::theme::Theme;
use crate::app::App;

/// Lines the panel would fill at `width`; of more than `most`, at least so many.
pub fn height_wanted(app: &App, width: u16, most: u16) -> usize {
    let Some(unguided) = app.unguided() else {
        return Summary::guided(app).height(app, width, most);
    };
    if is_comparison(app) {
        return comparison::height_wanted(app, unguided, width, most);
    }
    match width >= BOTH {
        true => {
            let half = width / 2;
            let guided = Summary::guided(app).height(app, half, most);
            guided.max(Summary::unguided(unguided).height(app, half, most))
        }
        false => Summary::guided(app).height(app, width, most),
    }
}

/// Whether both responses are compared in full.
pub fn is_comparison(app: &App) -> bool {
    app.look().twin && app.unguided().is_some()
}

/// The guided response; beside it the unguided one, where there is room or they are compared.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let guided = Summary::guided(app);
    match app.unguided() {
        Some(unguided) if is_comparison(app) => {
            comparison::render(buf, area, app, unguided, theme);
        }
        Some(unguided) if area.width >= BOTH => {
            let [left, right] = beside(area);
            guided.render(buf, left, app, theme);
            Summary::unguided(unguided).render(buf, right, app, theme);
        }
        _ => guided.render(buf, area, app, theme),
    }
}

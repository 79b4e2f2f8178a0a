//! The view: draws `&App`, never changes it.
//!
//! ```text
//! 80 columns                        120 columns                   160 columns
//! ┌ header: phase, round, models ┐  ┌ header ──────────────────┐  ┌ header ───────────────────────┐
//! │ settings: W K L T n pair pace│  │ settings                 │  │ settings                      │
//! │ guided, unguided response    │  │ guided       │ unguided  │  │ guided        │ unguided      │
//! │ the focused pane             │  │ board                    │  │ board         │ evidence      │
//! │                              │  │                          │  │               │               │
//! │                              │  │ the pane beside the board│  │ side pane     │ (tree)        │
//! │ status: what happens now     │  │ status                   │  │ status                        │
//! └ hints: what can be done now ─┘  └ hints ───────────────────┘  └ hints ────────────────────────┘
//! ```
//!
//! One panel a file. [`screen`] alone decides where things are; [`hit`] reads it backwards for
//! the mouse.

mod ascii;
mod bar;
mod board;
mod board_view;
mod branches;
mod charts;
mod columns;
mod comparison;
mod cut;
mod draw;
mod evidence;
mod gains;
mod grid;
mod header;
mod help;
mod likeliest;
mod overlay;
mod panel;
mod parting;
mod response;
mod run_pair;
mod runs;
mod screen;
mod settings;
mod spelling;
mod status;
mod strip;
mod summary;
mod terms;
mod text;
mod theme;
mod token_table;
mod tour;
mod trainings;
mod tree;
mod voices;
mod ways_table;
mod window;
mod wrap;
mod xray;
mod xray_facts;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{App, Pane};

pub use ascii::is_ascii;
pub use screen::{edge, hit, share};
pub use theme::{Depth, Theme, is_light};

/// Draws the whole screen.
pub fn render(frame: &mut Frame<'_>, app: &App, theme: &Theme) {
    let area = frame.area();
    let screen = screen::Screen::of(app, area);
    let buf = frame.buffer_mut();
    header::render(buf, screen.header, app, theme);
    settings::render(buf, screen.settings, app, theme);
    response::render(buf, screen.response, app, theme);
    for (pane, area) in &screen.panes {
        render_pane(buf, *area, *pane, app, theme);
    }
    tour::render(buf, screen.card, app, theme);
    status::render(buf, screen.status, app, theme);
    status::render_hints(buf, screen.hints, app, theme);
    let cursor = overlay::render(buf, area, app, theme);
    if app.look().ascii {
        ascii::reduce(frame.buffer_mut());
    }
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

fn render_pane(buf: &mut Buffer, area: Rect, pane: Pane, app: &App, theme: &Theme) {
    match pane {
        Pane::Board => board::render(buf, area, app, theme),
        Pane::Evidence => evidence::render(buf, area, app, theme),
        Pane::Charts => charts::render(buf, area, app, theme),
        Pane::Tree => tree::render(buf, area, app, theme),
        Pane::Runs => runs::render(buf, area, app, theme),
        Pane::Xray => xray::render(buf, area, app, theme),
        Pane::Panel => panel::render(buf, area, app, theme),
    }
}

//! Drawing frames at 200×60, from the app's state to the bytes for the terminal:
//! `cargo bench --bench frame`. Between two frames every candidate grows by a token, so each
//! writes what it would in a search that is watched.

#[path = "../tests/playground/support.rs"]
mod playground;
mod support;

use std::io;
use std::time::Instant;

use playground::Playground;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use support::{is_bench, tell};
use w2s::app::App;
use w2s::ui::{Depth, Theme, render};

const FRAMES: usize = 2000;

/// All panes with something to show: two candidates compared, the unguided response, charts and
/// the tree of eleven rounds, the palette on top.
const ALL: &[&str] = &["down", "v", "down", "down", "2"];

fn main() {
    let n = if is_bench() { FRAMES } else { 3 };
    for (what, w, keys) in [
        ("16 candidates", 4, &[][..]),
        ("64 candidates", 8, &[]),
        ("64 candidates, everything open", 8, ALL),
    ] {
        frames(&format!("a frame at 200x60, {what}"), w, keys, n);
    }
}

/// The eleventh round before and after its candidates grow by a token.
fn states(w: usize, keys: &[&str]) -> [App; 2] {
    let mut playground = Playground::loaded().searching(w, w);
    for _ in 0..10 {
        playground.round();
    }
    if !keys.is_empty() {
        playground.unguided().press(keys).answer();
        playground.press(&["4", ":"]);
    }
    let before = playground.start_round().grow(3).app.clone();
    let after = playground.grow(4).app.clone();
    [before, after]
}

fn frames(what: &str, w: usize, keys: &[&str], n: usize) {
    let states = states(w, keys);
    let theme = Theme::new(Depth::True, false);
    let viewport = Viewport::Fixed(Rect::new(0, 0, 200, 60));
    let backend = CrosstermBackend::new(io::sink());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport })
        .expect("a sink takes everything");
    let mut times = Vec::with_capacity(n);
    for app in states.iter().cycle().take(n) {
        let start = Instant::now();
        terminal
            .draw(|frame| render(frame, app, &theme))
            .expect("a sink takes everything");
        times.push(start.elapsed());
    }
    tell(what, times);
}

//! Drawing a frame at 200×60.

#[path = "../tests/playground/support.rs"]
mod support;

use divan::Bencher;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use support::Playground;
use w2s::ui::{Depth, Theme, render};

fn main() {
    divan::main();
}

/// A board of `W * K` candidates in the middle of its third round.
#[divan::bench(args = [(4, 4), (8, 8)])]
fn frame(bencher: Bencher, (w, k): (usize, usize)) {
    let mut playground = Playground::loaded().searching(w, k);
    playground.round().round().start_round().grow(3);
    let theme = Theme::new(Depth::True, false);
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).unwrap();
    bencher.bench_local(|| {
        terminal
            .draw(|frame| render(frame, &playground.app, &theme))
            .unwrap();
    });
}

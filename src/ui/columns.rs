//! The columns of the board: which there are, how wide they are, and the scale of the bars.

use ratatui::layout::Rect;
use ratatui::text::Span;

use super::bar;
use super::theme::Theme;
use crate::app::{App, Sort};
use crate::search::{PairId, Ranking, SearchParams};

/// The width from which the board has column headings, beam lines and all numbers.
pub const ROOMY: u16 = 96;

/// Cells of a judge's column, and those that bar and text keep beside all of them.
pub const JUDGE: usize = 8;
const LEAST: usize = 30;

/// Which columns there are and how wide they are.
pub struct Columns {
    pub roomy: bool,
    /// Whether every line repeats the end of its parent's text.
    pub context: usize,
    pub bar: usize,
    pub text: usize,
    /// How many pairs of a panel have a column, and then how many of the user's judges: as many as
    /// leave text its room.
    pub voices: usize,
    pub judges: usize,
    pub scale: f64,
    /// The scale of the rounds before this one.
    before: f64,
    /// The heading of the column beside the bar: what the chunk adds, or what is ranked by.
    pub gain: &'static str,
}

impl Columns {
    /// Says in a round that the bars are of another scale than in the one before.
    pub fn moved(&self, app: &App, theme: &Theme) -> Option<Vec<Span<'static>>> {
        let is_first = app.trace().rounds().len() < 2;
        let text = format!("  bars now ±{}", self.scale);
        let moved = self.scale != self.before && !is_first;
        moved.then(|| vec![Span::styled(text, theme.accent)])
    }

    /// Lines above the first candidate.
    pub fn above(&self) -> u16 {
        if self.roomy { 2 } else { 1 }
    }

    pub fn of(area: Rect, app: &App) -> Self {
        let roomy = area.width >= ROOMY;
        let by_beam = roomy && app.look().sort == Sort::Beam;
        let numbers = if roomy { 57 } else { 21 };
        let room = usize::from(area.width).saturating_sub(numbers);
        let fit = match roomy {
            true => room.saturating_sub(LEAST) / JUDGE,
            false => 0,
        };
        let voices = voices(app).len().min(fit);
        let judges = app.judges().len().min(fit - voices);
        let room = room - (voices + judges) * JUDGE;
        let bar = match area.width {
            0..=49 => 0,
            50..ROOMY => 11,
            _ => bar_width(room.saturating_sub(text_wanted(app, by_beam))),
        };
        let text = room.saturating_sub(bar);
        Self {
            roomy,
            context: if by_beam { 0 } else { text * 2 / 5 },
            bar,
            text,
            voices,
            judges,
            scale: bar::scale(app.trace().reach()),
            before: scale_before(app),
            gain: match app.shown_round() {
                Some(round) if has_key(&round.params) => "ranked",
                _ => "chunk",
            },
        }
    }
}

/// Cells that the text of a chunk will take, by its length: what chunks that grow take would make
/// the columns move.
fn text_wanted(app: &App, by_beam: bool) -> usize {
    const TOKEN: usize = 6;
    const CONTEXT: usize = 24;
    let params = app.params_in_use();
    let l = params.chunk_len().within(params.max_new_tokens().get());
    l * TOKEN + if by_beam { 0 } else { CONTEXT }
}

/// What is left for a bar, within reason and odd, so that zero has a cell of its own.
fn bar_width(left: usize) -> usize {
    (left.clamp(13, 42) - 1) | 1
}

/// The scale that the rounds before the last one were drawn to.
fn scale_before(app: &App) -> f64 {
    let rounds = app.trace().rounds().iter().rev().skip(1);
    let ranges = rounds.filter_map(|round| round.figures().range);
    let reach = |(low, high): (f64, f64)| low.abs().max(high.abs());
    bar::scale(ranges.map(reach).fold(0.0, f64::max))
}

/// The pairs of the panel that the round on the board has; none of a pair by itself.
pub fn voices(app: &App) -> Vec<PairId> {
    let panel = app.shown_round().map(|round| &round.pair);
    let panel = panel.filter(|pair| pair.is_panel());
    let members = panel.into_iter().flat_map(PairId::members);
    members.map(|(pair, _)| pair).collect()
}

/// Whether the cut ranks by something else than what other columns show.
fn has_key(params: &SearchParams) -> bool {
    let by_opinion = !params.panel().is_mixture();
    by_opinion || params.ranking() == Ranking::PerToken || params.weight().get() != 1.0
}

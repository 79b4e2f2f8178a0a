//! Two candidates of different rounds compared: how their branches scored round by round, and what
//! either says from where they part.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::terms::shown;
use super::theme::Theme;
use super::wrap::wrap;
use super::{draw, text};
use crate::app::App;
use crate::app::board::label;
use crate::app::tree::place;
use crate::search::{CandidateTrace, Hypothesis, HypothesisId, PairId};

/// Cells for a candidate's name, and for a score.
const NAME: usize = 16;
const SCORE: usize = 8;

/// Cells of what both say that stay in sight before where they part.
const SHARED: usize = 30;

/// The candidate compared with, if it is of another round than the one in detail.
pub fn other(app: &App) -> Option<&CandidateTrace> {
    let (subject, other) = (app.subject()?, app.reference()?);
    let round = |candidate: &CandidateTrace| app.round_of(candidate.slot.id).map(place);
    let are_whole = subject.hypothesis.is_some() && other.hypothesis.is_some();
    (are_whole && round(subject) != round(other)).then_some(other)
}

/// `2.3 of 4b`
pub fn name(app: &App, id: HypothesisId) -> String {
    let Some(round) = app.round_of(id) else {
        return String::new();
    };
    let label = label(app.trace(), round, id).unwrap_or_default();
    format!("{label} of {}", app.name_of(round))
}

/// Draws both at the top of `area`; the lines used.
pub fn render(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    pair: [&CandidateTrace; 2],
    scale: f64,
    theme: &Theme,
) -> u16 {
    let both = pair.map(|candidate| Branch::of(app, candidate));
    let Some(by) = both[0].last().and_then(|h| h.scored_by()) else {
        return 0;
    };
    let parting = both[0].parting(&both[1]);
    let width = usize::from(area.width);
    let columns = Columns::of(&both, parting, width);
    draw::line(buf, area, 0, columns.heading(parting, theme));
    for (row, branch) in both.iter().enumerate() {
        draw::line(
            buf,
            area,
            row + 1,
            branch.scores(&columns, parting, by, theme),
        );
    }
    let each = usize::from(area.height / 5).max(2);
    let mut row = 3;
    for branch in &both {
        let lines = wrap(&branch.text(&both, scale, theme), width.saturating_sub(1));
        let goes_on = lines.len() > each;
        for line in lines.into_iter().take(each) {
            draw::line(buf, area, row, line);
            row += 1;
        }
        if goes_on {
            let height = area.height.min(u16::try_from(row).unwrap_or(u16::MAX));
            draw::goes_on(buf, Rect { height, ..area });
        }
    }
    u16::try_from(row).unwrap_or(u16::MAX).min(area.height)
}

/// A response as its chunks, first to last.
struct Branch<'a> {
    name: String,
    chunks: Vec<&'a CandidateTrace>,
}

impl<'a> Branch<'a> {
    fn of(app: &'a App, candidate: &'a CandidateTrace) -> Self {
        let parent = |c: &&CandidateTrace| app.trace().candidate(c.slot.parent?);
        let mut chunks: Vec<_> = std::iter::successors(Some(candidate), parent).collect();
        chunks.reverse();
        Self {
            name: name(app, candidate.slot.id),
            chunks,
        }
    }

    fn last(&self) -> Option<&'a Hypothesis> {
        self.chunks.last()?.hypothesis.as_deref()
    }

    /// How many chunks they have in common.
    fn parting(&self, other: &Self) -> usize {
        let pairs = self.chunks.iter().zip(&other.chunks);
        pairs.take_while(|(a, b)| a.slot.id == b.slot.id).count()
    }

    /// The log-ratio of the response after each of its rounds, all by one pair.
    fn scores(
        &self,
        columns: &Columns,
        parting: usize,
        by: &PairId,
        theme: &Theme,
    ) -> Vec<Span<'static>> {
        let mut spans = vec![Span::raw(text::pad(&self.name, NAME))];
        let shown = self.chunks.iter().enumerate().skip(columns.first);
        for (i, chunk) in shown.take(columns.n) {
            let score = chunk.hypothesis.as_ref().and_then(|h| h.scores.by(by));
            let score = score.map(|score| score.value());
            let style = match (i < parting, score) {
                (false, Some(score)) => theme.signed(score),
                _ => theme.faint,
            };
            spans.push(Span::styled(text::signed(score, SCORE), style));
        }
        spans
    }

    /// Its name, the end of what both say, and its own tokens as they are tinted.
    fn text(&self, both: &[Self; 2], scale: f64, theme: &Theme) -> Vec<(String, Style)> {
        let [Some(a), Some(b)] = both.each_ref().map(Self::last) else {
            return Vec::new();
        };
        let Some(own) = self.last() else {
            return Vec::new();
        };
        let first = a.score().terms().zip(b.score().terms());
        let first = first.take_while(|(a, b)| a.id == b.id).count();
        let before = own
            .score()
            .terms_since(first.saturating_sub(SHARED))
            .take(first.min(SHARED));
        let before: String = before.map(shown).collect();
        let name = text::pad(&self.name, NAME);
        let mut pieces = vec![
            (name, theme.title),
            (text::tail(&before, SHARED), theme.muted),
        ];
        let terms = own.score().terms_since(first);
        pieces.extend(terms.map(|term| (shown(term), theme.tint(term.delta() / scale))));
        pieces
    }
}

/// Which rounds have room.
struct Columns {
    first: usize,
    n: usize,
}

impl Columns {
    /// All of them, or those from shortly before the branches part.
    fn of(both: &[Branch<'_>; 2], parting: usize, width: usize) -> Self {
        let longest = both[0].chunks.len().max(both[1].chunks.len());
        let fit = (width.saturating_sub(NAME) / SCORE).max(1);
        let first = parting.saturating_sub(2).min(longest.saturating_sub(fit));
        Self {
            first,
            n: fit.min(longest - first),
        }
    }

    fn heading(&self, parting: usize, theme: &Theme) -> Vec<Span<'static>> {
        let part = format!("part in round {}", parting + 1);
        let mut heading = text::pad(&part, NAME);
        for number in (self.first..).take(self.n) {
            heading += &format!("{:>SCORE$}", number + 1);
        }
        vec![Span::styled(heading, theme.faint)]
    }
}

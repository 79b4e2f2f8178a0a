//! An evaluation as a grid: a line a prompt, a column a way, the judge of each response, and below
//! what each way comes to.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::Theme;
use super::window::{centered, inside, window};
use super::{draw, text};
use crate::app::{App, Evaluation, Total};
use crate::measure::Refined;
use crate::message::CellId;

/// Cells of a prompt at least, and of a way at most.
const LEAST_PROMPT: usize = 16;
const MOST_WAY: usize = 22;

/// Lines beside those of the prompts: headings, totals.
const OTHERS: usize = 9;

pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let Some(evaluation) = app.evaluation() else {
        return;
    };
    let n = evaluation.request.prompts.len();
    let wanted = u16::try_from(n + OTHERS + 2).unwrap_or(u16::MAX);
    let place = centered(area, 116, wanted);
    let room = usize::from(inside(place).height).saturating_sub(OTHERS);
    let first = draw::scroll(evaluation.at.prompt, n, room);
    let more = text::more(first, n.saturating_sub(first + room));
    let foot = foot(evaluation);
    let inner = window(buf, place, &title(evaluation), foot, &more, theme);
    let columns = Columns::of(evaluation, usize::from(inner.width));
    draw::line(buf, inner, 0, columns.headings(evaluation, theme));
    for (row, prompt) in (first..n).take(room).enumerate() {
        draw::line(buf, inner, row + 1, columns.line(evaluation, prompt, theme));
    }
    let below = n.min(room) + 1;
    for (row, line) in columns.totals(evaluation, theme).into_iter().enumerate() {
        draw::line(buf, inner, below + row, line);
    }
}

fn title(evaluation: &Evaluation) -> String {
    let (done, n) = evaluation.progress();
    let state = match &evaluation.stopped {
        Some(why) => format!(", {}", text::clean(why)),
        None if done == n => String::new(),
        None => ", filling".to_owned(),
    };
    format!("Evaluation: {done} of {n} searches{state}")
}

fn foot(evaluation: &Evaluation) -> &'static str {
    match evaluation.is_over() {
        true => " ↑↓←→ choose, enter opens it as a run, r anew, esc closes ",
        false => " ↑↓←→ choose, enter opens it as a run, C stops, esc closes ",
    }
}

/// How wide prompts and ways are.
struct Columns {
    prompt: usize,
    way: usize,
}

impl Columns {
    fn of(evaluation: &Evaluation, width: usize) -> Self {
        let n = evaluation.request.contenders.len().max(1);
        let way = (width.saturating_sub(LEAST_PROMPT) / n).clamp(9, MOST_WAY);
        let prompt = width.saturating_sub(n * way);
        Self { prompt, way }
    }

    /// A cell, to the right of its column.
    fn right(&self, text: &str) -> String {
        let text = text::head(text, self.way.saturating_sub(1));
        let gap = self.way.saturating_sub(text::width(&text));
        format!("{}{text}", " ".repeat(gap))
    }

    fn headings(&self, evaluation: &Evaluation, theme: &Theme) -> Vec<Span<'static>> {
        let mut spans = vec![Span::styled(text::pad(" judge", self.prompt), theme.faint)];
        for way in 0..evaluation.request.contenders.len() {
            spans.push(Span::styled(self.right(&evaluation.name(way)), theme.title));
        }
        spans
    }

    fn line(&self, evaluation: &Evaluation, prompt: usize, theme: &Theme) -> Vec<Span<'static>> {
        let is_here = evaluation.at.prompt == prompt;
        let sign = if is_here { "▸" } else { " " };
        let own = format!("{sign}{}", text::clean(&evaluation.request.prompts[prompt]));
        let own = text::pad(&text::head(&own, self.prompt), self.prompt);
        let mut spans = vec![Span::raw(own)];
        for way in 0..evaluation.request.contenders.len() {
            let id = CellId { prompt, way };
            let (value, style) = match evaluation.cell(id) {
                None => ("·".to_owned(), theme.faint),
                Some(Err(_)) => ("failed".to_owned(), theme.accent),
                Some(Ok(own)) => (format!("{:+.2}", own.judge), theme.signed(own.judge)),
            };
            let style = match evaluation.at == id {
                true => style.patch(theme.selected),
                false => style,
            };
            spans.push(Span::styled(self.right(&value), style));
        }
        spans
    }

    fn totals(&self, evaluation: &Evaluation, theme: &Theme) -> Vec<Vec<Span<'static>>> {
        let n = evaluation.request.contenders.len();
        let totals: Vec<_> = (0..n).map(|way| evaluation.total(way)).collect();
        let line = |name: &str, value: &dyn Fn(usize) -> String| {
            let mut spans = vec![Span::styled(text::pad(name, self.prompt), theme.muted)];
            spans.extend((0..n).map(|way| Span::styled(self.right(&value(way)), theme.title)));
            spans
        };
        let mean = |way: usize, value: f64| match totals[way].n {
            0 => "·".to_owned(),
            _ => format!("{value:+.2}"),
        };
        let delta = |way: usize| match totals[way].delta {
            None => String::new(),
            Some(own) => match own.half_width {
                Some(half) => format!("{:+.2} ± {half:.2}", own.mean),
                None => format!("{:+.2}", own.mean),
            },
        };
        vec![
            line(" mean judge", &|way| mean(way, totals[way].judge)),
            line(" Δ unguided, 95 %", &delta),
            line(" ahead of unguided", &|way| match way {
                0 => String::new(),
                _ => format!("{} of {}", totals[way].wins, totals[way].compared),
            }),
            line(" mean log-ratio", &|way| mean(way, totals[way].log_ratio)),
            line(" ln S/token", &|way| match totals[way].strong {
                Some(own) => format!("{own:.2}"),
                None => "·".to_owned(),
            }),
            line(" sampled tokens", &|way| {
                format!("{:.0}", totals[way].sampled)
            }),
            line(" refinement", &|way| verdict(&totals[way])),
            line(" done", &|way| match totals[way].n_failed {
                0 => totals[way].n.to_string(),
                failed => format!("{}, {failed} failed", totals[way].n),
            }),
        ]
    }
}

/// Whether refinement is accepted; nothing for other ways.
fn verdict(total: &Total) -> String {
    let is_told = |own: &Refined| own.delta.is_some();
    match total.refined.filter(is_told) {
        None => String::new(),
        Some(own) => match own.verdict() {
            ("accepted", "") => "accepted".to_owned(),
            ("accepted", _) => "tied".to_owned(),
            (verdict, _) => verdict.to_owned(),
        },
    }
}

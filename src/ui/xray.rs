//! The X-ray: the prompt as each model sees it, and how the candidate in detail holds together.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;

use super::theme::Theme;
use super::wrap::flow;
use super::xray_facts::{Line, facts};
use super::{draw, evidence, text};
use crate::app::xray::sees_the_same;
use crate::app::{App, Pane};
use crate::evidence::{PromptView, Xray};
use crate::search::TokenId;

/// From this width on, views and facts may stand side by side.
const BESIDE: u16 = 100;

/// Lines of the views that stay in sight above the facts.
const LEAST_VIEWS: usize = 5;

pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let body = inner(draw::below(area, 1));
    let sheet = app.xray().map(|xray| Sheet::of(app, xray, body, theme));
    let more = sheet.as_ref().map_or_else(String::new, Sheet::more);
    let details = vec![candidate(app, theme)];
    draw::titled(buf, area, Pane::Xray, details, &more, app, theme);
    match sheet {
        Some(sheet) => sheet.render(buf, theme),
        None => {
            let note = "· told once the first candidates are scored";
            draw::line(buf, body, 0, vec![Span::styled(note, theme.muted)]);
        }
    }
}

/// `area` without the column that every pane leaves free on its left.
fn inner(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        width: area.width.saturating_sub(1),
        ..area
    }
}

/// Whose facts are told.
fn candidate(app: &App, theme: &Theme) -> Line {
    let Some(subject) = app.subject() else {
        return Vec::new();
    };
    let (what, fate) = evidence::headed(app, subject);
    vec![
        Span::raw(what),
        Span::styled(format!("  {fate}"), theme.muted),
    ]
}

/// What is drawn, and where.
struct Sheet {
    views: Vec<Line>,
    /// The first line in sight.
    first: usize,
    facts: Vec<Line>,
    views_area: Rect,
    facts_area: Rect,
}

impl Sheet {
    /// One below the other where that fits, else side by side where that does, else the views
    /// scroll above the facts, and where there is no room for that either, all of it scrolls.
    fn of(app: &App, xray: &Xray, area: Rect, theme: &Theme) -> Self {
        let stacked = Self::stacked(app, xray, area, theme);
        let height = usize::from(area.height);
        if stacked.views.len() + stacked.facts.len() < height {
            return stacked;
        }
        if area.width >= BESIDE {
            let beside = Self::beside(app, xray, area, theme);
            if beside.facts.len() < height {
                return beside.scrolled(app);
            }
        }
        match stacked.facts.len() + LEAST_VIEWS <= height {
            true => stacked.scrolled(app),
            false => stacked.in_one(area).scrolled(app),
        }
    }

    fn stacked(app: &App, xray: &Xray, area: Rect, theme: &Theme) -> Self {
        let width = usize::from(area.width);
        let (views, facts) = (views(xray, width, theme), facts(app, xray, width, theme));
        // A rule stands above the facts.
        let wanted = [views.len(), facts.len() + 1].map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        let rows = [
            Constraint::Length(wanted[0].min(area.height.saturating_sub(wanted[1]))),
            Constraint::Fill(1),
        ];
        let [views_area, facts_area] = Layout::vertical(rows).areas(area);
        Self::new(views, facts, [views_area, facts_area])
    }

    fn beside(app: &App, xray: &Xray, area: Rect, theme: &Theme) -> Self {
        let columns = [Constraint::Fill(1), Constraint::Fill(1)];
        let areas: [Rect; 2] = Layout::horizontal(columns).spacing(2).areas(area);
        let [left, right] = areas.map(|area| usize::from(area.width));
        let (views, facts) = (views(xray, left, theme), facts(app, xray, right, theme));
        Self::new(views, facts, areas)
    }

    fn new(views: Vec<Line>, facts: Vec<Line>, [views_area, facts_area]: [Rect; 2]) -> Self {
        Self {
            views,
            first: 0,
            facts,
            views_area,
            facts_area,
        }
    }

    fn in_one(mut self, area: Rect) -> Self {
        self.views.push(Vec::new());
        self.views.append(&mut self.facts);
        (self.views_area, self.facts_area) = (area, Rect::default());
        self
    }

    /// The app's places, spread over the lines: the last place shows the last line.
    fn scrolled(mut self, app: &App) -> Self {
        let most = self.views.len().saturating_sub(self.height());
        let last = (app.xray_places() - 1).max(1);
        self.first = (app.sight().xray.min(last) * most).div_ceil(last);
        self
    }

    fn height(&self) -> usize {
        usize::from(self.views_area.height)
    }

    /// How many lines of the views are out of sight.
    fn more(&self) -> String {
        let last = (self.first + self.height()).min(self.views.len());
        text::more(self.first, self.views.len() - last)
    }

    fn render(self, buf: &mut Buffer, theme: &Theme) {
        let shown = self.views.into_iter().skip(self.first);
        for (row, line) in shown.enumerate() {
            draw::line(buf, self.views_area, row, line);
        }
        if self.facts.is_empty() {
            return;
        }
        let heading = Span::styled("how the pair reads and scores", theme.muted);
        draw::rule(buf, self.facts_area, 0, vec![heading], theme);
        for (row, line) in self.facts.into_iter().enumerate() {
            draw::line(buf, self.facts_area, row + 1, line);
        }
    }
}

/// Each model's view below its heading; one that is the same as the view above is only named.
fn views(xray: &Xray, width: usize, theme: &Theme) -> Vec<Line> {
    let all = [
        ("strong", &xray.strong),
        ("tuned", &xray.tuned),
        ("untuned", &xray.untuned),
    ];
    let mut lines = Vec::new();
    for (i, (role, view)) in all.into_iter().enumerate() {
        let before = i.checked_sub(1).map(|before| all[before]);
        let same = before.filter(|(_, before)| sees_the_same(before, view));
        lines.push(heading(
            role,
            view,
            same.map(|(role, _)| role),
            width,
            theme,
        ));
        if same.is_none() {
            lines.extend(body(view, width, theme));
        }
    }
    lines
}

/// `strong   bundled:strong  7 tokens, no BOS`
fn heading(
    role: &'static str,
    view: &PromptView,
    same_as: Option<&str>,
    width: usize,
    theme: &Theme,
) -> Line {
    let n = view.tokens.len();
    let plural = if n == 1 { "" } else { "s" };
    let bos = if view.bos { "BOS first" } else { "no BOS" };
    let mut told = format!("{n} token{plural}, {bos}");
    if let Some(other) = same_as {
        told += &format!(", all as {other} sees it");
    }
    let room = width.saturating_sub(11 + text::width(&told));
    vec![
        Span::styled(format!("{role:<9}"), theme.title),
        Span::styled(
            text::tail(&text::clean(&view.model), room) + "  ",
            theme.muted,
        ),
        Span::raw(told),
    ]
}

/// The text, then the tokens, two columns in.
fn body(view: &PromptView, width: usize, theme: &Theme) -> Vec<Line> {
    const INDENT: usize = 2;
    let cells: Vec<Unit> = view.tokens.iter().map(|token| cell(token, theme)).collect();
    let room = width.saturating_sub(INDENT);
    let mut lines = flow(&words(&view.text, theme), room);
    lines.extend(flow(&cells, room));
    for line in &mut lines {
        line.insert(0, Span::raw(" ".repeat(INDENT)));
    }
    lines
}

/// What stays on one line.
type Unit = Vec<(String, Style)>;

/// The words of a text in quotes; an escape is not broken where it fits into a line.
fn words(shown: &str, theme: &Theme) -> Vec<Unit> {
    let mut words: Vec<String> = shown.split_word_bounds().map(text::escaped).collect();
    match words.first_mut() {
        Some(first) => first.insert(0, '"'),
        None => words.push('"'.to_string()),
    }
    words.last_mut().iter_mut().for_each(|last| last.push('"'));
    let unit = |word| vec![(word, theme.text)];
    words.into_iter().map(unit).collect()
}

/// `" film"·41`
fn cell((id, piece): &(TokenId, Arc<str>), theme: &Theme) -> Unit {
    vec![
        (text::quoted(piece), theme.text),
        (format!("·{id}  "), theme.muted),
    ]
}

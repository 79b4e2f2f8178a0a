//! A response with its numbers: the best so far, or what another way beside it has come to.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use super::draw::Parts;
use super::terms::end_sign;
use super::theme::Theme;
use super::wrap::wrap;
use super::{draw, text};
use crate::app::settings::sizes;
use crate::app::{App, Beside};
use crate::search::{Finish, Hypothesis, LogRatio, Text};

/// The width from which guided and unguided response stand side by side.
pub const BOTH: u16 = 116;

/// The places of two responses side by side.
pub fn beside(area: Rect) -> [Rect; 2] {
    let columns = [Constraint::Fill(1), Constraint::Fill(1)];
    Layout::horizontal(columns).spacing(2).areas(area)
}

/// A response with its numbers.
pub struct Summary<'a> {
    pub name: String,
    /// The name where there is little room.
    pub short: String,
    /// Its terms, token by token.
    pub score: Option<&'a LogRatio>,
    pub text: Option<&'a Text>,
    pub log_ratio: Option<f64>,
    pub judge: Option<f64>,
    /// The strong model's log-probability per token.
    pub strong: Option<f64>,
    pub n_tokens: usize,
    pub finish: Option<Finish>,
    /// The pair whose log-ratio it is.
    pub pair: String,
    /// Tokens that the strong model has sampled for it, those of other candidates among them.
    pub sampled: usize,
    /// What is said where there is no text.
    pub silence: String,
}

impl<'a> Summary<'a> {
    /// The best response so far.
    pub fn guided(app: &'a App) -> Self {
        let best = app.trace().best();
        let hypothesis = best.and_then(|best| best.hypothesis.as_deref());
        let name = match app.trace().ending() {
            Some(_) => "guided: best response",
            None => "guided: best so far",
        };
        Self {
            name: name.to_owned(),
            short: "guided".to_owned(),
            score: hypothesis.map(Hypothesis::score),
            text: best.map(|best| &best.text),
            log_ratio: best.and_then(|best| best.score),
            judge: best.and_then(|best| app.judge_of(best.slot.id)),
            strong: hypothesis.and_then(Hypothesis::log_prob_per_token),
            n_tokens: best.map_or(0, |best| best.n_tokens),
            finish: hypothesis.and_then(|h| h.finish),
            pair: app.pair_in_use().to_owned(),
            sampled: app.trace().tokens_sampled(),
            silence: "the prompt, nothing chosen yet".to_owned(),
        }
    }

    /// The same by the name of its method, where that tells it from other ways.
    pub fn guided_by_method(app: &'a App) -> Self {
        let name = format!(
            "guided {} {}",
            sizes(app.params_in_use()),
            app.pair_in_use()
        );
        Self {
            name: name.clone(),
            short: name,
            ..Self::guided(app)
        }
    }

    /// What a way beside the guided one has come to.
    pub fn beside(app: &'a App, beside: &'a Beside) -> Self {
        let said = beside.said.as_ref();
        let response = said.map(|said| &*said.response);
        let pair = response.and_then(Hypothesis::scored_by);
        let name = beside.name(app.params_in_use());
        Self {
            short: name.clone(),
            name,
            score: response.map(Hypothesis::score),
            text: response.map(|response| &response.text),
            log_ratio: response.map(|response| response.score().value()),
            judge: said.map(|said| said.judge),
            strong: response.and_then(Hypothesis::log_prob_per_token),
            n_tokens: response.map_or(0, |response| response.tokens.len()),
            finish: response.and_then(|response| response.finish),
            pair: pair.map_or_else(String::new, ToString::to_string),
            sampled: said.map_or(0, |said| said.sampled),
            silence: silence(beside),
        }
    }

    /// The fullest wording that has room; of the shortest, what has.
    pub fn title(&self, width: u16, theme: &Theme) -> Vec<Span<'static>> {
        let room = usize::from(width);
        let wordings = [
            self.parts(&self.name, "independent judge", "  ", theme),
            self.parts(&self.name, "judge", "  ", theme),
            self.parts(&self.short, "judge", "  ", theme),
        ];
        let fits = |parts: &Parts<'_>| draw::width(&parts.concat()) < room;
        let shortest = || self.parts(&self.short, "judge", " ", theme);
        let parts = wordings.into_iter().find(fits).unwrap_or_else(shortest);
        draw::fitting(parts, room)
    }

    /// The name, whether it is finished, and every number with what it is; `gap` between them.
    fn parts(
        &self,
        name: &str,
        judge: &'static str,
        gap: &'static str,
        theme: &Theme,
    ) -> Parts<'static> {
        let note = |text: String| Span::styled(text, theme.muted);
        let numbered = |what: &str, value: Option<f64>| {
            let style = value.map_or(theme.muted, |value| theme.signed(value));
            let number = Span::styled(text::signed(value, 0), style);
            vec![note(format!("{gap}{what} ")), number]
        };
        let mut parts = vec![vec![
            Span::raw(gap),
            Span::styled(text::clean(name), theme.title),
        ]];
        if self.finish.is_some() {
            let sign = format!(" {}", end_sign(self.finish));
            parts.push(vec![Span::styled(sign, theme.finished)]);
        }
        if self.text.is_none() {
            parts.push(vec![note(format!("  {}", text::clean(&self.silence)))]);
            return parts;
        }
        parts.push(numbered("log-ratio", self.log_ratio));
        parts.extend(self.judge.map(|value| numbered(judge, Some(value))));
        let strong = self
            .strong
            .map(|strong| format!("{gap}strong {strong:.2}/token"));
        parts.extend(strong.map(|text| vec![note(text)]));
        parts.push(vec![note(format!("{gap}{} tokens", self.n_tokens))]);
        parts
    }
}

/// Why a way has nothing to show.
fn silence(beside: &Beside) -> String {
    match &beside.dropped {
        Some(why) => format!("left out: {why}"),
        None => "nothing is sampled yet".to_owned(),
    }
}

/// Lines with one column of margin either side.
pub fn wrapped(pieces: &[(String, Style)], width: u16) -> Vec<Vec<Span<'static>>> {
    wrap(pieces, usize::from(width.saturating_sub(2)))
}

/// A text in its place: marks in the margins say that it began before, or goes on.
pub fn body(buf: &mut Buffer, area: Rect, pieces: &[(String, Style)], began: bool) {
    let lines = wrapped(pieces, area.width);
    let goes_on = lines.len() > usize::from(area.height);
    let inner = draw::margins(area);
    for (row, line) in lines.into_iter().enumerate() {
        draw::line(buf, inner, row, line);
    }
    if began {
        draw::began_before(buf, area);
    }
    if goes_on {
        draw::goes_on(buf, area);
    }
}

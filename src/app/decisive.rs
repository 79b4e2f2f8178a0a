//! The token in detail: where the evidence opens, and which tokens decide.

use super::{App, Pane};
use crate::search::{Hypothesis, LogRatio};

impl App {
    /// Whose terms are shown: those of the candidate in detail; while its chunk grows, those of
    /// what it continues.
    #[must_use]
    pub fn detailed(&self) -> Option<&Hypothesis> {
        let subject = self.subject()?;
        let parent = || self.run.trace.candidate(subject.slot.parent?);
        let own = subject.hypothesis.as_deref();
        own.or_else(|| parent()?.hypothesis.as_deref())
    }

    /// The place in the token table: where the user went, else where it opens.
    #[must_use]
    pub fn token(&self) -> usize {
        let n = self.detailed().map_or(0, |known| known.score().len());
        let at = self.run.sight.token.unwrap_or_else(|| self.opening());
        at.min(n.saturating_sub(1))
    }

    /// Where two that are compared part, else where the chunk begins.
    fn opening(&self) -> usize {
        let Some(known) = self.detailed() else {
            return 0;
        };
        let other = self.compared_by_terms();
        let parting = other.map(|other| {
            let pairs = known.score().terms().zip(other.terms());
            pairs.take_while(|(a, b)| a.id == b.id).count()
        });
        let is_whole = self.subject().is_some_and(|c| c.hypothesis.is_some());
        parting.unwrap_or(match is_whole {
            true => known.terms_before_chunk(),
            false => known.score().len(),
        })
    }

    /// The terms of the candidate compared with.
    fn compared_by_terms(&self) -> Option<&LogRatio> {
        let other = self.reference()?.hypothesis.as_ref()?;
        other.scores.by(self.detailed()?.scored_by()?)
    }

    /// The tokens by the size of their differences, largest first: of those from the other
    /// candidate's, where one is compared.
    fn by_difference(&self) -> Vec<(usize, f64)> {
        let Some(known) = self.detailed() else {
            return Vec::new();
        };
        let other = self.compared_by_terms();
        let base = |i| {
            other
                .and_then(|other| other.term(i))
                .map_or(0.0, |term| term.delta())
        };
        let terms = known.score().terms().enumerate();
        let mut all: Vec<(usize, f64)> = terms.map(|(i, t)| (i, t.delta() - base(i))).collect();
        all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        all
    }

    /// To the token that decides most; from there to the next one.
    pub(super) fn next_decisive(&mut self) {
        let order = self.by_difference();
        let here = self.run.sight.token;
        let rank = order.iter().position(|(i, _)| Some(*i) == here);
        let rank = rank.map_or(0, |rank| (rank + 1) % order.len().max(1));
        let Some((token, difference)) = order.get(rank) else {
            return;
        };
        self.run.sight.token = Some(*token);
        if self.look.focus != Pane::Evidence {
            self.look.focus(Pane::Evidence);
        }
        let which = match rank {
            0 => "the largest difference".to_owned(),
            _ => format!("difference {} of {} by size", rank + 1, order.len()),
        };
        let n = token + 1;
        self.note(format!("token {n}: {difference:+.2}, {which}"));
    }
}

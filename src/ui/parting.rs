//! Two responses to one prompt: where they part, which words either has for itself from there on,
//! and what of both is in view: the same tokens.

use std::collections::HashSet;

use ratatui::style::Style;

use super::spelling::spelt;
use super::summary::Summary;
use super::text;
use super::theme::Theme;
use super::wrap::wrap;
use crate::app::{App, Unguided};
use crate::search::Text;

/// The guided response, and the unguided one once some of it is sampled.
pub struct Sides<'a> {
    pub guided: Summary<'a>,
    pub unguided: Option<Summary<'a>>,
    /// How much they have in common from the first word on, in bytes and in words.
    shared: usize,
    n_words: usize,
    /// The words of either from where they part.
    words: [HashSet<String>; 2],
}

/// Where a response begins in view, in bytes; `None` with the prompt before it.
pub type From = Option<usize>;

impl<'a> Sides<'a> {
    pub fn of(app: &'a App) -> Self {
        let guided = Summary::guided(app);
        let unguided = app.unguided().map(|u: &Unguided| Summary::unguided(u));
        let texts = guided.text.zip(unguided.as_ref().and_then(|u| u.text));
        let same = texts.map(|(a, b)| shared(a, b)).unwrap_or_default();
        let own = |text: Option<&Text>| {
            let text = text.map(|text| text.since(same.len())).unwrap_or_default();
            text.split_whitespace().map(bare).collect()
        };
        Self {
            words: [own(guided.text), own(texts.map(|(_, b)| b))],
            shared: same.len(),
            n_words: same.split_whitespace().count(),
            guided,
            unguided,
        }
    }

    /// Where the texts part, in words: not all screens can underline.
    pub fn parting(&self) -> String {
        let Some(unguided) = &self.unguided else {
            return "nothing is sampled unguided yet".to_owned();
        };
        match (self.guided.text, self.n_words) {
            (None, _) => "nothing is chosen yet".to_owned(),
            (guided, _) if guided == unguided.text => "the texts are the same".to_owned(),
            (_, 0) => "the texts part at the first word".to_owned(),
            (_, 1) => "the texts part after one word".to_owned(),
            (_, n) => format!("the texts part after {n} words"),
        }
    }

    /// Where either begins in view, so that the end of the guided one is seen in `rows` lines of
    /// `width` cells: at the same token.
    pub fn from(&self, app: &App, width: usize, rows: usize) -> [From; 2] {
        let Some(text) = self.guided.text else {
            return [None; 2];
        };
        let whole = text::ending(text, width * rows);
        let fits = |before: &str, text: &str| {
            let pieces = [before, text].map(|text| (text::clean(text), Style::new()));
            wrap(&pieces, width).len() <= rows
        };
        if whole.len() == text.len() && fits(app.prompt(), &whole) {
            return [None; 2];
        }
        let starts = self.guided.starts();
        let is_seen = |at: &usize| fits("", &text.since(*at));
        // The first from which all that follows fits; beyond it, whatever does.
        let first = starts.partition_point(|at| text.len() - at > whole.len() || !is_seen(at));
        let at = |starts: &[usize]| starts.get(first).or(starts.last()).copied();
        let other = self.unguided.as_ref().map(Summary::starts);
        let guided = at(&starts).or(Some(0));
        [guided, other.and_then(|starts| at(&starts).or(Some(0)))]
    }

    /// A response from `from` on: what both begin with plain, then the word they part at
    /// underlined, and bold what the other one has not.
    pub fn pieces(
        &self,
        app: &App,
        side: usize,
        from: From,
        theme: &Theme,
    ) -> Vec<(String, Style)> {
        let summary = [Some(&self.guided), self.unguided.as_ref()];
        let text = summary[side].and_then(|summary| summary.text);
        let prompt = match from {
            None => text::clean(app.prompt()),
            Some(_) => String::new(),
        };
        let mut pieces = vec![(prompt, theme.muted)];
        let Some(text) = text else {
            return pieces;
        };
        let start = from.unwrap_or(0);
        let same = text.between(start, self.shared.max(start));
        let own = text.since(self.shared.max(start));
        pieces.push((text::clean(&same), theme.text));
        let parts_here = start <= self.shared && self.unguided.is_some();
        pieces.extend(marked(&own, &self.words[1 - side], parts_here, theme));
        pieces
    }
}

/// Two texts as [`Sides::pieces`] marks them: what both begin with plain, the word they part at
/// underlined, and bold what the other one has not.
pub fn both(texts: [&Text; 2], theme: &Theme) -> [Vec<(String, Style)>; 2] {
    let same = shared(texts[0], texts[1]);
    let own = texts.map(|text| text.since(same.len()));
    let words: [HashSet<String>; 2] = own
        .each_ref()
        .map(|own| own.split_whitespace().map(bare).collect());
    [0, 1].map(|side| {
        let mut pieces = vec![(text::clean(&same), theme.text)];
        pieces.extend(marked(&own[side], &words[1 - side], true, theme));
        pieces
    })
}

/// The words of a text, those marked that the other one has not.
fn marked(
    own: &str,
    other: &HashSet<String>,
    parts_here: bool,
    theme: &Theme,
) -> Vec<(String, Style)> {
    let words = own.split_inclusive(char::is_whitespace);
    let is_word = |word: &&str| !word.trim().is_empty();
    let first = words.clone().position(|word| is_word(&word));
    let styled = words.enumerate().map(|(i, word)| {
        let style = match parts_here && Some(i) == first {
            true => theme.title.underlined(),
            false if other.contains(&bare(word)) => theme.text,
            false => theme.title,
        };
        (text::clean(word), style)
    });
    styled.collect()
}

/// What both begin with, in whole words.
fn shared(a: &Text, b: &Text) -> String {
    let mut same = a.between(0, a.leaves(b));
    if a != b {
        same.truncate(same.rfind(char::is_whitespace).unwrap_or(0));
    }
    same
}

/// A word without what is not part of it.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}

impl Summary<'_> {
    /// Where each of its tokens begins, in bytes.
    fn starts(&self) -> Vec<usize> {
        let both = self.score.zip(self.text);
        let spelt = both
            .map(|(score, text)| spelt(score, text))
            .unwrap_or_default();
        spelt.into_iter().map(|token| token.at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_share_whole_words() {
        for (a, b, both) in [
            (" a good film", " a good plot", " a good"),
            (" a good film", " a good films", " a good"),
            (" a film", " the film", ""),
            (" a film", " a film", " a film"),
        ] {
            assert_eq!(shared(&Text::from(a), &Text::from(b)), both);
        }
    }

    #[test]
    fn words_are_the_same_whatever_stands_beside_them() {
        assert_eq!(bare("(Great!) "), bare("great,"));
        assert_ne!(bare("great"), bare("greater"));
    }
}

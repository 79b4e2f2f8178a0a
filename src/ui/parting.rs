//! Responses to one prompt: where others part from the guided one, which words each has for itself
//! from there on, and what of them is in view: the same tokens.

use std::collections::HashSet;

use ratatui::style::Style;

use super::spelling::spelt;
use super::summary::Summary;
use super::text;
use super::theme::Theme;
use super::wrap::wrap;
use crate::app::App;
use crate::search::Text;

/// The guided response first, then those of the ways beside it.
pub struct Sides<'a> {
    all: Vec<Side<'a>>,
}

/// A response, and how it stands to the guided one; the guided one, to all others.
struct Side<'a> {
    summary: Summary<'a>,
    /// How much they have in common from the first word on, in bytes and in words.
    shared: usize,
    n_words: usize,
    /// What is said from there on by whom it is compared with.
    others: HashSet<String>,
    /// Whether there is anything to compare it with.
    parts: bool,
}

/// Where a response begins in view, in bytes; `None` with the prompt before it.
pub type From = Option<usize>;

/// What of a response is in view.
#[derive(Debug, Clone, Copy, Default)]
pub struct View {
    pub from: From,
    /// Where it may end, in bytes.
    pub until: Option<usize>,
}

impl<'a> Sides<'a> {
    /// The guided response and the unguided one.
    pub fn of(app: &'a App) -> Self {
        let unguided = app.beside().iter().take(1);
        let unguided = unguided.map(|beside| Summary::beside(app, beside));
        Self::compared(Summary::guided(app), unguided.collect())
    }

    /// The guided response and those of all ways beside it.
    pub fn all(app: &'a App) -> Self {
        let ways = app.beside();
        let guided = match ways.len() {
            0 | 1 => Summary::guided(app),
            _ => Summary::guided_by_method(app),
        };
        let ways = ways.iter().map(|beside| Summary::beside(app, beside));
        Self::compared(guided, ways.collect())
    }

    fn compared(guided: Summary<'a>, ways: Vec<Summary<'a>>) -> Self {
        let ways: Vec<Side<'a>> = ways
            .into_iter()
            .map(|way| beside(way, guided.text))
            .collect();
        let compared = || ways.iter().filter(|way| way.parts);
        let least = compared().min_by_key(|way| way.shared);
        let (shared, n_words) = least.map_or((0, 0), |way| (way.shared, way.n_words));
        let guided = Side {
            others: compared()
                .flat_map(|way| words(way.summary.text, shared))
                .collect(),
            parts: least.is_some(),
            summary: guided,
            shared,
            n_words,
        };
        let all = [guided].into_iter().chain(ways).collect();
        Self { all }
    }

    /// All responses with their numbers, the guided one first.
    pub fn summaries(&self) -> impl Iterator<Item = &Summary<'a>> {
        self.all.iter().map(|side| &side.summary)
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Where a response parts from the guided one, in words: not all screens can underline.
    pub fn parting(&self, side: usize) -> String {
        let Some((guided, own)) = self.all.first().zip(self.all.get(side)) else {
            return String::new();
        };
        match (guided.summary.text, own.n_words) {
            _ if own.summary.text.is_none() => "nothing is sampled unguided yet".to_owned(),
            (None, _) => "nothing is chosen yet".to_owned(),
            (guided, _) if guided == own.summary.text => "the texts are the same".to_owned(),
            (_, 0) => "the texts part at the first word".to_owned(),
            (_, 1) => "the texts part after one word".to_owned(),
            (_, n) => format!("the texts part after {n} words"),
        }
    }

    /// The same beside a way's name; `None` while either has said nothing.
    pub fn parting_in_short(&self, side: usize) -> Option<String> {
        let (guided, own) = self.all.first().zip(self.all.get(side))?;
        let (guided, text) = guided.summary.text.zip(own.summary.text)?;
        Some(match guided == text {
            true => "the same text".to_owned(),
            false => format!("parts at word {}", own.n_words + 1),
        })
    }

    /// Where each begins in view, so that the end of the guided one is seen in `rows` lines of
    /// `width` cells: at the same token.
    pub fn from(&self, app: &App, width: usize, rows: usize) -> Vec<From> {
        let nowhere = vec![None; self.len()];
        let Some(guided) = self.summaries().next() else {
            return nowhere;
        };
        let Some(text) = guided.text else {
            return nowhere;
        };
        let whole = text::ending(text, width * rows);
        let fits = |before: &str, text: &str| {
            let pieces = [before, text].map(|text| (text::clean(text), Style::new()));
            wrap(&pieces, width).len() <= rows
        };
        if whole.len() == text.len() && fits(app.prompt(), &whole) {
            return nowhere;
        }
        let starts = guided.starts();
        let is_seen = |at: &usize| fits("", &text.since(*at));
        // The first from which all that follows fits; beyond it, whatever does.
        let first = starts.partition_point(|at| text.len() - at > whole.len() || !is_seen(at));
        let at = |starts: &[usize]| starts.get(first).or(starts.last()).copied();
        let from = |summary: &Summary<'_>| {
            let starts = summary.text.map(|_| summary.starts());
            starts.and_then(|starts| at(&starts).or(Some(0)))
        };
        self.summaries().map(from).collect()
    }

    /// A response as far as it is in view: what it has in common with the guided one plain, then
    /// the word they part at underlined, and bold what the other one has not; of the guided one,
    /// what no other has.
    pub fn pieces(
        &self,
        app: &App,
        side: usize,
        view: View,
        theme: &Theme,
    ) -> Vec<(String, Style)> {
        let prompt = match view.from {
            None => text::clean(app.prompt()),
            Some(_) => String::new(),
        };
        let mut pieces = vec![(prompt, theme.muted)];
        let Some((side, text)) = self.all.get(side).and_then(|s| Some((s, s.summary.text?))) else {
            return pieces;
        };
        let start = view.from.unwrap_or(0);
        let end = view.until.unwrap_or(text.len()).clamp(start, text.len());
        let parting = side.shared.clamp(start, end);
        let own = text.between(parting, end);
        pieces.push((text::clean(&text.between(start, parting)), theme.text));
        let parts_here = start <= side.shared && side.parts;
        pieces.extend(marked(&own, &side.others, parts_here, theme));
        pieces
    }
}

/// A way's response beside the guided one.
fn beside<'a>(summary: Summary<'a>, guided: Option<&Text>) -> Side<'a> {
    let both = summary.text.zip(guided);
    let same = both
        .map(|(own, guided)| shared(guided, own))
        .unwrap_or_default();
    Side {
        others: words(guided, same.len()).collect(),
        shared: same.len(),
        n_words: same.split_whitespace().count(),
        parts: summary.text.is_some(),
        summary,
    }
}

/// The words of a text from a place on.
fn words(text: Option<&Text>, from: usize) -> impl Iterator<Item = String> {
    let text = text.map(|text| text.since(from)).unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(bare).collect();
    words.into_iter()
}

/// Two texts as [`Sides::pieces`] marks them: what both begin with plain, the word they part at
/// underlined, and bold what the other one has not.
pub fn both(texts: [&Text; 2], theme: &Theme) -> [Vec<(String, Style)>; 2] {
    let same = shared(texts[0], texts[1]);
    let words = texts.map(|text| words(Some(text), same.len()).collect());
    [0, 1].map(|side| {
        let mut pieces = vec![(text::clean(&same), theme.text)];
        let own = texts[side].since(same.len());
        pieces.extend(marked(&own, &words[1 - side], true, theme));
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

//! How the tokens of a score spell its text. A token may end inside a character: alone it would be
//! a broken one, so the tokens of one character are told by the whole of it.

use std::iter::repeat_n;

use super::terms::shown;
use super::text;
use crate::search::{LogRatio, Text, TokenTerm};

/// What stands for bytes that are no whole character.
const BROKEN: char = char::REPLACEMENT_CHARACTER;

/// A space that a tokenizer leaves out of a token alone.
const SPACE: &str = " ";

/// Bytes within which the place of a token is looked for that does not follow at once.
const NEAR: usize = 64;

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelt {
    /// The characters that it belongs to, clean; the same for all tokens of one character.
    pub whole: String,
    /// Which of the tokens of these characters it is, from 0, and of how many.
    pub part: (usize, usize),
    /// Where in the text its characters begin, in bytes.
    pub at: usize,
}

impl Spelt {
    /// In running text, where every character stands once.
    pub fn once(&self) -> &str {
        match self.part.0 {
            0 => &self.whole,
            _ => "",
        }
    }

    /// Alone: `😊 2/3` is the second of three tokens.
    pub fn alone(&self) -> String {
        match self.part {
            (_, 1) => self.whole.clone(),
            (i, n) => format!("{} {}/{n}", self.whole, i + 1),
        }
    }
}

/// The tokens of `score`, which is of `text`.
pub fn spelt(score: &LogRatio, text: &Text) -> Vec<Spelt> {
    let terms: Vec<&TokenTerm> = score.terms().collect();
    let text = text.to_string();
    let mut speller = Speller {
        terms: &terms,
        text: &text,
        at: 0,
        done: Vec::with_capacity(terms.len()),
    };
    while speller.done.len() < terms.len() {
        speller.next();
    }
    speller.done
}

struct Speller<'a> {
    terms: &'a [&'a TokenTerm],
    text: &'a str,
    /// How far the text is spelt, in bytes.
    at: usize,
    done: Vec<Spelt>,
}

impl Speller<'_> {
    fn next(&mut self) {
        let i = self.done.len();
        let piece = &*self.terms[i].piece;
        match self.follows(piece) {
            Some(len) => self.push(shown(self.terms[i]), (0, 1), len),
            None if piece.contains(BROKEN) => self.push_broken(),
            None => {
                // It begins in the prompt, or the text is told in another way than its tokens.
                let len = if i == 0 { self.joined(piece) } else { 0 };
                self.push(shown(self.terms[i]), (0, 1), len);
            }
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The bytes up to the end of `piece`, where it follows.
    fn follows(&self, piece: &str) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with(piece) {
            return Some(piece.len());
        }
        let spaced = rest.strip_prefix(SPACE)?;
        spaced.starts_with(piece).then(|| SPACE.len() + piece.len())
    }

    /// How much of the text the end of a token is that begins before it.
    fn joined(&self, piece: &str) -> usize {
        let ends = piece.char_indices().map(|(at, _)| &piece[at..]);
        let mut own = ends.filter(|end| self.rest().starts_with(end));
        own.next().map_or(0, str::len)
    }

    /// The tokens from here on that are no whole characters, up to one that is.
    fn push_broken(&mut self) {
        let from = self.done.len();
        let is_broken = |term: &&&TokenTerm| term.piece.contains(BROKEN);
        let n = self.terms[from..].iter().take_while(is_broken).count();
        let rest = self.rest();
        let len = match self.terms.get(from + n) {
            Some(next) => near(rest, &next.piece),
            None => Some(rest.len()),
        };
        let whole = rest[..len.unwrap_or(0)].to_owned();
        self.share(&whole, n);
    }

    /// Gives the characters of `whole` to `n` tokens: to as many each, else all to all.
    fn share(&mut self, whole: &str, n: usize) {
        let chars: Vec<char> = whole.chars().collect();
        if chars.is_empty() {
            // The rest of a last character is still to come.
            return self.done.extend(repeat_n(self.unknown(), n));
        }
        let each = match n % chars.len() {
            0 => n / chars.len(),
            _ => n,
        };
        for group in chars.chunks((chars.len() * each / n).max(1)) {
            let group: String = group.iter().collect();
            for i in 0..each {
                let len = if i + 1 == each { group.len() } else { 0 };
                self.push(text::clean(&group), (i, each), len);
            }
        }
    }

    fn unknown(&self) -> Spelt {
        Spelt {
            whole: "…".to_owned(),
            part: (0, 1),
            at: self.at,
        }
    }

    fn push(&mut self, whole: String, part: (usize, usize), len: usize) {
        self.done.push(Spelt {
            whole,
            part,
            at: self.at,
        });
        self.at += len;
    }
}

/// Where `piece` begins near the start of `rest`, after at least a character.
fn near(rest: &str, piece: &str) -> Option<usize> {
    let places = rest.char_indices().map(|(at, _)| at).skip(1);
    let mut places = places.chain([rest.len()]).take_while(|at| *at <= NEAR);
    places.find(|at| !piece.is_empty() && rest[*at..].starts_with(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&str], text: &str) -> Vec<(String, usize)> {
        let term = |(i, piece): (usize, &&str)| TokenTerm {
            id: i as u32,
            piece: (*piece).into(),
            tuned: 0.0,
            untuned: 0.0,
        };
        let terms: Vec<TokenTerm> = pieces.iter().enumerate().map(term).collect();
        let spelt = spelt(&LogRatio::from(terms), &Text::from(text));
        spelt.iter().map(|s| (s.alone(), s.at)).collect()
    }

    fn expect(list: &[(&str, usize)]) -> Vec<(String, usize)> {
        let owned = list.iter().map(|(text, at)| ((*text).to_owned(), *at));
        owned.collect()
    }

    #[test]
    fn tokens_of_one_character_tell_the_whole_of_it() {
        assert_eq!(
            told(&[" so", " �", "�", "�", " and"], " so 😊 and"),
            expect(&[
                (" so", 0),
                (" 😊 1/3", 3),
                (" 😊 2/3", 3),
                (" 😊 3/3", 3),
                (" and", 8)
            ])
        );
        assert_eq!(
            told(&["�", "�", "t"], "’t"),
            expect(&[("’ 1/2", 0), ("’ 2/2", 0), ("t", 3)])
        );
        assert_eq!(
            told(&["�", "�", "�", "�"], "😊😂"),
            expect(&[("😊 1/2", 0), ("😊 2/2", 0), ("😂 1/2", 4), ("😂 2/2", 4)])
        );
    }

    #[test]
    fn a_character_whose_end_is_to_come_is_no_broken_one() {
        assert_eq!(told(&["a", "�"], "a"), expect(&[("a", 0), ("…", 1)]));
    }

    #[test]
    fn spaces_joins_and_tokens_without_text_are_followed() {
        assert_eq!(
            told(&["the", "film", ""], " the film"),
            expect(&[("the", 0), ("film", 4), ("⟨2⟩", 9)])
        );
        assert_eq!(
            told(&[" wonderful", " day"], "ful day"),
            expect(&[(" wonderful", 0), (" day", 3)])
        );
    }
}

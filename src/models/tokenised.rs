//! Texts that grow: their tokens before a boundary stay what they are, whatever follows it, and
//! only the rest is tokenised anew.
//!
//! A boundary is a space between two letters, where no token of the vocabulary reaches from a
//! letter into a space ([`Tokenizer::joins_words`]). No merge, and no best way through a lattice, crosses such
//! a place, and the expressions by which texts are cut into words look no further than it. What is
//! tokenised anew begins a word before, so that what a tokenizer does to the beginning of a text
//! (a space put before it, or taken away) falls upon a word that is known already.

use tokenizers::Encoding;

use super::error::EncodeError;
use super::tokenizer::{TokenId, Tokenizer};
use crate::caught::caught;

/// A text and its tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokenised {
    text: String,
    ids: Vec<TokenId>,
    mark: Option<Mark>,
}

/// The last boundary, in bytes, and the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    context: usize,
    at: usize,
    /// Tokens before `at`.
    n: usize,
}

impl Tokenised {
    #[must_use]
    pub fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// Bytes from which on a text that goes on after this one is tokenised anew.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.mark.map_or(0, |mark| mark.context)
    }

    /// The mark, where `text` goes on after it and it is a boundary there too.
    fn holds_in(&self, text: &str) -> Option<Mark> {
        self.mark.filter(|mark| {
            let same = text
                .as_bytes()
                .starts_with(&self.text.as_bytes()[..mark.at]);
            same && is_boundary(text, mark.at)
        })
    }
}

impl Tokenizer {
    /// [`Self::try_encode`] of a text that goes on where `known` was, or anywhere else.
    ///
    /// # Errors
    /// As [`Self::try_encode`].
    pub fn try_encode_after(
        &self,
        text: String,
        known: Option<&Tokenised>,
    ) -> Result<Tokenised, EncodeError> {
        let settled = known.and_then(|known| Some((known, known.holds_in(&text)?)));
        if let Some((known, mark)) = settled
            && let Some(tokenised) = self.go_on(&text, known, mark)
        {
            return Ok(tokenised);
        }
        let ids = self.try_encode(&text)?;
        let last = if self.joins_words() {
            None
        } else {
            last_two(&text, 0)
        };
        let mark = last.and_then(|(context, at)| {
            let end = self.after(&text, context, at)?;
            let n = ids.len().checked_sub(end.len())?;
            (ids[n..] == end).then_some(Mark { context, at, n })
        });
        Ok(Tokenised { text, ids, mark })
    }

    fn go_on(&self, text: &str, known: &Tokenised, mark: Mark) -> Option<Tokenised> {
        let tail = self.offsets(&text[mark.context..])?;
        let fresh = since(&tail, mark.at - mark.context)?;
        let mut ids = known.ids[..mark.n].to_vec();
        ids.extend_from_slice(fresh);
        let moved = last_two(text, mark.at).and_then(|(context, at)| {
            let n = ids.len() - since(&tail, at - mark.context)?.len();
            Some(Mark { context, at, n })
        });
        Some(Tokenised {
            text: text.to_owned(),
            ids,
            mark: moved.or(Some(mark)),
        })
    }

    /// The tokens from a boundary on, by what begins at an earlier one.
    fn after(&self, text: &str, context: usize, at: usize) -> Option<Vec<TokenId>> {
        let tail = self.offsets(&text[context..])?;
        since(&tail, at - context).map(<[TokenId]>::to_vec)
    }

    /// Tokens with their places, where these are those of all of the text.
    fn offsets(&self, text: &str) -> Option<Encoding> {
        let encoding = caught(|| self.inner().encode(text, false)).ok()?;
        covers(&encoding, text).then_some(encoding)
    }
}

/// Whether nothing but white space is between tokens: some tokenizers leave out what they have no
/// token for, and count places without it.
fn covers(encoding: &Encoding, text: &str) -> bool {
    let mut before = 0;
    let ends = [(text.len(), text.len())];
    encoding
        .get_offsets()
        .iter()
        .chain(&ends)
        .all(|(start, end)| {
            let gap = text.get(before..(*start).max(before));
            before = (*end).max(before);
            gap.is_some_and(|gap| gap.trim().is_empty())
        })
}

/// The tokens from a byte on, unless one reaches across it.
fn since(encoding: &Encoding, at: usize) -> Option<&[TokenId]> {
    let offsets = encoding.get_offsets();
    let n = offsets.iter().take_while(|(start, _)| *start < at).count();
    let is_cut = offsets[..n].iter().all(|(_, end)| *end <= at)
        && offsets[n..].iter().all(|(start, _)| *start >= at);
    is_cut.then(|| &encoding.get_ids()[n..])
}

/// Whether a word ends at a byte and the next one begins with the space there.
fn is_boundary(text: &str, at: usize) -> bool {
    let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) else {
        return false;
    };
    let next = after.strip_prefix(' ').and_then(|rest| rest.chars().next());
    let last = before.chars().next_back();
    last.is_some_and(char::is_alphabetic) && next.is_some_and(char::is_alphabetic)
}

/// The last two boundaries of a text, none of them before `from`.
fn last_two(text: &str, from: usize) -> Option<(usize, usize)> {
    let spaces = text[from..].rmatch_indices(' ').map(|(at, _)| from + at);
    let mut boundaries = spaces.filter(|at| is_boundary(text, *at));
    let last = boundaries.next()?;
    Some((boundaries.next()?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_a_space_between_letters() {
        let text = "a b, c  d é f1 g";
        let found = (0..=text.len()).filter(|at| is_boundary(text, *at));
        assert_eq!(found.collect::<Vec<_>>(), [1, 9, 12]);
        assert_eq!(last_two(text, 0), Some((9, 12)));
        assert_eq!(last_two(text, 10), None);
    }
}

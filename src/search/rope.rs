//! Sequences that share their beginnings: what a candidate has of its parent is held once.
//!
//! A rope is its parent's first `kept` items and some of its own. A response of n chunks then
//! costs n chunks, not n·(n + 1)/2 of them, however many candidates continue it.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A persistent sequence. A clone shares everything.
pub struct Rope<T>(Option<Arc<Piece<T>>>);

struct Piece<T> {
    before: Rope<T>,
    /// How many items of `before` count.
    kept: usize,
    own: Vec<T>,
}

impl<T> Rope<T> {
    /// The first `kept` items of this one, then `own`.
    #[must_use]
    pub fn extended(&self, kept: usize, own: Vec<T>) -> Self {
        let kept = kept.min(self.len());
        if own.is_empty() && kept == self.len() {
            return self.clone();
        }
        let before = self.shortest(kept);
        Self(Some(Arc::new(Piece { before, kept, own })))
    }

    /// The earliest rope in this one's history that has `n` items: what comes after is let go.
    fn shortest(&self, n: usize) -> Self {
        let mut rope = self;
        while let Some(piece) = rope.0.as_deref().filter(|piece| piece.kept >= n) {
            rope = &piece.before;
        }
        rope.clone()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |piece| piece.kept + piece.own.len())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        self.since(0)
    }

    /// The items from number `start` on.
    #[must_use]
    pub fn since(&self, start: usize) -> Iter<'_, T> {
        let mut pieces = Vec::new();
        let (mut rope, mut end) = (self, self.len());
        while let Some(piece) = rope.0.as_deref().filter(|_| end > start) {
            let own = &piece.own[..end.saturating_sub(piece.kept)];
            pieces.push(&own[start.saturating_sub(piece.kept).min(own.len())..]);
            end = end.min(piece.kept);
            rope = &piece.before;
        }
        Iter {
            pieces,
            now: [].iter(),
        }
    }

    /// Item number `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&T> {
        let mut rope = self;
        while let Some(piece) = rope.0.as_deref() {
            if i >= piece.kept {
                return piece.own.get(i - piece.kept);
            }
            rope = &piece.before;
        }
        None
    }

    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }
}

impl<T: Clone> Rope<T> {
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        self.iter().cloned().collect()
    }
}

impl<T: PartialEq> Rope<T> {
    /// How many leading items are equal; what both hold in one place is not compared.
    #[must_use]
    pub fn common_prefix(&self, other: &Self) -> usize {
        let same = self.shared_with(other);
        let rest = self.since(same).zip(other.since(same));
        same + rest.take_while(|(a, b)| a == b).count()
    }

    /// How many leading items both hold in the same place.
    fn shared_with(&self, other: &Self) -> usize {
        let (mut a, mut b) = (self, other);
        let mut n = a.len().min(b.len());
        loop {
            match (a.0.as_ref(), b.0.as_ref()) {
                (Some(x), Some(y)) if Arc::ptr_eq(x, y) => return n,
                (Some(x), Some(y)) if x.kept >= y.kept => (a, n) = (&x.before, n.min(x.kept)),
                (Some(_), Some(y)) => (b, n) = (&y.before, n.min(y.kept)),
                _ => return 0,
            }
        }
    }
}

impl<T> From<Vec<T>> for Rope<T> {
    fn from(items: Vec<T>) -> Self {
        Self::default().extended(0, items)
    }
}

impl<T> FromIterator<T> for Rope<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::from(items.into_iter().collect::<Vec<T>>())
    }
}

impl<T> Clone for Rope<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Rope<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Drop for Rope<T> {
    /// Piece by piece: a long response must not end in a deep recursion.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut piece) = next.and_then(Arc::into_inner) {
            next = piece.before.0.take();
        }
    }
}

impl<T: PartialEq> PartialEq for Rope<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.common_prefix(other) == self.len()
    }
}

impl<T: PartialEq> PartialEq<[T]> for Rope<T> {
    fn eq(&self, other: &[T]) -> bool {
        self.len() == other.len() && self.iter().eq(other)
    }
}

impl<T: PartialEq> PartialEq<Vec<T>> for Rope<T> {
    fn eq(&self, other: &Vec<T>) -> bool {
        *self == other[..]
    }
}

impl<T: fmt::Debug> fmt::Debug for Rope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Serialize> Serialize for Rope<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'a, T> IntoIterator for &'a Rope<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The items of a [`Rope`] in order.
#[derive(Debug)]
pub struct Iter<'a, T> {
    /// What is to come, the next piece last.
    pieces: Vec<&'a [T]>,
    now: std::slice::Iter<'a, T>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            match self.now.next() {
                Some(item) => return Some(item),
                None => self.now = self.pieces.pop()?.iter(),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.pieces.iter().map(|piece| piece.len()).sum::<usize>() + self.now.len();
        (n, Some(n))
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

/// Text that shares its beginning with its parent's.
#[derive(Clone, Default, PartialEq)]
pub struct Text(Rope<u8>);

impl Text {
    /// This text's first `kept` bytes, which must end with a character, then `own`.
    #[must_use]
    pub fn extended(&self, kept: usize, own: &str) -> Self {
        Self(self.0.extended(kept, own.as_bytes().to_vec()))
    }

    /// `whole`, which mostly begins with this text: what it has of it is shared.
    #[must_use]
    pub fn grown_to(&self, whole: &str) -> Self {
        let mut kept = self.common_prefix(whole);
        while !whole.is_char_boundary(kept) {
            kept -= 1;
        }
        self.extended(kept, &whole[kept..])
    }

    /// How many leading bytes are those of `other`.
    #[must_use]
    pub fn common_prefix(&self, other: &str) -> usize {
        let both = self.0.iter().zip(other.as_bytes());
        both.take_while(|(a, b)| a == b).count()
    }

    /// Its bytes in order.
    #[must_use]
    pub fn bytes(&self) -> Iter<'_, u8> {
        self.0.iter()
    }

    /// In bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text from byte `start` on; a character that it cuts is left out.
    #[must_use]
    pub fn since(&self, start: usize) -> String {
        let is_inside = |byte: &&u8| (**byte & 0b1100_0000) == 0b1000_0000;
        let bytes: Vec<u8> = self.0.since(start).skip_while(is_inside).copied().collect();
        // Pieces end with whole characters, so nothing is lossy here.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The text from byte `start` to before byte `end`; characters that these cut are left out.
    #[must_use]
    pub fn between(&self, start: usize, end: usize) -> String {
        let is_inside = |byte: &&u8| (**byte & 0b1100_0000) == 0b1000_0000;
        let bytes = self.0.since(start).take(end.saturating_sub(start));
        let mut bytes: Vec<u8> = bytes.skip_while(is_inside).copied().collect();
        if let Err(error) = std::str::from_utf8(&bytes) {
            bytes.truncate(error.valid_up_to());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where this text leaves `parent`'s: at the end of a character that both have.
    #[must_use]
    pub fn leaves(&self, parent: &Self) -> usize {
        let mut at = self.0.common_prefix(&parent.0);
        let is_inside = |at: usize| {
            self.0
                .get(at)
                .is_some_and(|b| (b & 0b1100_0000) == 0b1000_0000)
        };
        while is_inside(at) {
            at -= 1;
        }
        at
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::default().extended(0, text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Rope::from(text.into_bytes()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        *self == other[..]
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.since(0))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.since(0), f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.since(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is kept and added, a rope is the vector that one would have built.
        #[test]
        fn a_rope_is_a_vector(
            steps in prop::collection::vec((0..12usize, prop::collection::vec(0..4u8, 0..5)), 0..12),
            start in 0..30usize,
        ) {
            let (mut rope, mut plain) = (Rope::default(), Vec::new());
            for (kept, own) in steps {
                let before = (rope.clone(), plain.clone());
                plain.truncate(kept);
                plain.extend(&own);
                rope = rope.extended(kept, own);
                prop_assert_eq!(&rope, &plain);
                let shared = before.1.iter().zip(&plain).take_while(|(a, b)| a == b).count();
                prop_assert_eq!(rope.common_prefix(&before.0), shared);
            }
            let since: Vec<u8> = rope.since(start).copied().collect();
            prop_assert_eq!(&since[..], plain.get(start..).unwrap_or_default());
            prop_assert_eq!(rope.get(start), plain.get(start));
            prop_assert_eq!(rope.last(), plain.last());
        }

        #[test]
        fn a_text_is_a_string(a in "[aé😀]{0,6}", b in "[aé😀]{0,6}", start in 0..12usize) {
            let text = Text::from(a.as_str()).grown_to(&b);
            prop_assert_eq!(&text, &b);
            let at = (start..).find(|at| b.is_char_boundary(*at) || *at > b.len()).unwrap();
            prop_assert_eq!(text.since(start), b.get(at..).unwrap_or_default());
            for end in start..=b.len() + 1 {
                let end_at = (0..=end).rev().find(|at| b.is_char_boundary(*at)).unwrap();
                let between = b.get(at..end_at).unwrap_or_default();
                prop_assert_eq!(text.between(start, end), between);
            }
            let leaves = text.leaves(&Text::from(a.as_str()));
            prop_assert!(a.starts_with(&b[..leaves]));
        }
    }

    #[test]
    fn a_long_rope_is_let_go_without_recursion() {
        let mut rope = Rope::default();
        for i in 0..300_000 {
            rope = rope.extended(i, vec![i]);
        }
        assert_eq!(rope.len(), 300_000);
        drop(rope);
    }

    #[test]
    fn what_is_shared_is_held_once() {
        let parent: Rope<u32> = (0..1000).collect();
        let child = parent.extended(1000, vec![7]);
        assert_eq!(child.shared_with(&parent), 1000);
        assert!(std::ptr::eq(child.get(3).unwrap(), parent.get(3).unwrap()));
    }
}

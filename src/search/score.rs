//! The log-ratio of a response and the per-token terms it is the sum of.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};

use super::ids::TokenId;
use super::rope::{Iter, Rope, Text};
use super::spread::{Span, spans, spread};

/// Names who scores: a weak pair by its name or SPEC, or a panel, by all of its pairs and their
/// weights. It knows whom it names.
#[derive(Debug, Clone, DeriveSerialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PairId(Arc<Named>);

#[derive(Debug)]
struct Named {
    name: Arc<str>,
    /// Of a panel; none of a pair by itself.
    panel: Option<Vec<(PairId, f64)>>,
}

impl PairId {
    /// Several pairs with weights.
    #[must_use]
    pub fn of_panel(members: Vec<(Self, f64)>) -> Self {
        let terms = members.iter().map(|(id, weight)| format!("{weight}*{id}"));
        Self(Arc::new(Named {
            name: terms.collect::<Vec<_>>().join("+").into(),
            panel: Some(members),
        }))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.name
    }

    /// Whether it names several pairs, or one with a weight.
    #[must_use]
    pub fn is_panel(&self) -> bool {
        self.0.panel.is_some()
    }

    /// Who speaks, with which weights; a pair by itself with 1.
    #[must_use]
    pub fn members(&self) -> Vec<(Self, f64)> {
        match &self.0.panel {
            Some(members) => members.clone(),
            None => vec![(self.clone(), 1.0)],
        }
    }

    /// The first of them.
    #[must_use]
    pub fn lead(&self) -> Self {
        match &self.0.panel {
            Some(members) => members
                .first()
                .map_or_else(|| self.clone(), |(id, _)| id.clone()),
            None => self.clone(),
        }
    }

    /// Whether this pair is one of them.
    #[must_use]
    pub fn includes(&self, pair: &Self) -> bool {
        match &self.0.panel {
            Some(members) => members.iter().any(|(own, _)| own == pair),
            None => self == pair,
        }
    }

    /// A panel's name spells its pairs and weights out, so that names are enough, but for pairs
    /// whose own names look like a panel's.
    fn key(&self) -> (&str, bool) {
        (self.as_str(), self.is_panel())
    }
}

impl PartialEq for PairId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for PairId {}

/// A pair by itself is what it is called.
impl PartialEq<&str> for PairId {
    fn eq(&self, name: &&str) -> bool {
        !self.is_panel() && self.as_str() == *name
    }
}

impl Hash for PairId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for PairId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PairId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<S: Into<Arc<str>>> From<S> for PairId {
    fn from(name: S) -> Self {
        let name = name.into();
        Self(Arc::new(Named { name, panel: None }))
    }
}

impl From<PairId> for String {
    fn from(id: PairId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for PairId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one weak token adds to a log-ratio: both models' raw log-probabilities, in nats.
#[derive(Debug, Clone, PartialEq, DeriveSerialize, Deserialize)]
pub struct TokenTerm {
    /// An id of the weak pair's vocabulary.
    pub id: TokenId,
    /// The token's own text (lossy where it ends inside a character).
    pub piece: Arc<str>,
    /// log p_tuned(token | prompt, tokens before it)
    pub tuned: f64,
    /// log p_untuned(token | prompt, tokens before it)
    pub untuned: f64,
}

impl TokenTerm {
    /// log p_tuned − log p_untuned.
    #[must_use]
    pub fn delta(&self) -> f64 {
        self.tuned - self.untuned
    }

    fn said(&self) -> [f64; 2] {
        [self.tuned, self.untuned]
    }
}

/// A term with the sums up to it, so that a score of any length costs no addition.
#[derive(Debug, Clone, PartialEq)]
struct Summed {
    term: TokenTerm,
    value: f64,
}

/// log p_tuned(y | x) − log p_untuned(y | x) of a response y (paper §3.1), as its terms.
///
/// Terms are shared with the log-ratio it was extended from, where nothing was re-tokenised.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogRatio(Rope<Summed>);

impl LogRatio {
    /// The first `kept` terms of this one, then `own`. Sums go on where they stood, so they are
    /// the same to the last bit however a response was cut into chunks.
    #[must_use]
    pub fn extended(&self, kept: usize, own: Vec<TokenTerm>) -> Self {
        let kept = kept.min(self.len());
        let mut value = self.value_at(kept);
        let summed = own.into_iter().map(|term| {
            value += term.delta();
            Summed { term, value }
        });
        Self(self.0.extended(kept, summed.collect()))
    }

    /// The weighted sum of log-ratios of one response, which says `text`: term by term, in the
    /// tokens of the first one. What others read as other tokens is spread over its bytes. The
    /// first terms are shared with `before`, the same sum of what the response continues, as far
    /// as its tokens are the same. Nothing for no parts.
    #[must_use]
    pub fn mixed(parts: &[(f64, Self)], text: &Text, before: Option<&Self>) -> Self {
        let Some((_, first)) = parts.first() else {
            return Self::default();
        };
        let is_same = parts.iter().all(|(_, own)| own.reads_as(first));
        let kept = match before.filter(|_| is_same) {
            Some(before) => before.n_alike(first),
            None => 0,
        };
        let mut terms: Vec<TokenTerm> = first.terms_since(kept).cloned().collect();
        for term in &mut terms {
            (term.tuned, term.untuned) = (0.0, 0.0);
        }
        for (weight, own) in parts {
            let said = match own.reads_as(first) {
                true => own.terms_since(kept).map(TokenTerm::said).collect(),
                false => own.told_by(first, &text.to_string()),
            };
            for (sum, [tuned, untuned]) in terms.iter_mut().zip(said) {
                sum.tuned += weight * tuned;
                sum.untuned += weight * untuned;
            }
        }
        match before {
            Some(before) if kept > 0 => before.extended(kept, terms),
            _ => Self::from(terms),
        }
    }

    /// How many of the first tokens are the same.
    fn n_alike(&self, other: &Self) -> usize {
        let both = self.terms().zip(other.terms());
        both.take_while(|(a, b)| a.id == b.id).count()
    }

    /// Whether both read the response as the same tokens.
    #[must_use]
    pub fn reads_as(&self, other: &Self) -> bool {
        self.len() == other.len() && self.n_alike(other) == self.len()
    }

    /// What both halves say, in the tokens of `other`, which reads `text` in its own way.
    fn told_by(&self, other: &Self, text: &str) -> Vec<[f64; 2]> {
        let spans = |ratio: &Self| {
            let pieces: Vec<&str> = ratio.terms().map(|term| &*term.piece).collect();
            spans(&pieces, text)
        };
        let (from, onto) = (spans(self), spans(other));
        let half = |value: fn(&TokenTerm) -> f64| {
            let values: Vec<f64> = self.terms().map(value).collect();
            spread(&values, &from, &onto)
        };
        let both = half(|t| t.tuned).into_iter().zip(half(|t| t.untuned));
        both.map(|(tuned, untuned)| [tuned, untuned]).collect()
    }

    /// The terms, summed over the tokens that stand at `onto` in `text`, which is the response's.
    #[must_use]
    pub fn deltas_by(&self, onto: &[Span], text: &str) -> Vec<f64> {
        let pieces: Vec<&str> = self.terms().map(|term| &*term.piece).collect();
        let values: Vec<f64> = self.terms().map(TokenTerm::delta).collect();
        spread(&values, &spans(&pieces, text), onto)
    }

    /// Σ of the first `n` terms. Not `sum()`, whose empty sum is -0.0 and would rank below 0.0.
    #[must_use]
    pub fn value_at(&self, n: usize) -> f64 {
        let last = n.checked_sub(1).and_then(|last| self.0.get(last));
        last.map_or(0.0, |summed| summed.value)
    }

    /// How many terms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The terms in order.
    #[must_use]
    pub fn terms(&self) -> Terms<'_> {
        self.terms_since(0)
    }

    /// The terms from number `first` on.
    #[must_use]
    pub fn terms_since(&self, first: usize) -> Terms<'_> {
        Terms(self.0.since(first))
    }

    /// Term number `i`.
    #[must_use]
    pub fn term(&self, i: usize) -> Option<&TokenTerm> {
        self.0.get(i).map(|summed| &summed.term)
    }

    /// Σ log p_tuned, in nats.
    #[must_use]
    pub fn tuned(&self) -> f64 {
        self.terms().fold(0.0, |sum, term| sum + term.tuned)
    }

    /// Σ log p_untuned, in nats.
    #[must_use]
    pub fn untuned(&self) -> f64 {
        self.terms().fold(0.0, |sum, term| sum + term.untuned)
    }

    /// What the terms from `first_term` on add to the score.
    #[must_use]
    pub fn value_since(&self, first_term: usize) -> f64 {
        let terms = self.terms_since(first_term);
        terms.fold(0.0, |sum, term| sum + term.delta())
    }

    /// The score: Σ (log p_tuned − log p_untuned). Not normalised by length.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value_at(self.len())
    }
}

impl From<Vec<TokenTerm>> for LogRatio {
    fn from(terms: Vec<TokenTerm>) -> Self {
        Self::default().extended(0, terms)
    }
}

impl Serialize for LogRatio {
    /// `{"terms": [..]}`
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let terms: Vec<&TokenTerm> = self.terms().collect();
        let mut out = serializer.serialize_struct("LogRatio", 1)?;
        out.serialize_field("terms", &terms)?;
        out.end()
    }
}

/// The terms of a [`LogRatio`] in order.
#[derive(Debug)]
pub struct Terms<'a>(Iter<'a, Summed>);

impl<'a> Iterator for Terms<'a> {
    type Item = &'a TokenTerm;

    fn next(&mut self) -> Option<&'a TokenTerm> {
        self.0.next().map(|summed| &summed.term)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Terms<'_> {}

/// The log-ratios of one response, each under the name of the pair that gave it; the one given
/// last is the last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores(Vec<(PairId, LogRatio)>);

impl Scores {
    /// Under this pair, if it has spoken.
    #[must_use]
    pub fn by(&self, pair: &PairId) -> Option<&LogRatio> {
        let own = self.0.iter().find(|(name, _)| name == pair);
        own.map(|(_, score)| score)
    }

    /// Takes a score in; an earlier one of the same pair goes, and of a panel that of any: it is
    /// made of its pairs' scores, which stay.
    pub fn add(&mut self, pair: PairId, score: LogRatio) {
        let is_panel = pair.is_panel();
        self.0
            .retain(|(name, _)| *name != pair && !(is_panel && name.is_panel()));
        self.0.push((pair, score));
    }

    /// A score that is there already becomes the one given last.
    pub fn give_word(&mut self, pair: &PairId) {
        let at = self.0.iter().position(|(name, _)| name == pair);
        if let Some(at) = at {
            self.0[at..].rotate_left(1);
        }
    }

    /// All of them, in the order in which they were given.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&PairId, &LogRatio)> {
        self.0.iter().map(|(pair, score)| (pair, score))
    }

    /// The one given last, and by whom.
    #[must_use]
    pub fn last(&self) -> Option<(&PairId, &LogRatio)> {
        self.iter().next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(delta: f64) -> TokenTerm {
        TokenTerm {
            id: 0,
            piece: Arc::from("x"),
            tuned: delta,
            untuned: 0.0,
        }
    }

    #[test]
    fn a_score_is_the_same_however_it_was_cut_into_chunks() {
        let deltas = [0.1, -0.7, 1e-9, 3.3, -2.2, 0.3];
        let whole = LogRatio::from(deltas.map(term).to_vec());
        let mut chunked = LogRatio::default();
        for (i, delta) in deltas.into_iter().enumerate() {
            chunked = chunked.extended(i, vec![term(delta)]);
        }
        assert_eq!(whole.value().to_bits(), chunked.value().to_bits());
        let back = chunked.extended(2, deltas[2..].iter().copied().map(term).collect());
        assert_eq!(whole.value().to_bits(), back.value().to_bits());
        assert_eq!(LogRatio::default().value().to_bits(), 0.0f64.to_bits());
    }
}

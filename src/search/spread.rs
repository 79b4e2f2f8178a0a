//! Terms of one tokenisation told in the tokens of another: each is spread evenly over the bytes
//! of its token, and those are summed. The sum stays what it was.

/// What stands for bytes that are no whole character.
const BROKEN: char = char::REPLACEMENT_CHARACTER;

/// How many bytes on a token is looked for that does not follow at once.
const NEAR: usize = 64;

/// Where a token stands in a text: from and to, in bytes. Tokens that share a character share its
/// bytes; one without text has none.
pub type Span = (f64, f64);

/// The places of tokens in the text that they spell, in order.
#[must_use]
pub fn spans(pieces: &[&str], text: &str) -> Vec<Span> {
    let mut spans = Vec::with_capacity(pieces.len());
    let mut at = 0;
    while let Some(piece) = pieces.get(spans.len()) {
        let rest = text.get(at..).unwrap_or_default();
        let broken = pieces[spans.len()..].iter();
        let n_broken = broken.take_while(|piece| piece.contains(BROKEN)).count();
        let (n, len) = match (follows(rest, piece), n_broken) {
            (Some(len), _) => (1, len),
            (None, 0) if spans.is_empty() => (1, joined(rest, piece)),
            (None, 0) => (1, 0),
            (None, n) => (n, up_to(rest, pieces.get(spans.len() + n).copied())),
        };
        let end = |i: usize| at as f64 + len as f64 * i as f64 / n as f64;
        spans.extend((0..n).map(|i| (end(i), end(i + 1))));
        at += len;
    }
    spans
}

/// The bytes up to the end of `piece`, where it follows; some tokenizers leave the space before a
/// token out of it.
fn follows(rest: &str, piece: &str) -> Option<usize> {
    if piece.is_empty() || rest.starts_with(piece) {
        return Some(piece.len());
    }
    let spaced = rest.strip_prefix(' ')?;
    spaced.starts_with(piece).then(|| 1 + piece.len())
}

/// How much of the text is the end of a token that begins before it.
fn joined(rest: &str, piece: &str) -> usize {
    let mut ends = piece.char_indices().map(|(at, _)| &piece[at..]);
    ends.find(|end| rest.starts_with(end)).map_or(0, str::len)
}

/// The bytes before the next whole token; all where there is none.
fn up_to(rest: &str, next: Option<&str>) -> usize {
    let Some(next) = next.filter(|next| !next.is_empty()) else {
        return rest.len();
    };
    let places = rest.char_indices().map(|(at, _)| at).skip(1);
    let mut near = places.take_while(|at| *at <= NEAR);
    near.find(|at| rest[*at..].starts_with(next)).unwrap_or(0)
}

/// `values`, one a token of `from`, as sums over the tokens of `onto`; their sum is the same.
/// What has no text, or none that `onto` covers, goes to the token at its place, at the end to the
/// last. Nothing where there is no token to take anything.
#[must_use]
pub fn spread(values: &[f64], from: &[Span], onto: &[Span]) -> Vec<f64> {
    let mut sums = vec![0.0; onto.len()];
    if onto.is_empty() {
        return sums;
    }
    for (value, span) in values.iter().zip(from) {
        let len = span.1 - span.0;
        let mut left = *value;
        let first = onto.partition_point(|own| own.1 <= span.0);
        for (sum, own) in sums.iter_mut().zip(onto).skip(first) {
            if own.0 >= span.1 {
                break;
            }
            let share = (own.1.min(span.1) - own.0.max(span.0)).max(0.0) / len;
            if share > 0.0 {
                *sum += value * share;
                left -= value * share;
            }
        }
        sums[place(span, onto)] += left;
    }
    sums
}

/// The token that takes what is left of a span: of two at the end of the text the last.
fn place(span: &Span, onto: &[Span]) -> usize {
    let last = onto.len() - 1;
    let at = onto.partition_point(|own| own.1 <= span.0);
    at.min(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_stand_where_they_spell_the_text() {
        assert_eq!(spans(&[" so", " it"], " so it"), [(0.0, 3.0), (3.0, 6.0)]);
        assert_eq!(
            spans(&["so", "it", ""], " so it"),
            [(0.0, 3.0), (3.0, 6.0), (6.0, 6.0)]
        );
        assert_eq!(
            spans(&["wonderful", " day"], "ful day"),
            [(0.0, 3.0), (3.0, 7.0)]
        );
        assert_eq!(
            spans(&["�", "�", "t"], "’t"),
            [(0.0, 1.5), (1.5, 3.0), (3.0, 4.0)]
        );
    }

    #[test]
    fn a_term_goes_where_its_bytes_are() {
        let (from, onto) = (
            spans(&["wonder", "ful day"], "wonderful day"),
            spans(&["wonderful", " day"], "wonderful day"),
        );
        assert_eq!(spread(&[1.0, 7.0], &from, &onto), [4.0, 4.0]);
        // What ends a response has no bytes: it is told with the last token.
        let ended = spans(&["a", "b", ""], "ab");
        assert_eq!(
            spread(&[1.0, 2.0, 4.0], &ended, &spans(&["ab"], "ab")),
            [7.0]
        );
        assert_eq!(spread(&[1.0, 2.0, 4.0], &ended, &ended), [1.0, 2.0, 4.0]);
    }

    proptest! {
        #[test]
        fn the_sum_is_conserved(
            text in "[a-c é]{0,24}",
            cuts in proptest::collection::vec(0usize..24, 0..12),
            others in proptest::collection::vec(0usize..24, 0..12),
            values in proptest::collection::vec(-9.0..9.0f64, 26),
        ) {
            let pieces = |cuts: &[usize]| {
                let mut cuts: Vec<usize> = cuts.iter().copied().filter(|at| text.is_char_boundary(*at)).collect();
                cuts.extend([0, text.len()]);
                cuts.sort_unstable();
                let pieces = cuts.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned());
                pieces.chain([String::new()]).collect::<Vec<String>>()
            };
            let of = |pieces: &[String]| spans(&pieces.iter().map(String::as_str).collect::<Vec<_>>(), &text);
            let (from, onto) = (of(&pieces(&cuts)), of(&pieces(&others)));
            let values = &values[..from.len()];
            let sum = |values: &[f64]| values.iter().sum::<f64>();
            prop_assert!((sum(&spread(values, &from, &onto)) - sum(values)).abs() < 1e-9);
            prop_assert!(from.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        }
    }
}

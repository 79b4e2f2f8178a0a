//! A score and its terms, as they are told.

use super::text;
use crate::search::{CandidateTrace, Finish, Hypothesis, LogRatio, TokenTerm};

/// A token as text; one that has no text, such as the end of sequence, by its number.
pub fn shown(term: &TokenTerm) -> String {
    match text::clean(&term.piece) {
        piece if piece.is_empty() => format!("⟨{}⟩", term.id),
        piece => piece,
    }
}

/// Tuned and untuned as shown beside the log-ratio. All three rounded for themselves, they would
/// contradict each other in the last digit as often as not; so the untuned one is what is missing,
/// at most a hundredth from its own rounding.
pub fn parts(score: &LogRatio) -> (f64, f64) {
    let tuned = text::hundredths(score.tuned());
    (tuned, tuned - text::hundredths(score.value()))
}

/// The other one's score by the pair that scored `own`.
pub fn by_the_same<'a>(own: &Hypothesis, other: &'a CandidateTrace) -> Option<&'a LogRatio> {
    other.hypothesis.as_ref()?.scores.by(own.scored_by()?)
}

/// How a response ended: its end was sampled, or it ran out of tokens.
pub fn end_sign(finish: Option<Finish>) -> &'static str {
    match finish {
        Some(Finish::Eos) => "■",
        Some(Finish::Length) => "□",
        None => " ",
    }
}

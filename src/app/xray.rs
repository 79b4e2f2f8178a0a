//! The X-ray: what the models see of the prompt, how the candidate in detail holds together.

use unicode_segmentation::UnicodeSegmentation;

use super::App;
use super::nav::Pane;
use crate::evidence::{PromptView, Seams, Xray};
use crate::search::{CandidateTrace, Finish, Text};

/// Where a response stops, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The strong model ended it.
    Finished,
    InCharacter,
    /// After a space or a punctuation mark.
    BetweenWords,
    /// After a letter or a digit, and nothing follows.
    Open,
    /// After a letter or a digit: `within` of `n` successors go on in the same word.
    GoesOn {
        within: usize,
        n: usize,
    },
}

/// Whether two models see the same text as the same tokens.
#[must_use]
pub fn sees_the_same(a: &PromptView, b: &PromptView) -> bool {
    (a.bos, &a.text, &a.tokens) == (b.bos, &b.text, &b.tokens)
}

impl App {
    /// What the three models see, once they were asked in this run; of the pair whose terms are
    /// shown, and no other.
    #[must_use]
    pub fn xray(&self) -> Option<&Xray> {
        let known = self.run.evidence.as_ref()?;
        let pair = self
            .subject()
            .and_then(|c| c.hypothesis.as_ref()?.scored_by());
        let is_of_pair = pair.is_none_or(|pair| *pair == known.pair);
        is_of_pair.then_some(&*known.xray)
    }

    /// How the candidate in detail holds together, once it was asked for.
    #[must_use]
    pub fn seams(&self) -> Option<&Seams> {
        self.evidence().map(|evidence| &evidence.seams)
    }

    /// Where the candidate in detail stops.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let (seams, subject) = (self.seams()?, self.subject()?);
        let finish = subject.hypothesis.as_ref().and_then(|h| h.finish);
        Some(match self.successors(subject) {
            _ if finish == Some(Finish::Eos) => End::Finished,
            _ if seams.in_character => End::InCharacter,
            _ if !seams.after_letter => End::BetweenWords,
            (_, 0) => End::Open,
            (within, n) => End::GoesOn { within, n },
        })
    }

    /// How many of the successors go on in the last word of `candidate`; of those known to go on.
    fn successors(&self, candidate: &CandidateTrace) -> (usize, usize) {
        let id = Some(candidate.slot.id);
        let own = self.run.trace.candidates();
        let own = own.filter(|c| c.slot.parent == id && c.text_start == candidate.text.len());
        let rests = own.map(|c| (first_word(c), c.is_finished()));
        let rests = rests.filter(|(rest, is_finished)| *is_finished || !rest.is_empty());
        let end = last_word(&candidate.text);
        rests.fold((0, 0), |(within, n), (rest, _)| {
            let is_within = goes_on_in_word(&end, &rest);
            (within + usize::from(is_within), n + 1)
        })
    }

    /// Whether the user reads what only the models can say.
    pub(super) fn reads_models(&self) -> bool {
        let is_read = |pane| matches!(pane, Pane::Evidence | Pane::Xray);
        is_read(self.look.focus) || self.look.side == Pane::Xray
    }

    /// How many places the X-ray can be scrolled to: about as many as it has lines, of which the
    /// app does not know how wide they are.
    #[must_use]
    pub fn xray_places(&self) -> usize {
        const FACTS: usize = 8;
        let Some(xray) = self.xray() else { return 1 };
        let views = [&xray.strong, &xray.tuned, &xray.untuned];
        views.map(lines).iter().sum::<usize>() + FACTS
    }
}

/// Lines of a view that is not too wide.
fn lines(view: &PromptView) -> usize {
    const WIDTH: usize = 64;
    const ID: usize = 8;
    let cells = view.tokens.iter().map(|(_, piece)| piece.len() + ID);
    2 + view.text.len() / WIDTH + cells.sum::<usize>() / WIDTH + view.text.lines().count()
}

/// Bytes of a word that is absurdly long.
const LONGEST: usize = 256;

/// The beginning of a chunk that holds its first word.
fn first_word(candidate: &CandidateTrace) -> String {
    let start = candidate.text_start;
    candidate.text.between(start, start + LONGEST)
}

/// The end of a text that holds its last word.
fn last_word(text: &Text) -> String {
    text.since(text.len().saturating_sub(LONGEST))
}

/// Whether `rest` begins in the word that `text` ends with.
fn goes_on_in_word(text: &str, rest: &str) -> bool {
    let from = text.rfind(char::is_whitespace).unwrap_or(0);
    let word = &text[from..];
    let whole = format!("{word}{rest}");
    let mut bounds = whole.split_word_bound_indices();
    !rest.is_empty() && bounds.all(|(at, _)| at != word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_on_without_a_boundary() {
        for (text, rest, within) in [
            ("the fil", "m was", true),
            ("the film", " was", false),
            ("the film", ".", false),
            ("I don", "'t", true),
            ("in 19", "94", true),
            ("日本", "語", false),
            ("the film", "", false),
            ("", "a", false),
        ] {
            assert_eq!(goes_on_in_word(text, rest), within, "{text}|{rest}");
        }
    }
}

//! Judges that need nothing but the text.

use unicode_segmentation::UnicodeSegmentation;

use super::error::JudgeError;
use super::{Body, Text, Verdict};
use crate::measure;

/// How many characters the response has, as users see them: what Unicode calls extended grapheme
/// clusters (UAX #29), spaces and line ends among them. The prompt does not count.
#[derive(Debug)]
pub(super) struct Length;

impl Body for Length {
    fn judge(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>> {
        let n = |text: &Text<'_>| text.response.graphemes(true).count();
        let each = texts.iter().map(|text| Ok(Verdict::plain(n(text) as f64)));
        each.collect()
    }
}

impl Body for measure::Judge {
    fn judge(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>> {
        let score = |text: &Text<'_>| self.score(text.prompt, text.response);
        texts
            .iter()
            .map(|text| Ok(Verdict::plain(score(text))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_those_that_are_seen() {
        let length = |response| {
            let text = Text {
                prompt: "not counted",
                response,
            };
            Length.judge(&[text]).remove(0).unwrap().score
        };
        assert_eq!(length(""), 0.0);
        assert_eq!(length("a b\n"), 4.0);
        assert_eq!(length("e\u{301}🇩🇪👨\u{200d}👩\u{200d}👧"), 3.0);
    }
}

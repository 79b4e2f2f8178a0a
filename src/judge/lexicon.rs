//! A list of words and what each is worth.
//!
//! A line is a word, or two that follow each other, and a weight: `good 1`, `not good -1.5`. What
//! follows a `#` is a comment, empty lines are nothing. Words are those of Unicode (UAX #29) in
//! small letters, so that `don't` is one and `well-made` are two. The score is the sum of the
//! weights of all occurrences in prompt and response; pairs count beside their words.

use std::collections::HashMap;
use std::path::Path;

use unicode_segmentation::UnicodeSegmentation;

use super::error::JudgeError;
use super::{Body, Text, Verdict};
use crate::models::{file_text, short};

#[derive(Debug)]
pub(super) struct Lexicon {
    /// By words, or pairs with a space between them.
    weights: HashMap<String, f64>,
}

impl Lexicon {
    /// # Errors
    /// A file that cannot be read, or a line in it.
    pub fn read(path: &Path) -> Result<Self, JudgeError> {
        let name = path.display();
        let text = file_text(path)
            .map_err(|error| JudgeError::Lexicon(format!("cannot read {name}: {error}")))?;
        Self::parse(&text).map_err(|reason| JudgeError::Lexicon(format!("{name}, {reason}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut weights = HashMap::new();
        for (i, line) in text.lines().enumerate() {
            let at = |reason| format!("line {}: {reason}", i + 1);
            let line = line.split('#').next().unwrap_or_default().to_lowercase();
            let Some((words, weight)) = entry(&line).map_err(at)? else {
                continue;
            };
            if weights.insert(words.clone(), weight).is_some() {
                return Err(at(format!("'{}' is there twice", short(&words))));
            }
        }
        match weights.is_empty() {
            true => Err("line 1: there is no word with a weight in it".to_owned()),
            false => Ok(Self { weights }),
        }
    }

    fn score(&self, text: &str) -> f64 {
        let text = text.to_lowercase();
        let mut sum = 0.0;
        let mut pair = String::new();
        for word in text.unicode_words() {
            sum += self.weights.get(word).copied().unwrap_or_default();
            if !pair.is_empty() {
                pair.push(' ');
                pair.push_str(word);
                sum += self.weights.get(&pair).copied().unwrap_or_default();
            }
            pair.clear();
            pair.push_str(word);
        }
        sum
    }
}

impl Body for Lexicon {
    fn judge(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>> {
        let score = |text: &Text<'_>| Ok(Verdict::plain(self.score(&text.whole())));
        texts.iter().map(score).collect()
    }
}

/// Words and weight of a line without its comment; `None` of an empty one.
fn entry(line: &str) -> Result<Option<(String, f64)>, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let Some((weight, words)) = fields.split_last() else {
        return Ok(None);
    };
    if !(1..=2).contains(&words.len()) {
        return Err("it is not one word or two and a weight".to_owned());
    }
    let is_one = |word: &&&str| word.unicode_words().eq([**word]);
    if let Some(word) = words.iter().find(|word| !is_one(word)) {
        return Err(format!("'{}' is not one word", short(word)));
    }
    let number = weight.parse().ok().filter(|w: &f64| w.is_finite());
    let number = number.ok_or_else(|| format!("'{}' is no weight", short(weight)))?;
    Ok(Some((words.join(" "), number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occurrences_add_up() {
        let lexicon = "# moods\ngood 1\n\nnot Good -3 # turned\ncafé 0.5\ndon't -0.25\n";
        let lexicon = Lexicon::parse(lexicon).unwrap();
        assert_eq!(lexicon.score("Good, good."), 2.0);
        assert_eq!(lexicon.score("NOT good"), -2.0);
        assert_eq!(lexicon.score("The CAFÉ; don't goodly"), 0.25);
        assert_eq!(lexicon.score(""), 0.0);
    }

    #[test]
    fn a_bad_line_is_named() {
        let told = |text: &str| Lexicon::parse(text).unwrap_err();
        assert!(told("a 1\nb\n").starts_with("line 2: it is not one word"));
        assert!(told("a b c 1").starts_with("line 1"));
        assert!(told("a 1\nA 2").contains("line 2: 'a' is there twice"));
        assert!(told("a x").contains("'x' is no weight"));
        assert!(told("a inf").contains("no weight"));
        assert!(told("well-made 1").contains("'well-made' is not one word"));
        assert!(told("# nothing").contains("no word"));
        let missing = Lexicon::read(Path::new("no/such/file")).unwrap_err();
        assert!(missing.to_string().starts_with("cannot read no/such/file"));
    }
}

//! The bundled judge: an independent gold reward, which the search never sees.
//!
//! Logistic regression on the unigrams and bigrams of labelled movie reviews
//! (`assets/judge.json`); its logit says how positive a text is.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

const BUNDLED: &str = include_str!("../../assets/judge.json");

/// Scores prompt + response by its words.
#[derive(Debug, Clone)]
pub struct Judge {
    bias: f64,
    /// Each n-gram's number (so that it counts once) and weight.
    weights: HashMap<String, (usize, f64)>,
}

#[derive(Deserialize)]
struct File {
    bias: f64,
    weights: HashMap<String, f64>,
}

impl Judge {
    /// The judge that comes with the program.
    ///
    /// # Panics
    /// Never: the file is part of the program, and a test parses it.
    #[must_use]
    pub fn bundled() -> Self {
        // The file is compiled in, and a test parses it: this cannot fail at run time.
        let file: File = serde_json::from_str(BUNDLED).expect("the bundled judge parses");
        let numbered = file.weights.into_iter().enumerate();
        Self {
            bias: file.bias,
            weights: numbered.map(|(i, (gram, w))| (gram, (i, w))).collect(),
        }
    }

    /// log p(positive) − log p(negative) of the text `prompt + response`.
    #[must_use]
    pub fn score(&self, prompt: &str, response: &str) -> f64 {
        let text = [prompt, response].concat().to_lowercase();
        let mut seen = HashSet::new();
        let mut sum = self.bias;
        let mut bigram = String::new();
        for word in words(&text) {
            sum += self.weight_once(word, &mut seen);
            if !bigram.is_empty() {
                bigram.push(' ');
                bigram.push_str(word);
                sum += self.weight_once(&bigram, &mut seen);
            }
            bigram.clear();
            bigram.push_str(word);
        }
        sum
    }

    /// 0 for an n-gram that has no weight or was counted before.
    fn weight_once(&self, gram: &str, seen: &mut HashSet<usize>) -> f64 {
        match self.weights.get(gram) {
            Some(&(number, weight)) if seen.insert(number) => weight,
            _ => 0.0,
        }
    }
}

/// The words `[a-z']+` of a lower-cased text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '\''))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by a few lines of Python over the same file.
    #[test]
    fn scores_equal_an_independent_implementation() {
        let judge = Judge::bundled();
        let cases = [
            (
                "This movie was",
                " a wonderful surprise. The worst thing is that it's over; it's the worst!",
                -0.8363,
            ),
            ("I saw", " nothing", -0.3743),
            ("Café İstanbul", "'s 10/10 don't waste your time", -1.4163),
            ("", "", 0.1307),
        ];
        for (prompt, response, expected) in cases {
            let score = judge.score(prompt, response);
            assert!(
                (score - expected).abs() < 1e-9,
                "{prompt}{response}: {score}"
            );
        }
    }
}

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
        let mut sum = self.bias;
        self.weigh([prompt, response], |_, weight| sum += weight);
        sum
    }

    /// What `prompt + response` is judged by: its words and pairs of words with their weights, in
    /// nats, the largest by magnitude first. With the bias they add up to the score.
    #[must_use]
    pub fn words(&self, prompt: &str, response: &str) -> Vec<(String, f64)> {
        let mut words = Vec::new();
        self.weigh([prompt, response], |gram, weight| {
            words.push((gram.to_owned(), weight));
        });
        words.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        words
    }

    /// Tells every n-gram of the text that has a weight, once.
    fn weigh(&self, texts: [&str; 2], mut tell: impl FnMut(&str, f64)) {
        let text = texts.concat().to_lowercase();
        let mut seen = HashSet::new();
        let mut once = |gram: &str| {
            let known = self.weights.get(gram);
            if let Some(&(number, weight)) = known
                && seen.insert(number)
            {
                tell(gram, weight);
            }
        };
        let mut bigram = String::new();
        for word in words(&text) {
            once(word);
            if !bigram.is_empty() {
                bigram.push(' ');
                bigram.push_str(word);
                once(&bigram);
            }
            bigram.clear();
            bigram.push_str(word);
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

    #[test]
    fn words_add_up_to_the_score() {
        let judge = Judge::bundled();
        let (prompt, response) = ("I saw", " a wonderful film, the worst of a wonderful year");
        let words = judge.words(prompt, response);
        let sum: f64 = words.iter().map(|(_, weight)| weight).sum();
        assert!((judge.bias + sum - judge.score(prompt, response)).abs() < 1e-9);
        let wonderful = words.iter().filter(|(word, _)| word == "wonderful");
        assert_eq!(wonderful.count(), 1, "{words:?}");
        assert!(words[0].1.abs() >= words[1].1.abs());
    }
}

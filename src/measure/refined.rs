//! Whether refinement has helped (arXiv 2405.16236).

use serde::Serialize;

use super::{Interval, Mean};

/// So much may the strong model's log-probability a token fall, in nats.
const FALL: f64 = 0.5;

/// What refined answers came to, against those of the strong model alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Refined {
    /// The mean score less that of the strong model alone.
    pub delta: Option<Interval>,
    /// How much the strong model's log-probability a token rises.
    pub strong: Option<f64>,
    pub accepted: bool,
}

/// Scores of answers, and the strong model's log-probabilities a token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    pub scores: Vec<f64>,
    pub strong: Vec<f64>,
}

impl Refined {
    /// It is accepted where the mean score rises and the strong model's log-probability a token
    /// does not fall by more than half a nat.
    #[must_use]
    pub fn of(refined: &Answers, base: &Answers) -> Self {
        let delta = Interval::welch(&refined.scores, &base.scores);
        let mean = |own: &Answers| Some(Mean::of(&own.strong)?.mean);
        let strong = mean(refined).zip(mean(base)).map(|(own, base)| own - base);
        let rises = delta.is_some_and(|delta| delta.value > 0.0);
        Self {
            accepted: rises && strong.is_some_and(|by| by >= -FALL),
            delta,
            strong,
        }
    }

    /// The verdict in a word or two, and why.
    #[must_use]
    pub fn verdict(&self) -> (&'static str, &'static str) {
        let rises = self.delta.is_some_and(|delta| delta.value > 0.0);
        let is_tied = self.delta.is_some_and(|delta| delta.is_tied());
        match (self.accepted, rises, is_tied) {
            (true, _, true) => ("accepted", "but the interval covers 0"),
            (true, _, false) => ("accepted", ""),
            (false, false, _) => ("not accepted", "the score does not rise"),
            (false, true, _) => (
                "not accepted",
                "the strong model finds it less likely by more than 0.5 nat a token",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(score: f64, strong: f64) -> Answers {
        let around = |x: f64| [-0.1, 0.0, 0.1].map(|by| x + by).to_vec();
        Answers {
            scores: around(score),
            strong: around(strong),
        }
    }

    #[test]
    fn what_rises_and_stays_likely_is_accepted() {
        let base = answers(0.0, -2.0);
        let told = |own: Answers| Refined::of(&own, &base).verdict();
        assert_eq!(told(answers(1.0, -2.2)), ("accepted", ""));
        assert_eq!(told(answers(0.01, -2.2)).1, "but the interval covers 0");
        assert_eq!(told(answers(-1.0, -2.0)).1, "the score does not rise");
        assert_eq!(told(answers(1.0, -2.7)).0, "not accepted");
        assert!(!Refined::of(&Answers::default(), &base).accepted);
    }
}

//! What one search of an evaluation came to.

use serde::{Deserialize, Serialize};

use crate::search::{Finish, Hypothesis};

/// A search that is over, as a line of the file that keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CellResult {
    /// From 0.
    pub prompt: usize,
    pub seed: u64,
    /// A name of the table.
    pub method: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// This search's share of the wall-clock time, as of `w2s run`.
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Done(Box<Measured>),
    /// The search could not be made.
    Failed {
        error: String,
    },
}

/// A response and what is measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    pub response: String,
    pub finish: Option<Finish>,
    /// Under the pair that guides, in nats.
    pub log_ratio: f64,
    /// The strong model's raw log-probability a token, in nats.
    pub strong_log_prob: Option<f64>,
    /// Strong tokens of the response.
    pub n_tokens: usize,
    /// Distinct pairs of words among all pairs of neighbours; none for fewer than two words.
    pub distinct_2: Option<f64>,
    /// Tokens that the strong model sampled, all candidates together.
    pub strong_tokens: usize,
    pub weak_tokens: usize,
    /// By judge, in the order of the evaluation.
    pub judges: Vec<Verdict>,
    /// By round, where a second pair was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meter: Vec<Gain>,
}

/// What a judge says of one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Verdict {
    Score(f64),
    Failed { error: String },
}

impl Verdict {
    pub fn score(&self) -> Option<f64> {
        match self {
            Self::Score(score) => Some(*score),
            Self::Failed { .. } => None,
        }
    }

    pub fn error(&self) -> Option<String> {
        match self {
            Self::Score(_) => None,
            Self::Failed { error } => Some(error.clone()),
        }
    }
}

/// How much better the kept candidates of a round are than all of them, on the mean: by what chose
/// them, and by what had no say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Gain {
    pub round: usize,
    pub claimed: f64,
    pub shown: f64,
}

/// Distinct bigrams of words over all of them (Li et al. 2016, distinct-2).
pub(super) fn distinct_2(text: &str) -> Option<f64> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let pairs: Vec<&[String]> = words.windows(2).collect();
    let distinct: std::collections::HashSet<_> = pairs.iter().collect();
    (!pairs.is_empty()).then(|| distinct.len() as f64 / pairs.len() as f64)
}

/// What the response itself says.
pub(super) fn measured(best: &Hypothesis, text: String) -> Measured {
    Measured {
        finish: best.finish,
        log_ratio: best.score().value(),
        strong_log_prob: best.log_prob_per_token(),
        n_tokens: best.tokens.len(),
        distinct_2: distinct_2(&text),
        response: text,
        strong_tokens: 0,
        weak_tokens: 0,
        judges: Vec::new(),
        meter: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_lowers_distinct_2() {
        assert_eq!(distinct_2("a b c d"), Some(1.0));
        assert_eq!(distinct_2("so So so so so"), Some(0.25));
        assert_eq!(distinct_2("one"), None);
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        for line in [
            r#"{"prompt":1,"seed":0,"method":"cbs","error":"no room","seconds":0.5}"#,
            r#"{"prompt":1,"seed":0,"method":"cbs","response":"x","finish":"eos","log_ratio":1.5,"strong_log_prob":-2.0,"n_tokens":3,"distinct_2":null,"strong_tokens":48,"weak_tokens":40,"judges":[1.0,{"error":"late"}],"seconds":0.5}"#,
        ] {
            let cell: CellResult = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&cell).unwrap(), line);
        }
    }
}

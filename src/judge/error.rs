//! Why a judge gives no score, each in one sentence.

use std::time::Duration;

use crate::models::{EncodeError, LoadError};

/// Why a judge cannot be had, or has nothing to say of a text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JudgeError {
    /// What was asked for names no judge.
    #[error(
        "there is no judge '{0}': use bundled, length, lexicon:FILE, cmd:SHELL, hf:owner/name[@revision][:LABEL] or a folder[:LABEL]"
    )]
    Unknown(String),
    /// A classifier that cannot be loaded or fetched.
    #[error("{0}")]
    Load(String),
    /// A classifier of several labels, and it was not said which.
    #[error(
        "{judge} has several labels: choose one of {known}, or a difference of two such as {example}"
    )]
    NoLabel {
        judge: String,
        known: String,
        example: String,
    },
    /// A label that there is not.
    #[error("{judge} has no label '{label}': choose one of {known}, or a difference of two")]
    Label {
        judge: String,
        label: String,
        known: String,
    },
    /// A lexicon that cannot be read.
    #[error("{0}")]
    Lexicon(String),
    /// A text that the tokenizer refuses.
    #[error(transparent)]
    Text(#[from] EncodeError),
    /// Nothing to judge.
    #[error("there are no tokens in the text")]
    Empty,
    /// A text that memory does not hold.
    #[error("a text of {n_tokens} tokens needs {needed} of memory and {free} are free: shorten it")]
    TooLong {
        n_tokens: usize,
        needed: String,
        free: String,
    },
    /// NaN or infinity.
    #[error("the score is {0}, which is no number to compare")]
    NotFinite(f64),
    /// A chat template that cannot be run.
    #[error("the chat template cannot be used ({0}): choose the template raw")]
    Template(String),
    /// A command that took too long.
    #[error("the command gave no number within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// A command that cannot be started, failed or said something else than a number.
    #[error("the command {0}")]
    Command(String),
    /// Arithmetic that failed.
    #[error("the judge failed: {0}")]
    Failed(String),
    /// Nobody wants the score any more.
    #[error("given up")]
    Stopped,
}

impl From<LoadError> for JudgeError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Stopped => Self::Stopped,
            told => Self::Load(told.to_string()),
        }
    }
}

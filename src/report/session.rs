//! What a command works with, and how it ended.

use std::io::Write;

use super::ports::Models;
use super::stop::Stop;

/// What a command works with.
pub struct Session<'a> {
    pub models: &'a mut dyn Models,
    pub out: &'a mut dyn Write,
    /// Set by signals.
    pub stop: Stop,
}

/// How a command ended, when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Stopped before its end; what was done is printed.
    Stopped,
    /// Done but for what was told: exit code 1.
    Partly,
}

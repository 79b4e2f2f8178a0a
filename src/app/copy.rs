//! What goes to the clipboard.

use std::fmt::Write as _;

use super::{App, Effect};
use crate::search::LogRatio;

impl App {
    /// Prompt and response of the candidate in detail.
    pub(super) fn copy_response(&mut self) -> Vec<Effect> {
        let Some(text) = self
            .subject()
            .map(|c| format!("{}{}", self.run.prompt, c.text))
        else {
            return Vec::new();
        };
        self.note("copied: prompt and response".to_owned());
        vec![Effect::Copy(text)]
    }

    /// Its token table, tab-separated.
    pub(super) fn copy_table(&mut self) -> Vec<Effect> {
        let Some(hypothesis) = self.subject().and_then(|c| c.hypothesis.clone()) else {
            return Vec::new();
        };
        self.note("copied: token table".to_owned());
        vec![Effect::Copy(table(hypothesis.score()))]
    }
}

fn table(score: &LogRatio) -> String {
    let mut out = String::from("id\ttoken\ttuned\tuntuned\tdifference\tsum\n");
    let mut sum = 0.0;
    for term in score.terms() {
        sum += term.delta();
        let piece = term.piece.escape_debug();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{}\t{piece}\t{:.4}\t{:.4}\t{:+.4}\t{sum:+.4}",
            term.id,
            term.tuned,
            term.untuned,
            term.delta(),
        );
    }
    out
}

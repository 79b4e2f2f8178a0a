//! A progress bar on stderr, when somebody looks at it.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::input::Work;
use crate::search::Entry;

/// Counts prompts of a list, or tokens of one search.
pub(super) struct Progress {
    bar: ProgressBar,
    is_list: bool,
}

impl Progress {
    pub fn new(work: &Work) -> Self {
        let n = match work.is_list {
            true => work.prompts.len(),
            false => work.params.max_new_tokens().get(),
        };
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new(n as u64).with_style(style(work.is_list)),
            false => ProgressBar::hidden(),
        };
        let is_list = work.is_list;
        Self { bar, is_list }
    }

    pub fn loading(&self) {
        self.bar.set_message("loading the models");
        self.bar.tick();
    }

    /// Follows the only search; only complete rounds move the bar.
    pub fn watch(&self, entry: &Entry) {
        let Entry::Scored {
            round, candidates, ..
        } = entry
        else {
            return;
        };
        if self.is_list {
            return;
        }
        let longest = candidates.iter().map(|h| h.tokens.len()).max();
        let scores = candidates.iter().map(|h| h.score().value());
        let score = scores.fold(f64::MIN, f64::max);
        self.bar
            .set_message(format!("round {round}, log-ratio {score:+.2}"));
        self.bar.set_position(longest.unwrap_or(0) as u64);
    }

    /// How many searches of a list are under way.
    pub fn in_flight(&self, n: usize) {
        if self.is_list {
            self.bar.set_message(format!("{n} at once"));
            self.bar.tick();
        }
    }

    pub fn prompt_done(&self) {
        if self.is_list {
            self.bar.inc(1);
        }
    }

    /// Leaves nothing on the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(is_list: bool) -> ProgressStyle {
    let unit = if is_list { "prompts" } else { "tokens" };
    let template = format!("{{bar:30}} {{pos}}/{{len}} {unit}  {{msg}}");
    // The template is a constant but for the unit; a bad one would only look plain.
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

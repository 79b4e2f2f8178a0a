//! The runs so far: kept whole, so that each can be opened with its board, and two be compared.

use std::sync::Arc;

use super::nav::Jump;
use super::run::{Phase, Run};
use super::summary::{RunSummary, summaries, ways};
use super::{Action, App, Context};
use crate::search::{NodeId, SearchParams};

/// So many runs of before are kept, of so many candidates together: about 1 KB each.
const KEPT: usize = 50;
const CANDIDATES: usize = 50_000;

/// A run of before, and what it came to.
#[derive(Debug, Clone)]
struct Past {
    run: Run,
    summaries: Vec<Arc<RunSummary>>,
}

/// Runs of before, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    past: Vec<Past>,
    n_forgotten: usize,
    /// The one on screen, which has changed places with the run under way.
    opened: Option<usize>,
    /// What others are compared with: a run's number, and where it led.
    reference: Option<(usize, NodeId)>,
}

impl Runs {
    /// Keeps a run that another one follows, if it has come to anything.
    fn keep(&mut self, mut run: Run) {
        let summaries = summaries(&run, self.next_number());
        if summaries.is_empty() {
            return;
        }
        run.phase = Phase::Over;
        let summaries = summaries.into_iter().map(Arc::new).collect();
        self.past.push(Past { run, summaries });
        while self.past.len() > 1 && self.is_too_much() {
            self.past.remove(0);
            self.n_forgotten += 1;
        }
    }

    fn is_too_much(&self) -> bool {
        let sizes = self.past.iter().map(|past| past.run.trace.n_candidates());
        self.past.len() > KEPT || sizes.sum::<usize>() > CANDIDATES
    }

    /// The number of the run that is under way.
    fn next_number(&self) -> usize {
        self.n_forgotten + self.past.len() + 1
    }

    fn place_of(&self, number: usize) -> Option<usize> {
        let place = number.checked_sub(self.n_forgotten + 1);
        place.filter(|place| *place < self.past.len())
    }

    /// Changes places with a run of before.
    fn swap(&mut self, place: usize, run: &mut Run) {
        if let Some(past) = self.past.get_mut(place) {
            std::mem::swap(&mut past.run, run);
        }
    }

    /// The run under way while another one is on screen.
    fn aside(&self) -> Option<&Run> {
        self.past.get(self.opened?).map(|past| &past.run)
    }
}

impl App {
    /// The run under way, or the last one: on screen, unless one of before is opened.
    pub(super) fn live(&self) -> &Run {
        self.runs.aside().unwrap_or(&self.run)
    }

    /// Whether a run of before is on screen.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.runs.opened.is_some()
    }

    /// All runs that have come to anything, oldest first, the one under way last.
    #[must_use]
    pub fn runs(&self) -> Vec<Arc<RunSummary>> {
        let past = self.runs.past.iter().flat_map(|past| &past.summaries);
        let live = summaries(self.live(), self.runs.next_number());
        past.cloned()
            .chain(live.into_iter().map(Arc::new))
            .collect()
    }

    /// How many lines [`App::runs`] has.
    pub(super) fn n_runs(&self) -> usize {
        let past = self.runs.past.iter().map(|past| past.summaries.len());
        past.sum::<usize>() + ways(self.live()).len()
    }

    /// How many runs are no longer kept.
    #[must_use]
    pub fn n_forgotten_runs(&self) -> usize {
        self.runs.n_forgotten
    }

    /// Which of [`App::runs`] is on screen.
    #[must_use]
    pub fn shown_run(&self, runs: &[Arc<RunSummary>]) -> Option<usize> {
        let number = match self.runs.opened {
            Some(place) => self.runs.n_forgotten + place + 1,
            None => self.runs.next_number(),
        };
        let node = self
            .run
            .sight
            .node
            .unwrap_or(self.run.trace.history().head());
        let is_its = |summary: &Arc<RunSummary>| summary.number == number;
        let exact = runs.iter().position(|s| is_its(s) && s.node == node);
        exact.or_else(|| runs.iter().rposition(is_its))
    }

    /// The number of the run on screen.
    #[must_use]
    pub fn run_number(&self) -> usize {
        let opened = self
            .runs
            .opened
            .map(|place| self.runs.n_forgotten + place + 1);
        opened.unwrap_or_else(|| self.runs.next_number())
    }

    /// The run that others are compared with.
    #[must_use]
    pub fn run_reference(&self, runs: &[Arc<RunSummary>]) -> Option<usize> {
        let (number, node) = self.runs.reference?;
        runs.iter()
            .position(|s| s.number == number && s.node == node)
    }

    /// The settings that the run on screen is to have; those it had where it is over.
    #[must_use]
    pub fn params_to_come(&self) -> &SearchParams {
        match self.is_opened() {
            true => self.params_in_use(),
            false => &self.wanted.params,
        }
    }

    /// The weak pair that the run on screen is to have; the one it had where it is over.
    #[must_use]
    pub fn pair_to_come(&self) -> &str {
        match self.is_opened() {
            true => self.pair_in_use(),
            false => self.wanted.pair.as_str(),
        }
    }

    /// Has another run take the place of the one under way, which is kept.
    pub(super) fn replace_run(&mut self, next: Run) {
        self.close_run();
        let before = std::mem::replace(&mut self.run, next);
        self.runs.keep(before);
    }

    /// Reads what the worker says as if the run under way were on screen.
    pub(super) fn with_live<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let Some(place) = self.runs.opened.take() else {
            return act(self);
        };
        self.runs.swap(place, &mut self.run);
        let live = self.run.id;
        let out = act(self);
        // A run that has begun meanwhile is on screen.
        if self.run.id == live {
            self.runs.swap(place, &mut self.run);
            self.runs.opened = Some(place);
        }
        out
    }

    /// The run under way is on screen again.
    pub(super) fn close_run(&mut self) {
        if let Some(place) = self.runs.opened.take() {
            self.runs.swap(place, &mut self.run);
        }
    }

    /// Puts a run on screen, with the board that it led to.
    fn open_run(&mut self, summary: &RunSummary) {
        self.close_run();
        self.runs.opened = self.runs.place_of(summary.number);
        if let Some(place) = self.runs.opened {
            self.runs.swap(place, &mut self.run);
            let back = self.keymap.label(Context::Main, Action::Back);
            let again = self.keymap.label(Context::Main, Action::Restart);
            let name = summary.name();
            self.note(format!(
                "run {name} is on the screen: {back} goes back, {again} searches with its settings"
            ));
        }
        let is_head = summary.node == self.run.trace.history().head();
        self.look_at(Some(summary.node).filter(|_| !is_head));
    }

    pub(super) fn go_in_runs(&mut self, to: Jump) {
        let runs = self.runs();
        let here = self.shown_run(&runs);
        let at = here.map_or(runs.len().saturating_sub(1), |here| {
            to.apply(here, runs.len())
        });
        if let Some(summary) = runs.get(at).filter(|_| here != Some(at)) {
            self.open_run(summary);
        }
    }

    /// Compares others with the run on screen, or no longer.
    pub(super) fn toggle_compare_runs(&mut self) {
        let runs = self.runs();
        let here = self.shown_run(&runs).and_then(|at| runs.get(at));
        self.runs.reference = match (self.runs.reference, here) {
            (None, Some(here)) => Some((here.number, here.node)),
            _ => None,
        };
        self.note(match self.runs.reference {
            Some(_) => "choose another run to compare it with this one".to_owned(),
            None => "no longer compared".to_owned(),
        });
    }

    /// Wants what an opened run had: its prompt, its settings, its pair.
    fn want_as_opened(&mut self) {
        self.wanted.prompt.clone_from(&self.run.prompt);
        (self.wanted.params, self.wanted.pair) =
            (*self.params_in_use(), self.voices_in_use().clone());
    }

    /// Before an action that speaks of the run under way: that is what is on screen then. A
    /// restart is one of the run that is opened.
    pub(super) fn turn_to_live(&mut self, action: Action) {
        if !self.is_opened() {
            return;
        }
        if action == Action::Restart {
            self.want_as_opened();
        }
        self.close_run();
    }
}

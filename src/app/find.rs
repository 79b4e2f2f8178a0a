//! Candidates found by what they say, and those that the user watches.

use super::App;
use super::board::{label, sign};
use super::menu::{self, Choice, Item};
use super::tree::{Spot, place};
use crate::search::{HypothesisId, Round};

/// More candidates than this are no list to look through.
const MOST: usize = 2000;

impl App {
    /// The candidates of the branch looked at that say `filter`, the newest first, and the actions
    /// that do.
    pub(super) fn found_items(&self, filter: &str) -> Vec<Item> {
        let wanted = filter.trim().to_lowercase();
        let rounds = self.branch().into_iter().rev();
        let all = rounds.flat_map(|round| round.ids().map(move |id| (round, id)));
        let items = all
            .take(MOST)
            .filter_map(|(round, id)| self.said(round, id));
        let says = |item: &Item| item.title.to_lowercase().contains(&wanted);
        let mut items: Vec<Item> = items.filter(says).collect();
        items.extend(menu::filtered(self.palette(), filter));
        items
    }

    /// A candidate by its name in its round, its fate, its chunk and its score.
    fn said(&self, round: &Round, id: HypothesisId) -> Option<Item> {
        let candidate = self.run.trace.candidate(id)?;
        let name = label(&self.run.trace, round, id)?;
        let number = self.run.name_of(round);
        let score = round.score_of(id).or(candidate.score);
        let fate = sign(round.fate(id));
        let node = place(round);
        Some(Item {
            title: format!("{fate} {name} of {number} {}", candidate.chunk()),
            note: score.map_or_else(String::new, |score| format!("{score:+.2}")),
            choice: Choice::Spot(Spot { node, id: Some(id) }),
        })
    }

    /// The candidate that can be watched, or no longer.
    pub(super) fn watchable(&self) -> Option<HypothesisId> {
        self.run.sight.selected
    }

    pub(super) fn toggle_watch(&mut self) {
        let Some(id) = self.watchable() else {
            return;
        };
        let watched = &mut self.run.sight.watched;
        let n = watched.len();
        watched.retain(|other| *other != id);
        let is_new = watched.len() == n;
        if is_new {
            watched.push(id);
        }
        let key = self
            .keymap
            .label(super::Context::Main, super::Action::ShowWatched);
        self.note(match is_new {
            true => format!("watched: {key} says at any time what became of it"),
            false => "no longer watched".to_owned(),
        });
    }

    /// The candidates watched, with what became of each.
    pub(super) fn watched_items(&self) -> Vec<Item> {
        let items = self.run.sight.watched.iter().filter_map(|id| {
            let round = self.run.round_of(*id)?;
            let item = self.said(round, *id)?;
            let became = self.what_became_of(*id);
            Some(Item {
                note: format!("{became}  {}", item.note),
                ..item
            })
        });
        items.collect()
    }

    /// Whether a candidate lives on in the beam, and else where it was left.
    fn what_became_of(&self, id: HypothesisId) -> String {
        let beam = self.run.trace.beam();
        let heirs = beam.iter().filter(|heir| self.descends(**heir, id)).count();
        let rounds = self.run.trace.rounds().iter().rev();
        let mut holding = rounds.filter(|round| round.ids().any(|heir| self.descends(heir, id)));
        match (heirs, holding.next()) {
            (0, Some(round)) if round.cut.is_none() => "in this round".to_owned(),
            (0, Some(round)) => format!("left in round {}", self.run.name_of(round)),
            (0, None) => "of another branch".to_owned(),
            (n, _) => format!("in {n} of {}", beam.len()),
        }
    }

    fn descends(&self, heir: HypothesisId, id: HypothesisId) -> bool {
        self.ancestry(heir).any(|other| other == id)
    }
}

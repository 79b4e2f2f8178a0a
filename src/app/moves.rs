//! Moving about: selection, rounds, pages.

use super::board::Line;
use super::help::help_len;
use super::nav::{Move, Pane};
use super::{App, Overlay, Sort, tree};
use crate::search::HypothesisId;

impl App {
    /// Moves in what has the focus: a menu, a page, a pane.
    pub(super) fn go(&mut self, to: Move) {
        match &mut self.overlay {
            Overlay::Help(line) => *line = to.apply(*line, help_len()),
            Overlay::Menu(menu) => {
                let mut menu = menu.clone();
                menu.go(to, self.menu_items(&menu).len());
                self.overlay = Overlay::Menu(menu);
            }
            _ => self.go_in_pane(to),
        }
    }

    fn go_in_pane(&mut self, to: Move) {
        match self.look.focus {
            Pane::Evidence => {
                let terms = self.subject().and_then(|c| c.hypothesis.as_ref());
                let n = terms.map_or(0, |hypothesis| hypothesis.score.terms.len());
                self.look.token = to.apply(self.look.token, n);
            }
            Pane::Xray => self.look.xray = to.apply(self.look.xray, self.xray_places()),
            Pane::Tree => self.select_in(to, &self.tree_order()),
            _ => self.select_in(to, &self.board_order()),
        }
    }

    fn select_in(&mut self, to: Move, ids: &[HypothesisId]) {
        if ids.is_empty() {
            return;
        }
        let here = self.selected_id().and_then(|id| {
            let place = ids.iter().position(|other| *other == id);
            place.map(|place| to.apply(place, ids.len()))
        });
        let start = match to {
            Move::Last => ids.len() - 1,
            _ => 0,
        };
        self.select(ids[here.unwrap_or(start)]);
    }

    pub(super) fn select(&mut self, id: HypothesisId) {
        self.look.selected = Some(id);
        self.look.token = self.parting();
    }

    fn board_order(&self) -> Vec<HypothesisId> {
        let ids = self.board().into_iter().filter_map(|line| match line {
            Line::Candidate(row) => Some(row.id),
            Line::Head(_) | Line::Cut(_) => None,
        });
        ids.collect()
    }

    fn tree_order(&self) -> Vec<HypothesisId> {
        let nodes = tree::nodes(&self.trace);
        nodes.into_iter().map(|node| node.id).collect()
    }

    pub(super) fn turn_round(&mut self, by: isize) {
        let last = self.trace.last_round().map_or(0, |round| round.number);
        let here = self.shown_round().map_or(0, |round| round.number);
        let next = here.saturating_add_signed(by).clamp(1, last.max(1));
        self.look.round = (next < last).then_some(next);
        self.look.selected = None;
    }

    pub(super) fn toggle_sort(&mut self) {
        self.look.sort = match self.look.sort {
            Sort::Beam => Sort::Score,
            Sort::Score => Sort::Beam,
        };
    }

    pub(super) fn toggle_compare(&mut self) {
        let subject = self.subject().map(|candidate| candidate.slot.id);
        self.look.reference = match self.look.reference {
            Some(_) => None,
            None => subject,
        };
        self.note(match self.look.reference {
            Some(_) => "select another candidate to compare it with this one".to_owned(),
            None => "no longer compared".to_owned(),
        });
    }

    /// One thing closes at a time, the innermost first.
    pub(super) fn back(&mut self) {
        if self.overlay != Overlay::None {
            self.overlay = Overlay::None;
        } else if self.look.read_from.is_some() {
            self.look.toggle_reading();
        } else if self.look.zoom {
            self.look.zoom = false;
        } else if self.look.twin && self.unguided.is_some() {
            self.look.twin = false;
        } else if self.look.selected.is_some() {
            self.look.selected = None;
        } else if self.look.round.is_some() {
            self.look.round = None;
        } else {
            self.look.focus(Pane::Board);
        }
    }
}

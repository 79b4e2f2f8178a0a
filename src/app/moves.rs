//! Moving about: selection, rounds, pages.

use super::board::Line;
use super::help::help_len;
use super::nav::{Jump, Pane};
use super::tree::{self, Spot};
use super::{App, MenuKind, Overlay, Sort};
use crate::search::{HypothesisId, NodeId, Round};

impl App {
    /// Moves in what has the focus: a menu, a page, a pane.
    pub(super) fn go(&mut self, to: Jump) {
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

    fn go_in_pane(&mut self, to: Jump) {
        match self.look.focus {
            Pane::Evidence => {
                let n = self.detailed().map_or(0, |known| known.score().len());
                self.run.sight.token = Some(to.apply(self.token(), n));
            }
            Pane::Xray => self.run.sight.xray = to.apply(self.run.sight.xray, self.xray_places()),
            Pane::Tree => self.go_in_tree(to),
            Pane::Runs => self.go_in_runs(to),
            Pane::Panel => self.go_in_panel(to),
            _ => self.go_on_board(to),
        }
    }

    /// Whether there is a place to move to in the pane that has the focus.
    pub(super) fn can_move(&self) -> bool {
        let is_chosen = usize::from(self.run.sight.selected.is_some());
        match self.look.focus {
            Pane::Evidence => self.detailed().is_some_and(|known| known.score().len() > 1),
            Pane::Xray => self.xray_places() > 1,
            Pane::Tree => self.tree().iter().filter_map(tree::Line::spot).count() > is_chosen,
            Pane::Runs => self.n_runs() > 1,
            Pane::Panel => self.n_pairs() > 1,
            _ => self.board_order().len() > is_chosen,
        }
    }

    fn go_on_board(&mut self, to: Jump) {
        let ids = self.board_order();
        let selected = self.run.sight.selected;
        let here = ids.iter().position(|id| Some(*id) == selected);
        if let Some(id) = next(&ids, here, to) {
            self.select(*id);
        }
    }

    fn go_in_tree(&mut self, to: Jump) {
        let mut lines = self.tree();
        lines.retain(|line| line.spot().is_some());
        let here = tree::find(&lines, self.spot());
        let spot = next(&lines, here, to).and_then(tree::Line::spot);
        if let Some(spot) = spot {
            self.look_at_spot(spot);
        }
    }

    /// Where in the tree the user is; `None` when nothing is chosen.
    #[must_use]
    pub fn spot(&self) -> Option<Spot> {
        let (id, node) = (self.run.sight.selected, self.run.sight.node);
        let latest = || self.run.trace.last_round().map(|round| tree::place(round));
        match (id, node) {
            (None, None) => None,
            (None, Some(node)) => Some(Spot { node, id }),
            _ => Some(Spot {
                node: node.or_else(latest).unwrap_or_default(),
                id,
            }),
        }
    }

    /// Chooses a place in the tree: its round comes on the board.
    pub(super) fn look_at_spot(&mut self, spot: Spot) {
        self.look_at(Some(spot.node));
        let is_open =
            |round: &Round| round.cut.is_none() && spot.id.is_some_and(|id| round.holds(id));
        if self
            .run
            .trace
            .last_round()
            .is_some_and(|round| is_open(round))
        {
            self.run.sight.node = None;
        }
        match spot.id {
            Some(id) => self.select(id),
            None => self.run.sight.selected = None,
        }
    }

    /// Puts a node's round on the board; the latest one is followed.
    pub(super) fn look_at(&mut self, node: Option<NodeId>) {
        let latest = self.run.trace.last_round();
        let latest = latest.and_then(|round| Some(round.cut.as_ref()?.node));
        self.run.sight.node = node.filter(|node| Some(*node) != latest);
        self.let_go_without_kin();
    }

    pub(super) fn select(&mut self, id: HypothesisId) {
        self.run.sight.selected = Some(id);
        self.run.sight.is_heir = false;
        self.run.sight.token = None;
    }

    fn board_order(&self) -> Vec<HypothesisId> {
        let ids = self.board().into_iter().filter_map(|line| match line {
            Line::Candidate(row) => Some(row.id),
            Line::Head(_) | Line::Cut(_) => None,
        });
        ids.collect()
    }

    /// The round before or after the one looked at, on its branch.
    pub(super) fn neighbour(&self, by: isize) -> Option<&Round> {
        let shown = self.shown_round()?;
        let branch = self.branch();
        let here = branch
            .iter()
            .position(|round| round.number == shown.number)?;
        branch.get(here.checked_add_signed(by)?).copied()
    }

    pub(super) fn turn_round(&mut self, by: isize) {
        let next = self.neighbour(by).map(|round| round.cut.as_ref());
        let Some(cut) = next else {
            return;
        };
        self.look_at(cut.map(|cut| cut.node));
    }

    pub(super) fn toggle_sort(&mut self) {
        self.look.sort = match self.look.sort {
            Sort::Beam => Sort::Score,
            Sort::Score => Sort::Beam,
        };
    }

    pub(super) fn toggle_compare(&mut self) {
        if self.look.focus == Pane::Runs {
            return self.toggle_compare_runs();
        }
        let subject = self.subject().map(|candidate| candidate.slot.id);
        self.run.sight.reference = match self.run.sight.reference {
            Some(_) => None,
            None => subject,
        };
        self.note(match self.run.sight.reference {
            Some(_) => "select another candidate to compare it with this one".to_owned(),
            None => "no longer compared".to_owned(),
        });
    }

    /// One thing closes at a time, the innermost first.
    pub(super) fn back(&mut self) {
        if matches!(&self.overlay, Overlay::Menu(menu) if menu.kind == MenuKind::Values) {
            self.overlay = Overlay::Trainings;
        } else if self.overlay != Overlay::None {
            self.overlay = Overlay::None;
        } else if self.look.read_from.is_some() {
            self.look.toggle_reading();
        } else if self.look.zoom {
            self.look.zoom = false;
        } else if self.look.twin && self.has_beside() {
            self.look.twin = false;
        } else if self.run.sight.selected.is_some() {
            self.run.sight.selected = None;
        } else if self.run.sight.node.is_some() {
            self.run.sight.node = None;
        } else if self.is_opened() {
            self.close_run();
        } else {
            self.look.focus(Pane::Board);
        }
    }
}

/// The place after a movement among `places`: from the first, or the last, when nothing is chosen.
fn next<T>(places: &[T], here: Option<usize>, to: Jump) -> Option<&T> {
    let start = match to {
        Jump::Last => places.len().checked_sub(1)?,
        _ => 0,
    };
    places.get(here.map_or(start, |here| to.apply(here, places.len())))
}

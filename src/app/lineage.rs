//! A selection goes with the board: to its descendants as rounds pass, to its ancestors looking
//! back. What is selected is always on the board, so no key is offered for what is not.

use super::board::label;
use super::nav::Pane;
use super::{Action, App, Context};
use crate::search::{Fate, HypothesisId, Round};

impl App {
    /// Where the selection is not of the round on the board, puts its kin there in its place.
    /// Without kin it is let go, and said so; while it is read, its own round comes on the board.
    pub(super) fn keep_in_view(&mut self) {
        let Some(id) = self.run.sight.selected else {
            return;
        };
        let shown = self.shown_round();
        if shown.is_some_and(|round| round.holds(id)) {
            return;
        }
        if let Some(kin) = shown.and_then(|round| self.kin(id, round)) {
            self.run.sight.selected = Some(kin);
            self.run.sight.is_heir = true;
        } else if self.run.sight.node.is_none() {
            self.lose(id);
        } else {
            self.run.sight.selected = None;
        }
    }

    /// Who turns to another round looks there: what has no kin in it is not selected any more.
    pub(super) fn let_go_without_kin(&mut self) {
        let both = self.run.sight.selected.zip(self.shown_round());
        if both.is_some_and(|(id, round)| self.kin(id, round).is_none()) {
            self.run.sight.selected = None;
        }
    }

    /// What the round has of a candidate's lineage: an ancestor, or the best descendant.
    fn kin(&self, id: HypothesisId, round: &Round) -> Option<HypothesisId> {
        let ancestor = self.ancestry(id).find(|other| round.holds(*other));
        ancestor.or_else(|| self.best_of(round, |heir| self.ancestry(heir).any(|a| a == id)))
    }

    /// A candidate and all that it continues, its own parent first.
    pub(super) fn ancestry(&self, id: HypothesisId) -> impl Iterator<Item = HypothesisId> {
        let parent = |id: &HypothesisId| self.run.trace.candidate(*id)?.slot.parent;
        std::iter::successors(Some(id), parent)
    }

    /// The best of a round's candidates by what it ranks by; the first while nothing is scored.
    fn best_of(
        &self,
        round: &Round,
        is_one: impl Fn(HypothesisId) -> bool,
    ) -> Option<HypothesisId> {
        let key = |id| round.key_of(id).unwrap_or(f64::NEG_INFINITY);
        let ids = round.ids().filter(|id| is_one(*id));
        ids.reduce(|a, b| if key(b) > key(a) { b } else { a })
    }

    /// The chunks of the round are scored: of an inherited selection's siblings the best takes
    /// its place.
    pub(super) fn choose_heir(&mut self) {
        let selected = self.run.sight.selected.filter(|_| self.run.sight.is_heir);
        let Some((id, round)) = selected.zip(self.run.trace.last_round()) else {
            return;
        };
        let parent = |id| self.run.trace.candidate(id).and_then(|c| c.slot.parent);
        let own = parent(id).filter(|_| round.holds(id));
        if let Some(own) = own {
            let best = self.best_of(round, |other| parent(other) == Some(own));
            self.run.sight.selected = best.or(Some(id));
        }
    }

    /// Nothing on the board descends from the selection.
    fn lose(&mut self, id: HypothesisId) {
        let Some(round) = self.run.round_of(id).cloned() else {
            self.run.sight.selected = None;
            return;
        };
        let name = label(&self.run.trace, &round, id).unwrap_or_default();
        let number = self.name_of(&round);
        let fate = match round.fate(id) {
            Fate::Kept => format!("{name} of round {number} is not continued"),
            _ => format!("{name} was pruned in round {number}"),
        };
        match round.cut.as_ref().filter(|_| self.is_read()) {
            Some(cut) => {
                self.run.sight.node = Some(cut.node);
                self.note(format!("{fate}, which stays on the board: esc lets go"));
            }
            None => {
                self.run.sight.selected = None;
                let key = self.keymap.label(Context::Main, Action::EarlierRound);
                self.note(format!("{fate}: no longer selected, {key} looks back"));
            }
        }
    }

    /// Whether the user reads the candidate rather than watches the board.
    fn is_read(&self) -> bool {
        let reads = matches!(self.look.focus, Pane::Evidence | Pane::Xray);
        reads || self.run.sight.reference.is_some()
    }
}

//! The hand on the wheel: candidates marked, written, taken; rounds undone, and that taken back.

use super::{App, Editor, Effect, Overlay, Phase};
use crate::message::{Act, Command};
use crate::search::{HypothesisId, Mark};

/// Nats that one candidate can be boosted by with keys.
const MAX_BOOST: f64 = 5.0;

impl App {
    /// Whether there is a run to turn back: under way or at its end.
    pub(super) fn has_run(&self) -> bool {
        self.is_searching() || self.phase == Phase::Finished
    }

    /// The selected candidate, if its round is cut and it was pruned there.
    pub(super) fn takeable(&self) -> Option<HypothesisId> {
        let id = self.look.selected?;
        let mut rounds = self.trace.rounds().iter();
        let can_be_taken = rounds.any(|round| round.can_be_taken(id));
        (can_be_taken && self.has_run()).then_some(id)
    }

    pub(super) fn take(&mut self) -> Vec<Effect> {
        let Some(id) = self.takeable() else {
            return Vec::new();
        };
        self.turns += 1;
        self.turn(Act::Take(id), "taken: it stays in the beam")
    }

    pub(super) fn rewind(&mut self) -> Vec<Effect> {
        let Some(round) = self.look.round else {
            return Vec::new();
        };
        self.turns += 1;
        let note = format!("back after round {round}");
        self.turn(Act::Rewind(round), &note)
    }

    pub(super) fn undo_turn(&mut self) -> Vec<Effect> {
        self.turns = self.turns.saturating_sub(1);
        self.turn(Act::Undo, "as it was before")
    }

    fn turn(&mut self, act: Act, note: &str) -> Vec<Effect> {
        self.look.round = None;
        self.steer(act, note)
    }

    fn steer(&mut self, act: Act, note: &str) -> Vec<Effect> {
        self.note(note.to_owned());
        let run = self.run;
        vec![Effect::Send(Command::Steer { run, act })]
    }

    /// The selected candidate, if its cut is still to come.
    pub(super) fn markable(&self) -> Option<HypothesisId> {
        let id = self.look.selected?;
        let round = self
            .trace
            .last_round()
            .filter(|round| round.cut.is_none())?;
        let is_in = round.ids().any(|other| other == id);
        (is_in && self.is_searching()).then_some(id)
    }

    /// Marks the selected candidate, or takes the same mark away.
    pub(super) fn mark(&mut self, mark: Mark, note: &str) -> Vec<Effect> {
        let Some(id) = self.markable() else {
            return Vec::new();
        };
        match self.wished(id) == Some(mark) {
            true => self.wish(id, None, "the mark is taken away"),
            false => self.wish(id, Some(mark), note),
        }
    }

    /// The mark on a candidate as the user last wished it.
    fn wished(&self, id: HypothesisId) -> Option<Mark> {
        let wish = self.wishes.marks.get(&id).copied();
        wish.unwrap_or_else(|| self.trace.mark_of(id))
    }

    fn wish(&mut self, id: HypothesisId, mark: Option<Mark>, note: &str) -> Vec<Effect> {
        self.wishes.marks.insert(id, mark);
        self.steer(Act::Mark { id, mark }, note)
    }

    /// A nat more for the selected candidate at its cut; after the most, none again.
    pub(super) fn boost(&mut self) -> Vec<Effect> {
        let Some(id) = self.markable() else {
            return Vec::new();
        };
        let nats = match self.wished(id) {
            Some(Mark::Boost(nats)) => nats + 1.0,
            _ => 1.0,
        };
        match nats > MAX_BOOST {
            true => self.wish(id, None, "no boost any more"),
            false => {
                let mark = Some(Mark::Boost(nats));
                self.wish(id, mark, &format!("{nats:+} at its cut"))
            }
        }
    }

    /// The kept hypothesis that the selection stands for: itself, if it is in the beam.
    pub(super) fn spendable(&self) -> Option<HypothesisId> {
        let id = self.look.selected?;
        let beam = self.trace.beam();
        (beam.contains(&id) && self.is_searching()).then_some(id)
    }

    /// One successor more of the selected hypothesis in the next round.
    pub(super) fn spend(&mut self) -> Vec<Effect> {
        let Some(id) = self.spendable() else {
            return Vec::new();
        };
        let extra = match self.wishes.extra.get(&id) {
            Some(wished) => wished + 1,
            None => self.trace.extra_of(id) + 1,
        };
        self.wishes.extra.insert(id, extra);
        let plural = if extra == 1 { "" } else { "s" };
        let note = format!("{extra} successor{plural} more of it in the next round");
        self.steer(Act::Spend { id, extra }, &note)
    }

    /// The selected candidate, if a chunk can be written beside it: it is of the last round.
    pub(super) fn writable(&self) -> Option<HypothesisId> {
        let id = self.look.selected?;
        let last = self.trace.last_round()?;
        let is_in = last.slots.iter().any(|slot| slot.id == id);
        // While its chunk grows there is nothing to write beside.
        let is_whole = self.trace.candidate(id)?.hypothesis.is_some();
        (is_in && is_whole && self.has_run()).then_some(id)
    }

    /// Opens the editor on the selected candidate's chunk.
    pub(super) fn write_chunk(&mut self) {
        let Some(id) = self.writable() else {
            return;
        };
        let candidate = self.trace.candidate(id);
        let parent = candidate.and_then(|c| self.trace.candidate(c.slot.parent?));
        let parent = parent.map_or("", |parent| &parent.text);
        let text = candidate.map_or("", |candidate| &candidate.text);
        let (_, chunk) = super::board::split(parent, text);
        self.overlay = Overlay::Chunk(id, Editor::new(chunk));
    }

    /// Sends the written chunk to be scored.
    pub(super) fn send_chunk(&mut self, sibling: HypothesisId, chunk: String) -> Vec<Effect> {
        self.steer(Act::Type { sibling, chunk }, "your chunk is being scored")
    }
}

//! The user's hand on the search: candidates marked, written, taken; where the head goes, and
//! that taken back.

use super::{Action, App, Context, Editor, Effect, Overlay, Phase};
use crate::message::{Act, Command};
use crate::search::{HypothesisId, Mark, NodeId, Turn};

/// Nats that one candidate can be boosted by with keys.
const MAX_BOOST: f64 = 5.0;

impl App {
    /// The selected candidate, if its round is cut and it was not kept there.
    pub(super) fn takeable(&self) -> Option<HypothesisId> {
        let id = self.run.sight.selected?;
        // What the way to the head knows of it counts before what another branch does.
        let mut path = self.run.trace.rounds().iter().rev();
        let round = path.find(|round| round.holds(id));
        let round = round.or_else(|| self.run.round_of(id))?;
        (round.can_be_taken(id) && self.run.is_there()).then_some(id)
    }

    pub(super) fn take(&mut self) -> Vec<Effect> {
        match self.takeable() {
            Some(id) => self.turn(Act::Take(id), "taken: it stays in the beam"),
            None => Vec::new(),
        }
    }

    /// The node looked at, if the search can go on from there. While a round grows after the
    /// head, that is the head too: the round begins again, under the settings wanted now.
    pub(super) fn reachable(&self) -> Option<NodeId> {
        let node = self.run.sight.node?;
        let history = self.run.trace.history();
        let grows = history.open().is_some_and(|round| !round.is_scored());
        ((node != history.head() || grows) && self.run.is_there()).then_some(node)
    }

    pub(super) fn go_on(&mut self) -> Vec<Effect> {
        let Some(node) = self.reachable() else {
            return Vec::new();
        };
        let note = self.destination(node) + &self.onwards();
        self.turn(Act::Go(node), &note)
    }

    /// Where going to a node leads.
    fn destination(&self, node: NodeId) -> String {
        let history = self.run.trace.history();
        match history.node(node).and_then(|node| node.round()) {
            _ if node == history.head() => "the round begins again".to_owned(),
            Some(round) if self.run.leads_to_head(node) => {
                format!("back after round {}", round.number)
            }
            Some(round) => format!("going on after round {}", self.run.name_of(round)),
            None => "back to the prompt".to_owned(),
        }
    }

    /// A run that was over stands where it is put: by itself it would only do the same again.
    fn onwards(&self) -> String {
        let key = |action| self.keymap.label(Context::Main, action);
        let (go_on, draw) = (key(Action::TogglePause), key(Action::NewSeed));
        match self.run.phase {
            Phase::Finished => {
                format!(": {draw} draws anew from here, {go_on} does the same again")
            }
            _ => String::new(),
        }
    }

    /// Whether the search stands where it has gone on from before, so that other draws there make
    /// another branch.
    pub(super) fn draws_anew(&self) -> bool {
        let history = self.run.trace.history();
        let is_fork = history.open().is_none() && !history.here().children().is_empty();
        is_fork && self.run.phase == Phase::Paused
    }

    /// Goes on from the head with other draws than before.
    pub(super) fn draw_anew(&mut self) -> Vec<Effect> {
        let number = self.run.trace.history().round_idx();
        let from = match number {
            0 => "from the prompt".to_owned(),
            n => format!("after round {n}"),
        };
        self.run.phase = Phase::Running;
        let mut effects = self.turn(Act::Redraw, &format!("drawn anew {from}"));
        effects.push(Effect::Send(Command::Resume(self.run.id)));
        effects
    }

    pub(super) fn undo_turn(&mut self) -> Vec<Effect> {
        let note = match self.run.trace.history().last_turn() {
            Some(Turn::Marked { at, .. }) if at == self.run.trace.history().head() => {
                "the mark is as it was before"
            }
            Some(Turn::Marked { .. }) => "back before the round that was marked",
            Some(Turn::Redrawn { .. }) => "back to where it was drawn anew, with the draws before",
            _ => "the search is where it was before",
        };
        self.turn(Act::Undo, note)
    }

    fn turn(&mut self, act: Act, note: &str) -> Vec<Effect> {
        self.run.sight.node = None;
        self.steer(act, note)
    }

    fn steer(&mut self, act: Act, note: &str) -> Vec<Effect> {
        let mut effects = self.go_on_with_wanted();
        self.note(note.to_owned());
        let run = self.run.id;
        effects.push(Effect::Send(Command::Steer { run, act }));
        effects
    }

    /// The selected candidate, if its cut is still to come.
    pub(super) fn markable(&self) -> Option<HypothesisId> {
        let id = self.run.sight.selected?;
        let round = self.run.trace.history().open()?;
        (round.holds(id) && self.is_searching()).then_some(id)
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
        let wish = self.run.wishes.marks.get(&id).copied();
        wish.unwrap_or_else(|| self.run.trace.mark_of(id))
    }

    fn wish(&mut self, id: HypothesisId, mark: Option<Mark>, note: &str) -> Vec<Effect> {
        self.run.wishes.marks.insert(id, mark);
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

    /// The selected hypothesis, or what the selected one continues in the round under way, if it
    /// is in the beam and can be continued.
    pub(super) fn spendable(&self) -> Option<HypothesisId> {
        let id = self.run.sight.selected?;
        let candidate = self.run.trace.candidate(id)?;
        let grows = self.run.trace.history().open();
        let grows = grows.filter(|round| !round.standing.contains(&id));
        let parent = grows.filter(|round| round.holds(id));
        let id = parent.and(candidate.slot.parent).unwrap_or(id);
        let is_kept = self.run.trace.beam().contains(&id);
        let is_live = !self.run.trace.candidate(id)?.is_finished();
        (is_kept && is_live && self.is_searching()).then_some(id)
    }

    /// One successor more of the selected hypothesis, as soon as that can be.
    pub(super) fn spend(&mut self) -> Vec<Effect> {
        let Some(id) = self.spendable() else {
            return Vec::new();
        };
        let wished = self.run.wishes.extra.get(&id).copied();
        let extra = wished.unwrap_or_else(|| self.run.trace.extra_of(id)) + 1;
        self.run.wishes.extra.insert(id, extra);
        let note = self.spent(extra);
        self.steer(Act::Spend { id, extra }, &note)
    }

    /// What `extra` successors more of a hypothesis come to, and when.
    pub(super) fn spent(&self, extra: usize) -> String {
        let plural = if extra == 1 { "" } else { "s" };
        let when = match self.run.trace.history().open() {
            Some(_) => "this",
            None => "the next",
        };
        format!("{extra} successor{plural} more of it in {when} round")
    }

    /// The selected candidate, if a chunk can be written beside it: it is of the round that waits
    /// for its cut, or else of the one that made the head.
    pub(super) fn writable(&self) -> Option<HypothesisId> {
        let id = self.run.sight.selected?;
        let history = self.run.trace.history();
        let scored = history.open().filter(|round| round.is_scored());
        let round = scored.or_else(|| history.here().round())?;
        let is_in = round.slots.iter().any(|slot| slot.id == id);
        (is_in && self.run.is_there()).then_some(id)
    }

    /// Opens the editor for a chunk beside the selected candidate's, which lies above it.
    pub(super) fn write_chunk(&mut self) {
        let Some(id) = self.writable() else {
            return;
        };
        let candidate = self.run.trace.candidate(id);
        let chunk = candidate.map(|candidate| candidate.chunk());
        let above: Vec<String> = chunk.into_iter().collect();
        self.overlay = Overlay::Chunk(id, Editor::with_history("", &above));
    }

    /// Sends the written chunk to be scored.
    pub(super) fn send_chunk(&mut self, sibling: HypothesisId, chunk: String) -> Vec<Effect> {
        self.steer(Act::Type { sibling, chunk }, "your chunk is being scored")
    }
}

//! The user's hand on the search: settings, pairs, marks before a cut, candidates of one's own,
//! going back. Inputs of the same machine: each is an entry, or a sentence why not.

use std::sync::Arc;

use super::ask::Growth;
use super::draw::Lineage;
use super::engine::{Again, ChunkBeamSearch, Typed};
use super::entry::{CandidateSlot, Entry, Mark, Move, NodeId};
use super::error::Refused;
use super::history::{Round, Turn};
use super::hypothesis::Hypothesis;
use super::ids::{HypothesisId, Successor};
use super::layout::{Place, Seat, more_seats, next_successor};
use super::params::SearchParams;
use super::score::PairId;
use super::work::{Origin, continued};

impl ChunkBeamSearch {
    /// Takes effect at the next round. `seed` and `rules` stay as they are.
    pub fn set_params(&mut self, params: SearchParams) {
        let params = params.within_run_of(&self.params);
        if self.params != params {
            self.params = params;
            self.forget_fresh();
        }
    }

    /// Takes effect at the next cut: what is compared is scored by this pair then.
    pub fn use_pair(&mut self, pair: PairId) {
        if self.pair != pair {
            self.pair = pair;
            self.forget_fresh();
        }
    }

    /// Chunks that grow are lost. Begun again, they are the same, as draws are pure: in a round
    /// begun anew, or beside what is complete of this one.
    pub fn stop(&mut self) {
        let is_new = |round: &&Arc<Round>| round.candidates.is_empty();
        if self.work.take().is_some() && self.history.open().filter(is_new).is_some() {
            self.drop_round();
        }
    }

    fn drop_round(&mut self) {
        if let Some(round) = self.history.open().map(|round| round.number) {
            self.tell(Entry::Dropped { round });
        }
    }

    /// Marks a candidate of the round under way for its cut; `None` takes the mark away.
    ///
    /// # Errors
    /// It is of no round under way; it is the last that lives.
    pub fn mark(&mut self, id: HypothesisId, mark: Option<Mark>) -> Result<(), Refused> {
        let round = self.history.open().filter(|round| round.holds(id));
        let round = round.ok_or(Refused::NotOfRound)?;
        let is_dead = |other| other == id || round.mark_of(other) == Some(Mark::Kill);
        if mark == Some(Mark::Kill) && round.ids().all(is_dead) {
            return Err(Refused::LastOne);
        }
        self.tell(Entry::Marked { id, mark });
        Ok(())
    }

    /// `extra` successors more of a hypothesis of the beam: in the round that continues it, if
    /// that is under way, else in the next one.
    ///
    /// # Errors
    /// It is not in the beam, or finished.
    pub fn spend(&mut self, id: HypothesisId, extra: usize) -> Result<(), Refused> {
        let beam = self.history.beam();
        let parent = beam.into_iter().find(|h| h.id == id && !h.is_finished());
        let parent = parent.ok_or(Refused::NotInBeam)?;
        let Some(round) = self.history.open().cloned() else {
            let slots = Vec::new();
            self.tell(Entry::Spent { id, extra, slots });
            return Ok(());
        };
        let had = round.extra.get(&id).copied().unwrap_or(0);
        let slots = self.widen(&round, &parent, extra.saturating_sub(had));
        let extra = extra.max(had);
        self.tell(Entry::Spent { id, extra, slots });
        Ok(())
    }

    /// So many seats more for `parent` in the round under way.
    fn widen(
        &mut self,
        round: &Round,
        parent: &Arc<Hypothesis>,
        more: usize,
    ) -> Vec<CandidateSlot> {
        let first = next_successor(round, Some(parent.id));
        let id = HypothesisId(self.next_id);
        let seats = more_seats(
            &round.params,
            round.deal(),
            id,
            Some(parent),
            first..first + more,
        );
        self.next_id += seats.len() as u64;
        let slots = seats.iter().map(Seat::public).collect();
        if let Some(work) = &mut self.work {
            seats
                .into_iter()
                .for_each(|seat| work.join(Place::New(seat)));
        }
        slots
    }

    /// Goes on from a candidate that was pruned, in whichever round: its cut is made again with
    /// the candidate taken, as a sibling of the one that was.
    ///
    /// # Errors
    /// No cut has seen it.
    pub fn take(&mut self, id: HypothesisId) -> Result<(), Refused> {
        let node = self.node_with(id).ok_or(Refused::NotCut)?;
        let round = self.history.node(node).and_then(|node| node.round());
        let mut marks = round.map(|round| round.marks.clone()).unwrap_or_default();
        // One candidate is taken at a time: the one before competes as any other.
        marks.retain(|_, mark| *mark != Mark::Take);
        marks.insert(id, Mark::Take);
        self.stop();
        self.forget_fresh();
        self.again = Some(Again { node, marks });
        Ok(())
    }

    /// The node whose cut saw this candidate: on the way to the head, or else anywhere.
    fn node_with(&self, id: HypothesisId) -> Option<NodeId> {
        let has = |round: &&Arc<Round>| round.candidates.iter().any(|c| c.id == id);
        let node = |round: &Arc<Round>| round.cut.as_ref().map(|cut| cut.node);
        let on_path = self.history.rounds().iter().rev().filter(has);
        let anywhere = self.history.nodes().filter_map(|(_, node)| node.round());
        on_path.chain(anywhere.filter(has)).find_map(node)
    }

    /// Makes a node the head: the search goes on from there. What was, stays.
    ///
    /// # Errors
    /// There is no such node, or it is the head and no round has begun after it.
    pub fn go(&mut self, node: NodeId) -> Result<(), Refused> {
        self.history.node(node).ok_or(Refused::NoSuchNode)?;
        if node != self.history.head() {
            self.moved(node, Move::Go);
            return Ok(());
        }
        self.history.open().ok_or(Refused::AlreadyHere)?;
        // Begun anew, the round is the same, but for settings that changed since.
        self.leave_round();
        Ok(())
    }

    /// The round under way is left, with what was written into it.
    fn leave_round(&mut self) {
        let node = self.history.head();
        self.work = None;
        self.typed
            .retain(|typed| typed.late.is_some() || typed.after != node);
        self.drop_round();
    }

    /// The rounds after the head are drawn anew, with numbers that none drew there before. A
    /// round under way is left.
    ///
    /// # Errors
    /// [`Refused::Over`] where nothing follows.
    pub fn redraw(&mut self) -> Result<(), Refused> {
        if self.history.ending().is_some() {
            return Err(Refused::Over);
        }
        self.forget_fresh();
        self.again = None;
        self.leave_round();
        self.tell(Entry::Redrawn {
            after: self.history.head(),
            draws: self.history.next_draws(),
        });
        Ok(())
    }

    /// Goes back to the end of round `number` of those that lead to the head.
    ///
    /// # Errors
    /// As [`Self::go`].
    pub fn rewind(&mut self, number: usize) -> Result<(), Refused> {
        let node = self.history.node_of(number).ok_or(Refused::NoSuchNode)?;
        self.go(node)
    }

    /// Takes the last turn back: a mark, a move of the head, a taking, drawing anew.
    ///
    /// # Errors
    /// [`Refused::NothingToUndo`].
    pub fn undo(&mut self) -> Result<(), Refused> {
        let turn = self.history.last_turn().ok_or(Refused::NothingToUndo)?;
        let is_here = self.history.head() == turn.at();
        match turn {
            Turn::Marked { id, before, .. } if is_here => {
                self.tell(Entry::Unmarked { id, mark: before });
            }
            Turn::Redrawn { at, .. } if is_here => {
                self.leave_round();
                self.moved(at, Move::Undo);
            }
            turn => self.moved(turn.at(), Move::Undo),
        }
        Ok(())
    }

    fn moved(&mut self, to: NodeId, by: Move) {
        self.stop();
        self.forget_fresh();
        self.again = None;
        self.tell(Entry::Moved { to, by });
    }

    /// A candidate of the user's own beside `sibling`, a candidate of the round that waits for
    /// its cut or of the last one that had it: `chunk` is in the place of the sibling's. Once
    /// it is scored it stands for the cut or, after it, ready to be taken.
    ///
    /// # Errors
    /// The sibling is of another round, or follows a finished response.
    pub fn write(&mut self, sibling: HypothesisId, chunk: &Growth) -> Result<(), Refused> {
        let (late, round) = self.latest().ok_or(Refused::NotLatest)?;
        let find = |id| round.candidates.iter().find(|c| c.id == id);
        let sibling = find(sibling).ok_or(Refused::NotLatest)?;
        let parent = sibling.parent.and_then(|id| self.history.hypothesis(id));
        if parent.is_some_and(|parent| parent.is_finished()) {
            return Err(Refused::Complete);
        }
        let candidate = self.typed(parent.map(Arc::as_ref), chunk, round.number);
        self.next_id += 1;
        self.n_typed += 1;
        self.typed.push(Typed {
            late,
            after: round.after,
            candidate: Arc::new(candidate),
        });
        Ok(())
    }

    fn typed(&self, parent: Option<&Hypothesis>, chunk: &Growth, round: usize) -> Hypothesis {
        let successor = Successor::Typed {
            typed: self.n_typed,
        };
        let root = Lineage::root(self.params.seed());
        let origin = Origin {
            id: HypothesisId(self.next_id),
            round,
            successor,
            lineage: root.successor(round, successor),
        };
        continued(parent, chunk, &self.params, origin)
    }

    /// The round that waits for its cut, or else the one that made the head, and its node.
    fn latest(&self) -> Option<(Option<NodeId>, Arc<Round>)> {
        if let Some(open) = self.history.open().filter(|round| round.is_scored()) {
            return Some((None, Arc::clone(open)));
        }
        let round = self.history.here().round()?;
        Some((Some(self.history.head()), Arc::clone(round)))
    }

    /// The candidates beside `id` in the latest round, `id` included; none when it is of another.
    #[must_use]
    pub fn siblings(&self, id: HypothesisId) -> Vec<Arc<Hypothesis>> {
        let latest = self.latest().map(|(_, round)| round.candidates.clone());
        let candidates = latest.unwrap_or_default();
        match candidates.iter().any(|c| c.id == id) {
            true => candidates,
            false => Vec::new(),
        }
    }
}

//! Chunk-level beam search (paper Algorithm 1) as a machine that asks.
//!
//! A round lays out W·K candidates, asks for their chunks, asks for their scores and keeps the
//! best W. [`ChunkBeamSearch::ask`] says what is needed, [`ChunkBeamSearch::supply`] takes the
//! answer in; every step is an entry of its [`History`]. A round that is broken off leaves
//! nothing behind but the ids it used, and can simply be run again.

use std::collections::HashMap;
use std::sync::Arc;

use super::ask::{Answer, Ask};
use super::draw::Deal;
use super::entry::{EndReason, Entry, Mark, NodeId};
use super::error::SearchError;
use super::history::{History, Node, Round};
use super::hypothesis::{Finish, Hypothesis};
use super::ids::HypothesisId;
use super::layout::{Place, Seat, lay_out, more_seats, next_successor, seat, seats};
use super::method::{self, Court, Scene, Verdict};
use super::params::{Rules, SearchParams};
use super::score::{PairId, Scores};
use super::select::{Marks, Ranker};
use super::work::Work;

/// A search over the responses to one prompt.
#[derive(Debug, Clone)]
pub struct ChunkBeamSearch {
    pub(super) history: History,
    /// Wanted from the next round on.
    pub(super) params: SearchParams,
    /// Wanted from the next cut on.
    pub(super) pair: PairId,
    /// Ids are never reused, not even those of a round that was broken off: models may hold
    /// caches by id.
    pub(super) next_id: u64,
    /// How many chunks the user has written.
    pub(super) n_typed: usize,
    /// The round under way, until its candidates are scored.
    pub(super) work: Option<Work>,
    /// A cut that is to be made another way.
    pub(super) again: Option<Again>,
    /// Chunks of the user's own, to be scored.
    pub(super) typed: Vec<Typed>,
    /// The beam that lowered settings end, to be scored.
    pub(super) stopping: Option<Vec<Arc<Hypothesis>>>,
    /// Scores that have come and are not in the history yet, all of pairs that are wanted.
    pub(super) fresh: HashMap<HypothesisId, Scores>,
    /// Entries that nobody has taken yet.
    news: Vec<Entry>,
}

/// A round to be cut again under other marks.
#[derive(Debug, Clone)]
pub(super) struct Again {
    pub node: NodeId,
    pub marks: Marks,
}

/// A chunk of the user's own.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    /// The node beside whose candidates it stands; `None` for a round that waits for its cut.
    pub late: Option<NodeId>,
    /// The node that its round follows.
    pub after: NodeId,
    pub candidate: Arc<Hypothesis>,
}

impl ChunkBeamSearch {
    #[must_use]
    pub fn new(params: SearchParams, pair: PairId) -> Self {
        Self {
            history: History::default(),
            params,
            pair,
            next_id: 0,
            n_typed: 0,
            work: None,
            again: None,
            typed: Vec::new(),
            stopping: None,
            fresh: HashMap::new(),
            news: Vec::new(),
        }
    }

    /// What is needed to go on. Asking again without an answer asks for the same.
    pub fn ask(&mut self) -> Ask {
        loop {
            if let Some(ask) = self.settle() {
                return ask;
            }
            match (&self.work, self.history.open()) {
                (Some(work), _) => return Ask::Grow(work.ask()),
                (None, Some(open)) if open.is_scored() => match self.more() {
                    0 => return Ask::Cut,
                    more => self.go_on_drawing(more),
                },
                (None, Some(open)) => self.work = Some(self.rest_of(open)),
                (None, None) if self.is_finished() => return Ask::Done,
                (None, None) if self.is_exhausted() => self.cut_off(),
                (None, None) => self.start_round(),
            }
        }
    }

    /// Takes in an answer. One that was not asked for, or not any more, changes nothing.
    ///
    /// # Errors
    /// [`SearchError`] for an answer that cannot be used; the search asks for the same again.
    pub fn supply(&mut self, answer: Answer) -> Result<(), SearchError> {
        match answer {
            Answer::Grown(grown) => match &mut self.work {
                Some(work) => work.take_in(grown),
                None => Ok(()),
            },
            Answer::Scored { pair, scores } => self.take_scores(&pair, scores),
            Answer::Cut => {
                if self.settle().is_none() {
                    self.cut();
                }
                Ok(())
            }
        }
    }

    /// The entries since the last call, in the order in which they happened.
    pub fn news(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.news)
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    #[must_use]
    pub fn params(&self) -> SearchParams {
        self.params
    }

    /// The pair that is wanted; the history says which one is in use.
    #[must_use]
    pub fn pair(&self) -> &PairId {
        &self.pair
    }

    /// The hypotheses kept at the head, best first; empty before round 1.
    #[must_use]
    pub fn beam(&self) -> Vec<Arc<Hypothesis>> {
        self.history.beam()
    }

    /// How many rounds lead to the head.
    #[must_use]
    pub fn round_idx(&self) -> usize {
        self.history.round_idx()
    }

    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.history.ending().is_some()
    }

    /// Whether candidates are scored and wait for their cut: the method wants no more of them.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.history.open().is_some_and(|round| round.is_scored()) && self.more() == 0
    }

    /// Whether chunks grow.
    #[must_use]
    pub fn is_growing(&self) -> bool {
        self.work.as_ref().is_some_and(|work| !work.is_complete())
    }

    /// The best of the beam and of every finished response on the way to the head, or what the
    /// method takes for the answer; `None` before round 1. Once the search is finished this is the
    /// answer.
    #[must_use]
    pub fn best(&self) -> Option<Arc<Hypothesis>> {
        self.answer(self.is_finished())
    }

    /// Once the search is over, among complete responses only, if there are any.
    fn answer(&self, is_over: bool) -> Option<Arc<Hypothesis>> {
        let (here, mut all) = (self.history.here(), self.history.beam());
        // Wishes since the end change nothing about it.
        let params = here.round().map_or(&self.params, |round| &round.params);
        if let Some(answer) = method::answer(params, &all, here.shares()) {
            return Some(answer);
        }
        let is_cut_off = self.history.here().stopped().is_some();
        if self.params.rules() == Rules::Reference || !is_cut_off {
            all.truncate(1);
        }
        all.extend(self.history.pool());
        if is_over && all.iter().any(|h| h.is_finished()) {
            all.retain(|h| h.is_finished());
        }
        self.ranker().answers(all).into_iter().next()
    }

    /// What counts now.
    fn ranker(&self) -> Ranker<'_> {
        Ranker {
            params: &self.params,
            pair: self.history.pair().unwrap_or(&self.pair),
        }
    }

    /// The hypotheses whose caches are of use: what may still be continued from here.
    #[must_use]
    pub fn alive(&self) -> Vec<HypothesisId> {
        let beam = self.history.beam();
        let live = beam.iter().filter(|h| !h.is_finished()).map(|h| h.id);
        let open = self.history.open().into_iter();
        live.chain(open.flat_map(|round| round.ids().collect::<Vec<_>>()))
            .collect()
    }

    pub(super) fn tell(&mut self, entry: Entry) {
        self.history.apply(&entry);
        self.news.push(entry);
    }

    fn start_round(&mut self) {
        let round = self.round_idx() + 1;
        let places = self.take_places(round);
        let slots = seats(&places).map(Seat::public).collect();
        let standing = places.iter().filter_map(|place| match place {
            Place::Whole(finished) => Some(finished.id),
            Place::New(_) => None,
        });
        let entry = Entry::RoundStarted {
            round,
            after: self.history.head(),
            params: self.params,
            pair: self.pair.clone(),
            slots,
            standing: standing.collect(),
        };
        self.tell(entry);
        self.work = Some(Work::new(round, self.params, self.pair.clone(), places));
    }

    /// What of a round is still to grow, beside what of it is complete.
    fn rest_of(&self, round: &Round) -> Work {
        let whole = self.history.all(&round.candidate_ids());
        let whole = whole.into_iter().map(Place::Whole).collect();
        let mut work = Work::new(round.number, round.params, round.pair.clone(), whole);
        let rest = round
            .slots
            .iter()
            .filter(|slot| round.key_of(slot.id).is_none());
        for slot in rest {
            let parent = slot
                .parent
                .and_then(|id| self.history.hypothesis(id))
                .cloned();
            let seat = seat(&round.params, round.deal(), slot.id, parent, slot.successor);
            work.join(Place::New(seat));
        }
        work
    }

    fn take_places(&mut self, round: usize) -> Vec<Place> {
        let here = self.history.here();
        let plans = method::plan(Scene {
            params: &self.params,
            beam: &self.history.beam(),
            history: &self.history,
            ranker: self.ranker(),
        });
        let draws = here.draws();
        let first = HypothesisId(self.next_id);
        let places = lay_out(
            &self.params,
            plans,
            here.extra(),
            Deal { round, draws },
            first,
        );
        self.next_id += seats(&places).count() as u64;
        places
    }

    /// How many more successors the method wants of the open round, which is scored.
    fn more(&self) -> usize {
        let Some(round) = self.history.open() else {
            return 0;
        };
        let ranker = Ranker {
            params: &round.params,
            pair: &self.pair,
        };
        method::more(Court {
            round,
            ranker,
            keys: &ranker.keys(&round.candidates),
            marks: &round.marks,
            shares: self.history.here().shares(),
        })
    }

    /// So many more successors of what the open round continues.
    fn go_on_drawing(&mut self, more: usize) {
        let Some(round) = self.history.open().cloned() else {
            return;
        };
        let parent = round.slots.first().and_then(|slot| slot.parent);
        let parent = parent.and_then(|id| self.history.hypothesis(id)).cloned();
        let first = next_successor(&round, parent.as_ref().map(|p| p.id));
        let id = HypothesisId(self.next_id);
        let range = first..first + more;
        let seats = more_seats(&round.params, round.deal(), id, parent.as_ref(), range);
        self.next_id += seats.len() as u64;
        let slots = seats.iter().map(Seat::public).collect();
        let round = round.number;
        self.tell(Entry::Widened { round, slots });
    }

    /// The cut of the round under way, if it waits for one.
    fn cut(&mut self) {
        let Some(round) = self.history.open().filter(|_| self.is_open()).cloned() else {
            return;
        };
        let candidates = self.history.all(&round.candidate_ids());
        self.select(&round, None, round.marks.clone(), candidates);
    }

    /// The cut of a node's round once more, which makes a sibling of it.
    pub(super) fn cut_again(&mut self, again: &Again) {
        let node = self.history.node(again.node);
        let Some(round) = node.and_then(|node| node.round()).cloned() else {
            return;
        };
        let candidates = self.history.all(&round.candidate_ids());
        self.select(&round, Some(again.node), again.marks.clone(), candidates);
    }

    fn select(
        &mut self,
        round: &Round,
        again: Option<NodeId>,
        marks: Marks,
        candidates: Vec<Arc<Hypothesis>>,
    ) {
        let before = self.history.node(round.after);
        let ranker = Ranker {
            params: &round.params,
            pair: &self.pair,
        };
        let court = Court {
            round,
            ranker,
            keys: &ranker.keys(&candidates),
            marks: &marks,
            shares: before.map_or(&[][..], Node::shares),
        };
        let Verdict {
            kept,
            pruned,
            shares,
        } = method::cut(court, candidates);
        let entry = Entry::Selected {
            round: round.number,
            node: NodeId(self.history.nodes().count()),
            again,
            pair: self.pair.clone(),
            kept: ids(&kept),
            pruned: ids(&pruned),
            marks: marks.into_iter().collect::<Vec<(HypothesisId, Mark)>>(),
            shares,
        };
        self.tell(entry);
        let is_spent = method::is_spent(&round.params, self.round_idx());
        if is_spent || kept.iter().all(|h| h.is_finished()) {
            self.tell_finished();
        }
    }

    /// Whether lowered settings leave nothing to sample: no live hypothesis among the best W, or
    /// no token left in the budget.
    fn is_exhausted(&self) -> bool {
        let budget = self.params.max_new_tokens().get();
        let beam = self.history.beam();
        let mut live = method::front(&self.params, &beam)
            .iter()
            .filter(|h| !h.is_finished());
        // Live hypotheses all have the same length: each round adds as much to every one.
        !beam.is_empty() && live.all(|h| h.tokens.len() >= budget)
    }

    /// Ends the live hypotheses where they stand, without a round.
    fn cut_off(&mut self) {
        let beam = self.history.beam();
        let mut beam = method::front(&self.params, &beam).to_vec();
        let is_reference = self.params.rules() == Rules::Reference;
        for hypothesis in beam.iter_mut().filter(|h| !h.is_finished()) {
            let hypothesis = Arc::make_mut(hypothesis);
            hypothesis.finish = Some(Finish::Length);
            if is_reference {
                // The EOS counts from here on.
                hypothesis.scores = Default::default();
            }
        }
        match is_reference {
            true => self.stopping = Some(beam),
            false => self.stop_at(beam),
        }
    }

    pub(super) fn stop_at(&mut self, beam: Vec<Arc<Hypothesis>>) {
        let beam = self.ranker().ranked(beam);
        self.tell(Entry::CutOff { beam });
        self.tell_finished();
    }

    pub(super) fn tell_finished(&mut self) {
        let Some(best) = self.answer(true) else {
            return;
        };
        let beam = self.history.beam();
        let reason = match beam.iter().all(|h| h.finish == Some(Finish::Eos)) {
            true => EndReason::Eos,
            false => EndReason::Length,
        };
        self.tell(Entry::Finished { best, reason });
    }
}

fn ids(hypotheses: &[Arc<Hypothesis>]) -> Vec<HypothesisId> {
    hypotheses.iter().map(|h| h.id).collect()
}

//! Chunk-level beam search as a state that advances by one round (paper Algorithm 1).
//!
//! A round lays out W·K candidates, has their chunks sampled, scores them and keeps the best W.
//! Until its selection it writes to nothing but `next_id`, so a round that is cancelled or fails
//! leaves the beam as it was and can simply be run again.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::SearchError;
use super::event::{EndReason, SearchEvent};
use super::hypothesis::{Finish, Hypothesis, HypothesisId};
use super::layout::{Beam, Place, Seat, front, growing, lay_out, seats};
use super::params::{Rules, SearchParams};
use super::port::{ChunkSampler, Growth, SamplePlan, Scorer, Slot};
use super::score::LogRatio;
use super::scoring::{final_scores, partials, scored_anew};
use super::select::{FinishedPool, answer_key, cut, rank_by, rank_key};
use super::wheel::{PastRound, Wheel};

/// Told everything that happens; `Break` cancels the round.
pub type OnEvent<'a> = &'a mut dyn FnMut(SearchEvent) -> ControlFlow<()>;

/// Where a search stands after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There are live hypotheses: another round is possible.
    Running,
    /// No live hypothesis is left in the beam.
    Finished,
    /// The round was cancelled; the beam is as it was before.
    Cancelled,
}

/// A search over the responses to one prompt.
#[derive(Debug, Clone)]
pub struct ChunkBeamSearch {
    pub(super) params: SearchParams,
    /// Ids are never reused, not even those of a cancelled round: models may hold caches by id.
    pub(super) next_id: u64,
    pub(super) state: State,
    /// The round whose candidates are scored and wait for the cut.
    pub(super) open: Option<OpenRound>,
    pub(super) wheel: Wheel,
    scores_every: Option<NonZeroUsize>,
}

/// Where the search stands between rounds.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Rounds that are complete.
    pub round_idx: usize,
    /// Best first.
    pub beam: Vec<Arc<Hypothesis>>,
    /// Stays empty under [`Rules::Reference`], which has none.
    pub pool: FinishedPool,
    pub ended: bool,
}

/// A round before its cut.
#[derive(Debug, Clone)]
pub(super) struct OpenRound {
    /// The `RoundStarted` it began with.
    pub started: SearchEvent,
    /// The settings it was sampled under.
    pub params: SearchParams,
    pub candidates: Vec<Arc<Hypothesis>>,
}

impl ChunkBeamSearch {
    #[must_use]
    pub fn new(params: SearchParams) -> Self {
        Self {
            params,
            next_id: 0,
            state: State::default(),
            open: None,
            wheel: Wheel::default(),
            scores_every: Some(NonZeroUsize::MIN),
        }
    }

    #[must_use]
    pub fn params(&self) -> SearchParams {
        self.params
    }

    /// Takes effect at the next round. `seed` and `rules` stay as they are.
    pub fn set_params(&mut self, params: SearchParams) {
        self.params = SearchParams {
            seed: self.params.seed,
            rules: self.params.rules,
            ..params
        };
    }

    /// After how many tokens each growing chunks are scored (by default 1), so that scores can be
    /// followed; `None` scores each chunk once, when it is complete. Between two scorings
    /// [`Partial::score`](super::Partial::score) is `None`.
    pub fn score_partials(&mut self, every: Option<NonZeroUsize>) {
        self.scores_every = every;
    }

    /// The hypotheses kept by the last complete round, best first; empty before round 1.
    #[must_use]
    pub fn beam(&self) -> &[Arc<Hypothesis>] {
        &self.state.beam
    }

    /// How many rounds are complete.
    #[must_use]
    pub fn round_idx(&self) -> usize {
        self.state.round_idx
    }

    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.ended
    }

    /// Whether candidates are scored and wait for their cut.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The best of the beam and of every finished response ever seen; `None` before round 1.
    /// Once the search is finished this is the answer.
    #[must_use]
    pub fn best(&self) -> Option<&Arc<Hypothesis>> {
        match (self.state.beam.first(), self.state.pool.best()) {
            (Some(kept), Some(pooled)) => Some(self.better(kept, pooled)),
            (kept, pooled) => kept.or(pooled),
        }
    }

    /// Advances by one round: sample, score, select. Does nothing once the search is finished.
    ///
    /// Events come in the order `RoundStarted`, `Grown`*, `Scored`, `Selected`, `Finished`?.
    /// The round is complete before `Selected` is told, so `Break` has no effect from there on.
    ///
    /// # Errors
    /// [`SearchError`]; the beam is then as it was before.
    pub fn round(
        &mut self,
        sampler: &mut dyn ChunkSampler,
        scorer: &mut dyn Scorer,
        on: OnEvent<'_>,
    ) -> Result<Status, SearchError> {
        match self.expand(sampler, scorer, on)? {
            Status::Running => Ok(self.cut(sampler, scorer, on)),
            status => Ok(status),
        }
    }

    /// The first half of a round: sample and score. Afterwards the candidates wait for
    /// [`Self::cut`]. Does nothing when they already do, or once the search is finished.
    ///
    /// # Errors
    /// [`SearchError`]; the beam is then as it was before.
    pub fn expand(
        &mut self,
        sampler: &mut dyn ChunkSampler,
        scorer: &mut dyn Scorer,
        on: OnEvent<'_>,
    ) -> Result<Status, SearchError> {
        if self.state.ended {
            return Ok(Status::Finished);
        }
        if self.open.is_some() {
            return Ok(Status::Running);
        }
        let outcome = match self.is_exhausted() {
            true => self.cut_off(scorer, on),
            false => self.advance(sampler, scorer, on),
        };
        if !matches!(outcome, Ok(Status::Running)) {
            self.retain(sampler, scorer);
        }
        outcome
    }

    /// The second half of a round: keeps the best W of the candidates that wait, as the marks
    /// on them have it. Does nothing when none wait.
    pub fn cut(
        &mut self,
        sampler: &mut dyn ChunkSampler,
        scorer: &mut dyn Scorer,
        on: OnEvent<'_>,
    ) -> Status {
        let status = match self.open.take() {
            Some(open) => self.select(open, on),
            None if self.state.ended => Status::Finished,
            None => Status::Running,
        };
        self.retain(sampler, scorer);
        status
    }

    /// Only the live beam's caches are of use between rounds.
    fn retain(&self, sampler: &mut dyn ChunkSampler, scorer: &mut dyn Scorer) {
        let live = self.live_ids();
        sampler.retain(&live);
        scorer.retain(&live);
    }

    /// The weak pair behind `scorer` has changed: scores the beam and the finished responses
    /// anew. Tells `Rescored`, and `Finished` once more when the search is over.
    ///
    /// # Errors
    /// [`SearchError`]; all scores are then as they were before.
    pub fn rescore(&mut self, scorer: &mut dyn Scorer, on: OnEvent<'_>) -> Result<(), SearchError> {
        let beam = scored_anew(self.params.rules, &self.state.beam, scorer)?;
        let pool = scored_anew(self.params.rules, self.state.pool.all(), scorer)?;
        let params = self.params;
        self.state.beam = rank_by(beam, |h| rank_key(&params, h));
        self.state.pool.replace(&params, pool);
        self.tell_rescored(on);
        if self.state.ended {
            self.tell_finished(on);
        }
        Ok(())
    }

    fn advance(
        &mut self,
        sampler: &mut dyn ChunkSampler,
        scorer: &mut dyn Scorer,
        on: OnEvent<'_>,
    ) -> Result<Status, SearchError> {
        let places = self.take_places();
        let started = self.round_started(&places);
        if on(started.clone()).is_break() {
            return Ok(Status::Cancelled);
        }
        let seats: Vec<&Seat> = growing(&places).collect();
        let Some(grown) = self.grow(&seats, sampler, scorer, on)? else {
            return Ok(Status::Cancelled);
        };
        let sampled = self.complete(&seats, grown, scorer)?;
        let candidates = self.line_up(&places, sampled);
        let scored = SearchEvent::Scored {
            round: self.state.round_idx + 1,
            candidates: candidates.clone(),
        };
        if on(scored).is_break() {
            return Ok(Status::Cancelled);
        }
        let params = self.params;
        self.wheel.extra.clear();
        self.open = Some(OpenRound {
            started,
            params,
            candidates,
        });
        Ok(Status::Running)
    }

    fn take_places(&mut self) -> Vec<Place> {
        let first = HypothesisId(self.next_id);
        let beam = Beam {
            hypotheses: &self.state.beam,
            extra: &self.wheel.extra,
        };
        let places = lay_out(&self.params, beam, self.state.round_idx + 1, first);
        self.next_id += seats(&places).count() as u64;
        places
    }

    fn round_started(&self, places: &[Place]) -> SearchEvent {
        SearchEvent::RoundStarted {
            round: self.state.round_idx + 1,
            params: self.params,
            slots: seats(places).map(Seat::public).collect(),
            standing: places
                .iter()
                .filter_map(|place| match place {
                    Place::Standing(finished) => Some(finished.id),
                    Place::New(_) => None,
                })
                .collect(),
        }
    }

    /// Samples every seat's chunk, told as it grows; `None` when the watcher said stop.
    fn grow(
        &self,
        seats: &[&Seat],
        sampler: &mut dyn ChunkSampler,
        scorer: &mut dyn Scorer,
        on: OnEvent<'_>,
    ) -> Result<Option<Vec<Growth>>, SearchError> {
        let slots: Vec<Slot<'_>> = seats.iter().map(|seat| seat.slot()).collect();
        let plan = SamplePlan {
            slots: &slots,
            sampling: self.params.sampling,
            rules: self.params.rules,
        };
        let round = self.state.round_idx + 1;
        let mut n_grown = 0;
        let mut on_growth = |growths: &[Growth]| {
            n_grown += 1;
            let is_due = self.scores_every.is_some_and(|n| n_grown % n == 0);
            let scorer = is_due.then_some(&mut *scorer);
            let partials = partials(seats, growths, scorer)?;
            Ok(on(SearchEvent::Grown { round, partials }))
        };
        match sampler.sample(&plan, &mut on_growth)? {
            Some(grown) => Ok(Some(SearchError::counted(
                grown,
                seats.len(),
                "the strong model",
            )?)),
            None => Ok(None),
        }
    }

    /// Complete chunks become hypotheses with their final scores.
    fn complete(
        &self,
        seats: &[&Seat],
        grown: Vec<Growth>,
        scorer: &mut dyn Scorer,
    ) -> Result<Vec<Hypothesis>, SearchError> {
        let mut sampled = seats
            .iter()
            .zip(grown)
            .map(|(seat, growth)| self.hypothesis(seat, growth))
            .collect::<Result<Vec<_>, _>>()?;
        let scores = final_scores(self.params.rules, &sampled, scorer)?;
        for (hypothesis, score) in sampled.iter_mut().zip(scores) {
            hypothesis.score = score;
        }
        Ok(sampled)
    }

    /// A hypothesis that is not scored yet.
    fn hypothesis(&self, seat: &Seat, growth: Growth) -> Result<Hypothesis, SearchError> {
        let n_tokens = growth.tokens.len();
        let expected = seat.n_tokens;
        if growth.finish.is_none() && n_tokens < seat.start() + expected {
            let got = n_tokens.saturating_sub(seat.start());
            return Err(SearchError::ShortChunk { got, expected });
        }
        let spent = n_tokens >= self.params.max_new_tokens.get();
        Ok(Hypothesis {
            id: seat.id,
            parent: seat.parent.as_ref().map(|p| p.id),
            round: self.state.round_idx + 1,
            successor: seat.successor,
            lineage: seat.lineage,
            chunk_start: seat.start().min(n_tokens),
            tokens: growth.tokens,
            text: growth.text,
            log_probs: growth.log_probs,
            finish: growth.finish.or(spent.then_some(Finish::Length)),
            score: LogRatio::default(),
            chunk_term: seat.parent.as_ref().map_or(0, |p| p.score.terms.len()),
        })
    }

    /// All candidates in the order of their places.
    fn line_up(&self, places: &[Place], sampled: Vec<Hypothesis>) -> Vec<Arc<Hypothesis>> {
        let mut sampled = sampled.into_iter().map(Arc::new);
        places
            .iter()
            .filter_map(|place| match place {
                Place::Standing(finished) => Some(Arc::clone(finished)),
                Place::New(seat) => match &seat.parent {
                    Some(parent) if !seat.grows() => Some(Arc::new(self.cloned(seat, parent))),
                    _ => sampled.next(),
                },
            })
            .collect()
    }

    /// Reference rules: a finished row tiled once more, its score copied.
    fn cloned(&self, seat: &Seat, finished: &Hypothesis) -> Hypothesis {
        Hypothesis {
            id: seat.id,
            parent: Some(finished.id),
            round: self.state.round_idx + 1,
            successor: seat.successor,
            lineage: seat.lineage,
            chunk_start: finished.tokens.len(),
            chunk_term: finished.score.terms.len(),
            ..finished.clone()
        }
    }

    /// The cut. From here on the round has happened.
    pub(super) fn select(&mut self, open: OpenRound, on: OnEvent<'_>) -> Status {
        let params = open.params;
        let before = self.state.clone();
        let marks = std::mem::take(&mut self.wheel.marks);
        if params.rules == Rules::Fixed {
            self.state.pool.add(&params, &open.candidates);
        }
        let (kept, pruned) = cut(&params, &marks, open.candidates.clone());
        self.state.round_idx += 1;
        let past = PastRound {
            before,
            open,
            marks,
            kept: ids(&kept),
            pruned: ids(&pruned),
        };
        self.state.beam = kept;
        // The round stands whatever the watcher says: the next one will hear it.
        let _ = on(past.selected());
        self.wheel.past.push(past);
        match self.live_ids().is_empty() {
            true => self.end(on),
            false => Status::Running,
        }
    }

    fn end(&mut self, on: OnEvent<'_>) -> Status {
        self.state.ended = true;
        self.tell_finished(on);
        Status::Finished
    }

    /// Whether lowered settings leave nothing to sample: no live hypothesis among the best W, or
    /// no token left in the budget.
    fn is_exhausted(&self) -> bool {
        let budget = self.params.max_new_tokens.get();
        let mut live = self.front().iter().filter(|h| !h.is_finished());
        // Live hypotheses all have the same length: each round adds as much to every one.
        !self.state.beam.is_empty() && live.all(|h| h.tokens.len() >= budget)
    }

    /// The part of the beam that goes on under the present W.
    fn front(&self) -> &[Arc<Hypothesis>] {
        front(&self.params, &self.state.beam)
    }

    /// Ends the live hypotheses where they stand, without a round.
    fn cut_off(&mut self, scorer: &mut dyn Scorer, on: OnEvent<'_>) -> Result<Status, SearchError> {
        let mut cut = self.front().to_vec();
        for hypothesis in cut.iter_mut().filter(|h| !h.is_finished()) {
            Arc::make_mut(hypothesis).finish = Some(Finish::Length);
        }
        if self.params.rules == Rules::Reference {
            cut = scored_anew(self.params.rules, &cut, scorer)?;
        } else {
            self.state.pool.add(&self.params, &cut);
        }
        let params = self.params;
        self.state.beam = rank_by(cut, |h| rank_key(&params, h));
        self.tell_rescored(on);
        Ok(self.end(on))
    }

    fn better<'a>(&self, a: &'a Arc<Hypothesis>, b: &'a Arc<Hypothesis>) -> &'a Arc<Hypothesis> {
        let key = |h| answer_key(&self.params, h);
        let order = key(b).total_cmp(&key(a));
        if order.then(a.id.cmp(&b.id)).is_le() {
            a
        } else {
            b
        }
    }

    fn tell_rescored(&self, on: OnEvent<'_>) {
        let scores = self
            .state
            .beam
            .iter()
            .map(|h| (h.id, h.score.clone()))
            .collect();
        let _ = on(SearchEvent::Rescored {
            round: self.state.round_idx,
            scores,
        });
    }

    pub(super) fn tell_finished(&self, on: OnEvent<'_>) {
        let Some(best) = self.best().cloned() else {
            return;
        };
        let all_eos = self
            .state
            .beam
            .iter()
            .all(|h| h.finish == Some(Finish::Eos));
        let reason = match all_eos {
            true => EndReason::Eos,
            false => EndReason::Length,
        };
        let _ = on(SearchEvent::Finished { best, reason });
    }

    fn live_ids(&self) -> Vec<HypothesisId> {
        let live = self.state.beam.iter().filter(|h| !h.is_finished());
        live.map(|h| h.id).collect()
    }
}

fn ids(hypotheses: &[Arc<Hypothesis>]) -> Vec<HypothesisId> {
    hypotheses.iter().map(|h| h.id).collect()
}

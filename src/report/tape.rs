//! An executor that grows the chunks of recorded searches, scored by a real pair.
//!
//! Torch's random numbers cannot be reproduced, so a search is compared with the reference
//! implementation by feeding the ids that it drew.

use std::collections::BTreeMap;

use super::ports::{Detokenizer, PromptExecutor};
use super::recording::{RecordedRound, Tape};
use crate::search::{
    Answer, Ask, Executor, Finish, Grow, Growth, Hypothesis, HypothesisId, LaneId, ModelError,
    PairId, Partial, Rules, SearchParams, Served, Slot, TokenId,
};

/// Gives the recorded ids of many searches, round by round; everything else is the pair's.
pub(super) struct TapeExecutor {
    pair: Box<dyn PromptExecutor>,
    detokenizer: Box<dyn Detokenizer>,
    /// That of a lane stands at the lane's number.
    tapes: Vec<Tape>,
    /// How many rounds of a lane's tape are over.
    played: BTreeMap<LaneId, usize>,
    wanted: BTreeMap<LaneId, Grow>,
}

impl TapeExecutor {
    pub fn new(
        pair: Box<dyn PromptExecutor>,
        detokenizer: Box<dyn Detokenizer>,
        tapes: Vec<Tape>,
    ) -> Self {
        Self {
            pair,
            detokenizer,
            tapes,
            played: BTreeMap::new(),
            wanted: BTreeMap::new(),
        }
    }

    /// The next recorded round of a lane, as the growth of its slots.
    fn play(&mut self, lane: LaneId, grow: &Grow) -> Result<Answer, ModelError> {
        let n_played = self.played.entry(lane).or_default();
        let number = *n_played + 1;
        let tape = self.tapes.get(lane.0 as usize);
        let round = tape.and_then(|tape| tape.get(*n_played));
        let round = round.ok_or_else(|| diverged(number, "it has no more rounds"))?;
        let mut replay = Replay {
            round,
            number,
            taken: vec![false; round.ids.len()],
            detokenizer: &*self.detokenizer,
            rules: grow.rules,
        };
        let slots = grow.slots.iter();
        let grown = slots.map(|slot| Ok((slot.id, replay.slot(slot)?)));
        let grown = grown.collect::<Result<_, ModelError>>()?;
        *n_played += 1;
        Ok(Answer::Grown(grown))
    }
}

impl Executor for TapeExecutor {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        match ask {
            Some(Ask::Grow(grow)) => drop(self.wanted.insert(lane, grow.clone())),
            ask => {
                self.wanted.remove(&lane);
                self.pair.post(lane, ask);
            }
        }
    }

    /// Recorded rounds cost nothing: all of them come at once, before the pair is let to work.
    fn step(&mut self) -> Vec<Served> {
        match std::mem::take(&mut self.wanted) {
            none if none.is_empty() => self.pair.step(),
            wanted => {
                let lanes = wanted.into_iter();
                lanes
                    .map(|(lane, grow)| (lane, self.play(lane, &grow)))
                    .collect()
            }
        }
    }

    /// Nothing: a recorded chunk is there at once.
    fn partials(&mut self, _: LaneId, _: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        Ok(Vec::new())
    }

    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]) {
        self.pair.retain(lane, ids);
    }

    fn close(&mut self, lane: LaneId) {
        self.wanted.remove(&lane);
        self.pair.close(lane);
    }
}

impl PromptExecutor for TapeExecutor {
    fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.pair.open(lane, prompt, params)
    }

    fn fits(&self, params: &SearchParams) -> usize {
        self.pair.fits(params)
    }
}

/// One recorded round in the course of being handed out.
struct Replay<'a> {
    round: &'a RecordedRound,
    /// From 1.
    number: usize,
    /// Which of its rows are given to a slot.
    taken: Vec<bool>,
    detokenizer: &'a dyn Detokenizer,
    rules: Rules,
}

impl Replay<'_> {
    /// The first row that continues the slot's parent and is not taken yet. Slots come in the
    /// order of rows, so it is the slot's own row, unless a tie was cut the other way.
    fn slot(&mut self, slot: &Slot) -> Result<Growth, ModelError> {
        let parent = slot.parent.as_deref();
        let by_ids = self.free_row(|row| continues_ids(row, parent));
        let row = by_ids.or_else(|| self.free_row(|row| self.continues_text(row, parent)));
        let row = row
            .ok_or_else(|| self.diverged("no recorded row continues a hypothesis that was kept"))?;
        self.taken[row] = true;
        self.growth(slot, row)
    }

    fn free_row(&self, continues: impl Fn(&[TokenId]) -> bool) -> Option<usize> {
        let mut rows = 0..self.round.ids.len();
        rows.find(|row| !self.taken[*row] && continues(&self.round.ids[*row]))
    }

    /// Two ways to tokenise one text score the same, so the tape may hold the other one's rows.
    fn continues_text(&self, row: &[TokenId], parent: Option<&Hypothesis>) -> bool {
        let Some(parent) = parent else { return true };
        let start = row.get(..parent.tokens.len());
        start.is_some_and(|ids| parent.text == self.detokenizer.decode(ids, self.rules))
    }

    fn growth(&self, slot: &Slot, row: usize) -> Result<Growth, ModelError> {
        let (ids, recorded) = (&self.round.ids[row], &self.round.responses[row]);
        let new = ids.get(slot.start()..).unwrap_or_default();
        let eos = new.iter().position(|id| self.detokenizer.is_eos(*id));
        let n_new = eos.map_or(new.len(), |at| at + 1).min(slot.n_tokens);
        let whole = &ids[..slot.start() + n_new];
        let text = self.detokenizer.decode(whole, self.rules);
        if self.rules == Rules::Reference && text != *recorded {
            return Err(self.diverged("its ids read as other text: is it another strong model's?"));
        }
        let before = slot.parent.as_ref().map(|p| p.text.clone());
        Ok(Growth {
            tokens: new[..n_new].to_vec(),
            text: before.unwrap_or_default().grown_to(&text),
            log_probs: Vec::new(),
            finish: eos.is_some_and(|at| at < n_new).then_some(Finish::Eos),
            ..Growth::default()
        })
    }

    fn diverged(&self, why: &str) -> ModelError {
        diverged(self.number, why)
    }
}

fn diverged(round: usize, why: &str) -> ModelError {
    ModelError::Other(format!("the tape diverges in round {round}: {why}"))
}

fn continues_ids(row: &[TokenId], parent: Option<&Hypothesis>) -> bool {
    parent.is_none_or(|parent| {
        let start = row.get(..parent.tokens.len());
        start.is_some_and(|ids| parent.tokens == *ids)
    })
}

//! All that the three models say about one candidate, read in passes between which the reader may
//! turn to something else.

use std::sync::Arc;

use super::evidence::{Reading, Side, Wish};
use super::executor::ModelExecutor;
use super::inspect::seams;
use super::setting::Setting;
use crate::evidence::{Evidence, Place, Seams, WeakPlace, Xray};
use crate::library::Model;
use crate::models::TokenId;
use crate::search::{
    Hypothesis, HypothesisId, LaneId, ModelError, PairId, Response, Rules, Sampling, SearchParams,
};

/// Three readings of one candidate.
#[derive(Debug)]
pub struct Witness {
    id: HypothesisId,
    pair: PairId,
    joins: Vec<Arc<str>>,
    tuned: Reading,
    untuned: Reading,
    strong: Reading,
    seams: Seams,
}

impl ModelExecutor {
    /// A witness of `candidate`, a response of a lane, under `pair`; the `n_likeliest` tokens at
    /// every place. `parent` is what its chunk continues.
    ///
    /// # Errors
    /// A text that outgrows a context; a pair or lane that is not here.
    pub fn witness(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        params: &SearchParams,
        (candidate, parent): (&Hypothesis, Option<&Hypothesis>),
        n_likeliest: usize,
    ) -> Result<Witness, ModelError> {
        // Of a panel the first pair's halves are heard: in their tokens all are told.
        let lead = pair.lead();
        let setting = self.setting(lane, &lead)?;
        let rules = params.rules();
        let response = Response::of(candidate, rules);
        let accepted = parent.map(|parent| Response::of(parent, rules));
        let raw = Wish {
            n_likeliest,
            sampling: Sampling::default(),
            rules: Rules::Fixed,
        };
        let (ids, first) = setting.reader(rules, 0)?.read(&response)?;
        let own = self.pair_part(&lead)?;
        let half = |n: usize, model: &Model| {
            let (cache, _) = own.rows().copy_for(n, &ids, first.saturating_sub(1))?;
            Reading::new(model, ids.clone(), first, cache, raw)
        };
        let tuned = half(0, &setting.pair.tuned)?;
        let untuned = half(1, &setting.pair.untuned)?;
        let drawn = Wish {
            sampling: params.sampling(),
            rules,
            ..raw
        };
        let sides = self.sides(lane, pair, &response, params)?;
        Ok(Witness {
            id: candidate.id,
            pair: pair.clone(),
            joins: joins(&setting, &ids[..first.min(ids.len())]),
            tuned,
            untuned,
            strong: self.strong_reading(lane, candidate, drawn)?.beside(sides),
            seams: seams(&setting, rules, accepted.as_ref(), &response)?,
        })
    }

    /// What the tokens of a lane's response were drawn from, where the pair tilts it: the
    /// `n_likeliest` tokens at every place.
    ///
    /// # Errors
    /// As [`Self::witness`].
    pub fn proposals(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        params: &SearchParams,
        candidate: &Hypothesis,
        n_likeliest: usize,
    ) -> Result<Vec<Place>, ModelError> {
        let wish = Wish {
            n_likeliest,
            sampling: params.sampling(),
            rules: params.rules(),
        };
        let response = Response::of(candidate, params.rules());
        let sides = self.sides(lane, pair, &response, params)?;
        let mut reading = self.strong_reading(lane, candidate, wish)?.beside(sides);
        while !reading.is_done() {
            reading.step()?;
        }
        Ok(reading.places())
    }

    /// Those who have a say in what is drawn: both halves of every pair that tilts it.
    fn sides(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        response: &Response,
        params: &SearchParams,
    ) -> Result<Vec<Side>, ModelError> {
        let mut sides = Vec::new();
        if !params.tilt().is_any() {
            return Ok(sides);
        }
        for (member, weight) in pair.members() {
            let setting = self.setting(lane, &member)?;
            let (ids, first) = setting.reader(params.rules(), 0)?.follow(response);
            let own = self.pair_part(&member)?;
            let weight = (weight * params.tilt().get()) as f32;
            let halves = [&setting.pair.tuned, &setting.pair.untuned];
            for (n, (model, weight)) in halves.into_iter().zip([weight, -weight]).enumerate() {
                let (cache, _) = own.rows().copy_for(n, &ids, first.saturating_sub(1))?;
                sides.push(Side {
                    model: model.clone(),
                    ids: ids.clone(),
                    first,
                    cache,
                    weight,
                });
            }
        }
        Ok(sides)
    }

    fn strong_reading(
        &mut self,
        lane: LaneId,
        candidate: &Hypothesis,
        wish: Wish,
    ) -> Result<Reading, ModelError> {
        let prompt = self.prompt_ids(lane)?;
        let first = prompt.len();
        let mut ids = prompt.to_vec();
        ids.extend(candidate.tokens.iter());
        let strong = self.strong_part();
        let (cache, _) = strong.rows().copy_for(0, &ids, first.saturating_sub(1))?;
        Reading::new(strong.model(), ids, first, cache, wish)
    }
}

impl Witness {
    /// One pass of one model more.
    ///
    /// # Errors
    /// A failing device.
    pub fn step(&mut self) -> Result<(), ModelError> {
        let readings = [&mut self.tuned, &mut self.untuned, &mut self.strong];
        match readings.into_iter().find(|reading| !reading.is_done()) {
            Some(reading) => reading.step(),
            None => Ok(()),
        }
    }

    /// The pair that it is of.
    #[must_use]
    pub fn pair(&self) -> &PairId {
        &self.pair
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        [&self.tuned, &self.untuned, &self.strong]
            .iter()
            .all(|reading| reading.is_done())
    }

    /// What there is to say, once it is done; `xray` is what the models see of the prompt. No judge
    /// has spoken.
    #[must_use]
    pub fn evidence(self, xray: Arc<Xray>) -> Evidence {
        let (tuned, untuned) = (self.tuned.places(), self.untuned.places());
        let both = tuned.into_iter().zip(untuned);
        Evidence {
            id: self.id,
            pair: self.pair,
            joins: self.joins,
            weak: both
                .map(|(tuned, untuned)| WeakPlace { tuned, untuned })
                .collect(),
            strong: self.strong.places(),
            xray,
            seams: self.seams,
            judged: Vec::new(),
        }
    }
}

/// The last tokens before a response.
fn joins(setting: &Setting, before: &[TokenId]) -> Vec<Arc<str>> {
    const JOINS: usize = 3;
    let last = &before[before.len().saturating_sub(JOINS)..];
    let piece = |id: &TokenId| setting.pair.tuned.tokenizer.piece(*id);
    last.iter().map(piece).collect()
}

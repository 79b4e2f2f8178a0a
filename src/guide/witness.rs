//! All that the three models say about one candidate, read in passes between which the reader may
//! turn to something else.

use std::sync::Arc;

use super::evidence::{Reading, Wish};
use super::executor::ModelExecutor;
use super::inspect::seams;
use super::setting::Setting;
use crate::evidence::{Evidence, Seams, WeakPlace, Xray};
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
        let setting = self.setting(lane, pair)?;
        let rules = params.rules();
        let response = Response::of(candidate, rules);
        let accepted = parent.map(|parent| Response::of(parent, rules));
        let raw = Wish {
            n_likeliest,
            sampling: Sampling::default(),
            rules: Rules::Fixed,
        };
        let (ids, first) = setting.reader(rules, 0)?.read(&response)?;
        let own = self.pair_part(pair)?;
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
        Ok(Witness {
            id: candidate.id,
            pair: pair.clone(),
            joins: joins(&setting, &ids[..first.min(ids.len())]),
            tuned,
            untuned,
            strong: self.strong_reading(lane, candidate, drawn)?,
            seams: seams(&setting, rules, accepted.as_ref(), &response)?,
        })
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

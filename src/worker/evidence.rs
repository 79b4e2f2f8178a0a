//! What the models say about a candidate and see of its prompt: a question that is answered in
//! passes, between which the worker may turn to something else.

use std::sync::Arc;

use super::Worker;
use super::outbox::Gone;
use crate::evidence::{Evidence, Xray};
use crate::guide::{Witness, xray};
use crate::message::Update;
use crate::search::{Hypothesis, ModelError, PairId};

/// How many likely tokens stand at every place.
const N_LIKELIEST: usize = 5;

/// How many words of the judge's.
const N_WORDS: usize = 12;

/// A question about a candidate.
#[derive(Debug)]
pub(super) struct Inquiry {
    candidate: Arc<Hypothesis>,
    parent: Option<Arc<Hypothesis>>,
    /// Once it is heard.
    witness: Option<Witness>,
    /// Whether the last pass was the question's.
    had_turn: bool,
}

impl Inquiry {
    pub fn new(candidate: Arc<Hypothesis>, parent: Option<Arc<Hypothesis>>) -> Self {
        Self {
            candidate,
            parent,
            witness: None,
            had_turn: false,
        }
    }

    /// Whether it is the searches' turn.
    pub fn lets_pass(&mut self) -> bool {
        std::mem::replace(&mut self.had_turn, false)
    }
}

impl Worker {
    /// One pass for the question there is, and the answer when it is complete.
    pub(super) fn inquire(&mut self) -> Result<(), Gone> {
        let Some(mut inquiry) = self.inquiry.take() else {
            return Ok(());
        };
        let Some(run) = self.run.as_ref().map(|run| run.id()) else {
            return Ok(());
        };
        inquiry.had_turn = true;
        match self.hear(&mut inquiry) {
            Ok(None) => {
                self.inquiry = Some(inquiry);
                Ok(())
            }
            Ok(Some(evidence)) => self.out.send(Update::Evidence { run, evidence }),
            Err(why) => self.out.send(Update::Refused {
                run,
                why: why.to_string(),
            }),
        }
    }

    fn hear(&mut self, inquiry: &mut Inquiry) -> Result<Option<Evidence>, ModelError> {
        let mut witness = match inquiry.witness.take() {
            Some(known) => known,
            None => self.witness(inquiry)?,
        };
        witness.step()?;
        if !witness.is_done() {
            inquiry.witness = Some(witness);
            return Ok(None);
        }
        let xray = self.xray(witness.pair())?;
        Ok(Some(Evidence {
            judged: self.judged_by(&inquiry.candidate),
            ..witness.evidence(xray)
        }))
    }

    /// The judge's strongest words for a candidate.
    fn judged_by(&self, candidate: &Hypothesis) -> Vec<(String, f64)> {
        let prompt = self.run.as_ref().map_or("", |run| &run.request.prompt);
        let mut words = self.judge.words(prompt, &candidate.text.to_string());
        words.truncate(N_WORDS);
        words
    }

    /// The witness of a candidate under the pair that scored it last.
    fn witness(&mut self, inquiry: &Inquiry) -> Result<Witness, ModelError> {
        let gone = || ModelError::Other("the run is over".to_owned());
        let (floor, run) = (self.floor.as_mut(), self.run.as_ref());
        let (floor, run) = floor.zip(run).ok_or_else(gone)?;
        let search = floor.lanes.search(run.lanes.guided).ok_or_else(gone)?;
        let params = search.params();
        let pair = inquiry
            .candidate
            .scored_by()
            .unwrap_or(search.pair())
            .clone();
        let whom = (&*inquiry.candidate, inquiry.parent.as_deref());
        let lane = run.lanes.guided;
        floor
            .executor()
            .witness(lane, &pair, &params, whom, N_LIKELIEST)
    }

    /// What the models see of the run's prompt; the same for all its candidates under one pair.
    fn xray(&mut self, pair: &PairId) -> Result<Arc<Xray>, ModelError> {
        let gone = || ModelError::Other("the run is over".to_owned());
        let (floor, run) = (self.floor.as_mut(), self.run.as_mut());
        let (floor, run) = floor.zip(run).ok_or_else(gone)?;
        if let Some((_, known)) = run.xray.as_ref().filter(|(known, _)| known == pair) {
            return Ok(Arc::clone(known));
        }
        let rules = run.request.params.rules();
        let setting = floor.executor().setting(run.lanes.guided, &pair.lead())?;
        let fresh = Arc::new(xray(&setting, rules, None)?);
        run.xray = Some((pair.clone(), Arc::clone(&fresh)));
        Ok(fresh)
    }
}

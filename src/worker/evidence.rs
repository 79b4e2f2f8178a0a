//! What the models say about a candidate and see of its prompt: a question that is answered in
//! passes, between which the worker may turn to something else.

use std::sync::Arc;

use super::Worker;
use super::outbox::Gone;
use crate::guide::{self, Join, Place, Testimony, View, Witness};
use crate::message::{
    Evidence, Likely, PromptView, Scoring, Seams, StrongPlace, Update, Vocabularies, WeakPlace,
    Xray,
};
use crate::models::VocabularyDiff;
use crate::search::{Hypothesis, ModelError, PairId};

/// How many likely tokens stand at every place.
const N_LIKELIEST: usize = 5;

/// A question about a candidate.
#[derive(Debug)]
pub(super) struct Inquiry {
    candidate: Arc<Hypothesis>,
    parent: Option<Arc<Hypothesis>>,
    /// Once it is heard.
    witness: Option<(PairId, Witness)>,
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
        let (pair, mut witness) = match inquiry.witness.take() {
            Some(known) => known,
            None => self.witness(inquiry)?,
        };
        witness.step()?;
        if !witness.is_done() {
            inquiry.witness = Some((pair, witness));
            return Ok(None);
        }
        let xray = self.xray(&pair)?;
        let id = inquiry.candidate.id;
        Ok(Some(told(id, pair, witness.testimony(), xray)))
    }

    /// The witness of a candidate under the pair that scored it last.
    fn witness(&mut self, inquiry: &Inquiry) -> Result<(PairId, Witness), ModelError> {
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
        let witness = floor
            .executor()
            .witness(lane, &pair, &params, whom, N_LIKELIEST)?;
        Ok((pair, witness))
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
        let setting = floor.executor().setting(run.lanes.guided, pair)?;
        let fresh = Arc::new(xray(guide::xray(&setting, rules, None)?));
        run.xray = Some((pair.clone(), Arc::clone(&fresh)));
        Ok(fresh)
    }
}

fn told(
    id: crate::search::HypothesisId,
    pair: PairId,
    said: Testimony,
    xray: Arc<Xray>,
) -> Evidence {
    let places = said.pair.tuned.iter().zip(&said.pair.untuned);
    let seams = said.seams;
    Evidence {
        id,
        pair,
        weak: places.map(weak_place).collect(),
        joins: said.pair.joins,
        strong: said.strong.into_iter().map(strong_place).collect(),
        xray,
        seams: Seams {
            merged: seams.merged,
            accepted: seams.accepted,
            changed: seams.changed,
            in_character: seams.in_character,
            after_letter: seams.after_letter,
        },
    }
}

fn xray(xray: guide::Xray) -> Xray {
    let VocabularyDiff {
        same,
        sizes: [strong, pair],
        differing,
    } = xray.vocabularies;
    Xray {
        strong: prompt_view(xray.strong),
        tuned: prompt_view(xray.tuned),
        untuned: prompt_view(xray.untuned),
        vocabularies: Vocabularies {
            same,
            strong,
            pair,
            differing,
        },
        scoring: match xray.join {
            Join::Ids => Scoring::Ids,
            Join::Text => Scoring::Text,
        },
    }
}

fn prompt_view(view: View) -> PromptView {
    let pieces = view.pieces.into_iter().map(Arc::from);
    PromptView {
        model: view.model,
        text: view.prompt,
        tokens: view.ids.into_iter().zip(pieces).collect(),
        bos: view.bos,
    }
}

fn weak_place((tuned, untuned): (&Place, &Place)) -> WeakPlace {
    WeakPlace {
        tuned: likely(&tuned.likeliest),
        untuned: likely(&untuned.likeliest),
    }
}

fn strong_place(place: Place) -> StrongPlace {
    StrongPlace {
        likeliest: likely(&place.likeliest),
        piece: place.piece,
        log_prob: place.log_prob,
        drawn: place.drawn,
    }
}

fn likely(tokens: &[(Arc<str>, f64)]) -> Vec<Likely> {
    let likely = |(piece, log_prob): &(Arc<str>, f64)| Likely {
        piece: Arc::clone(piece),
        log_prob: *log_prob,
    };
    tokens.iter().map(likely).collect()
}

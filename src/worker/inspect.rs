//! What the models say about a candidate and see of its prompt, as messages.

use std::sync::Arc;

use crate::guide::{self, Join, Place, Setting, View};
use crate::message::{
    Evidence, Likely, PromptView, RunId, Scoring, Seams, StrongPlace, Update, Vocabularies,
    WeakPlace, Xray,
};
use crate::models::VocabularyDiff;
use crate::search::{Hypothesis, ModelError, SearchParams};

/// How many likely tokens stand at every place.
const N_LIKELIEST: usize = 5;

/// The answer to [`Command::Inspect`](crate::message::Command::Inspect).
pub(super) fn inspect(
    run: RunId,
    setting: &Setting,
    params: &SearchParams,
    candidate: &Hypothesis,
    parent: Option<&Hypothesis>,
) -> Update {
    match evidence(setting, params, candidate, parent) {
        Ok(evidence) => Update::Evidence { run, evidence },
        Err(why) => Update::Refused {
            run,
            why: why.to_string(),
        },
    }
}

fn evidence(
    setting: &Setting,
    params: &SearchParams,
    candidate: &Hypothesis,
    parent: Option<&Hypothesis>,
) -> Result<Evidence, ModelError> {
    let (pair, strong) = setting.evidence(params, candidate, N_LIKELIEST)?;
    let places = pair.tuned.iter().zip(&pair.untuned);
    Ok(Evidence {
        id: candidate.id,
        weak: places.map(weak_place).collect(),
        joins: pair.joins,
        strong: strong.into_iter().map(strong_place).collect(),
        xray: Arc::new(xray(guide::xray(setting, params.rules, None)?)),
        seams: seams(setting, params, candidate, parent)?,
    })
}

fn seams(
    setting: &Setting,
    params: &SearchParams,
    candidate: &Hypothesis,
    parent: Option<&Hypothesis>,
) -> Result<Seams, ModelError> {
    let accepted = parent.map(|parent| parent.response(params.rules));
    let response = candidate.response(params.rules);
    let seams = guide::seams(setting, params.rules, accepted.as_ref(), &response)?;
    Ok(Seams {
        merged: seams.merged,
        accepted: seams.accepted,
        changed: seams.changed,
        in_character: seams.in_character,
        after_letter: seams.after_letter,
    })
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

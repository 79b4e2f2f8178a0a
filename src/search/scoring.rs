//! What the engine asks of the weak pair, and what it accepts as an answer.

use std::borrow::Borrow;
use std::sync::Arc;

use super::error::SearchError;
use super::event::Partial;
use super::hypothesis::{Finish, Hypothesis};
use super::layout::Seat;
use super::params::Rules;
use super::port::{Growth, ModelError, Response, Scorer};
use super::score::LogRatio;

/// The scores of hypotheses whose chunks are complete, in their order.
///
/// # Errors
/// What the scorer says; a wrong number of scores; a score that is not finite.
pub(super) fn final_scores<H: Borrow<Hypothesis>>(
    rules: Rules,
    hypotheses: &[H],
    scorer: &mut dyn Scorer,
) -> Result<Vec<LogRatio>, SearchError> {
    let responses: Vec<Response<'_>> = hypotheses
        .iter()
        .map(|hypothesis| hypothesis.borrow().response(rules))
        .collect();
    checked_scores(&responses, scorer)
}

/// The hypotheses with new scores, in their order.
pub(super) fn scored_anew(
    rules: Rules,
    hypotheses: &[Arc<Hypothesis>],
    scorer: &mut dyn Scorer,
) -> Result<Vec<Arc<Hypothesis>>, SearchError> {
    let scores = final_scores(rules, hypotheses, scorer)?;
    let rescored = hypotheses.iter().zip(scores).map(|(hypothesis, score)| {
        let hypothesis = Hypothesis::clone(hypothesis);
        Arc::new(Hypothesis {
            score,
            ..hypothesis
        })
    });
    Ok(rescored.collect())
}

/// Growing chunks as a watcher sees them; scored when there is a `scorer`.
///
/// EOS counts where it was emitted, under both rule sets: whether the token budget is used up is
/// known of complete chunks only.
pub(super) fn partials(
    seats: &[&Seat],
    growths: &[Growth],
    scorer: Option<&mut (dyn Scorer + '_)>,
) -> Result<Vec<Partial>, ModelError> {
    let scores = match scorer {
        Some(scorer) => partial_scores(seats, growths, scorer)?,
        None => vec![None; growths.len()],
    };
    let all = seats.iter().zip(growths).zip(scores);
    Ok(all
        .map(|((seat, growth), score)| Partial {
            id: seat.id,
            text: growth.text.clone(),
            n_tokens: growth.tokens.len(),
            score,
        })
        .collect())
}

fn partial_scores(
    seats: &[&Seat],
    growths: &[Growth],
    scorer: &mut dyn Scorer,
) -> Result<Vec<Option<f64>>, ModelError> {
    let responses: Vec<Response<'_>> = seats
        .iter()
        .zip(growths)
        .map(|(seat, growth)| Response {
            id: seat.id,
            parent: seat.parent.as_ref().map(|p| p.id),
            tokens: &growth.tokens,
            text: &growth.text,
            ended: growth.finish == Some(Finish::Eos),
        })
        .collect();
    let scores = scorer.score(&responses)?;
    Ok(scores.iter().map(|score| Some(score.value())).collect())
}

fn checked_scores(
    responses: &[Response<'_>],
    scorer: &mut dyn Scorer,
) -> Result<Vec<LogRatio>, SearchError> {
    if responses.is_empty() {
        return Ok(Vec::new());
    }
    let scores = scorer.score(responses)?;
    let scores = SearchError::counted(scores, responses.len(), "the weak pair")?;
    match scores.iter().all(|score| score.value().is_finite()) {
        true => Ok(scores),
        false => Err(ModelError::NotFinite {
            who: "the weak pair".to_owned(),
        }
        .into()),
    }
}

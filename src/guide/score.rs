//! The log-ratios of responses that are given, without a search.

use super::pair::Pair;
use super::reader::Reader;
use super::setting::Setting;
use crate::evidence::Scoring;
use crate::library::WeakPair;
use crate::models::Prompt;
use crate::search::{HypothesisId, LogRatio, ModelError, Response, Rules};

/// What the pair of `setting` finds of `responses` to its prompt, in their order.
///
/// # Errors
/// An empty prompt for a pair without BOS; a text that outgrows a context; numbers that are not
/// finite.
pub fn score(
    setting: &Setting,
    rules: Rules,
    responses: &[Response],
) -> Result<Vec<LogRatio>, ModelError> {
    let reader = setting.reader(rules, 0)?;
    Pair::new(setting.pair.clone()).score_alone(&reader, responses)
}

/// What `pair` finds of a response that is given as text, whether or not EOS follows it.
///
/// # Errors
/// As [`score`].
pub fn score_text(
    pair: &WeakPair,
    prompt: &Prompt,
    response: &str,
    ended: bool,
) -> Result<LogRatio, ModelError> {
    let reader = Reader::new(pair.clone(), prompt, Scoring::Text, Vec::new(), 0)?;
    let response = Response {
        id: HypothesisId(0),
        parent: None,
        tokens: Vec::new().into(),
        text: response.into(),
        ended,
    };
    let mut scores = Pair::new(pair.clone()).score_alone(&reader, &[response])?;
    Ok(scores.pop().unwrap_or_default())
}

//! The log-ratios of responses that are given, without a search.

use super::pair::Pair;
use super::setting::Setting;
use crate::search::{LogRatio, ModelError, Response, Rules};

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

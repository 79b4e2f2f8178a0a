//! What models see and say, for people and for comparison with other software.

use super::decoder::{Decoder, Feed, Want};
use super::error::ForwardError;
use super::host::log_sum_exp;
use super::library::Setting;
use super::model::Model;
use super::prompt::Prompt;
use super::strong::common_prefix;
use super::tokenizer::VocabularyDiff;
use crate::search::{ModelError, TokenId};

/// The raw logits that follow one position.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// ln Σ exp(logits), in nats.
    pub log_sum_exp: f64,
    /// The id of the highest logit, the first among equals.
    pub argmax: TokenId,
    /// The first logits, f32.
    pub logits: Vec<f32>,
}

/// One model's view of a prompt, and of a response after it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub model: String,
    pub prompt: String,
    pub ids: Vec<TokenId>,
    /// The text of each id alone.
    pub pieces: Vec<String>,
    /// Whether the ids begin with BOS.
    pub bos: bool,
    pub join: Option<JoinView>,
}

/// Prompt and response tokenised jointly.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinView {
    pub ids: Vec<TokenId>,
    /// How many leading ids are those of the prompt alone.
    pub shared: usize,
    /// Whether a token spans the join, so that the prompt's own ids do not all stand.
    pub merges: bool,
}

/// What the three models of a search see.
#[derive(Debug, Clone, PartialEq)]
pub struct Xray {
    pub strong: View,
    pub tuned: View,
    pub untuned: View,
    /// Strong model against pair.
    pub vocabularies: VocabularyDiff,
}

/// Runs `ids` through a fresh cache; `n` logits of each position are kept.
///
/// # Errors
/// No ids, an id outside the vocabulary, more ids than the context holds.
pub fn positions(
    decoder: &Decoder,
    ids: &[TokenId],
    n: usize,
) -> Result<Vec<Position>, ForwardError> {
    let feed = Feed {
        row: 0,
        tokens: ids,
    };
    let logits = decoder.forward(&mut decoder.cache(), &[feed], Want::All)?;
    let rows = (0..logits.n_rows()).map(|i| logits.row(i));
    Ok(rows.map(|row| position(row, n)).collect())
}

fn position(row: &[f32], n: usize) -> Position {
    let mut best = 0;
    for (i, logit) in row.iter().enumerate() {
        if *logit > row[best] {
            best = i;
        }
    }
    Position {
        log_sum_exp: log_sum_exp(row),
        argmax: best as TokenId,
        logits: row[..n.min(row.len())].to_vec(),
    }
}

/// The three views of a setting.
///
/// # Errors
/// An empty prompt for a model without BOS.
pub fn xray(setting: &Setting, response: Option<&str>) -> Result<Xray, ModelError> {
    let pair = &setting.pair;
    Ok(Xray {
        strong: view(&setting.strong, &setting.strong_prompt, response)?,
        tuned: view(&pair.tuned, &setting.pair_prompt, response)?,
        untuned: view(&pair.untuned, &setting.pair_prompt, response)?,
        vocabularies: setting
            .strong
            .tokenizer
            .compare(&setting.pair.tuned.tokenizer),
    })
}

fn view(model: &Model, prompt: &Prompt, response: Option<&str>) -> Result<View, ModelError> {
    let ids = model.prompt_ids(prompt, 0)?;
    let pieces = ids.iter().map(|id| model.tokenizer.piece(*id).to_string());
    let join = response.map(|response| {
        let joined = model.text_ids(prompt, response);
        let shared = common_prefix(&joined, &ids);
        JoinView {
            merges: shared < ids.len(),
            ids: joined,
            shared,
        }
    });
    Ok(View {
        model: model.name.clone(),
        prompt: prompt.text.clone(),
        pieces: pieces.collect(),
        bos: ids.first().copied() == model.tokenizer.bos() && !ids.is_empty(),
        ids,
        join,
    })
}

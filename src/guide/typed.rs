//! A chunk that the user typed, as if the strong model had sampled it.

use std::sync::Arc;

use super::evidence::{Reading, Wish};
use super::executor::ModelExecutor;
use crate::library::Model;
use crate::models::TokenId;
use crate::search::{Growth, Hypothesis, LaneId, ModelError, Rules, Sampling, Text};

impl ModelExecutor {
    /// `chunk` in the place of `sibling`'s, with the strong model's log-probabilities. A chunk
    /// that one of `known` has already is taken as it was sampled, since its text may be
    /// tokenised in more than one way.
    ///
    /// # Errors
    /// [`ModelError`] when the text outgrows the context.
    pub fn typed(
        &mut self,
        lane: LaneId,
        sibling: &Hypothesis,
        chunk: &str,
        known: &[Arc<Hypothesis>],
    ) -> Result<Growth, ModelError> {
        let before = sibling.text.since(0)[..sibling.text_start].to_owned();
        let text = format!("{before}{chunk}");
        let is_same = |h: &&Arc<Hypothesis>| h.parent == sibling.parent && h.text == text;
        if let Some(same) = known.iter().find(is_same) {
            return Ok(sampled(same));
        }
        let prompt = self.prompt_ids(lane)?;
        let parent: Vec<TokenId> = sibling
            .tokens
            .iter()
            .take(sibling.chunk_start)
            .copied()
            .collect();
        let before_it = [&prompt[..], &parent].concat();
        let tokens = tokens_of(chunk, &before_it, self.strong())?;
        let ids = [&before_it[..], &tokens].concat();
        Ok(Growth {
            log_probs: self.log_probs(ids, prompt.len() + parent.len())?,
            text: Text::from(before).grown_to(&text),
            tokens,
            ..Growth::default()
        })
    }

    /// The strong model's raw log-probability of each of `ids[first..]`, in nats.
    fn log_probs(&mut self, ids: Vec<TokenId>, first: usize) -> Result<Vec<f64>, ModelError> {
        let strong = self.strong_part();
        let (cache, _) = strong.rows().copy_for(0, &ids, first.saturating_sub(1))?;
        let wish = Wish {
            n_likeliest: 0,
            sampling: Sampling::default(),
            rules: Rules::Fixed,
        };
        let mut reading = Reading::new(strong.model(), ids, first, cache, wish)?;
        while !reading.is_done() {
            reading.step()?;
        }
        Ok(reading
            .places()
            .iter()
            .map(|place| place.log_prob)
            .collect())
    }
}

/// The chunk of a candidate as it was sampled.
fn sampled(same: &Hypothesis) -> Growth {
    Growth {
        tokens: same.tokens.since(same.chunk_start).copied().collect(),
        text: same.text.clone(),
        log_probs: same.log_probs.since(same.chunk_start).copied().collect(),
        finish: same
            .finish
            .filter(|finish| *finish == crate::search::Finish::Eos),
        ..Growth::default()
    }
}

/// Ids that read as `chunk` after those `before` it. A tokenizer may treat the beginning of a text
/// as the beginning of a word, so that a chunk tokenised alone would gain a space: the first way
/// that reads back as it was typed is taken.
fn tokens_of(chunk: &str, before: &[TokenId], model: &Model) -> Result<Vec<TokenId>, ModelError> {
    if model.tokenizer.is_before_text(before) {
        return Ok(model.try_encode(chunk)?);
    }
    let read = model.tokenizer.decode(before);
    let wanted = format!("{read}{chunk}");
    let reads_back = |ids: &Vec<TokenId>| model.tokenizer.decode(&[before, ids].concat()) == wanted;
    let going_on = model.try_encode_on(chunk)?;
    let whole = model.try_encode(wanted.trim_start())?;
    let inside = whole.strip_prefix(before).map(<[TokenId]>::to_vec);
    let after_line = model.try_encode(&format!("\n{chunk}"))?;
    let line = model.try_encode("\n")?;
    let anchored = after_line.strip_prefix(&line[..]).map(<[TokenId]>::to_vec);
    let ways = [inside, Some(going_on.clone()), anchored];
    Ok(ways
        .into_iter()
        .flatten()
        .find(reads_back)
        .unwrap_or(going_on))
}

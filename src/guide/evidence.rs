//! What a model would rather have said: the likeliest tokens at every place of a text.

use std::sync::Arc;

use super::sample::{draw_probability, log_prob};
use crate::decoder::{Feed, Logits, Want};
use crate::library::Model;
use crate::search::{ModelError, Rules, Sampling, TokenId};

/// A token with its raw log-probability in nats.
pub type Likely = (Arc<str>, f64);

/// One token of a text that the model did not necessarily write.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub piece: Arc<str>,
    /// Raw, in nats.
    pub log_prob: f64,
    /// The probability after temperature and filters.
    pub drawn: f64,
    /// Raw, likeliest first.
    pub likeliest: Vec<Likely>,
}

impl Model {
    /// What the model says of `ids[first..]`, each token given all before it. One pass over the
    /// whole text, with a cache of its own.
    ///
    /// # Errors
    /// [`ModelError`] when the text outgrows the context; nothing precedes `ids[0]`, so `first`
    /// is taken as at least 1.
    pub fn places(
        &self,
        ids: &[TokenId],
        first: usize,
        n_likeliest: usize,
        sampling: &Sampling,
        rules: Rules,
    ) -> Result<Vec<Place>, ModelError> {
        let first = first.max(1);
        if ids.len() <= first {
            return Ok(Vec::new());
        }
        let logits = self.teacher_force(ids)?;
        let place = |at: usize| {
            let (logits, id) = (logits.row(at - 1), ids[at]);
            Place {
                piece: self.tokenizer.piece(id),
                log_prob: log_prob(logits, id),
                drawn: draw_probability(logits, sampling, rules, id),
                likeliest: self.likeliest(logits, n_likeliest),
            }
        };
        Ok((first..ids.len()).map(place).collect())
    }

    /// The raw log-probability of each of `ids[first..]`, in nats.
    ///
    /// # Errors
    /// As [`Self::places`].
    pub fn log_probs(&self, ids: &[TokenId], first: usize) -> Result<Vec<f64>, ModelError> {
        if ids.len() <= first {
            return Ok(Vec::new());
        }
        let logits = self.teacher_force(ids)?;
        Ok((first.max(1)..ids.len())
            .map(|at| log_prob(logits.row(at - 1), ids[at]))
            .collect())
    }

    /// Logits at every position but the last, whose prediction nobody asks for.
    fn teacher_force(&self, ids: &[TokenId]) -> Result<Logits, ModelError> {
        self.check_context(ids.len())?;
        let mut cache = self.decoder.cache();
        let feed = Feed {
            row: 0,
            tokens: &ids[..ids.len() - 1],
        };
        Ok(self.decoder.forward(&mut cache, &[feed], Want::All)?)
    }

    fn likeliest(&self, logits: &[f32], n: usize) -> Vec<Likely> {
        let mut best: Vec<usize> = (0..logits.len()).collect();
        let n = n.min(best.len());
        let by_logit = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
        if n < best.len() {
            best.select_nth_unstable_by(n, by_logit);
            best.truncate(n);
        }
        best.sort_unstable_by(by_logit);
        let likely = |id: usize| {
            let id = id as TokenId;
            (self.tokenizer.piece(id), log_prob(logits, id))
        };
        best.into_iter().map(likely).collect()
    }
}

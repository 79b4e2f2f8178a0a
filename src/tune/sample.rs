//! Responses of the model that is to be tuned, many rows in a pass.

use super::error::TuneError;
use crate::decoder::{Feed, KvCache, Logits, Want};
use crate::guide::draw;
use crate::library::Model;
use crate::models::{Stop, TokenId};
use crate::search::{Lineage, Rules, Sampling};

/// Rows in a pass.
const ROWS: usize = 64;

/// How responses are drawn.
#[derive(Debug, Clone)]
pub struct Draws {
    pub sampling: Sampling,
    pub max_new_tokens: usize,
    pub seed: u64,
    /// Gives it up between passes.
    pub stop: Stop,
}

/// A response: its tokens with the one that ended it, where one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub ids: Vec<TokenId>,
    pub is_ended: bool,
}

impl Draws {
    /// One response to each of `prompts`, the numbers of their streams counted from `first`: what
    /// is drawn depends on seed and number alone, never on company. Fewer where it was given up.
    ///
    /// # Errors
    /// Logits that are not finite; the device is out of memory.
    pub fn draw(
        &self,
        model: &Model,
        prompts: &[Vec<TokenId>],
        first: usize,
    ) -> Result<Vec<Sample>, TuneError> {
        let mut samples = Vec::new();
        for (i, some) in prompts.chunks(ROWS).enumerate() {
            if self.stop.is_stopped() {
                break;
            }
            samples.extend(self.draw_some(model, some, first + i * ROWS)?);
        }
        Ok(samples)
    }

    fn draw_some(
        &self,
        model: &Model,
        prompts: &[Vec<TokenId>],
        first: usize,
    ) -> Result<Vec<Sample>, TuneError> {
        let mut rows = Rows::new(model, prompts)?;
        let mut logits = rows.read(model, prompts)?;
        for position in 0..self.max_new_tokens {
            for (i, row) in rows.alive().into_iter().enumerate() {
                let stream = Lineage::root(self.seed).aside((first + row) as u64);
                let u = stream.uniform(position);
                let id = draw(logits.row(i), &self.sampling, Rules::Fixed, u);
                rows.take(model, row, id.map_err(|_| model.not_finite())?);
            }
            if rows.alive().is_empty() || position + 1 == self.max_new_tokens {
                break;
            }
            logits = rows.step(model)?;
        }
        Ok(rows.samples)
    }
}

/// Rows under way.
struct Rows {
    cache: KvCache,
    samples: Vec<Sample>,
    context: usize,
    lens: Vec<usize>,
}

impl Rows {
    fn new(model: &Model, prompts: &[Vec<TokenId>]) -> Result<Self, TuneError> {
        let mut cache = model.decoder.cache();
        cache.gather(&vec![0; prompts.len()])?;
        let empty = Sample {
            ids: Vec::new(),
            is_ended: false,
        };
        Ok(Self {
            cache,
            samples: vec![empty; prompts.len()],
            context: model.decoder.config().context,
            lens: prompts.iter().map(Vec::len).collect(),
        })
    }

    fn read(&mut self, model: &Model, prompts: &[Vec<TokenId>]) -> Result<Logits, TuneError> {
        let feeds = prompts.iter().enumerate();
        let feeds: Vec<_> = feeds.map(|(row, ids)| Feed { row, tokens: ids }).collect();
        Ok(model.decoder.forward(&mut self.cache, &feeds, Want::Last)?)
    }

    /// Rows that go on: not ended, and with room in the context.
    fn alive(&self) -> Vec<usize> {
        let rows = self.samples.iter().zip(&self.lens).enumerate();
        let goes_on = |(_, (sample, len)): &(usize, (&Sample, &usize))| {
            !sample.is_ended && *len + sample.ids.len() < self.context
        };
        rows.filter(goes_on).map(|(row, _)| row).collect()
    }

    fn take(&mut self, model: &Model, row: usize, id: TokenId) {
        let sample = &mut self.samples[row];
        sample.ids.push(id);
        sample.is_ended = model.is_eos(id);
    }

    /// Feeds the last token of every row that goes on.
    fn step(&mut self, model: &Model) -> Result<Logits, TuneError> {
        let alive = self.alive();
        let feeds = alive.iter().map(|&row| Feed {
            row,
            tokens: &self.samples[row].ids[self.samples[row].ids.len() - 1..],
        });
        let feeds: Vec<_> = feeds.collect();
        Ok(model.decoder.forward(&mut self.cache, &feeds, Want::Last)?)
    }
}

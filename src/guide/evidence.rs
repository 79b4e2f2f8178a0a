//! What models would rather have said: the likeliest tokens at every place of a text.
//!
//! A text is read in pieces, so that whoever waits for it can change their mind in between; what
//! some row of the search holds of it already is not read again, and logits are asked for only
//! where somebody looks.

use std::ops::Range;

use super::far::Far;
use super::rows::piece;
use super::sample::{draw_probability, log_prob};
use crate::decoder::{self, Feed, KvCache, Logits, Said, Want, pool};
use crate::evidence::{Likely, Place};
use crate::library::Model;
use crate::search::{ModelError, Rules, Sampling, TokenId};

/// How many places one pass tells of: each costs a vocabulary of logits.
const PLACES: usize = 64;

/// What is asked of every place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub n_likeliest: usize,
    pub sampling: Sampling,
    pub rules: Rules,
}

/// One model's reading of a text, piece by piece.
#[derive(Debug)]
pub(super) struct Reading {
    model: Model,
    ids: Vec<TokenId>,
    /// The first place that is told of.
    first: usize,
    cache: KvCache,
    places: Vec<Place>,
    wish: Wish,
    /// Those who had a say in what was drawn.
    sides: Vec<Side>,
}

/// A model that has a say in what another draws: it reads the same response after a prompt of its
/// own.
#[derive(Debug)]
pub(super) struct Side {
    pub model: Model,
    /// Prompt and response.
    pub ids: Vec<TokenId>,
    /// Where the response begins.
    pub first: usize,
    pub cache: KvCache,
    /// What its logits count.
    pub weight: f32,
}

impl Side {
    /// Adds its logits at these places of the response to `sums`.
    fn add(&mut self, sums: &mut [Vec<f32>], places: Range<usize>) -> Result<(), ModelError> {
        let before = (self.first + places.start).saturating_sub(1);
        while self.cache.len(0) < before {
            let held = self.cache.len(0);
            let end = held + piece([&*self.model.decoder]);
            self.read(held..before.min(end), Want::None)?;
        }
        let last = before + places.len();
        let logits = self.read(before..last, Want::All)?;
        for (n, sum) in sums.iter_mut().enumerate() {
            sum.resize(logits.row(n).len().max(sum.len()), 0.0);
            for (sum, x) in sum.iter_mut().zip(logits.row(n)) {
                *sum += self.weight * x;
            }
        }
        Ok(())
    }

    fn read(&mut self, ids: Range<usize>, want: Want) -> Result<Logits, ModelError> {
        let tokens = &self.ids[ids];
        let feed = Feed { row: 0, tokens };
        Ok(self.model.decoder.forward(&mut self.cache, &[feed], want)?)
    }
}

impl Reading {
    /// What `model` says of `ids[first..]`, each token given all before it. `cache` holds the
    /// first ids already, fewer than `first`. Nothing precedes `ids[0]`, so `first` is taken as
    /// at least 1.
    ///
    /// # Errors
    /// A text that outgrows the context.
    pub fn new(
        model: &Model,
        ids: Vec<TokenId>,
        first: usize,
        cache: KvCache,
        wish: Wish,
    ) -> Result<Self, ModelError> {
        model.check_context(ids.len())?;
        Ok(Self {
            model: model.clone(),
            first: first.max(1),
            ids,
            cache,
            places: Vec::new(),
            wish,
            sides: Vec::new(),
        })
    }

    /// The same where others have a say in what is drawn.
    pub fn beside(self, sides: Vec<Side>) -> Self {
        Self { sides, ..self }
    }

    pub fn is_done(&self) -> bool {
        self.cache.len(0) + 1 >= self.ids.len() || self.ids.len() <= self.first
    }

    /// One pass more.
    ///
    /// # Errors
    /// A failing device.
    pub fn step(&mut self) -> Result<(), ModelError> {
        if self.is_done() {
            return Ok(());
        }
        let held = self.cache.len(0);
        // The last prediction is nobody's: nothing follows it.
        let (end, want) = match held + 1 < self.first {
            true => {
                let end = held + piece([&*self.model.decoder]);
                (end.min(self.first - 1), Want::None)
            }
            false => ((held + PLACES).min(self.ids.len() - 1), Want::All),
        };
        let feed = Feed {
            row: 0,
            tokens: &self.ids[held..end],
        };
        let team = pool().current_num_threads();
        let said = self
            .model
            .decoder
            .say(&mut self.cache, &[feed], want, team)?;
        match want {
            Want::All => self.tell(held, &said),
            _ => Ok(()),
        }
    }

    fn tell(&mut self, held: usize, all: &Said) -> Result<(), ModelError> {
        let n = all.n_places();
        let mut said: Vec<Vec<f32>> = vec![Vec::new(); n];
        let from = held + 1 - self.first;
        for side in &mut self.sides {
            side.add(&mut said, from..from + n)?;
        }
        let place = |n: usize| {
            let (id, from) = (self.ids[held + n + 1], all.place(n));
            // What others add is of the whole vocabulary.
            match from.here().is_none() && said[n].is_empty() {
                true => self.far_place(id, &from),
                false => Ok(self.place(id, &from.whole()?, &said[n])),
            }
        };
        let places = (0..n)
            .map(place)
            .collect::<Result<Vec<Place>, ModelError>>()?;
        self.places.extend(places);
        Ok(())
    }

    /// [`Self::place`] of what is on a device.
    fn far_place(&self, id: TokenId, from: &decoder::Place) -> Result<Place, ModelError> {
        let Wish {
            n_likeliest,
            sampling,
            rules,
        } = &self.wish;
        let log_sum = from.log_sum_exp();
        let log_prob = from.log_prob(id)?;
        let mut far = Far::new(from, self.model.decoder.config().vocab_size);
        let likely = |(id, logit): (TokenId, f32)| Likely {
            piece: self.model.tokenizer.piece(id),
            log_prob: f64::from(logit) - log_sum,
        };
        let likeliest = far
            .likeliest(*n_likeliest)?
            .into_iter()
            .map(likely)
            .collect();
        let left = far.left(sampling, *rules)?;
        Ok(Place {
            piece: self.model.tokenizer.piece(id),
            log_prob,
            drawn: Far::probability(&left, id, (log_prob + log_sum) as f32),
            likeliest,
            proposed: Vec::new(),
        })
    }

    /// `said` is what others add to the logits, if any do.
    fn place(&self, id: TokenId, logits: &[f32], said: &[f32]) -> Place {
        let tilted = logits.iter().zip(said).map(|(x, said)| x + said);
        let tilted: Vec<f32> = tilted.collect();
        let proposed = if tilted.is_empty() { logits } else { &tilted };
        let Wish {
            n_likeliest,
            sampling,
            rules,
        } = &self.wish;
        Place {
            piece: self.model.tokenizer.piece(id),
            log_prob: log_prob(logits, id),
            drawn: draw_probability(proposed, sampling, *rules, id),
            likeliest: likeliest(&self.model, logits, *n_likeliest),
            proposed: likeliest(&self.model, &tilted, *n_likeliest),
        }
    }

    /// The places, once it is done.
    pub fn places(self) -> Vec<Place> {
        self.places
    }
}

fn likeliest(model: &Model, logits: &[f32], n: usize) -> Vec<Likely> {
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
        Likely {
            piece: model.tokenizer.piece(id),
            log_prob: log_prob(logits, id),
        }
    };
    best.into_iter().map(likely).collect()
}

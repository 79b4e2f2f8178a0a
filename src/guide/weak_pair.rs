//! The weak pair as a [`Scorer`]: log p_tuned − log p_untuned, computed incrementally.
//!
//! Each hypothesis has a row in both models' caches. A response is turned into weak-token ids;
//! what the row already holds of them is kept, the cache is rolled back to the longest common
//! prefix, and only what is new is fed. Sampled ids only ever grow, so nothing is rolled back
//! then; re-tokenised text may change the last few tokens.

use std::collections::HashMap;
use std::sync::Arc;

use super::reader::{Join, Reader};
use super::sample::log_prob;
use super::strong::common_prefix;
use crate::decoder::{Feed, KvCache, Logits, Want, log_sum_exp, pool};
use crate::library::{Model, WeakPair};
use crate::models::Prompt;
use crate::search::{HypothesisId, LogRatio, ModelError, Response, Scorer, TokenId, TokenTerm};

/// Scores responses to one prompt. Row 0 of the caches is the prompt.
#[derive(Debug)]
pub struct PairScorer {
    reader: Reader,
    caches: [KvCache; 2],
    rows: Vec<Row>,
    by_id: HashMap<HypothesisId, usize>,
    n_scored: u64,
}

/// A response as the pair knows it. The caches hold `ids[..fed]`.
#[derive(Debug, Clone, Default)]
struct Row {
    id: Option<HypothesisId>,
    /// Prompt and response in weak tokens.
    ids: Vec<TokenId>,
    fed: usize,
    /// The terms of `ids[first..]`.
    first: usize,
    terms: Vec<TokenTerm>,
    /// What follows `ids[..fed]`, where it is still needed.
    next: Option<Arc<[Distribution; 2]>>,
}

/// Raw logits of one position with their normaliser.
#[derive(Debug)]
struct Distribution {
    logits: Vec<f32>,
    log_sum_exp: f64,
}

impl Distribution {
    fn new(logits: &[f32]) -> Self {
        Self {
            logits: logits.to_vec(),
            log_sum_exp: log_sum_exp(logits),
        }
    }

    /// log p(id), in nats.
    fn log_prob(&self, id: TokenId) -> f64 {
        f64::from(self.logits[id as usize]) - self.log_sum_exp
    }
}

impl PairScorer {
    /// `prompt` is templated for the pair already. `max_new_tokens` is checked against the
    /// context.
    ///
    /// # Errors
    /// An empty prompt for a pair without BOS (where ids are scored); a full context; logits
    /// that are not finite.
    pub fn new(
        pair: WeakPair,
        prompt: &Prompt,
        join: Join,
        max_new_tokens: usize,
    ) -> Result<Self, ModelError> {
        let reader = Reader::new(pair, prompt, join, max_new_tokens)?;
        let WeakPair { tuned, untuned, .. } = &reader.pair;
        let mut scorer = Self {
            caches: [tuned.decoder.cache(), untuned.decoder.cache()],
            rows: vec![Row::default()],
            by_id: HashMap::new(),
            reader,
            n_scored: 0,
        };
        scorer.prefill()?;
        Ok(scorer)
    }

    /// Weak tokens scored so far, by each of the two models.
    #[must_use]
    pub fn n_scored(&self) -> u64 {
        self.n_scored
    }

    #[must_use]
    pub fn pair(&self) -> &WeakPair {
        &self.reader.pair
    }

    fn prefill(&mut self) -> Result<(), ModelError> {
        let ids = self.reader.prompt_ids.clone();
        self.rows[0].ids.clone_from(&ids);
        self.rows[0].first = ids.len().max(1);
        self.catch_up(&[(0, ids.len())])
    }

    /// Makes sure that every response has a row, forked from its parent's or the prompt's.
    fn open_rows(
        &mut self,
        responses: &[Response<'_>],
        ids: &[Vec<TokenId>],
    ) -> Result<(), ModelError> {
        let fresh: Vec<usize> = (0..responses.len())
            .filter(|i| !self.by_id.contains_key(&responses[*i].id))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let base = |i: &usize| {
            responses[*i]
                .parent
                .and_then(|p| self.by_id.get(&p))
                .copied()
                .unwrap_or(0)
        };
        let bases: Vec<usize> = fresh.iter().map(base).collect();
        self.catch_up_bases(&bases, &fresh.iter().map(|i| &ids[*i]).collect::<Vec<_>>())?;
        let layout: Vec<usize> = (0..self.rows.len()).chain(bases.iter().copied()).collect();
        self.arrange(&layout)?;
        let opened = self.rows.len() - fresh.len();
        for (row, i) in (opened..).zip(&fresh) {
            self.rows[row].id = Some(responses[*i].id);
            self.by_id.insert(responses[*i].id, row);
        }
        Ok(())
    }

    /// Feeds to each base what all responses that fork from it share with it, so that it is
    /// fed once and not once a fork.
    fn catch_up_bases(&mut self, bases: &[usize], ids: &[&Vec<TokenId>]) -> Result<(), ModelError> {
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for (base, ids) in bases.iter().zip(ids) {
            let common = common_prefix(&self.rows[*base].ids, ids);
            shared
                .entry(*base)
                .and_modify(|n| *n = common.min(*n))
                .or_insert(common);
        }
        let mut behind: Vec<(usize, usize)> = shared
            .into_iter()
            .filter(|(row, n)| *n > self.rows[*row].fed)
            .collect();
        behind.sort_unstable();
        self.catch_up(&behind)
    }

    /// Feeds each row up to `ids[..end]` and keeps what follows.
    fn catch_up(&mut self, ends: &[(usize, usize)]) -> Result<(), ModelError> {
        let ends: Vec<_> = ends
            .iter()
            .filter(|(row, end)| self.rows[*row].fed < *end)
            .collect();
        let feeds: Vec<Feed<'_>> = ends
            .iter()
            .map(|(row, end)| Feed {
                row: *row,
                tokens: &self.rows[*row].ids[self.rows[*row].fed..*end],
            })
            .collect();
        let [tuned, untuned] = forward(&self.reader.pair, &mut self.caches, &feeds, Want::Last)?;
        for (n, (row, end)) in ends.iter().enumerate() {
            let next = [
                Distribution::new(tuned.row(n)),
                Distribution::new(untuned.row(n)),
            ];
            self.rows[*row].next = Some(Arc::new(next));
            self.rows[*row].fed = *end;
        }
        Ok(())
    }

    fn arrange(&mut self, layout: &[usize]) -> Result<(), ModelError> {
        for cache in &mut self.caches {
            cache.gather(layout)?;
        }
        self.rows = layout.iter().map(|row| self.rows[*row].clone()).collect();
        Ok(())
    }

    /// Rolls the row back to what it shares with `ids` and scores what the kept distribution
    /// can. Returns the ids to feed for the rest.
    fn begin(
        &mut self,
        row: usize,
        ids: Vec<TokenId>,
        first: usize,
    ) -> Result<Vec<TokenId>, ModelError> {
        let shared = self.rows[row].adopt(ids, first);
        self.score_next(row, shared)?;
        let r = &self.rows[row];
        let target = r.first + r.terms.len();
        if target >= r.ids.len() {
            return Ok(Vec::new());
        }
        let start = r.fed.min(target - 1).min(shared);
        self.rewind(row, start);
        let r = &self.rows[row];
        Ok(r.ids[start..r.ids.len() - 1].to_vec())
    }

    /// The first missing term, where the distribution that predicts it is still there.
    fn score_next(&mut self, row: usize, shared: usize) -> Result<(), ModelError> {
        let r = &mut self.rows[row];
        let target = r.first + r.terms.len();
        let Some(next) = r
            .next
            .as_ref()
            .filter(|_| r.fed == target && r.fed <= shared)
        else {
            return Ok(());
        };
        let Some(&id) = r.ids.get(target) else {
            return Ok(());
        };
        let term = term(
            &self.reader.pair,
            id,
            next[0].log_prob(id),
            next[1].log_prob(id),
        )?;
        r.terms.push(term);
        self.n_scored += 1;
        Ok(())
    }

    fn rewind(&mut self, row: usize, len: usize) {
        if self.rows[row].fed == len {
            return;
        }
        self.rows[row].fed = len;
        self.rows[row].next = None;
        for cache in &mut self.caches {
            cache.truncate(row, len);
        }
    }

    /// The terms of what was fed: the logits of a position score the token after it.
    fn finish(
        &mut self,
        row: usize,
        fed: std::ops::Range<usize>,
        logits: &[Logits; 2],
    ) -> Result<(), ModelError> {
        let r = &mut self.rows[row];
        let missing = r.first + r.terms.len();
        for (target, position) in (r.fed + 1..).zip(fed.clone()) {
            if target < missing {
                continue;
            }
            let id = r.ids[target];
            let [tuned, untuned] = [0, 1].map(|m| log_prob(logits[m].row(position), id));
            r.terms.push(term(&self.reader.pair, id, tuned, untuned)?);
            self.n_scored += 1;
        }
        r.fed += fed.len();
        r.next = None;
        Ok(())
    }
}

impl Row {
    /// Takes on `ids` as what is to be scored from `first` on, keeps the terms that still hold
    /// and returns how much of the old ids is shared.
    fn adopt(&mut self, ids: Vec<TokenId>, first: usize) -> usize {
        let shared = common_prefix(&self.ids, &ids);
        let n_valid = if self.first == first {
            shared.saturating_sub(first)
        } else {
            0
        };
        self.terms.truncate(n_valid);
        self.first = first;
        self.ids = ids;
        shared
    }
}

impl Scorer for PairScorer {
    fn score(&mut self, responses: &[Response<'_>]) -> Result<Vec<LogRatio>, ModelError> {
        let read = responses.iter().map(|r| self.reader.read(r));
        let (ids, firsts): (Vec<_>, Vec<_>) =
            read.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        self.reader.pair.tuned.check_context(longest)?;
        self.open_rows(responses, &ids)?;
        let rows: Vec<usize> = responses.iter().map(|r| self.by_id[&r.id]).collect();
        let mut pending = Vec::new();
        for ((row, ids), first) in rows.iter().zip(ids).zip(firsts) {
            pending.push((*row, self.begin(*row, ids, first)?));
        }
        pending.retain(|(_, tokens)| !tokens.is_empty());
        let feeds: Vec<Feed<'_>> = pending
            .iter()
            .map(|(row, tokens)| Feed { row: *row, tokens })
            .collect();
        let logits = forward(&self.reader.pair, &mut self.caches, &feeds, Want::All)?;
        let mut at = 0;
        for (row, tokens) in &pending {
            self.finish(*row, at..at + tokens.len(), &logits)?;
            at += tokens.len();
        }
        Ok(rows
            .iter()
            .map(|r| LogRatio {
                terms: self.rows[*r].terms.clone(),
            })
            .collect())
    }

    fn retain(&mut self, ids: &[HypothesisId]) {
        let is_kept = |row: &Row| row.id.is_none_or(|id| ids.contains(&id));
        let kept: Vec<usize> = (0..self.rows.len())
            .filter(|r| is_kept(&self.rows[*r]))
            .collect();
        if self.arrange(&kept).is_err() {
            return; // the caches stay as they are: nothing is lost but memory
        }
        let named = self.rows.iter().enumerate();
        self.by_id = named.filter_map(|(row, r)| Some((r.id?, row))).collect();
    }
}

/// Both models at once: they share nothing, so each takes a core.
fn forward(
    pair: &WeakPair,
    caches: &mut [KvCache; 2],
    feeds: &[Feed<'_>],
    want: Want,
) -> Result<[Logits; 2], ModelError> {
    let [a, b] = caches;
    let team = pool().current_num_threads().div_ceil(2);
    let (tuned, untuned) = pool().install(|| {
        rayon::join(
            || pair.tuned.decoder.forward_on(a, feeds, want, team),
            || pair.untuned.decoder.forward_on(b, feeds, want, team),
        )
    });
    Ok([tuned?, untuned?])
}

fn term(pair: &WeakPair, id: TokenId, tuned: f64, untuned: f64) -> Result<TokenTerm, ModelError> {
    let checked = |log_p: f64, model: &Model| {
        if log_p.is_finite() {
            Ok(log_p)
        } else {
            Err(model.not_finite())
        }
    };
    Ok(TokenTerm {
        id,
        piece: pair.tuned.tokenizer.piece(id),
        tuned: checked(tuned, &pair.tuned)?,
        untuned: checked(untuned, &pair.untuned)?,
    })
}

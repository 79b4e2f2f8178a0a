//! The strong model as a [`ChunkSampler`]: prompt prefilled once, one batched pass a token.
//!
//! A round feeds each parent's last token once, whatever K is: the K successors draw their
//! first token from the same logits. The last token of a chunk is fed only if the hypothesis
//! goes on. So a round of L tokens costs W + (L − 1)·W·K fed tokens, not L·W·K.

use std::sync::Arc;

use rayon::prelude::*;

use super::sample::{draw, log_prob};
use crate::decoder::{Feed, KvCache, Logits, Want, pool};
use crate::library::Model;
use crate::models::{Prompt, TextStream};
use crate::search::{
    ChunkSampler, Finish, Growth, Hypothesis, HypothesisId, ModelError, OnGrowth, Rules,
    SamplePlan, Slot, TokenId,
};

/// Samples chunks after one prompt. Row 0 of the cache is the prompt, the others are hypotheses.
#[derive(Debug)]
pub struct StrongSampler {
    model: Model,
    prompt: Vec<TokenId>,
    /// Logits after the prompt: round 1 draws all candidates from them.
    prompt_logits: Arc<[f32]>,
    cache: KvCache,
    rows: Vec<Row>,
    /// Tokens drawn so far.
    n_sampled: u64,
}

/// What a cache row holds beyond the prompt.
#[derive(Debug, Clone)]
struct Row {
    id: Option<HypothesisId>,
    tokens: Vec<TokenId>,
}

impl StrongSampler {
    /// Prefills `prompt` (templated already).
    ///
    /// # Errors
    /// See [`Model::prompt_ids`]; logits that are not finite.
    pub fn new(model: Model, prompt: &Prompt, max_new_tokens: usize) -> Result<Self, ModelError> {
        let ids = model.prompt_ids(prompt, max_new_tokens)?;
        Self::from_ids(model, ids)
    }

    fn from_ids(model: Model, prompt: Vec<TokenId>) -> Result<Self, ModelError> {
        let mut cache = model.decoder.cache();
        let feed = Feed {
            row: 0,
            tokens: &prompt,
        };
        let logits = model.decoder.forward(&mut cache, &[feed], Want::Last)?;
        let prompt_logits = Arc::from(logits.row(0));
        let rows = vec![Row {
            id: None,
            tokens: Vec::new(),
        }];
        Ok(Self {
            model,
            prompt,
            prompt_logits,
            cache,
            rows,
            n_sampled: 0,
        })
    }

    /// The prompt's ids.
    #[must_use]
    pub fn prompt_ids(&self) -> &[TokenId] {
        &self.prompt
    }

    /// Tokens drawn so far, all rows together.
    #[must_use]
    pub fn n_sampled(&self) -> u64 {
        self.n_sampled
    }

    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// A chunk that the user typed, in the place of `sibling`'s: the whole response, with the
    /// strong model's log-probabilities. A chunk that one of `known` has already is taken as it
    /// was sampled, since its text may be tokenised in more than one way.
    ///
    /// # Errors
    /// [`ModelError`] when the text outgrows the context.
    pub fn typed(
        &self,
        sibling: &Hypothesis,
        chunk: &str,
        known: &[Arc<Hypothesis>],
    ) -> Result<Growth, ModelError> {
        let before = &sibling.tokens[..sibling.chunk_start];
        let text = format!("{}{chunk}", self.text_before(sibling));
        if let Some(same) = known
            .iter()
            .find(|h| h.parent == sibling.parent && h.text == text)
        {
            return Ok(Growth {
                tokens: same.tokens.clone(),
                text,
                log_probs: same.log_probs.clone(),
                finish: same.finish,
            });
        }
        let tokens = [before, &self.model.try_encode_on(chunk)?].concat();
        let ids = [&self.prompt[..], &tokens].concat();
        let log_probs = self.model.log_probs(&ids, self.prompt.len())?;
        Ok(Growth {
            tokens,
            text,
            log_probs,
            finish: None,
        })
    }

    /// The text of `hypothesis` without its chunk.
    fn text_before(&self, hypothesis: &Hypothesis) -> String {
        let before = &hypothesis.tokens[..hypothesis.chunk_start];
        self.model.tokenizer.decode_whole_characters(before)
    }

    /// Lays the cache out as: the prompt, then a row for each of `parents` with its whole
    /// response fed. Returns the logits to draw each parent's successors from.
    fn prepare(&mut self, parents: &[Option<&Hypothesis>]) -> Result<ParentLogits, ModelError> {
        let found: Vec<(usize, usize)> = parents.iter().map(|p| self.find(*p)).collect();
        let sources: Vec<usize> = found.iter().map(|(row, _)| *row).collect();
        self.arrange(&sources)?;
        for (row, (parent, (_, shared))) in parents.iter().zip(&found).enumerate() {
            self.rows[row + 1].id = parent.map(|p| p.id);
            self.rewind(row + 1, *shared);
        }
        self.catch_up(parents)
    }

    /// The cached row that shares most with `parent`, and how many response tokens it shares.
    fn find(&self, parent: Option<&Hypothesis>) -> (usize, usize) {
        let Some(parent) = parent else { return (0, 0) };
        let shared = |row: &Row| common_prefix(&row.tokens, &parent.tokens);
        let best = self
            .rows
            .iter()
            .enumerate()
            .max_by_key(|(_, row)| shared(row));
        best.map_or((0, 0), |(i, row)| (i, shared(row)))
    }

    /// New rows: the prompt, then a fork of each of `sources`.
    fn arrange(&mut self, sources: &[usize]) -> Result<(), ModelError> {
        let layout: Vec<usize> = std::iter::once(0).chain(sources.iter().copied()).collect();
        self.cache.gather(&layout)?;
        self.rows = layout.iter().map(|row| self.rows[*row].clone()).collect();
        Ok(())
    }

    fn rewind(&mut self, row: usize, n_tokens: usize) {
        self.rows[row].tokens.truncate(n_tokens);
        self.cache.truncate(row, self.prompt.len() + n_tokens);
    }

    /// Feeds what is missing of each parent. A parent fed to its end already is fed its last
    /// token again, since logits are not kept; the bare prompt's are.
    fn catch_up(&mut self, parents: &[Option<&Hypothesis>]) -> Result<ParentLogits, ModelError> {
        let mut feeds: Vec<(usize, &[TokenId])> = Vec::new();
        let mut row_of = vec![None; parents.len()];
        for (i, parent) in parents.iter().enumerate() {
            let Some(parent) = parent.filter(|p| !p.tokens.is_empty()) else {
                continue;
            };
            let fed = self.rows[i + 1].tokens.len().min(parent.tokens.len() - 1);
            self.rewind(i + 1, fed);
            row_of[i] = Some(feeds.len());
            feeds.push((i + 1, &parent.tokens[fed..]));
        }
        Ok(ParentLogits {
            logits: self.feed(&feeds)?,
            row_of,
        })
    }

    /// One batched pass; logits after the last token of each feed.
    fn feed(&mut self, feeds: &[(usize, &[TokenId])]) -> Result<Logits, ModelError> {
        let as_feed = |&(row, tokens): &(usize, _)| Feed { row, tokens };
        let batch: Vec<Feed<'_>> = feeds.iter().map(as_feed).collect();
        let logits = self
            .model
            .decoder
            .forward(&mut self.cache, &batch, Want::Last)?;
        for (row, tokens) in feeds {
            self.rows[*row].tokens.extend_from_slice(tokens);
        }
        Ok(logits)
    }

    /// Feeds the last token of every chunk in `growing`.
    fn feed_last(&mut self, growing: &[usize], chunks: &[Chunk]) -> Result<Logits, ModelError> {
        let last = |i: &usize| {
            let tokens = &chunks[*i].grown.tokens;
            (i + 1, &tokens[tokens.len() - 1..])
        };
        let feeds: Vec<(usize, &[TokenId])> = growing.iter().map(last).collect();
        self.feed(&feeds)
    }

    /// Rows for the slots, forked from their parents'.
    fn open_rows(&mut self, slots: &[Slot<'_>], parent_of: &[usize]) -> Result<(), ModelError> {
        let sources: Vec<usize> = parent_of.iter().map(|p| p + 1).collect();
        self.arrange(&sources)?;
        for (row, slot) in self.rows[1..].iter_mut().zip(slots) {
            row.id = Some(slot.id);
        }
        Ok(())
    }

    /// Draws the next token of every slot in `growing`; `logits` are theirs, in this order.
    fn grow(
        &mut self,
        plan: &SamplePlan<'_>,
        growing: &[usize],
        logits: &[&[f32]],
        chunks: &mut [Chunk],
    ) -> Result<(), ModelError> {
        self.n_sampled += growing.len() as u64;
        let model = &self.model;
        let slots = plan.slots;
        let mut alive: Vec<(&mut Chunk, &Slot<'_>)> = chunks.iter_mut().zip(slots).collect();
        let mut position = 0;
        alive.retain(|_| {
            position += 1;
            growing.contains(&(position - 1))
        });
        pool().install(|| {
            alive
                .into_par_iter()
                .zip(logits)
                .try_for_each(|((chunk, slot), logits)| chunk.push(model, plan, slot, logits))
        })
    }
}

/// A chunk in the making.
struct Chunk {
    grown: Growth,
    stream: TextStream,
}

impl Chunk {
    fn start(slot: &Slot<'_>, model: &Model) -> Self {
        let parent = |p: &Hypothesis| (p.tokens.clone(), p.text.clone(), p.log_probs.clone());
        let (tokens, text, log_probs) = slot.parent.map_or_else(Default::default, parent);
        let stream = TextStream::after(&tokens, &text, &model.tokenizer);
        let grown = Growth {
            tokens,
            text,
            log_probs,
            finish: None,
        };
        Self { grown, stream }
    }

    fn push(
        &mut self,
        model: &Model,
        plan: &SamplePlan<'_>,
        slot: &Slot<'_>,
        logits: &[f32],
    ) -> Result<(), ModelError> {
        let grown = &mut self.grown;
        let u = slot.lineage.uniform(grown.tokens.len());
        // Some models pad their vocabulary: ids beyond the tokenizer's have no text.
        let named = &logits[..model.tokenizer.n_ids().min(logits.len())];
        let token = draw(named, &plan.sampling, plan.rules, u).map_err(|_| model.not_finite())?;
        grown.log_probs.push(log_prob(logits, token));
        grown.tokens.push(token);
        grown.finish = model.is_eos(token).then_some(Finish::Eos);
        grown.text = self.stream.read(&grown.tokens, &model.tokenizer);
        Ok(())
    }

    /// The text of the complete chunk, decoded as a whole.
    fn complete(mut self, model: &Model, rules: Rules) -> Growth {
        let tokens = &self.grown.tokens;
        self.grown.text = match rules {
            Rules::Reference => model.tokenizer.decode(tokens),
            Rules::Fixed => model.tokenizer.decode_whole_characters(tokens),
        };
        self.grown
    }
}

/// The logits after each parent; the bare prompt's are kept by the sampler.
struct ParentLogits {
    logits: Logits,
    row_of: Vec<Option<usize>>,
}

impl ChunkSampler for StrongSampler {
    fn sample(
        &mut self,
        plan: &SamplePlan<'_>,
        on_growth: OnGrowth<'_>,
    ) -> Result<Option<Vec<Growth>>, ModelError> {
        let (parents, parent_of) = distinct_parents(plan.slots);
        let after = self.prepare(&parents)?;
        self.open_rows(plan.slots, &parent_of)?;
        let start = |slot| Chunk::start(slot, &self.model);
        let mut chunks: Vec<Chunk> = plan.slots.iter().map(start).collect();
        let mut growing = still_growing(plan.slots, &chunks);
        let mut logits: Option<Logits> = None;
        let prompt = Arc::clone(&self.prompt_logits);
        while !growing.is_empty() {
            let first = |i: &usize| {
                let row = after.row_of[parent_of[*i]];
                row.map_or(&prompt[..], |row| after.logits.row(row))
            };
            let next: Vec<&[f32]> = match &logits {
                None => growing.iter().map(first).collect(),
                Some(logits) => (0..growing.len()).map(|n| logits.row(n)).collect(),
            };
            self.grow(plan, &growing, &next, &mut chunks)?;
            let so_far: Vec<Growth> = chunks.iter().map(|c| c.grown.clone()).collect();
            if on_growth(&so_far)?.is_break() {
                return Ok(None);
            }
            growing = still_growing(plan.slots, &chunks);
            logits = Some(self.feed_last(&growing, &chunks)?);
        }
        let complete = |c: Chunk| c.complete(&self.model, plan.rules);
        Ok(Some(chunks.into_iter().map(complete).collect()))
    }

    fn retain(&mut self, ids: &[HypothesisId]) {
        let is_kept = |row: &Row| row.id.is_some_and(|id| ids.contains(&id));
        let kept: Vec<usize> = (1..self.rows.len())
            .filter(|r| is_kept(&self.rows[*r]))
            .collect();
        // Were gathering to fail, the caches would stay as they are: nothing lost but memory.
        let _ = self.arrange(&kept);
    }
}

/// The plan's parents, each once, and which of them each slot has.
fn distinct_parents<'a>(slots: &[Slot<'a>]) -> (Vec<Option<&'a Hypothesis>>, Vec<usize>) {
    let mut parents: Vec<Option<&Hypothesis>> = Vec::new();
    let mut parent_of = Vec::with_capacity(slots.len());
    for slot in slots {
        let id = slot.parent.map(|p| p.id);
        let known = parents.iter().position(|p| p.map(|p| p.id) == id);
        parent_of.push(known.unwrap_or(parents.len()));
        if known.is_none() {
            parents.push(slot.parent);
        }
    }
    (parents, parent_of)
}

fn still_growing(slots: &[Slot<'_>], chunks: &[Chunk]) -> Vec<usize> {
    let n_before = |slot: &Slot<'_>| slot.parent.map_or(0, |p| p.tokens.len());
    let grows = |(slot, chunk): (&Slot<'_>, &Chunk)| {
        let n_grown = chunk.grown.tokens.len() - n_before(slot);
        chunk.grown.finish.is_none() && n_grown < slot.n_tokens
    };
    let all = slots.iter().zip(chunks).enumerate();
    all.filter(|(_, pair)| grows(*pair))
        .map(|(i, _)| i)
        .collect()
}

/// How many leading items are equal.
pub(super) fn common_prefix(a: &[TokenId], b: &[TokenId]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

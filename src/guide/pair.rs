//! The weak pair at work: log p_tuned − log p_untuned, computed incrementally, for every search
//! that asks at once.
//!
//! Each response has a row in both models' caches. It is turned into weak-token ids; what its
//! row already holds of them is kept, the cache is rolled back to the longest common prefix, and
//! only what is new is fed. Sampled ids only ever grow, so nothing is rolled back then;
//! re-tokenised text may change the last few tokens.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use rayon::prelude::*;

use super::reader::{Read, Reader};
use super::rows::{Owner, Rows, common_prefix};
use crate::decoder::{Place, Said, Want, pool};
use crate::library::{Model, WeakPair};
use crate::models::Tokenised;
use crate::search::{HypothesisId, LaneId, LogRatio, ModelError, Response, TokenId, TokenTerm};

/// A pair that reads nothing has nothing to say.
const NO_FIRST: &str = "EFT needs a prompt or a BOS before the first token: give a prompt";

/// A weak pair with what it has cached.
#[derive(Debug)]
pub(super) struct Pair {
    pair: WeakPair,
    rows: Rows<Note>,
    n_scored: u64,
}

/// A response as the pair knows it. The caches hold the first ids of it.
#[derive(Debug, Clone, Default)]
struct Note {
    /// Prompt and response in weak tokens.
    ids: Vec<TokenId>,
    /// The terms of `ids[first..]`, as far as they are known: `kept` of the base's, then own.
    first: usize,
    base: LogRatio,
    kept: usize,
    own: Vec<TokenTerm>,
    /// What follows the cached ids, where it is still needed.
    next: Option<Arc<[Place; 2]>>,
    /// The text that `ids` are of, where text is scored.
    tokenised: Option<Arc<Tokenised>>,
}

impl Note {
    fn n_terms(&self) -> usize {
        self.kept + self.own.len()
    }

    fn ratio(&self) -> LogRatio {
        self.base.extended(self.kept, self.own.clone())
    }

    /// What a fork begins with: all terms are shared.
    fn forked(&self) -> Self {
        let base = self.ratio();
        Self {
            ids: self.ids.clone(),
            first: self.first,
            kept: base.len(),
            base,
            own: Vec::new(),
            next: self.next.clone(),
            tokenised: self.tokenised.clone(),
        }
    }

    /// Takes on `ids` as what is to be scored from `first` on, keeps the terms that still hold
    /// and returns how much of the old ids is shared.
    fn adopt(&mut self, ids: Vec<TokenId>, first: usize) -> usize {
        let shared = common_prefix(&self.ids, &ids);
        let n_valid = match self.first == first {
            true => shared.saturating_sub(first),
            false => 0,
        };
        self.own.truncate(n_valid.saturating_sub(self.kept));
        self.kept = self.kept.min(n_valid);
        (self.first, self.ids) = (first, ids);
        shared
    }
}

/// A response as it is asked for: of which search, read by that search's reader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub lane: LaneId,
    pub reader: &'a Reader,
    pub response: &'a Response,
}

impl Pair {
    pub fn new(pair: WeakPair) -> Self {
        let halves = [&pair.tuned, &pair.untuned];
        Self {
            rows: Rows::new(halves.map(|half| half.decoder.clone()).to_vec()),
            pair,
            n_scored: 0,
        }
    }

    pub fn pair(&self) -> &WeakPair {
        &self.pair
    }

    pub fn rows(&self) -> &Rows<impl Clone + Default + use<>> {
        &self.rows
    }

    /// Weak tokens scored so far, by each of the two models, all searches together.
    pub fn n_scored(&self) -> u64 {
        self.n_scored
    }

    /// Ids that each of the two models has read so far.
    pub fn n_read(&self) -> u64 {
        self.rows.n_fed()
    }

    pub fn retain(
        &mut self,
        is_used: impl Fn(&[TokenId]) -> bool,
        is_kept: impl Fn(LaneId, HypothesisId) -> bool,
    ) {
        self.rows.retain(is_used, is_kept);
    }

    /// Reads a piece of the prompts that are not read yet; whether there were any. One pass.
    ///
    /// # Errors
    /// A failing device.
    pub fn read_prompts(&mut self, readers: &[&Reader]) -> Result<bool, ModelError> {
        let mut ends = Vec::new();
        for reader in readers {
            let row = self.prompt_row(reader)?;
            let piece = self.rows.next_piece(row, &reader.prompt_ids);
            if !piece.is_empty() && ends.iter().all(|(known, _)| *known != row) {
                ends.push((row, piece.end));
            }
        }
        self.catch_up(&ends)?;
        Ok(!ends.is_empty())
    }

    /// How many tokens of a reader's prompt are read, and of how many, where that takes several
    /// passes.
    pub fn n_read_of(&self, reader: &Reader) -> Option<(usize, usize)> {
        let n = self.rows.n_read(&reader.prompt_ids)?;
        Some((n, reader.prompt_ids.len()))
    }

    /// The row of a reader's prompt.
    fn prompt_row(&mut self, reader: &Reader) -> Result<usize, ModelError> {
        let ids = &reader.prompt_ids;
        if let Some(row) = self.rows.known_prompt(ids) {
            return Ok(row);
        }
        let row = self.rows.prompt(ids)?;
        let note = self.rows.row_mut(row);
        note.note = Note {
            ids: ids.clone(),
            first: ids.len().max(1),
            ..Note::default()
        };
        Ok(row)
    }

    /// The log-ratios of all responses, in their order: what is new of them in one pass, after
    /// what several of them share.
    ///
    /// # Errors
    /// A text that outgrows a context; a failing device; a number that is not finite.
    pub fn score(&mut self, asked: &[Asked<'_>]) -> Result<Vec<LogRatio>, ModelError> {
        let mut read = self.read(asked)?;
        let ids: Vec<_> = read.iter_mut().map(|read| take(&mut read.ids)).collect();
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        for half in [&self.pair.tuned, &self.pair.untuned] {
            half.check_context(longest)?;
        }
        self.open_rows(asked, &ids)?;
        let rows: Vec<usize> = asked
            .iter()
            .filter_map(|a| self.rows.of(owner(a)))
            .collect();
        let mut pending = Vec::new();
        for ((row, ids), read) in rows.iter().zip(ids).zip(read) {
            pending.push((*row, self.begin(*row, ids, read.first)?));
            self.rows.row_mut(*row).note.tokenised = read.tokenised;
        }
        pending.retain(|(_, tokens)| !tokens.is_empty());
        let said = self.rows.feed(&pending, Want::All)?;
        let mut said = self.log_probs(&pending, &said)?.into_iter();
        for (row, tokens) in &pending {
            self.finish(*row, said.by_ref().take(tokens.len()).collect())?;
        }
        Ok(rows
            .iter()
            .map(|row| self.rows.row(*row).note.ratio())
            .collect())
    }

    /// All responses in weak tokens, each after what its row or its parent's knows of it; the
    /// threads share them.
    fn read(&self, asked: &[Asked<'_>]) -> Result<Vec<Read>, ModelError> {
        let known = |asked: &Asked<'_>| {
            let parent = || {
                self.rows
                    .of(Owner::Response(asked.lane, asked.response.parent?))
            };
            let row = self.rows.of(owner(asked)).or_else(parent)?;
            self.rows.row(row).note.tokenised.clone()
        };
        let read = |(asked, known): (&Asked<'_>, Option<Arc<Tokenised>>)| {
            asked.reader.read_after(asked.response, known.as_deref())
        };
        let known: Vec<_> = asked.iter().map(known).collect();
        let all = asked.par_iter().zip(known).map(read);
        let all: Vec<Result<Read, ModelError>> = pool().install(|| all.collect());
        all.into_iter().collect()
    }

    /// What each half says of the token after each response, as ln t − ln u but for a constant:
    /// the differences of their logits. One pass; what a pass tells of tokens that were drawn
    /// before is kept for their score.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn lead(&mut self, asked: &[Asked<'_>]) -> Result<Vec<Vec<f32>>, ModelError> {
        let read = asked.iter().map(|a| a.reader.follow(a.response));
        let (ids, firsts): (Vec<_>, Vec<_>) = read.unzip();
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        for half in [&self.pair.tuned, &self.pair.untuned] {
            half.check_context(longest)?;
        }
        self.open_rows(asked, &ids)?;
        let rows: Vec<usize> = asked
            .iter()
            .filter_map(|a| self.rows.of(owner(a)))
            .collect();
        let mut ends = Vec::with_capacity(rows.len());
        for ((row, ids), first) in rows.iter().zip(ids).zip(firsts) {
            ends.push((*row, ids.len()));
            let shared = self.rows.row_mut(*row).note.adopt(ids, first);
            self.rewind(*row, shared.min(self.fed(*row)));
            self.score_next(*row)?;
            self.remember_end(*row);
        }
        self.catch_up(&ends)?;
        rows.iter().map(|row| self.difference(*row)).collect()
    }

    /// A row whose end nobody has kept is fed its last token again.
    fn remember_end(&mut self, row: usize) {
        let note = &self.rows.row(row).note;
        if self.fed(row) == note.ids.len() && note.next.is_none() {
            self.rewind(row, note.ids.len().saturating_sub(1));
        }
    }

    /// tuned − untuned, logits.
    fn difference(&self, row: usize) -> Result<Vec<f32>, ModelError> {
        let next = self.rows.row(row).note.next.as_ref();
        let next = next.ok_or_else(|| ModelError::Other(NO_FIRST.to_owned()))?;
        let (tuned, untuned) = (next[0].whole()?, next[1].whole()?);
        let both = tuned.iter().zip(&*untuned);
        let difference: Vec<f32> = both.map(|(tuned, untuned)| tuned - untuned).collect();
        match difference.iter().all(|x| x.is_finite()) {
            true => Ok(difference),
            false => Err(self.pair.tuned.not_finite()),
        }
    }

    /// Makes sure that every response has a row, forked from its parent's or from the one that
    /// shares most with it.
    fn open_rows(&mut self, asked: &[Asked<'_>], ids: &[Vec<TokenId>]) -> Result<(), ModelError> {
        let is_new = |i: &usize| self.rows.of(owner(&asked[*i])).is_none();
        let fresh: Vec<usize> = (0..asked.len()).filter(is_new).collect();
        let mut bases = Vec::with_capacity(fresh.len());
        for i in &fresh {
            bases.push(self.base(&asked[*i], &ids[*i])?);
        }
        let new: Vec<&Vec<TokenId>> = fresh.iter().map(|i| &ids[*i]).collect();
        self.catch_up_bases(&bases, &new)?;
        let fork = |(i, base): (&usize, &usize)| (*base, usize::MAX, owner(&asked[*i]));
        let forks: Vec<(usize, usize, Owner)> = fresh.iter().zip(&bases).map(fork).collect();
        if forks.is_empty() {
            return Ok(());
        }
        let first = self.rows.fork(&forks)?;
        for row in first..first + forks.len() {
            let forked = self.rows.row(row).note.forked();
            self.rows.row_mut(row).note = forked;
        }
        Ok(())
    }

    /// The row to fork a response from: its parent's, else its prompt's or one that shares more.
    fn base(&mut self, asked: &Asked<'_>, ids: &[TokenId]) -> Result<usize, ModelError> {
        let parent = asked.response.parent;
        let parent = parent.and_then(|id| self.rows.of(Owner::Response(asked.lane, id)));
        if let Some(row) = parent {
            return Ok(row);
        }
        let prompt = self.prompt_row(asked.reader)?;
        let (nearest, shared) = self.rows.nearest(ids);
        Ok(match shared > self.rows.row(prompt).ids.len() {
            true => nearest,
            false => prompt,
        })
    }

    /// Feeds to each base what all responses that fork from it share with it, so that it is fed
    /// once and not once a fork.
    fn catch_up_bases(&mut self, bases: &[usize], ids: &[&Vec<TokenId>]) -> Result<(), ModelError> {
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for (base, ids) in bases.iter().zip(ids) {
            let common = common_prefix(&self.rows.row(*base).note.ids, ids);
            let least = shared.entry(*base).or_insert(common);
            *least = common.min(*least);
        }
        let behind = shared.into_iter().filter(|(row, n)| *n > self.fed(*row));
        self.catch_up(&behind.collect::<Vec<_>>())
    }

    /// How many ids of a row are cached.
    fn fed(&self, row: usize) -> usize {
        self.rows.row(row).ids.len()
    }

    /// Feeds each row up to `ids[..end]` and keeps what follows.
    fn catch_up(&mut self, ends: &[(usize, usize)]) -> Result<(), ModelError> {
        let behind = ends.iter().filter(|(row, end)| self.fed(*row) < *end);
        let feed = |(row, end): &(usize, usize)| {
            let new = self.fed(*row)..*end;
            (*row, self.rows.row(*row).note.ids[new].to_vec())
        };
        let feeds: Vec<(usize, Vec<TokenId>)> = behind.map(feed).collect();
        if feeds.is_empty() {
            return Ok(());
        }
        let said = self.rows.feed(&feeds, Want::Last)?;
        for (n, (row, _)) in feeds.iter().enumerate() {
            let next = [0, 1].map(|half: usize| said[half].place(n));
            self.rows.row_mut(*row).note.next = Some(Arc::new(next));
        }
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
        let shared = self.rows.row_mut(row).note.adopt(ids, first);
        if self.fed(row) > shared {
            self.rewind(row, shared);
        }
        self.score_next(row)?;
        let note = &self.rows.row(row).note;
        let target = note.first + note.n_terms();
        if target >= note.ids.len() {
            return Ok(Vec::new());
        }
        let start = self.fed(row).min(target - 1);
        self.rewind(row, start);
        let note = &self.rows.row(row).note;
        Ok(note.ids[start..note.ids.len() - 1].to_vec())
    }

    /// The first missing term, where the distribution that predicts it is still there.
    fn score_next(&mut self, row: usize) -> Result<(), ModelError> {
        let fed = self.fed(row);
        let note = &self.rows.row(row).note;
        let target = note.first + note.n_terms();
        let Some(next) = note.next.as_ref().filter(|_| fed == target) else {
            return Ok(());
        };
        let Some(&id) = note.ids.get(target) else {
            return Ok(());
        };
        let (tuned, untuned) = (next[0].log_prob(id)?, next[1].log_prob(id)?);
        let term = term(&self.pair, id, tuned, untuned)?;
        self.rows.row_mut(row).note.own.push(term);
        self.n_scored += 1;
        Ok(())
    }

    fn rewind(&mut self, row: usize, len: usize) {
        if self.fed(row) != len {
            self.rows.rewind(row, len);
            self.rows.row_mut(row).note.next = None;
        }
    }

    /// What the two models say of the token after every fed one. A sum over the vocabulary each:
    /// the threads share them.
    fn log_probs(
        &self,
        fed: &[(usize, Vec<TokenId>)],
        said: &[Said],
    ) -> Result<Vec<[f64; 2]>, ModelError> {
        let next = |(row, tokens): &(usize, Vec<TokenId>)| {
            let first = self.fed(*row) + 1 - tokens.len();
            self.rows.row(*row).note.ids[first..][..tokens.len()].to_vec()
        };
        let next: Vec<(usize, TokenId)> = fed.iter().flat_map(next).enumerate().collect();
        let of = |half: usize| pool().install(|| said[half].log_probs(&next));
        let (tuned, untuned) = (of(0)?, of(1)?);
        Ok(tuned
            .into_iter()
            .zip(untuned)
            .map(<[f64; 2]>::from)
            .collect())
    }

    /// The terms of what was fed: a position says the token after it.
    fn finish(&mut self, row: usize, said: Vec<[f64; 2]>) -> Result<(), ModelError> {
        let start = self.fed(row) - said.len();
        let note = &mut self.rows.row_mut(row).note;
        let missing = note.first + note.n_terms();
        let targets = (start + 1..).zip(said);
        for (target, [tuned, untuned]) in targets.filter(|(target, _)| *target >= missing) {
            let id = note.ids[target];
            note.own.push(term(&self.pair, id, tuned, untuned)?);
            self.n_scored += 1;
        }
        note.next = None;
        Ok(())
    }

    /// The log-ratios of responses that follow one prompt.
    ///
    /// # Errors
    /// As [`Self::score`].
    pub fn score_alone(
        &mut self,
        reader: &Reader,
        responses: &[Response],
    ) -> Result<Vec<LogRatio>, ModelError> {
        while self.read_prompts(&[reader])? {}
        let lane = LaneId(0);
        let asked: Vec<Asked<'_>> = responses
            .iter()
            .map(|response| Asked {
                lane,
                reader,
                response,
            })
            .collect();
        self.score(&asked)
    }
}

fn owner(asked: &Asked<'_>) -> Owner {
    Owner::Response(asked.lane, asked.response.id)
}

fn term(pair: &WeakPair, id: TokenId, tuned: f64, untuned: f64) -> Result<TokenTerm, ModelError> {
    let checked = |log_p: f64, model: &Model| match log_p.is_finite() {
        true => Ok(log_p),
        false => Err(model.not_finite()),
    };
    Ok(TokenTerm {
        id,
        piece: pair.tuned.tokenizer.piece(id),
        tuned: checked(tuned, &pair.tuned)?,
        untuned: checked(untuned, &pair.untuned)?,
    })
}

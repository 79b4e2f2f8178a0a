//! One table of rows for everything that is cached: ids that a model has read, with their keys
//! and values.
//!
//! Whoever asks names ids; the row that shares most of them is found, forked or rolled back, and
//! only what is missing is fed. So a prompt is read once a model, whichever search asks, and a
//! hypothesis goes on from its parent's row. Two models that read the same ids, as the halves of
//! a weak pair do, share a table.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::decoder::{Decoder, Feed, ForwardError, KvCache, Said, Want, pool};
use crate::search::{HypothesisId, LaneId, TokenId};

/// How many prompts stay cached at least, the latest ones: a search begun anew finds its own.
const PROMPTS: usize = 8;

/// The fewest and the most tokens of a prompt that one pass reads.
const PIECE: std::ops::RangeInclusive<usize> = 16..=256;

/// Multiplications of a pass on the CPU that reads a prompt, about: some tenths of a second.
const WORK: u64 = 1 << 33;

/// How many tokens of a prompt one pass of these models reads: as many as make no pass long, and no
/// fewer than a search feeds in one pass anyway.
pub(super) fn piece<'a>(models: impl IntoIterator<Item = &'a Decoder>) -> usize {
    let here = models.into_iter().filter(|model| model.on_host());
    let n_params: u64 = here.map(Decoder::n_params).sum();
    let most = (WORK / n_params.max(1)).min(1 << 20) as usize;
    most.clamp(*PIECE.start(), *PIECE.end())
}

/// Whose row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// A prompt's; numbered from 1 in the order in which they were first asked for. Number 0 is
    /// the empty row's.
    Prompt(u64),
    Response(LaneId, HypothesisId),
}

/// Ids that are cached, and what the owner of the table notes beside them.
#[derive(Debug, Clone)]
pub(super) struct Row<N> {
    owner: Owner,
    /// Fed to all models of the table.
    pub ids: Vec<TokenId>,
    pub note: N,
}

/// The table. Its models read the same ids, each into a cache of its own.
#[derive(Debug)]
pub(super) struct Rows<N> {
    models: Vec<Arc<Decoder>>,
    /// See [`piece`].
    piece: usize,
    caches: Vec<KvCache>,
    rows: Vec<Row<N>>,
    by_owner: HashMap<Owner, usize>,
    /// The prompts that have a row, oldest first.
    prompts: Vec<(Arc<[TokenId]>, Owner)>,
    /// The number of the next one; 0 is the empty row's.
    n_prompts: u64,
    n_fed: u64,
}

impl<N: Clone + Default> Rows<N> {
    pub fn new(models: Vec<Arc<Decoder>>) -> Self {
        let caches = models.iter().map(|model| model.cache()).collect();
        // A cache begins with an empty row, from which those that share nothing are forked.
        let empty = Row {
            owner: Owner::Prompt(0),
            ids: Vec::new(),
            note: N::default(),
        };
        Self {
            piece: piece(models.iter().map(Arc::as_ref)),
            models,
            caches,
            rows: vec![empty],
            by_owner: HashMap::new(),
            prompts: Vec::new(),
            n_prompts: 1,
            n_fed: 0,
        }
    }

    /// How many ids have been fed so far, to each model: what all that was asked has cost.
    pub fn n_fed(&self) -> u64 {
        self.n_fed
    }

    pub fn row(&self, row: usize) -> &Row<N> {
        &self.rows[row]
    }

    pub fn row_mut(&mut self, row: usize) -> &mut Row<N> {
        &mut self.rows[row]
    }

    pub fn of(&self, owner: Owner) -> Option<usize> {
        self.by_owner.get(&owner).copied()
    }

    /// The row that shares most with `ids`, and how many ids it shares.
    pub fn nearest(&self, ids: &[TokenId]) -> (usize, usize) {
        let shared = self.rows.iter().map(|row| common_prefix(&row.ids, ids));
        let best = shared
            .enumerate()
            .max_by_key(|(row, n)| (*n, usize::MAX - row));
        best.unwrap_or((0, 0))
    }

    /// Whether a row is a prompt's.
    pub fn is_prompt(&self, row: usize) -> bool {
        matches!(self.rows[row].owner, Owner::Prompt(_))
    }

    /// The row of a prompt, read to its end or to some place before that.
    pub fn known_prompt(&self, ids: &[TokenId]) -> Option<usize> {
        let mut prompts = self.prompts.iter();
        let owner = prompts
            .find(|(known, _)| known[..] == *ids)
            .map(|(_, owner)| *owner)?;
        self.of(owner)
    }

    /// The row of a prompt, which may have to be fed to its end yet: its own, or a fork of the
    /// one that shares most with it.
    pub fn prompt(&mut self, ids: &[TokenId]) -> Result<usize, ForwardError> {
        if let Some(row) = self.known_prompt(ids) {
            return Ok(row);
        }
        let owner = Owner::Prompt(self.n_prompts);
        self.n_prompts += 1;
        self.prompts.push((Arc::from(ids), owner));
        let (source, shared) = self.nearest(ids);
        self.fork(&[(source, shared, owner)])
    }

    /// Appends a fork of each source, cut to a length, for an owner; the first new row.
    pub fn fork(&mut self, forks: &[(usize, usize, Owner)]) -> Result<usize, ForwardError> {
        let first = self.rows.len();
        let sources: Vec<usize> = forks.iter().map(|(row, ..)| *row).collect();
        for cache in &mut self.caches {
            cache.fork(&sources)?;
        }
        for (source, len, owner) in forks {
            let mut row = self.rows[*source].clone();
            row.owner = *owner;
            self.by_owner.insert(*owner, self.rows.len());
            self.rows.push(row);
            self.rewind(self.rows.len() - 1, *len);
        }
        Ok(first)
    }

    /// Forgets what follows the first `len` ids of a row.
    pub fn rewind(&mut self, row: usize, len: usize) {
        if len >= self.rows[row].ids.len() {
            return;
        }
        self.rows[row].ids.truncate(len);
        for cache in &mut self.caches {
            cache.truncate(row, len);
        }
    }

    /// Feeds ids to the ends of rows, one pass of every model, side by side: they share nothing.
    /// What each model says, as `want` has it.
    pub fn feed(
        &mut self,
        feeds: &[(usize, Vec<TokenId>)],
        want: Want,
    ) -> Result<Vec<Said>, ForwardError> {
        let batch: Vec<Feed<'_>> = feeds
            .iter()
            .map(|(row, tokens)| Feed { row: *row, tokens })
            .collect();
        let logits = forward(&self.models, &mut self.caches, &batch, want)?;
        for (row, tokens) in feeds {
            self.n_fed += tokens.len() as u64;
            self.rows[*row].ids.extend_from_slice(tokens);
        }
        Ok(logits)
    }

    /// What the next pass is to feed of `ids` to a row that is read in pieces.
    pub fn next_piece(&self, row: usize, ids: &[TokenId]) -> Range<usize> {
        let from = self.rows[row].ids.len();
        from..ids.len().min(from + self.piece)
    }

    /// How many tokens of a prompt are read, where it takes several passes and these are not over.
    pub fn n_read(&self, prompt: &[TokenId]) -> Option<usize> {
        let row = self.known_prompt(prompt);
        let n = row.map_or(0, |row| common_prefix(&self.rows[row].ids, prompt));
        (prompt.len() > self.piece && n < prompt.len()).then_some(n)
    }

    /// Keeps the responses for which `is_kept` says so, the prompts in use and the latest ones.
    pub fn retain(
        &mut self,
        is_used: impl Fn(&[TokenId]) -> bool,
        is_kept: impl Fn(LaneId, HypothesisId) -> bool,
    ) {
        let n_old = self.prompts.len().saturating_sub(PROMPTS);
        let mut n = 0;
        self.prompts.retain(|(ids, _)| {
            n += 1;
            n > n_old || is_used(ids)
        });
        let keeps = |row: &Row<N>| match row.owner {
            Owner::Prompt(0) => true,
            Owner::Prompt(_) => self.prompts.iter().any(|(_, owner)| *owner == row.owner),
            Owner::Response(lane, id) => is_kept(lane, id),
        };
        let kept: Vec<usize> = (0..self.rows.len())
            .filter(|r| keeps(&self.rows[*r]))
            .collect();
        if kept.len() < self.rows.len() {
            self.gather(&kept);
        }
    }

    fn gather(&mut self, kept: &[usize]) {
        for cache in &mut self.caches {
            if cache.gather(kept).is_err() {
                return; // nothing is lost but memory; the next pass says what is wrong
            }
        }
        self.rows = kept.iter().map(|row| self.rows[*row].clone()).collect();
        let named = self.rows.iter().enumerate().skip(1);
        self.by_owner = named.map(|(i, row)| (row.owner, i)).collect();
    }

    /// A cache of one model's own for `ids`, with as many of the first `most` of them as a row
    /// holds; how many it holds.
    pub fn copy_for(
        &self,
        model: usize,
        ids: &[TokenId],
        most: usize,
    ) -> Result<(KvCache, usize), ForwardError> {
        let (row, shared) = self.nearest(ids);
        let mut cache = self.caches[model].copy_of(row)?;
        let held = shared.min(most);
        cache.truncate(0, held);
        Ok((cache, held))
    }
}

/// One pass of every model over the same feeds.
fn forward(
    models: &[Arc<Decoder>],
    caches: &mut [KvCache],
    feeds: &[Feed<'_>],
    want: Want,
) -> Result<Vec<Said>, ForwardError> {
    let [a, b] = models else {
        let passes = models.iter().zip(caches);
        let team = pool().current_num_threads();
        return passes.map(|(m, c)| m.say(c, feeds, want, team)).collect();
    };
    let [first, second] = caches else {
        return Err(ForwardError::Foreign);
    };
    let team = pool().current_num_threads().div_ceil(2);
    let (one, other) = pool().install(|| {
        rayon::join(
            || a.say(first, feeds, want, team),
            || b.say(second, feeds, want, team),
        )
    });
    Ok(vec![one?, other?])
}

/// How many leading items are equal.
pub(super) fn common_prefix(a: &[TokenId], b: &[TokenId]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

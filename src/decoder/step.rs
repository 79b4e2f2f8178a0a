//! One pass of the plain implementation: where its tokens stand, and what they attend to.
//!
//! Feeds whose rows share a beginning are a group: one product of all their queries with the
//! beginning's keys, one with the keys of each row's own, one softmax over both. Rows of fewer
//! tokens than others of their group are padded.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{D, DType, Device, Result, Tensor};

use super::composed::soft_cap;
use super::feed::Feed;
use super::tensors::{Beginning, Tensors};

/// Where one pass's tokens stand.
#[derive(Debug)]
pub(super) struct Step {
    /// Of every token.
    pub positions: Vec<usize>,
    /// For every token, head and dimension the flat row of own parts that it is written to.
    slots: Tensor,
    groups: Vec<Group>,
    /// The place of every token among those of all groups, padding included; `None` where they
    /// stand in order.
    back: Option<Tensor>,
}

/// Feeds whose rows share a beginning, or have none.
#[derive(Debug)]
struct Group {
    beginning: Option<Arc<Beginning>>,
    /// Positions of the beginning that some row has.
    shared: usize,
    feeds: Vec<Fed>,
    /// The most tokens in a feed.
    most: usize,
    /// The most positions that a row has of its own, after the pass.
    longest: usize,
    rows: Pick,
    /// The token at every padded place.
    tokens: Pick,
    /// Masks in use, by window.
    masks: Vec<(Option<usize>, Tensor)>,
}

/// One feed of a group.
#[derive(Debug, Clone)]
struct Fed {
    row: usize,
    /// Of the pass's tokens.
    tokens: Range<usize>,
    /// Positions of the row before the pass, and how many of them are the beginning's.
    start: usize,
    shared: usize,
}

/// Which of the first dimension are taken.
#[derive(Debug)]
enum Pick {
    Range(Range<usize>),
    Index(Tensor),
}

impl Pick {
    fn new(wanted: Vec<usize>, device: &Device) -> Result<Self> {
        let first = wanted.first().copied().unwrap_or(0);
        if wanted.iter().copied().eq(first..first + wanted.len()) {
            return Ok(Self::Range(first..first + wanted.len()));
        }
        let wanted: Vec<u32> = wanted.into_iter().map(|i| i as u32).collect();
        Ok(Self::Index(Tensor::new(wanted, device)?))
    }

    fn of(&self, all: &Tensor) -> Result<Tensor> {
        match self {
            Self::Range(range) => all.narrow(0, range.start, range.len()),
            Self::Index(index) => all.contiguous()?.index_select(index, 0),
        }
    }
}

impl Step {
    /// Makes room for the feeds in their rows, and counts them in.
    pub fn new(cache: &mut Tensors, feeds: &[Feed<'_>]) -> Result<Self> {
        let counts: Vec<_> = feeds.iter().map(|f| (f.row, f.tokens.len())).collect();
        cache.grow(&counts)?;
        let mut all = Vec::with_capacity(feeds.len());
        let mut first = 0;
        for (row, n) in counts {
            all.push(Fed {
                row,
                tokens: first..first + n,
                start: cache.len(row) - n,
                shared: cache.row(row).shared,
            });
            first += n;
        }
        let positions = all.iter().flat_map(|f| f.start..f.start + f.tokens.len());
        let step = Self {
            positions: positions.collect(),
            slots: slots(cache, &all)?,
            back: None,
            groups: groups(cache, all)?,
        };
        step.with_back(first, &cache.device)
    }

    fn with_back(self, n_tokens: usize, device: &Device) -> Result<Self> {
        let mut back = vec![0; n_tokens];
        let mut first = 0;
        for group in &self.groups {
            for (n, fed) in group.feeds.iter().enumerate() {
                for (t, token) in fed.tokens.clone().enumerate() {
                    back[token] = (first + n * group.most + t) as u32;
                }
            }
            first += group.feeds.len() * group.most;
        }
        let in_order = back.iter().copied().eq(0..first as u32);
        let back = match in_order {
            true => None,
            false => Some(Tensor::new(back, device)?),
        };
        Ok(Self { back, ..self })
    }

    /// Writes keys and values (tokens, heads, dimensions) of a layer; what the queries (tokens,
    /// heads, dimensions) see, (tokens, heads · dimensions).
    pub fn attend(
        &mut self,
        cache: &Tensors,
        layer: usize,
        (q, k, v): (&Tensor, &Tensor, &Tensor),
        how: Seen,
    ) -> Result<Tensor> {
        cache.write(layer, k, v, &self.slots)?;
        let seen = self
            .groups
            .iter_mut()
            .map(|g| g.attend(cache, layer, q, how));
        let seen = seen.collect::<Result<Vec<_>>>()?;
        let seen = match &seen[..] {
            [one] => one.clone(),
            several => Tensor::cat(several, 0)?,
        };
        match &self.back {
            Some(back) => seen.contiguous()?.index_select(back, 0),
            None => Ok(seen),
        }
    }
}

/// What of the positions before it a token sees, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub window: Option<usize>,
    pub cap: Option<f64>,
}

/// For every token and head the flat row of own parts, repeated for every dimension.
fn slots(cache: &Tensors, feeds: &[Fed]) -> Result<Tensor> {
    let [heads, dim] = cache.shape;
    let places = feeds.iter().flat_map(|fed| {
        let own = fed.start - fed.shared;
        (own..own + fed.tokens.len()).map(move |at| (fed.row, at))
    });
    let slot = |(row, at): (usize, usize)| {
        (0..heads).map(move |h| ((row * heads + h) * cache.capacity + at) as u32)
    };
    let slots: Vec<u32> = places.flat_map(slot).collect();
    let n = slots.len();
    let slots = Tensor::from_vec(slots, (n, 1), &cache.device)?;
    slots.broadcast_as((n, dim))?.contiguous()
}

/// The feeds by their beginnings.
fn groups(cache: &Tensors, feeds: Vec<Fed>) -> Result<Vec<Group>> {
    let mut groups: Vec<(Option<&Arc<Beginning>>, Vec<Fed>)> = Vec::new();
    for fed in feeds {
        let own = cache.row(fed.row).beginning.as_ref();
        let same = |other: &Option<&Arc<Beginning>>| match (other, own) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        match groups.iter_mut().find(|(other, _)| same(other)) {
            Some((_, feeds)) => feeds.push(fed),
            None => groups.push((own, vec![fed])),
        }
    }
    let groups = groups.into_iter();
    groups
        .map(|(own, feeds)| Group::new(cache, own.cloned(), feeds))
        .collect()
}

impl Group {
    fn new(cache: &Tensors, beginning: Option<Arc<Beginning>>, feeds: Vec<Fed>) -> Result<Self> {
        let most = feeds.iter().map(|f| f.tokens.len()).max().unwrap_or(0);
        let place = |fed: &Fed| {
            let (first, last) = (fed.tokens.start, fed.tokens.end - 1);
            (0..most).map(move |t| (first + t).min(last))
        };
        let own = |fed: &Fed| fed.start + fed.tokens.len() - fed.shared;
        let rows = feeds.iter().map(|f| f.row).collect();
        Ok(Self {
            shared: feeds.iter().map(|f| f.shared).max().unwrap_or(0),
            longest: feeds.iter().map(own).max().unwrap_or(0),
            rows: Pick::new(rows, &cache.device)?,
            tokens: Pick::new(feeds.iter().flat_map(place).collect(), &cache.device)?,
            masks: Vec::new(),
            beginning,
            feeds,
            most,
        })
    }

    /// (feeds · padded tokens, heads · dimensions).
    fn attend(&mut self, cache: &Tensors, layer: usize, q: &Tensor, how: Seen) -> Result<Tensor> {
        let (_, heads, dim) = q.dims3()?;
        let (n, kv_heads) = (self.feeds.len(), cache.shape[0]);
        let q = self.tokens.of(q)?.reshape((n, self.most, heads, dim))?;
        let q = q.transpose(1, 2)?.contiguous()?;
        let q = q.reshape((n, kv_heads, (), dim))?;
        let (keys, values) = &cache.layers[layer];
        let own = |all: &Tensor| self.rows.of(all)?.narrow(2, 0, self.longest);
        let (keys, values) = (own(keys)?, own(values)?);
        let mut scores = q.matmul(&keys.t()?)?.to_dtype(DType::F32)?;
        let shared = self.shared(layer)?;
        if let Some((keys, _)) = &shared {
            let early = by_all(&q, &keys.t()?)?.to_dtype(DType::F32)?;
            scores = Tensor::cat(&[early, scores], 3)?;
        }
        let scores = soft_cap(scores, how.cap)?;
        let weights = self.softmax(&scores, how.window)?.to_dtype(q.dtype())?;
        let late = weights.narrow(3, self.shared, self.longest)?.contiguous()?;
        let mut out = late.matmul(&values)?;
        if let Some((_, values)) = &shared {
            let early = weights.narrow(3, 0, self.shared)?;
            let sum = out.to_dtype(DType::F32)?;
            let sum = (sum + by_all(&early, values)?.to_dtype(DType::F32)?)?;
            out = sum.to_dtype(q.dtype())?;
        }
        let out = out.reshape((n, heads, self.most, dim))?.transpose(1, 2)?;
        out.contiguous()?.reshape(((), heads * dim))
    }

    /// Keys and values of the beginning, as far as any row has them: (heads, positions,
    /// dimensions).
    fn shared(&self, layer: usize) -> Result<Option<(Tensor, Tensor)>> {
        let Some(beginning) = self.beginning.as_ref().filter(|_| self.shared > 0) else {
            return Ok(None);
        };
        let (keys, values) = &beginning.layers[layer];
        let cut = |all: &Tensor| all.narrow(1, 0, self.shared);
        Ok(Some((cut(keys)?, cut(values)?)))
    }

    /// Softmax of scores (feeds, key heads, queries each, positions) over what is seen.
    fn softmax(&mut self, scores: &Tensor, window: Option<usize>) -> Result<Tensor> {
        let (feeds, kv_heads, queries, positions) = scores.dims4()?;
        if self.all_seen(window) {
            return candle_nn::ops::softmax_last_dim(scores);
        }
        if self.masks.iter().all(|(w, _)| *w != window) {
            let mask = self.mask(window, scores.device())?;
            self.masks.push((window, mask));
        }
        let mut masked = scores.reshape((feeds, (), self.most, positions))?;
        for (_, mask) in self.masks.iter().filter(|(w, _)| *w == window) {
            masked = masked.broadcast_add(mask)?;
        }
        candle_nn::ops::softmax_last_dim(&masked)?.reshape((feeds, kv_heads, queries, positions))
    }

    /// Whether every token sees all positions.
    fn all_seen(&self, window: Option<usize>) -> bool {
        let total = self.shared + self.longest;
        let is_whole = |fed: &Fed| fed.shared == self.shared && fed.start + 1 == total;
        self.most == 1 && self.feeds.iter().all(is_whole) && window.is_none_or(|w| w >= total)
    }

    /// 0 where a token sees a position, -inf elsewhere: (feeds, 1, tokens, positions).
    fn mask(&self, window: Option<usize>, device: &Device) -> Result<Tensor> {
        let total = self.shared + self.longest;
        let mut mask = vec![f32::NEG_INFINITY; self.feeds.len() * self.most * total];
        for (i, row) in mask.chunks_exact_mut(total).enumerate() {
            let (fed, token) = (&self.feeds[i / self.most], i % self.most);
            // Padding sees what the last token sees; its result is dropped.
            let seen = fed.start + token.min(fed.tokens.len() - 1) + 1;
            let first = window.map_or(0, |w| seen.saturating_sub(w));
            // Own positions stand after all of the beginning, also those that a row has not.
            let (early, late) = row.split_at_mut(self.shared);
            early[first.min(fed.shared)..fed.shared].fill(0.0);
            late[first.saturating_sub(fed.shared)..seen - fed.shared].fill(0.0);
        }
        let shape = (self.feeds.len(), 1, self.most, total);
        Tensor::from_vec(mask, shape, device)
    }
}

/// (feeds, key heads, queries each, n) times (key heads, n, m), for all feeds in one product.
fn by_all(x: &Tensor, shared: &Tensor) -> Result<Tensor> {
    let (feeds, heads, queries, n) = x.dims4()?;
    let x = x.transpose(0, 1)?.contiguous()?;
    let y = x.reshape((heads, feeds * queries, n))?.matmul(shared)?;
    let m = y.dim(D::Minus1)?;
    let y = y.reshape((heads, feeds, queries, m))?;
    y.transpose(0, 1)?.contiguous()
}

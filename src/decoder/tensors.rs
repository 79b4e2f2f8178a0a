//! The KV cache of the plain implementation: two tensors a layer, rows of unequal length.

use candle_core::{D, DType, Device, Result, Tensor};

use super::feed::Feed;

/// Capacity grows in steps of so many positions.
const STEP: usize = 64;

/// Keys and values per layer, (rows, heads, capacity, dimensions).
#[derive(Debug)]
pub(crate) struct Tensors {
    /// Empty until something is cached.
    layers: Vec<(Tensor, Tensor)>,
    n_layers: usize,
    /// Heads and dimensions.
    shape: [usize; 2],
    lens: Vec<usize>,
    capacity: usize,
    device: Device,
    dtype: DType,
}

impl Tensors {
    /// One empty row.
    pub fn new(n_layers: usize, shape: [usize; 2], device: &Device, dtype: DType) -> Self {
        Self {
            layers: Vec::new(),
            n_layers,
            shape,
            lens: vec![0],
            capacity: 0,
            device: device.clone(),
            dtype,
        }
    }

    pub fn lens(&self) -> &[usize] {
        &self.lens
    }

    pub fn truncate(&mut self, row: usize, len: usize) {
        self.lens[row] = self.lens[row].min(len);
    }

    /// New row `i` becomes old row `rows[i]`.
    pub fn gather(&mut self, rows: &[usize]) -> Result<()> {
        let lens = rows.iter().map(|&r| self.lens[r]).collect();
        if rows.is_empty() {
            self.layers.clear();
            self.capacity = 0;
        } else if !rows.iter().copied().eq(0..self.lens.len()) {
            let index: Vec<_> = rows.iter().map(|&r| r as u32).collect();
            let index = Tensor::new(index, &self.device)?;
            for (k, v) in &mut self.layers {
                (*k, *v) = (k.index_select(&index, 0)?, v.index_select(&index, 0)?);
            }
        }
        self.lens = lens;
        Ok(())
    }

    /// One row alone, in tensors of its own.
    pub fn copy_of(&self, row: usize) -> Result<Self> {
        let index = Tensor::new(vec![row as u32], &self.device)?;
        let pick = |(k, v): &(Tensor, Tensor)| {
            Ok((k.index_select(&index, 0)?, v.index_select(&index, 0)?))
        };
        Ok(Self {
            layers: self.layers.iter().map(pick).collect::<Result<_>>()?,
            lens: vec![self.lens[row]],
            device: self.device.clone(),
            ..*self
        })
    }

    /// Makes room for the feeds and says where their tokens go; counts them in.
    pub fn step(&mut self, feeds: &[Feed<'_>]) -> Result<Step> {
        let starts: Vec<_> = feeds.iter().map(|f| self.lens[f.row]).collect();
        let counts: Vec<_> = feeds.iter().map(|f| f.tokens.len()).collect();
        for feed in feeds {
            self.lens[feed.row] += feed.tokens.len();
        }
        let longest = feeds.iter().map(|f| self.lens[f.row]).max().unwrap_or(0);
        self.reserve(longest)?;
        let rows: Vec<_> = feeds.iter().map(|f| f.row).collect();
        Step::new(self, &rows, starts, counts, longest)
    }

    fn reserve(&mut self, needed: usize) -> Result<()> {
        if needed <= self.capacity {
            return Ok(());
        }
        let capacity = (needed + needed / 4).next_multiple_of(STEP);
        let more = capacity - self.capacity;
        let [heads, dim] = self.shape;
        let zeros = Tensor::zeros(
            (self.lens.len(), heads, more, dim),
            self.dtype,
            &self.device,
        )?;
        let grown = |old: &Tensor| Tensor::cat(&[old, &zeros], 2)?.contiguous();
        self.layers = match self.layers.is_empty() {
            true => (0..self.n_layers)
                .map(|_| Ok((zeros.copy()?, zeros.copy()?)))
                .collect::<Result<_>>()?,
            false => self
                .layers
                .iter()
                .map(|(k, v)| Ok((grown(k)?, grown(v)?)))
                .collect::<Result<_>>()?,
        };
        self.capacity = capacity;
        Ok(())
    }

    /// Writes keys and values (tokens, heads, dimensions) and returns all of the fed rows':
    /// (feeds, heads, positions, dimensions).
    pub fn append(
        &mut self,
        layer: usize,
        k: &Tensor,
        v: &Tensor,
        step: &Step,
    ) -> Result<(Tensor, Tensor)> {
        let (keys, values) = &self.layers[layer];
        let put = |all: &Tensor, new: &Tensor| {
            let flat = all.reshape(((), self.shape[1]))?;
            flat.scatter_set(
                &step.slots,
                &new.contiguous()?.reshape(((), self.shape[1]))?,
                0,
            )?;
            let rows = match &step.rows {
                Some(rows) => all.index_select(rows, 0)?,
                None => all.clone(),
            };
            rows.narrow(2, 0, step.longest)
        };
        Ok((put(keys, k)?, put(values, v)?))
    }
}

/// Where one pass's tokens stand. Rows of fewer tokens than others are padded for attention.
#[derive(Debug)]
pub(super) struct Step {
    /// Of every token.
    pub positions: Vec<usize>,
    starts: Vec<usize>,
    counts: Vec<usize>,
    /// The most tokens in a feed.
    most: usize,
    /// Positions cached in the longest fed row, after the pass.
    longest: usize,
    /// For every token, head and dimension the flat cache row that it is written to.
    slots: Tensor,
    /// The fed rows, where they are not all rows in order.
    rows: Option<Tensor>,
    /// Tokens in the order (feed, position in it), and back, where feeds are unequal.
    padding: Option<(Tensor, Tensor)>,
    /// Masks in use, by window.
    masks: Vec<(Option<usize>, Tensor)>,
}

impl Step {
    fn new(
        cache: &Tensors,
        rows: &[usize],
        starts: Vec<usize>,
        counts: Vec<usize>,
        longest: usize,
    ) -> Result<Self> {
        let device = &cache.device;
        let span = |(&start, &count): (&usize, &usize)| start..start + count;
        let positions: Vec<_> = starts.iter().zip(&counts).flat_map(span).collect();
        let [heads, dim] = cache.shape;
        let owners = rows
            .iter()
            .zip(&counts)
            .flat_map(|(&r, &n)| std::iter::repeat_n(r, n));
        let slot = |(row, &p): (usize, &usize)| {
            (0..heads)
                .map(move |h| ((row * heads + h) * cache.capacity + p) as u32)
                .collect::<Vec<_>>()
        };
        let slots: Vec<u32> = owners.zip(&positions).flat_map(slot).collect();
        let n_slots = slots.len();
        let slots = Tensor::from_vec(slots, (n_slots, 1), device)?;
        let most = counts.iter().copied().max().unwrap_or(0);
        let all = rows.iter().copied().eq(0..cache.lens.len());
        let index: Vec<_> = rows.iter().map(|&r| r as u32).collect();
        Ok(Self {
            slots: slots.broadcast_as((n_slots, dim))?.contiguous()?,
            rows: if all {
                None
            } else {
                Some(Tensor::new(index, device)?)
            },
            padding: padding(&counts, most, device)?,
            masks: Vec::new(),
            positions,
            starts,
            counts,
            most,
            longest,
        })
    }

    /// From queries (tokens, heads, dimensions) to (feeds, key heads, queries each, dimensions).
    pub fn pad(&self, q: &Tensor, n_kv_heads: usize) -> Result<Tensor> {
        let (_, heads, dim) = q.dims3()?;
        let q = match &self.padding {
            Some((there, _)) => q.index_select(there, 0)?,
            None => q.clone(),
        };
        let shape = (self.counts.len(), self.most, heads, dim);
        let q = q.reshape(shape)?.transpose(1, 2)?.contiguous()?;
        q.reshape((self.counts.len(), n_kv_heads, (), dim))
    }

    /// Back from (feeds, key heads, queries each, dimensions) to (tokens, heads * dimensions).
    pub fn unpad(&self, out: &Tensor, heads: usize) -> Result<Tensor> {
        let dim = out.dim(D::Minus1)?;
        let out = out.reshape((self.counts.len(), heads, self.most, dim))?;
        let out = out
            .transpose(1, 2)?
            .contiguous()?
            .reshape(((), heads * dim))?;
        match &self.padding {
            Some((_, back)) => out.index_select(back, 0),
            None => Ok(out),
        }
    }

    /// Softmax of scores (feeds, key heads, queries each, positions) over what is seen.
    pub fn softmax(&mut self, scores: &Tensor, window: Option<usize>) -> Result<Tensor> {
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
        let equal = self.starts.iter().all(|s| s + 1 == self.longest);
        self.most == 1 && equal && window.is_none_or(|w| w >= self.longest)
    }

    /// 0 where a token sees a position, -inf elsewhere: (feeds, 1, tokens, positions).
    fn mask(&self, window: Option<usize>, device: &Device) -> Result<Tensor> {
        let (most, longest) = (self.most, self.longest);
        let mut mask = vec![f32::NEG_INFINITY; self.counts.len() * most * longest];
        for (i, row) in mask.chunks_exact_mut(longest).enumerate() {
            let (feed, token) = (i / most, i % most);
            // Padding sees what the last token sees; its result is dropped.
            let seen = self.starts[feed] + token.min(self.counts[feed] - 1) + 1;
            row[window.map_or(0, |w| seen.saturating_sub(w))..seen].fill(0.0);
        }
        Tensor::from_vec(mask, (self.counts.len(), 1, most, longest), device)
    }
}

/// Which token stands at every padded place, and the place of every token.
fn padding(counts: &[usize], most: usize, device: &Device) -> Result<Option<(Tensor, Tensor)>> {
    if counts.iter().all(|&n| n == most) {
        return Ok(None);
    }
    let (mut there, mut back, mut first) = (Vec::new(), Vec::new(), 0);
    for (feed, &n) in counts.iter().enumerate() {
        there.extend((0..most).map(|t| (first + t.min(n - 1)) as u32));
        back.extend((0..n).map(|t| (feed * most + t) as u32));
        first += n;
    }
    Ok(Some((
        Tensor::new(there, device)?,
        Tensor::new(back, device)?,
    )))
}

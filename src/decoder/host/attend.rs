//! Attention on the CPU.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::Fed;
use super::mat::Mat;
use super::math::{capped, soften};
use super::pages::{BLOCK, Line, PAGE, Page, PageShape};
use super::plan::{Block, Segment};
use super::tile::{Two, add16, score as tile, score_apart};

/// Scores are softened by so many, the same ones together whatever else is seen.
const ROUND: usize = 16;

/// One block's attention under one key head. Queries are counted token by token, each token's
/// heads one after the other.
pub(super) struct Attend<'a> {
    pub shape: PageShape,
    pub layer: usize,
    pub head: usize,
    pub window: Option<usize>,
    pub cap: Option<f32>,
    pub fed: &'a [Fed],
    pub block: &'a Block,
    /// Rotated and scaled queries first in every row.
    pub qkv: &'a Mat,
    /// For each token of the block the columns of this key head's queries.
    pub out: Vec<&'a mut [f32]>,
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let padded = self.padded();
        let queries = self.queries(&padded);
        let stride = self.stride();
        // What no segment writes, is not seen.
        let mut scores = Mat::unwritten(queries.len(), stride);
        let scores = &mut scores.data[..];
        let mut sums = vec![[0.0; BLOCK]; queries.len() * self.shape.n_blocks()];
        let (alone, together) = self.parted();
        for segment in together {
            self.score(simd, segment, &queries, scores, stride);
        }
        self.score_alone(simd, &alone, &queries, scores, stride);
        let totals = self.soften(scores, stride);
        for segment in &self.block.segments {
            self.gather(simd, segment, scores, stride, &mut sums);
        }
        self.finish(&sums, &totals);
    }
}

/// The weights of some queries.
struct Weights<'a> {
    of: &'a [f32],
    /// From one query's to the next one's.
    stride: usize,
    /// The positions whose values are added.
    seen: Range<usize>,
}

impl<'a> Attend<'a> {
    /// Once in the program, however it is called.
    #[inline(never)]
    pub fn run(self, arch: Arch) {
        arch.dispatch(self);
    }

    /// Room for the scores of a query, in whole vectors.
    fn stride(&self) -> usize {
        let ends = self.block.segments.iter().map(|s| s.pages.end);
        (PAGE * ends.max().unwrap_or(0)).next_multiple_of(ROUND)
    }

    /// Queries of one token under this key head.
    fn per_token(&self) -> usize {
        self.out[0].len() / self.shape.head_dim
    }

    /// Queries of an odd length with one zero more; none of an even one.
    fn padded(&self) -> Vec<f32> {
        let d = self.shape.head_dim;
        let heads = self.heads().filter(|_| d % 2 == 1);
        heads
            .flat_map(|q| q.iter().chain(&[0.0]))
            .copied()
            .collect()
    }

    /// The block's queries by twos.
    fn queries<'q>(&'q self, padded: &'q [f32]) -> Vec<&'q [Two]> {
        let twos = |query: &'q [f32]| query.as_chunks().0;
        match padded {
            [] => self.heads().map(twos).collect(),
            _ => padded
                .chunks_exact(self.shape.head_dim + 1)
                .map(twos)
                .collect(),
        }
    }

    fn heads(&self) -> impl Iterator<Item = &'a [f32]> {
        let (n, d) = (self.per_token(), self.shape.head_dim);
        let (qkv, heads) = (self.qkv, self.head * n * d..(self.head + 1) * n * d);
        let tokens = self.block.tokens.clone();
        tokens.flat_map(move |t| qkv.row(t)[heads.clone()].chunks_exact(d))
    }

    /// The positions that a token of the block sees.
    fn sight(&self, token: usize) -> Range<usize> {
        let seen = self.block.seen[token];
        self.window.map_or(0, |w| seen.saturating_sub(w))..seen
    }

    /// The pages of a segment that some token in it sees, none where all lie before every window, and
    /// its queries.
    fn extent(&self, segment: &Segment) -> (Range<usize>, Range<usize>) {
        let start = self.block.tokens.start;
        let tokens = segment.tokens.start - start..segment.tokens.end - start;
        let starts = tokens.clone().map(|t| self.sight(t).start / PAGE);
        let first = self.window.and_then(|_| starts.min()).unwrap_or(0);
        let n = self.per_token();
        let end = segment.pages.end;
        let pages = segment.pages.start.max(first).min(end)..end;
        (pages, tokens.start * n..tokens.end * n)
    }

    /// Segments of one query each, and those of several.
    fn parted(&self) -> (Vec<&'a Segment>, Vec<&'a Segment>) {
        let n = self.per_token();
        let segments = self.block.segments.iter();
        segments.partition(|segment| n * segment.tokens.len() == 1)
    }

    /// Scores of queries that have pages of their own, a few side by side: each by itself would wait
    /// for its last sum at every step.
    #[inline(always)]
    fn score_alone<S: Simd>(
        &self,
        simd: S,
        segments: &[&Segment],
        queries: &[&[Two]],
        scores: &mut [f32],
        stride: usize,
    ) {
        let mut own = Vec::new();
        for segment in segments {
            let (pages, range) = self.extent(segment);
            let held = self.fed[segment.lane].lane.pages();
            for p in pages {
                let keys = self.shape.read(&held[p][self.layer], self.head).0;
                own.push((queries[range.start], keys, range.start * stride + p * PAGE));
            }
        }
        let (fours, rest) = own.as_chunks::<4>();
        for four in fours {
            let [a, b, c, d] = four;
            let (x, w) = ([a.0, b.0, c.0, d.0], [a.1, b.1, c.1, d.1]);
            score_apart(simd, x, w, scores, [a.2, b.2, c.2, d.2]);
        }
        for own in rest {
            score_apart(simd, [own.0], [own.1], scores, [own.2]);
        }
    }

    #[inline(always)]
    fn score<S: Simd>(
        &self,
        simd: S,
        segment: &Segment,
        queries: &[&[Two]],
        scores: &mut [f32],
        stride: usize,
    ) {
        let (pages, range) = self.extent(segment);
        let held = self.fed[segment.lane].lane.pages();
        let keys = |p: usize| self.shape.read(&held[p][self.layer], self.head).0;
        let mut q = range.start;
        while q < range.end {
            let (x, to) = (&queries[q..range.end], &mut scores[q * stride..]);
            let pages = pages.clone();
            q += match (x.len(), S::F32_LANES) {
                (8.., 16) => score_by::<S, 8, 2>(simd, x, keys, pages, to, stride),
                (5.., 16) => score_by::<S, 5, 2>(simd, x, keys, pages, to, stride),
                (4.., 16) => score_by::<S, 4, 4>(simd, x, keys, pages, to, stride),
                (2.., 16) => score_by::<S, 2, 4>(simd, x, keys, pages, to, stride),
                (1.., 16) => score_by::<S, 1, 4>(simd, x, keys, pages, to, stride),
                (4.., _) => score_by::<S, 4, 1>(simd, x, keys, pages, to, stride),
                (2.., _) => score_by::<S, 2, 2>(simd, x, keys, pages, to, stride),
                _ => score_by::<S, 1, 2>(simd, x, keys, pages, to, stride),
            };
        }
    }

    /// Turns scores into weights, 0 for what is not seen; returns each query's sum of weights.
    #[inline(always)]
    fn soften(&self, scores: &mut [f32], stride: usize) -> Vec<f32> {
        let n = self.per_token();
        let mut totals = vec![0.0; scores.len() / stride];
        for (q, row) in scores.chunks_exact_mut(stride).enumerate() {
            let sight = self.sight(q / n);
            // Whole vectors: what is not seen has no weight, wherever they end.
            let whole = sight.start / ROUND * ROUND..sight.end.next_multiple_of(ROUND);
            row[..whole.start].fill(0.0);
            row[whole.end..].fill(0.0);
            if let Some(cap) = self.cap {
                capped(&mut row[sight.clone()], cap);
            }
            row[whole.start..sight.start].fill(f32::NEG_INFINITY);
            row[sight.end..whole.end].fill(f32::NEG_INFINITY);
            totals[q] = soften(&mut row[whole]);
        }
        totals
    }

    #[inline(always)]
    fn gather<S: Simd>(
        &self,
        simd: S,
        segment: &Segment,
        weights: &[f32],
        stride: usize,
        sums: &mut [[f32; BLOCK]],
    ) {
        let (pages, range) = self.extent(segment);
        let held = self.fed[segment.lane].lane.pages();
        let n_blocks = self.shape.n_blocks();
        // What nobody sees yet is not read.
        let start = self.block.tokens.start;
        let ends = &self.block.seen[segment.tokens.start - start..segment.tokens.end - start];
        let end = ends.iter().copied().max().unwrap_or(0);
        let values = |page: &'a Page| self.shape.read(&page[self.layer], self.head).1;
        let values: Vec<_> = held[pages.clone()].iter().map(values).collect();
        let seen = pages.start * PAGE..end.min(pages.end * PAGE);
        let mut q = range.start;
        while q < range.end {
            let w = Weights {
                of: &weights[q * stride..range.end * stride],
                stride,
                seen: seen.clone(),
            };
            let to = &mut sums[q * n_blocks..range.end * n_blocks];
            q += match (range.end - q, S::F32_LANES) {
                (8.., 16) => gather_by::<S, 8, 2>(simd, w, &values, to),
                (5.., 16) => gather_by::<S, 5, 2>(simd, w, &values, to),
                (4.., 16) => gather_by::<S, 4, 4>(simd, w, &values, to),
                (2.., 16) => gather_by::<S, 2, 4>(simd, w, &values, to),
                (1.., 16) => gather_by::<S, 1, 4>(simd, w, &values, to),
                (4.., _) => gather_by::<S, 4, 1>(simd, w, &values, to),
                (2.., _) => gather_by::<S, 2, 2>(simd, w, &values, to),
                _ => gather_by::<S, 1, 2>(simd, w, &values, to),
            };
        }
    }

    /// Divides by the sums of weights and writes the result.
    fn finish(&mut self, sums: &[[f32; BLOCK]], totals: &[f32]) {
        let d = self.shape.head_dim;
        let heads = self
            .out
            .iter_mut()
            .flat_map(|token| token.chunks_exact_mut(d));
        let sums = sums.chunks_exact(self.shape.n_blocks());
        for ((out, sums), total) in heads.zip(sums).zip(totals) {
            for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
                *out = sum / total;
            }
        }
    }
}

/// Scores of the first `M` queries against pages of keys, `N` at a time; returns `M`.
#[inline(always)]
fn score_by<'k, S: Simd, const M: usize, const N: usize>(
    simd: S,
    queries: &[&[Two]],
    keys: impl Fn(usize) -> &'k [Line],
    mut pages: Range<usize>,
    scores: &mut [f32],
    stride: usize,
) -> usize {
    let mut x = [&[][..]; M];
    x.copy_from_slice(&queries[..M]);
    while pages.len() >= N {
        let mut w = [&[][..]; N];
        for (n, w) in w.iter_mut().enumerate() {
            *w = keys(pages.start + n);
        }
        tile(simd, x, w, &mut scores[pages.start * PAGE..], stride);
        pages.start += N;
    }
    for p in pages {
        tile(simd, x, [keys(p)], &mut scores[p * PAGE..], stride);
    }
    M
}

/// Adds weighted values to the sums of the first `M` queries, `N` blocks of columns at a time;
/// returns `M`.
#[inline(always)]
fn gather_by<S: Simd, const M: usize, const N: usize>(
    simd: S,
    weights: Weights<'_>,
    values: &[&[Line]],
    sums: &mut [[f32; BLOCK]],
) -> usize {
    let n_blocks = sums.len() / (weights.of.len() / weights.stride);
    let mut block = 0;
    while block + N <= n_blocks {
        gather_blocks::<S, M, N>(simd, &weights, values, sums, (block, n_blocks));
        block += N;
    }
    while block < n_blocks {
        gather_blocks::<S, M, 1>(simd, &weights, values, sums, (block, n_blocks));
        block += 1;
    }
    M
}

#[inline(always)]
fn gather_blocks<S: Simd, const M: usize, const N: usize>(
    simd: S,
    weights: &Weights<'_>,
    values: &[&[Line]],
    sums: &mut [[f32; BLOCK]],
    (block, n_blocks): (usize, usize),
) {
    let mut x = [&[][..]; M];
    let mut acc = [[[0.0; BLOCK]; N]; M];
    for i in 0..M {
        x[i] = &weights.of[i * weights.stride..][weights.seen.clone()];
        acc[i].copy_from_slice(&sums[i * n_blocks + block..][..N]);
    }
    add16(simd, x, values, (block, n_blocks), &mut acc);
    for (i, acc) in acc.iter().enumerate() {
        sums[i * n_blocks + block..][..N].copy_from_slice(acc);
    }
}

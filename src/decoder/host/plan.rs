//! How one pass's attention is cut up: blocks of tokens for threads, and in each block the
//! stretches of pages that several rows share and that are therefore read once for all.

use std::ops::Range;
use std::sync::Arc;

use super::Fed;
use super::pages::{PAGE, Page};

/// The most queries worth keeping in one block.
const QUERIES: usize = 64;

/// Tokens whose attention is computed together.
#[derive(Debug)]
pub(super) struct Block {
    pub tokens: Range<usize>,
    /// How many positions each token sees, without a window.
    pub seen: Vec<usize>,
    pub segments: Vec<Segment>,
}

/// Tokens that read the same pages.
#[derive(Debug, PartialEq)]
pub(super) struct Segment {
    pub tokens: Range<usize>,
    pub pages: Range<usize>,
    /// Whose copy of the pages to read.
    pub lane: usize,
}

/// Part of a block: the tokens of one row.
struct Run<'a> {
    lane: usize,
    tokens: Range<usize>,
    pages: &'a [Page],
}

/// Cuts the pass's tokens into blocks for `team` threads, `per_token` queries each.
pub(super) fn plan(fed: &[Fed], team: usize, per_token: usize) -> Vec<Block> {
    let total: usize = fed.iter().map(|f| f.tokens.len()).sum();
    let most = (QUERIES / per_token).max(1).min(total.div_ceil(team));
    let mut blocks = Vec::new();
    let mut start = 0;
    while start < total {
        let end = total.min(start + most);
        blocks.push(block(fed, start..end));
        start = end;
    }
    blocks
}

fn block(fed: &[Fed], tokens: Range<usize>) -> Block {
    let mut seen = Vec::with_capacity(tokens.len());
    let mut runs = Vec::new();
    for (lane, f) in fed.iter().enumerate() {
        let part = f.tokens.start.max(tokens.start)..f.tokens.end.min(tokens.end);
        if part.is_empty() {
            continue;
        }
        let first = f.start + part.start - f.tokens.start + 1;
        seen.extend((first..).take(part.len()));
        let n_pages = (first + part.len() - 1).div_ceil(PAGE);
        let pages = &f.lane.pages()[..n_pages];
        runs.push(Run {
            lane,
            tokens: part,
            pages,
        });
    }
    let mut segments = Vec::new();
    share(&runs, 0, &mut segments);
    Block {
        tokens,
        seen,
        segments,
    }
}

/// Splits runs into groups of neighbours that share their pages from number `page` on.
fn share(runs: &[Run<'_>], page: usize, out: &mut Vec<Segment>) {
    let same = |a: &Run<'_>, b: &Run<'_>| {
        at(a, page)
            .zip(at(b, page))
            .is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    };
    for group in runs.chunk_by(same) {
        if at(&group[0], page).is_none() {
            continue;
        }
        let end = shared_until(group, page);
        out.push(Segment {
            tokens: group[0].tokens.start..group[group.len() - 1].tokens.end,
            pages: page..end,
            lane: group[0].lane,
        });
        share(group, end, out);
    }
}

fn shared_until(group: &[Run<'_>], page: usize) -> usize {
    let first = &group[0];
    let agrees = |p: &usize| {
        let all =
            |run| matches!((at(run, *p), at(first, *p)), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
        group.iter().all(all)
    };
    (page + 1..first.pages.len())
        .find(|p| !agrees(p))
        .unwrap_or(first.pages.len())
}

fn at<'a>(run: &'a Run<'_>, page: usize) -> Option<&'a Page> {
    run.pages.get(page)
}

//! Weights as whole numbers, rows side by side: in lanes of 32 bits, four weights of a row each.

use rayon::prelude::*;

use super::acts::QUAD;
use crate::decoder::host::store::{Room, Store, taken};
use crate::models::{Codes, Form, GROUP, QuantRows};

/// Rows in a panel: one for each lane of the widest vectors.
pub(super) const ROWS: usize = 16;

/// Four bits or more of four weights of every row of a panel.
pub(super) type Line = [u8; QUAD * ROWS];

/// Some rows of one format, in panels of [`ROWS`], the last one filled up with zeros.
///
/// A group of a panel is as many lines as weights have bits. Lines 0 to 3 hold quads `t` and
/// `t + 4` in the lower and upper halves of their bytes; then follow fifth bits, quad `t`'s at bit
/// `t`, or fifth and sixth, quad `t`'s at bit `2 (t % 4)` of line `4 + t / 4`. With 8 bits a line is
/// a quad.
#[derive(Debug)]
pub(super) struct Part {
    pub form: Form,
    pub n: usize,
    /// Groups in a row.
    n_groups: usize,
    lines: Store<Line>,
    /// By block: `d` of every row; then `m`, where there is one.
    floats: Store<[u16; ROWS]>,
    /// By group: `s` of every row, `t` of every row, where there are such.
    small: Store<[u8; ROWS]>,
}

/// Sixteen rows.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub lines: &'a [Line],
    pub floats: &'a [[u16; ROWS]],
    pub small: &'a [[u8; ROWS]],
}

/// Sixteen rows to be written.
struct Packing<'a> {
    form: Form,
    lines: &'a mut [Line],
    floats: &'a mut [[u16; ROWS]],
    small: &'a mut [[u8; ROWS]],
}

impl Part {
    /// Packs rows of a format that has a form, on the threads of the current pool.
    pub fn pack(rows: &QuantRows, form: Form, room: &Room<'_>) -> Self {
        let n_groups = rows.k / GROUP;
        let sizes = sizes(form, n_groups);
        let counts = counts(sizes, rows.n);
        let mut lines = room.blank(counts[0]);
        let mut floats = room.blank(counts[1]);
        let mut small = room.blank(counts[2]);
        let panels = lines.all_mut().par_chunks_mut(sizes[0]).enumerate();
        let small_ones = small.all_mut().par_chunks_mut(sizes[2].max(1));
        let scales = floats.all_mut().par_chunks_mut(sizes[1]).zip(small_ones);
        panels
            .zip(scales)
            .for_each_init(Codes::default, |codes, ((i, lines), (floats, small))| {
                let mut panel = Packing {
                    form,
                    lines,
                    floats,
                    small,
                };
                for row in i * ROWS..((i + 1) * ROWS).min(rows.n) {
                    rows.codes(row, codes);
                    panel.put(row % ROWS, codes);
                }
            });
        Self {
            form,
            n: rows.n,
            n_groups,
            lines: lines.keep(),
            floats: floats.keep(),
            small: small.keep(),
        }
    }

    /// The panel of this number.
    pub fn panel(&self, i: usize) -> Panel<'_> {
        let sizes = sizes(self.form, self.n_groups);
        Panel {
            lines: &self.lines.all()[i * sizes[0]..][..sizes[0]],
            floats: &self.floats.all()[i * sizes[1]..][..sizes[1]],
            small: &self.small.all()[i * sizes[2]..][..sizes[2]],
        }
    }

    pub fn n_panels(&self) -> usize {
        self.n.div_ceil(ROWS)
    }

    #[cfg(test)]
    pub fn is_in_large_pages(&self) -> bool {
        let lines = self.lines.is_in_large_pages() && self.floats.is_in_large_pages();
        lines && self.small.is_in_large_pages()
    }

    pub fn bytes(&self) -> usize {
        self.lines.n_bytes() + self.floats.n_bytes() + self.small.n_bytes()
    }
}

/// Bytes that `n` rows of `k` weights of a form take of a room.
pub(in crate::decoder::host) fn n_bytes(form: Form, n: usize, k: usize) -> usize {
    let [lines, floats, small] = counts(sizes(form, k / GROUP), n);
    taken(lines * size_of::<Line>())
        + taken(floats * size_of::<[u16; ROWS]>())
        + taken(small * size_of::<[u8; ROWS]>())
}

/// Lines, floats and small numbers of all panels of `n` rows: at least one of the last each, so
/// that there are as many chunks as panels.
fn counts(sizes: [usize; 3], n: usize) -> [usize; 3] {
    let n_panels = n.div_ceil(ROWS);
    [sizes[0], sizes[1], sizes[2].max(1)].map(|size| size * n_panels)
}

/// Lines, floats and small numbers of a panel.
fn sizes(form: Form, n_groups: usize) -> [usize; 3] {
    let scheme = form.scheme;
    let floats = n_groups / scheme.per_block() * if scheme.has_second() { 2 } else { 1 };
    let small = if scheme.has_small() { 2 * n_groups } else { 0 };
    [n_groups * form.bits, floats, small]
}

impl Packing<'_> {
    /// Writes a row to its lanes.
    fn put(&mut self, lane: usize, codes: &Codes) {
        let groups = self.lines.chunks_exact_mut(self.form.bits);
        for (lines, q) in groups.zip(codes.q.chunks_exact(GROUP)) {
            put_group(self.form.bits, lines, lane, q);
        }
        let each = if self.form.scheme.has_second() { 2 } else { 1 };
        for (slots, floats) in self.floats.chunks_exact_mut(each).zip(&codes.floats) {
            slots.iter_mut().zip(floats).for_each(|(s, f)| s[lane] = *f);
        }
        for (slots, small) in self.small.chunks_exact_mut(2).zip(&codes.small) {
            slots.iter_mut().zip(small).for_each(|(s, n)| s[lane] = *n);
        }
    }
}

/// Writes a row's group to its lane.
fn put_group(bits: usize, lines: &mut [Line], lane: usize, q: &[u8]) {
    for (t, quad) in q.chunks_exact(QUAD).enumerate() {
        for (i, &q) in quad.iter().enumerate() {
            let at = lane * QUAD + i;
            if bits == 8 {
                lines[t][at] = q;
                continue;
            }
            lines[t % 4][at] |= (q & 15) << (t / 4 * 4);
            match bits {
                5 => lines[4][at] |= (q >> 4) << t,
                6 => lines[4 + t / 4][at] |= (q >> 4) << (2 * (t % 4)),
                _ => {}
            }
        }
    }
}

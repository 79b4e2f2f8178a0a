//! Cosines and sines of rotary embeddings, row by row.

use crate::models::Rope;

/// How many positions are computed ahead.
const READY: usize = 2048;

/// A rotary embedding's table. One row is `half` cosines, then `half` sines.
#[derive(Debug)]
pub(super) struct RopeTable {
    rope: Rope,
    ready: Vec<f32>,
}

impl RopeTable {
    /// A table for positions below `context`; only the first ones are stored.
    pub fn new(rope: Rope, context: usize) -> Self {
        let mut ready = Vec::new();
        for position in 0..context.min(READY) {
            row(&rope, position, &mut ready);
        }
        Self { rope, ready }
    }

    /// Half the number of rotated values.
    pub fn half(&self) -> usize {
        self.rope.half()
    }

    /// The rows of these positions, one after the other.
    pub fn rows(&self, positions: &[usize]) -> Vec<f32> {
        let width = 2 * self.half();
        let mut rows = Vec::with_capacity(positions.len() * width);
        for &position in positions {
            match self.ready.get(position * width..(position + 1) * width) {
                Some(ready) => rows.extend_from_slice(ready),
                None => row(&self.rope, position, &mut rows),
            }
        }
        rows
    }
}

fn row(rope: &Rope, position: usize, out: &mut Vec<f32>) {
    let angle = |f: &f64| position as f64 * f;
    out.extend(rope.frequencies.iter().map(|f| angle(f).cos() as f32));
    out.extend(rope.frequencies.iter().map(|f| angle(f).sin() as f32));
}

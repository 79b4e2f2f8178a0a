//! The operations of a forward pass on the CPU.

use candle_core::Result;
use rayon::prelude::*;

use crate::decoder::feed::Want;
use crate::decoder::pass::{Attention, Pass};
use crate::models::Activation;

use super::attend::Attend;
use super::linear::Linear;
use super::mat::{Mat, by_rows, strips};
use super::math::{Gain, Job, Prepare};
use super::plan::{Block, plan};
use super::{Fed, Host, Packed, Part, Table};

/// A pass over one part of the feeds.
pub(super) struct HostPass<'a> {
    host: &'a Host,
    fed: &'a mut [Fed],
    ids: &'a [u32],
    positions: Vec<usize>,
    /// For each rotary embedding the rows of the tokens' positions.
    ropes: Vec<Vec<f32>>,
    blocks: Vec<Block>,
    /// How many threads may work on it.
    team: usize,
    want: Want,
}

impl<'a> HostPass<'a> {
    pub fn new(host: &'a Host, part: &'a mut Part, team: usize, want: Want) -> Self {
        let span = |f: &Fed| f.start..f.start + f.tokens.len();
        let positions: Vec<_> = part.fed.iter().flat_map(span).collect();
        Self {
            host,
            ids: &part.ids,
            ropes: host.ropes.iter().map(|r| r.rows(&positions)).collect(),
            positions,
            blocks: plan(&part.fed, team, host.group),
            fed: &mut part.fed,
            team,
            want,
        }
    }

    /// Norms, rotates and scales queries and keys where they stand.
    fn prepare(&self, how: &Attention<'_, Gain>, qkv: &mut Mat) {
        let (width, parts) = (qkv.width, self.widths(qkv.width));
        let table = how.kind.rope.map_or(&[][..], |r| &self.ropes[r]);
        let turn = table.len() / self.ids.len();
        by_rows(qkv, self.team, |first, rows| {
            let n_rows = rows.len() / width;
            let prepare = Prepare {
                rows,
                width,
                parts,
                head_dim: self.host.shape.head_dim,
                norms: (how.q_norm, how.k_norm),
                angles: &table[first * turn..(first + n_rows) * turn],
                scale: how.arithmetic.attention_scale as f32,
            };
            Job::Prepare(prepare).run(self.host.arch);
        });
    }

    /// Writes keys and values to the cache.
    fn append(&mut self, layer: usize, qkv: &Mat) {
        let (q, kv) = self.widths(qkv.width);
        for fed in self.fed.iter_mut() {
            for (position, token) in (fed.start..).zip(fed.tokens.clone()) {
                let pair = qkv.row(token)[q..].split_at(kv);
                fed.lane.write(self.host.shape, layer, position, pair);
            }
        }
    }

    /// Widths of all queries and of all keys in a row of queries, keys and values.
    fn widths(&self, width: usize) -> (usize, usize) {
        let kv = self.host.shape.n_heads * self.host.shape.head_dim;
        (width - 2 * kv, kv)
    }

    /// The attention of every block under every key head.
    fn tasks<'b>(
        &'b self,
        how: &Attention<'_, Gain>,
        qkv: &'b Mat,
        out: &'b mut Mat,
    ) -> Vec<Attend<'b>> {
        let mut heads: Vec<_> = strips(out, self.host.group * self.host.shape.head_dim)
            .into_iter()
            .map(Vec::into_iter)
            .collect();
        let mut tasks = Vec::with_capacity(heads.len() * self.blocks.len());
        // Heads outside: one head's keys and values stay in cache for all blocks.
        for (head, rows) in heads.iter_mut().enumerate() {
            for block in &self.blocks {
                tasks.push(Attend {
                    shape: self.host.shape,
                    layer: how.layer,
                    head,
                    window: how.kind.window,
                    cap: how.arithmetic.attention_cap.map(|c| c as f32),
                    fed: self.fed,
                    block,
                    qkv,
                    out: rows.take(block.tokens.len()).collect(),
                });
            }
        }
        tasks
    }
}

impl Pass for HostPass<'_> {
    type Kinds = Packed;
    type Acts = Mat;

    fn embed(&mut self, table: &Table, scale: f64) -> Result<Mat> {
        let mut x = Mat::unwritten(self.ids.len(), self.host.hidden);
        let rows = x.data.chunks_exact_mut(self.host.hidden);
        for (row, &id) in rows.zip(self.ids) {
            self.host.look_up(table, id as usize, scale as f32, row)?;
        }
        Ok(x)
    }

    fn place(&mut self, table: &Table, skip: usize, x: &mut Mat) -> Result<()> {
        let mut learned = vec![0.0; x.width];
        for (row, position) in x.data.chunks_exact_mut(x.width).zip(&self.positions) {
            self.host
                .look_up(table, position + skip, 1.0, &mut learned)?;
            row.iter_mut().zip(&learned).for_each(|(x, p)| *x += p);
        }
        Ok(())
    }

    fn linear(&mut self, matrix: &Linear, x: &Mat) -> Result<Mat> {
        matrix.apply(self.host.arch, self.team, x)
    }

    fn norm(&mut self, gain: &Gain, x: &Mat) -> Result<Mat> {
        let mut out = Mat::unwritten(x.n_rows(), x.width);
        by_rows(&mut out, self.team, |first, to| {
            let from = &x.data[first * x.width..][..to.len()];
            Job::Norm { gain, from, to }.run(self.host.arch);
        });
        Ok(out)
    }

    fn attend(&mut self, how: &Attention<'_, Gain>, mut qkv: Mat) -> Result<Mat> {
        self.prepare(how, &mut qkv);
        self.append(how.layer, &qkv);
        let mut out = Mat::unwritten(qkv.n_rows(), self.widths(qkv.width).0);
        let tasks = self.tasks(how, &qkv, &mut out);
        let run = |task: Attend<'_>| task.run(self.host.arch);
        if self.team == 1 {
            tasks.into_iter().for_each(run);
        } else {
            tasks.into_par_iter().with_max_len(1).for_each(run);
        }
        Ok(out)
    }

    fn activate(&mut self, how: Activation, gated: bool, x: Mat) -> Result<Mat> {
        let times = if gated { 2 } else { 1 };
        let width = x.width / times;
        let mut out = Mat::unwritten(x.n_rows(), width);
        by_rows(&mut out, self.team, |first, to| {
            let from = &x.data[first * x.width..][..to.len() * times];
            let job = Job::Activate {
                how,
                gated,
                width,
                from,
                to,
            };
            job.run(self.host.arch);
        });
        Ok(out)
    }

    fn add(&mut self, x: &mut Mat, y: Mat, scale: f64) -> Result<()> {
        let scale = scale as f32;
        by_rows(x, self.team, |first, to| {
            let from = &y.data[first * y.width..][..to.len()];
            Job::Add { scale, from, to }.run(self.host.arch);
        });
        Ok(())
    }

    fn pick(&mut self, x: Mat) -> Result<Mat> {
        match self.want {
            Want::All | Want::States | Want::None => Ok(x),
            Want::Last => {
                let last = |f: &Fed| f.tokens.end - 1;
                Ok(x.pick(&self.fed.iter().map(last).collect::<Vec<_>>()))
            }
        }
    }
}

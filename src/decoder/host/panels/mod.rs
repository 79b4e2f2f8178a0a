//! Linear layers on the CPU: weights in panels of columns, so that every product reads memory
//! in one direction.

mod strip;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::Range;

use candle_core::Result;
use pulp::bytemuck::Pod;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::floats::Floats;
use super::mat::{Mat, strips};
use super::store::{Room, Store, taken};
use super::tile::WIDEST;
use crate::models::Half;
use strip::{MOST, Strip, V, Weights};

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 19;

/// The weights of a linear layer of `n` outputs and `k` inputs: for each panel of `width`
/// outputs, for each input, `width` weights. The last panel is filled up with zeros.
#[derive(Debug)]
pub(crate) struct Panels {
    data: Weights,
    /// Filled up like the weights; empty for no bias.
    bias: Vec<f32>,
    width: usize,
    pub n: usize,
    pub k: usize,
}

impl Panels {
    /// Packs rows of floats for the vectors of `arch`.
    pub fn pack(
        arch: Arch,
        rows: &Floats<'_>,
        bias: Option<Vec<f32>>,
        room: &Room<'_>,
    ) -> Result<Self> {
        let read = |wanted, scratch: &mut Vec<f32>, put: &mut dyn FnMut(&[f32])| {
            put(rows.rows(arch, wanted, scratch)?);
            Ok(())
        };
        let data = interleaved(arch, rows, room, read)?;
        Ok(Self::of(arch, Weights::Whole(data), bias, rows))
    }

    /// The same in 16 bits, which hold every weight as it is.
    pub fn pack_halves(
        arch: Arch,
        half: Half,
        rows: &Floats<'_>,
        bias: Option<Vec<f32>>,
        room: &Room<'_>,
    ) -> Result<Self> {
        let read = |wanted, scratch: &mut Vec<u16>, put: &mut dyn FnMut(&[u16])| {
            put(rows.halves(half, wanted, scratch));
            Ok(())
        };
        let data = interleaved(arch, rows, room, read)?;
        Ok(Self::of(arch, Weights::Halves(half, data), bias, rows))
    }

    fn of(arch: Arch, data: Weights, bias: Option<Vec<f32>>, rows: &Floats<'_>) -> Self {
        let width = width(arch);
        let mut bias = bias.unwrap_or_default();
        if !bias.is_empty() {
            bias.resize(rows.n.next_multiple_of(width), 0.0);
        }
        Self {
            data,
            bias,
            width,
            n: rows.n,
            k: rows.k,
        }
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Weights::Whole(all) => all.n_bytes(),
            Weights::Halves(_, all) => all.n_bytes(),
        }
    }

    #[cfg(test)]
    pub fn is_in_large_pages(&self) -> bool {
        match &self.data {
            Weights::Whole(all) => all.is_in_large_pages(),
            Weights::Halves(_, all) => all.is_in_large_pages(),
        }
    }

    /// Row `j` of the unpacked weights, times `scale`.
    pub fn unpack(&self, j: usize, scale: f32, out: &mut [f32]) {
        let start = j / self.width * self.width * self.k + j % self.width;
        let mut put = |i: usize, w: f32| out[i] = w * scale;
        match &self.data {
            Weights::Whole(all) => {
                let row = all.all()[start..].iter().step_by(self.width);
                row.take(self.k).enumerate().for_each(|(i, w)| put(i, *w));
            }
            Weights::Halves(half, all) => {
                let row = all.all()[start..].iter().step_by(self.width);
                let row = row.take(self.k).map(|bits| half.widen(*bits));
                row.enumerate().for_each(|(i, w)| put(i, w));
            }
        }
    }

    /// `x W^T + b` on up to `team` threads of the current pool.
    pub fn apply(&self, arch: Arch, team: usize, x: &Mat) -> Mat {
        let mut out = Mat::unwritten(x.n_rows(), self.n);
        let n_panels = self.n.div_ceil(self.width);
        let per_strip = n_panels.div_ceil(self.n_strips(team, x.n_rows()));
        let outs = strips(&mut out, per_strip * self.width);
        let product = |(s, outs)| multiply(arch, self.strip(s * per_strip, x, outs));
        if team == 1 || outs.len() == 1 {
            outs.into_iter().enumerate().for_each(product);
        } else {
            outs.into_par_iter()
                .enumerate()
                .with_max_len(1)
                .for_each(product);
        }
        out
    }

    /// Into how many tasks to cut a product of so many rows.
    fn n_strips(&self, team: usize, n_rows: usize) -> usize {
        // Below four rows memory is the limit: such a product takes as long as one of four.
        let tasks = n_rows.max(4) * self.n * self.k / TASK;
        match team {
            1 => 1,
            // More tasks than threads, so that a thread that is held up holds up no other.
            _ if tasks > 1 => tasks.clamp(team, 4 * team),
            _ => 1,
        }
    }

    /// The product of `x` with all panels from `first` on that `outs` has columns for.
    fn strip<'a>(&'a self, first: usize, x: &'a Mat, outs: Vec<&'a mut [f32]>) -> Strip<'a> {
        Strip {
            weights: &self.data,
            from: first * self.width * self.k,
            bias: self.bias.get(first * self.width..).unwrap_or_default(),
            k: self.k,
            x,
            outs,
            beside: [[0.0; WIDEST]; MOST],
        }
    }
}

/// Once in the program, however it is called.
#[inline(never)]
fn multiply(arch: Arch, strip: Strip<'_>) {
    #[cfg(target_arch = "x86_64")]
    let strip = match x86::multiply(arch, strip) {
        Some(strip) => strip,
        None => return,
    };
    arch.dispatch(strip);
}

/// Outputs in a panel.
fn width(arch: Arch) -> usize {
    V * lanes(arch)
}

/// How many f32 a vector holds.
pub(super) fn lanes(arch: Arch) -> usize {
    arch.dispatch(Lanes)
}

/// Bytes that `n` rows of `k` weights of so many bytes take of a room.
pub(super) fn n_bytes(arch: Arch, n: usize, k: usize, weight: usize) -> usize {
    taken(n.next_multiple_of(width(arch)) * k * weight)
}

/// Rows in panels, the last one filled up with zeros; `read` puts some of them, one after the other.
fn interleaved<T: Pod + Send + Sync>(
    arch: Arch,
    rows: &Floats<'_>,
    room: &Room<'_>,
    read: impl Fn(Range<usize>, &mut Vec<T>, &mut dyn FnMut(&[T])) -> Result<()> + Sync,
) -> Result<Store<T>> {
    let (width, k) = (width(arch), rows.k);
    let mut blank = room.blank(rows.n.next_multiple_of(width) * k);
    let panels = blank.all_mut().par_chunks_mut(width * k).enumerate();
    panels.try_for_each_init(Vec::new, |scratch, (i, panel)| {
        let wanted = i * width..((i + 1) * width).min(rows.n);
        read(wanted, scratch, &mut |rows| {
            for (j, row) in rows.chunks_exact(k).enumerate() {
                for (slot, w) in panel[j..].iter_mut().step_by(width).zip(row) {
                    *slot = *w;
                }
            }
        })
    })?;
    Ok(blank.keep())
}

/// Asks the machine for its vector length in f32.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::models::{Stored, archs};

    fn noise(n: usize, salt: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + salt * 104_729) % 2003) as f32 / 1001.0 - 1.0)
            .collect()
    }

    fn pack(arch: Arch, w: &[f32], n: usize, k: usize, bias: Option<Vec<f32>>) -> Panels {
        let rows = &Stored::Plain(w.to_vec());
        Panels::pack(arch, &Floats { rows, n, k }, bias, &Room::none()).unwrap()
    }

    /// The product by candle.
    fn plain(x: &Mat, w: &[f32], n: usize, k: usize, bias: &[f32]) -> Result<Vec<f32>> {
        let x = Tensor::from_slice(&x.data, (x.n_rows(), k), &Device::Cpu)?;
        let w = Tensor::from_slice(w, (n, k), &Device::Cpu)?;
        let bias = Tensor::from_slice(bias, n, &Device::Cpu)?;
        x.matmul(&w.t()?)?
            .broadcast_add(&bias)?
            .flatten_all()?
            .to_vec1()
    }

    #[test]
    fn products_equal_candles() {
        for (n, k) in [(1, 1), (31, 7), (32, 16), (33, 17), (100, 63), (320, 257)] {
            for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 80] {
                for arch in archs() {
                    check(arch, m, k, n);
                }
            }
        }
    }

    #[test]
    fn weights_in_16_bits_give_the_same_to_the_bit() {
        for half in [Half::Bf16, Half::F16] {
            same_in_16_bits(half);
        }
    }

    fn same_in_16_bits(half: Half) {
        let stored = |w| {
            let mut bits = [0];
            half.narrow(&[w], &mut bits);
            half.widen(bits[0])
        };
        for (n, k) in [(1, 1), (33, 17), (100, 63), (320, 257)] {
            let w: Vec<f32> = noise(n * k, 3).into_iter().map(stored).collect();
            for arch in archs() {
                let (rows, bias) = (&Stored::Plain(w.clone()), Some(noise(n, 2)));
                let rows = Floats { rows, n, k };
                let halves = Panels::pack_halves(arch, half, &rows, bias.clone(), &Room::none());
                let halves = halves.unwrap();
                let whole = Panels::pack(arch, &rows, bias, &Room::none()).unwrap();
                assert_eq!(2 * halves.bytes(), whole.bytes());
                for m in [1, 5, 16] {
                    let (data, width) = (noise(m * k, m).into(), k);
                    let x = Mat { data, width };
                    let product = |panels: &Panels| panels.apply(arch, 3, &x).data.to_vec();
                    assert_eq!(product(&halves), product(&whole));
                }
                let (mut a, mut b) = (vec![0.0; k], vec![0.0; k]);
                halves.unpack(n - 1, 0.5, &mut a);
                whole.unpack(n - 1, 0.5, &mut b);
                assert_eq!(a, b);
            }
        }
    }

    fn check(arch: Arch, m: usize, k: usize, n: usize) {
        let (data, w, bias) = (noise(m * k, m), noise(n * k, 1), noise(n, 2));
        let x = Mat {
            data: data.into(),
            width: k,
        };
        let wanted = plain(&x, &w, n, k, &bias).unwrap();
        let panels = pack(arch, &w, n, k, Some(bias));
        for team in [1, 3] {
            let found = panels.apply(arch, team, &x).data;
            for (a, b) in found.iter().zip(&wanted) {
                let close = (a - b).abs() < 1e-4;
                assert!(close, "{arch:?}, {m} x {k} x {n}: {a} is not {b}");
            }
        }
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let (n, k) = (67, 13);
        let w = noise(n * k, 3);
        let mut row = vec![0.0; k];
        for arch in archs() {
            let panels = pack(arch, &w, n, k, None);
            for (j, w) in w.chunks_exact(k).enumerate() {
                panels.unpack(j, 2.0, &mut row);
                assert!(row.iter().zip(w).all(|(r, w)| *r == w * 2.0));
            }
        }
    }
}

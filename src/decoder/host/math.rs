//! Elementwise functions and norms on slices. The loops are plain so that the compiler turns
//! them into vector code; they are called inside `Arch::dispatch`, which tells it for which
//! machine. They count: what joins or folds iterators is not always inlined, and then compiled for
//! any machine.

use pulp::{Arch, Simd, WithSimd};

use crate::models::Activation;

/// Independent partial sums of a reduction.
const PARTS: usize = 16;

/// e^x within 2 units in the last place; 0 below -87, capped at e^88.
#[inline(always)]
pub(in crate::decoder) fn exp(x: f32) -> f32 {
    // e^x = 2^n e^r with |r| <= ln(2) / 2; ln 2 in two parts keeps r exact (Cody and Waite).
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let bounded = x.clamp(-87.0, 88.0);
    let shifted = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = bounded - n * LN2_HIGH - n * LN2_LOW;
    // Minimax polynomial of Cephes' expf.
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let p = p * r * r + r + 1.0;
    // The integer stands in the low bits of `shifted`; moved to the exponent it is 2^n.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    if x < -87.0 { 0.0 } else { p * power }
}

/// 1 / (1 + e^-x)
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(in crate::decoder) fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// The error function within 1.5e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
pub(in crate::decoder) fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let p = 1.061_405_4 * t - 1.453_152_1;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_72;
    let p = p * t + 0.254_829_6;
    (1.0 - p * t * exp(-x * x)).copysign(x)
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// x / 2 (1 + tanh(u)) = x sigmoid(2 u)
#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    const TWICE_ROOT: f32 = 1.595_769; // 2 sqrt(2 / pi)
    x * sigmoid(TWICE_ROOT * (x + 0.044_715 * x * x * x))
}

/// `out = act(x)`, or with `up` `act(x) * up`.
#[inline(always)]
fn activate(how: Activation, x: &[f32], up: Option<&[f32]>, out: &mut [f32]) {
    match how {
        Activation::Silu => map(x, up, out, |x| x * sigmoid(x)),
        Activation::Gelu => map(x, up, out, gelu),
        Activation::GeluTanh => map(x, up, out, gelu_tanh),
        Activation::Relu => map(x, up, out, |x| x.max(0.0)),
    }
}

#[inline(always)]
fn map(x: &[f32], up: Option<&[f32]>, out: &mut [f32], f: impl Fn(f32) -> f32) {
    let n = out.len();
    let x = &x[..n];
    match up {
        Some(up) => {
            let up = &up[..n];
            for i in 0..n {
                out[i] = f(x[i]) * up[i];
            }
        }
        None => {
            for i in 0..n {
                out[i] = f(x[i]);
            }
        }
    }
}

/// A norm's parameters.
#[derive(Debug)]
pub(crate) struct Gain {
    pub gain: Vec<f32>,
    /// With a bias it is a layer norm, without one a root-mean-square norm.
    pub bias: Option<Vec<f32>>,
    pub eps: f32,
}

impl Gain {
    /// Normalises `x` into `out`, in pieces of the gain's length.
    #[inline(always)]
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let n = self.gain.len();
        for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
            out.copy_from_slice(x);
            self.apply_one(out);
        }
    }

    /// Normalises in place, in pieces of the gain's length.
    #[inline(always)]
    pub fn apply_here(&self, x: &mut [f32]) {
        for x in x.chunks_exact_mut(self.gain.len()) {
            self.apply_one(x);
        }
    }

    #[inline(always)]
    fn apply_one(&self, x: &mut [f32]) {
        let n = x.len();
        if self.bias.is_some() {
            let mean = sum(x, |v| v) / n as f32;
            for v in x.iter_mut() {
                *v -= mean;
            }
        }
        let scale = 1.0 / (sum(x, |v| v * v) / n as f32 + self.eps).sqrt();
        let gain = &self.gain[..n];
        for i in 0..n {
            x[i] *= scale * gain[i];
        }
        if let Some(bias) = &self.bias {
            add(x, bias, 1.0);
        }
    }
}

/// `to += scale * from`
#[inline(always)]
pub(in crate::decoder) fn add(to: &mut [f32], from: &[f32], scale: f32) {
    let n = to.len();
    let from = &from[..n];
    for i in 0..n {
        to[i] += scale * from[i];
    }
}

/// The sum of `f` over a slice, in a fixed order.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = x.as_chunks::<PARTS>();
    let mut parts = [0.0; PARTS];
    for chunk in whole {
        for i in 0..PARTS {
            parts[i] += f(chunk[i]);
        }
    }
    let (mut total, mut last) = (0.0, 0.0);
    for part in parts {
        total += part;
    }
    for &v in rest {
        last += f(v);
    }
    total + last
}

/// log of the sum of the exponentials of raw logits, as a job for `Arch::dispatch`.
pub(in crate::decoder) struct LogSumExp<'a>(pub &'a [f32]);

impl WithSimd for LogSumExp<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        log_sum_exp(self.0)
    }
}

/// Summed in f64 over blocks.
#[inline(always)]
pub(in crate::decoder) fn log_sum_exp(x: &[f32]) -> f64 {
    const BLOCK: usize = 1024;
    let highest = max(x);
    let mut total = 0.0;
    for block in x.chunks(BLOCK) {
        total += f64::from(sum(block, |v| exp(v - highest)));
    }
    f64::from(highest) + total.ln()
}

#[inline(always)]
pub(in crate::decoder) fn max(x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks::<PARTS>();
    let mut parts = [f32::NEG_INFINITY; PARTS];
    for chunk in whole {
        for i in 0..PARTS {
            parts[i] = higher(chunk[i], parts[i]);
        }
    }
    let mut highest = f32::NEG_INFINITY;
    for part in parts {
        highest = higher(part, highest);
    }
    for &v in rest {
        highest = higher(v, highest);
    }
    highest
}

/// The second where they are not to be compared: one instruction, unlike `f32::max`.
#[inline(always)]
fn higher(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Scores that come no closer to `cap` than it allows.
#[inline(always)]
pub(in crate::decoder) fn capped(scores: &mut [f32], cap: f32) {
    for s in scores.iter_mut() {
        *s = cap * tanh(*s / cap);
    }
}

/// Replaces scores by the exponentials of their distance to the highest; returns their sum.
#[inline(always)]
pub(in crate::decoder) fn soften(scores: &mut [f32]) -> f32 {
    let highest = max(scores);
    for s in scores.iter_mut() {
        *s = exp(*s - highest);
    }
    sum(scores, |s| s)
}

/// Turns the pairs `(x[i], x[half + i])` of one head by a table row's angles.
#[inline(always)]
pub(in crate::decoder) fn rotate(head: &mut [f32], row: &[f32]) {
    let half = row.len() / 2;
    let (cos, sin) = (&row[..half], &row[half..2 * half]);
    let (left, rest) = head.split_at_mut(half);
    let rest = &mut rest[..half];
    for i in 0..half {
        let (a, b) = (left[i], rest[i]);
        left[i] = a * cos[i] - b * sin[i];
        rest[i] = b * cos[i] + a * sin[i];
    }
}

/// An elementwise job, compiled for the machine that it runs on. (A closure would do, were it
/// certain to be inlined where the machine's instructions are allowed.)
pub(in crate::decoder) enum Job<'a> {
    /// `to = norm(from)`
    Norm {
        gain: &'a Gain,
        from: &'a [f32],
        to: &'a mut [f32],
    },
    /// `to = act(from)` row by row; where gated, a row of `from` is gate and up side by side.
    Activate {
        how: Activation,
        gated: bool,
        width: usize,
        from: &'a [f32],
        to: &'a mut [f32],
    },
    /// `to += scale * from`
    Add {
        scale: f32,
        from: &'a [f32],
        to: &'a mut [f32],
    },
    /// Queries and keys ready for attention.
    Prepare(Prepare<'a>),
}

/// Rows of queries, keys and values: norms, rotates and scales where they stand.
pub(in crate::decoder) struct Prepare<'a> {
    pub rows: &'a mut [f32],
    pub width: usize,
    /// Widths of all queries and of all keys.
    pub parts: (usize, usize),
    pub head_dim: usize,
    pub norms: (Option<&'a Gain>, Option<&'a Gain>),
    /// The rows' angles; empty for none.
    pub angles: &'a [f32],
    /// Multiplies queries.
    pub scale: f32,
}

impl Job<'_> {
    /// Once in the program, however it is called.
    #[inline(never)]
    pub fn run(self, arch: Arch) {
        arch.dispatch(self);
    }
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self {
            Self::Norm { gain, from, to } => gain.apply(from, to),
            Self::Add { scale, from, to } => add(to, from, scale),
            Self::Activate {
                how,
                gated: false,
                from,
                to,
                ..
            } => activate(how, from, None, to),
            Self::Activate {
                how,
                width,
                from,
                to,
                ..
            } => {
                for (from, to) in from.chunks_exact(2 * width).zip(to.chunks_exact_mut(width)) {
                    let (gate, up) = from.split_at(width);
                    activate(how, gate, Some(up), to);
                }
            }
            Self::Prepare(prepare) => prepare.run(),
        }
    }
}

impl Prepare<'_> {
    #[inline(always)]
    fn run(self) {
        let (q, k) = self.parts;
        let n_rows = self.rows.len() / self.width;
        let turn = self.angles.len() / n_rows;
        for (i, row) in self.rows.chunks_exact_mut(self.width).enumerate() {
            let (queries, keys) = row[..q + k].split_at_mut(q);
            if let (Some(q_norm), Some(k_norm)) = self.norms {
                q_norm.apply_here(queries);
                k_norm.apply_here(keys);
            }
            if turn > 0 {
                let angles = &self.angles[i * turn..(i + 1) * turn];
                for head in row[..q + k].chunks_exact_mut(self.head_dim) {
                    rotate(head, angles);
                }
            }
            for v in &mut row[..q] {
                *v *= self.scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with f64 over a range; `scale` is what an error of 1 is relative to.
    fn check(
        name: &str,
        found: impl Fn(f32) -> f32,
        wanted: impl Fn(f64) -> f64,
        scale: impl Fn(f64) -> f64,
    ) {
        for i in -4000..=4000 {
            let x = i as f32 * 0.02173;
            let (found, wanted) = (f64::from(found(x)), wanted(f64::from(x)));
            let error = (found - wanted).abs() / scale(wanted);
            assert!(error < 1e-6, "{name}({x}) = {found}, not {wanted}");
        }
    }

    #[test]
    fn functions_are_accurate() {
        let relative = |y: f64| y.abs().max(1e-30);
        check("exp", exp, f64::exp, relative);
        let absolute = |y: f64| y.abs().max(1.0);
        check("tanh", tanh, f64::tanh, absolute);
        check("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp()), absolute);
        let tanh_form = |x: f64| {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + u.tanh())
        };
        check("gelu_tanh", gelu_tanh, tanh_form, absolute);
        check(
            "gelu",
            gelu,
            |x| 0.5 * x * (1.0 + erf_exact(x / 2_f64.sqrt())),
            absolute,
        );
    }

    /// By its power series, or 1 where that is 1 in f32.
    fn erf_exact(x: f64) -> f64 {
        if x.abs() > 4.5 {
            return x.signum();
        }
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn exp_at_the_edges() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(100.0).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn weights_sum_to_one() {
        for n in [1, 2, 15, 16, 17, 100] {
            let mut scores: Vec<_> = (0..n).map(|i| (i * 37 % 11) as f32 - 200.0).collect();
            let total = soften(&mut scores);
            let sum: f32 = scores.iter().sum();
            assert!((sum / total - 1.0).abs() < 1e-6);
            assert_eq!(scores.iter().copied().fold(0.0, f32::max), 1.0);
        }
    }
}

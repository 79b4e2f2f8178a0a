//! Every operation against the same in candle's terms: values and gradients.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, Var};

use super::*;
use crate::decoder::composed;
use crate::decoder::train::tape::Tape;
use crate::models::Activation;

/// Numbers without a pattern, around 0.
fn noise(seed: u64, shape: &[usize]) -> Var {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let n = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|_| next()).collect();
    Var::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Both forms give the same values and, weighted at random, the same gradients of all `vars`.
fn check(
    vars: &[&Var],
    ours: impl Fn(&Tape) -> Result<Tensor>,
    theirs: impl Fn() -> Result<Tensor>,
) {
    let tape = Tape::new(true);
    let (ours, theirs) = (ours(&tape).unwrap(), theirs().unwrap());
    close(&ours, &theirs);
    let weights = noise(99, ours.dims()).as_detached_tensor();
    let ours = tape.backward(&ours, weights.clone()).unwrap();
    let theirs = (&theirs * weights).unwrap().backward().unwrap();
    for var in vars {
        close(&ours[&var.id()], theirs.get(var).unwrap());
    }
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims());
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (a, b) = (flat(a), flat(b));
    let largest = b.iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
    for (a, b) in a.iter().zip(&b) {
        assert!(
            (a - b).abs() < 2e-5 * largest,
            "{a} is not {b} of {largest}"
        );
    }
}

#[test]
fn a_linear_layer() {
    let (x, w) = (noise(1, &[7, 12]), noise(2, &[9, 12]));
    let wt = || w.t()?.contiguous();
    check(
        &[&x, &w],
        |tape: &Tape| linear(tape, &x, &w),
        || x.matmul(&wt()?),
    );
}

#[test]
fn both_norms() {
    for n in [16, 37] {
        let (x, g, b) = (noise(1, &[50, n]), noise(2, &[n]), noise(3, &[n]));
        let composed = |bias| composed::norm(&x, &g, bias, 1e-5);
        check(
            &[&x, &g],
            |tape: &Tape| norm(tape, &x, &g, None, 1e-5),
            || composed(None),
        );
        let ours = |tape: &Tape| norm(tape, &x, &g, Some(&b), 1e-5);
        check(&[&x, &g, &b], ours, || composed(Some(&b)));
    }
}

#[test]
fn all_activations() {
    use Activation::{Gelu, GeluTanh, Relu, Silu};
    let x = noise(5, &[33, 24]);
    for how in [Silu, Gelu, GeluTanh, Relu] {
        for gated in [false, true] {
            let ours = |tape: &Tape| activate(tape, how, gated, &x);
            check(&[&x], ours, || composed::activate(how, gated, &x));
        }
    }
}

#[test]
fn attention_of_unequal_rows() {
    let angles: Vec<f32> = (0..20)
        .flat_map(|t| {
            let angle = move |i: usize| t as f32 * 0.3 / (i + 1) as f32;
            (0..3)
                .map(move |i| angle(i).cos())
                .chain((0..3).map(move |i| angle(i).sin()))
        })
        .collect();
    let heads = Heads {
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 10,
        window: None,
        scale: 0.4,
        cap: None,
        angles: None,
        rows: Arc::new(vec![0..7, 7..8, 8..20]),
    };
    let turned = Some(Arc::new(angles));
    let qkv = noise(7, &[20, heads.width()]);
    for heads in [
        heads.clone(),
        Heads {
            angles: turned.clone(),
            ..heads.clone()
        },
        Heads {
            window: Some(4),
            angles: turned,
            cap: Some(1.5),
            ..heads
        },
    ] {
        check(
            &[&qkv],
            |tape: &Tape| attend(tape, &heads, &qkv),
            || attend::composed(&heads, &qkv),
        );
    }
}

#[test]
fn chosen_log_probabilities() {
    for n in [5, 11] {
        let (h, w) = (noise(1, &[n, 8]), noise(2, &[70, 8]));
        let targets: Vec<u32> = (0..n as u32).map(|i| i * 13 % 70).collect();
        for cap in [None, Some(0.9)] {
            let finish = Finish { scale: 1.3, cap };
            let ours = |tape: &Tape| chosen(tape, &h, &w, Arc::new(targets.clone()), finish);
            let theirs = || chosen::composed(&h, &w, &targets, finish);
            check(&[&h, &w], ours, theirs);
        }
    }
}

#[test]
fn what_candle_composes_has_its_gradient() {
    let (x, g) = (noise(1, &[5, 8]), noise(2, &[8]));
    let ours =
        |tape: &Tape| tape.composed(&[&x, &g], |of| composed::norm(&of[0], &of[1], None, 1e-5));
    check(&[&x, &g], ours, || composed::norm(&x, &g, None, 1e-5));
}

#[test]
fn a_tensor_used_twice_gains_both() {
    let (x, w) = (noise(1, &[6, 8]), noise(2, &[8, 8]));
    let ours = |tape: &Tape| {
        let y = linear(tape, &x, &w)?;
        tape.add(&tape.add(&x, &y)?, &linear(tape, &y, &w)?)
    };
    let theirs = || {
        let y = x.matmul(&w.t()?)?;
        (x.as_tensor() + &y)? + y.matmul(&w.t()?)?
    };
    check(&[&x, &w], ours, theirs);
}

#[test]
fn what_only_moves_numbers() {
    let (table, bias) = (noise(1, &[9, 6]), noise(2, &[6]));
    let index = |ids: &[u32]| Tensor::new(ids, &Device::Cpu).unwrap();
    let (rows, order) = (index(&[3, 0, 3, 8]), index(&[2, 0, 1, 3]));
    let ours = |tape: &Tape| {
        let x = tape.add_bias(&tape.select(&table, &rows, 0)?, &bias)?;
        let left = tape.affine(&tape.columns(&x, 1, 4)?, 0.5, 1.0)?;
        let both = tape.beside(&[tape.select(&left, &order, 1)?, tape.columns(&x, 0, 2)?])?;
        tape.reshape(&tape.cast(&both, DType::F32)?, (8, 3))
    };
    let theirs = || {
        let x = table.index_select(&rows, 0)?.broadcast_add(&bias)?;
        let left = ((x.narrow(1, 1, 4)? * 0.5)? + 1.0)?;
        let both = Tensor::cat(&[left.index_select(&order, 1)?, x.narrow(1, 0, 2)?], 1)?;
        both.reshape((8, 3))
    };
    check(&[&table, &bias], ours, theirs);
}

#[test]
fn without_learning_nothing_is_remembered() {
    let (x, w) = (noise(1, &[6, 8]), noise(2, &[8, 8]));
    let tape = Tape::new(false);
    let y = linear(&tape, &x, &w).unwrap();
    assert!(!tape.tracks(&y) && !tape.tracks(&x));
    let grads = tape.backward(&y, y.clone()).unwrap();
    assert!(!grads.contains_key(&x.id()) && !grads.contains_key(&w.id()));
}

//! What a pass is made of in candle's terms: on any device, with gradients.

use candle_core::{D, DType, Result, Tensor};

use crate::models::Activation;

/// `x / rms(x) * gain`, or with a bias `(x - mean) / deviation * gain + bias`, of the last
/// dimension, computed in f32.
pub(super) fn norm(x: &Tensor, gain: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    let dtype = x.dtype();
    let mut x = x.to_dtype(DType::F32)?;
    if bias.is_some() {
        x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    }
    let variance = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?;
    let y = x.broadcast_div(&variance.sqrt()?)?.broadcast_mul(gain)?;
    match bias {
        Some(bias) => y.broadcast_add(bias)?.to_dtype(dtype),
        None => y.to_dtype(dtype),
    }
}

/// `act(x)`, or where gated `act(left half) * right half`, of (tokens, width).
pub(super) fn activate(how: Activation, gated: bool, x: &Tensor) -> Result<Tensor> {
    let width = x.dim(1)? / if gated { 2 } else { 1 };
    let left = x.narrow(1, 0, width)?;
    let y = match how {
        Activation::Silu => left.silu(),
        Activation::Gelu => left.gelu_erf(),
        Activation::GeluTanh => left.gelu(),
        Activation::Relu => left.relu(),
    }?;
    match gated {
        true => y * x.narrow(1, width, width)?,
        false => Ok(y),
    }
}

/// Turns the pairs `(x[i], x[half + i])` of heads (tokens, heads, dimensions) by angles
/// (tokens, 1, half).
pub(super) fn rotate(x: &Tensor, (cos, sin): &(Tensor, Tensor)) -> Result<Tensor> {
    let half = cos.dim(2)?;
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let left = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let right = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    match x.dim(2)? - 2 * half {
        0 => Tensor::cat(&[left, right], 2),
        rest => Tensor::cat(&[left, right, x.narrow(2, 2 * half, rest)?], 2),
    }
}

/// `cap tanh(x / cap)` where there is one.
pub(super) fn soft_cap(x: Tensor, cap: Option<f64>) -> Result<Tensor> {
    match cap {
        Some(cap) => (x / cap)?.tanh()? * cap,
        None => Ok(x),
    }
}

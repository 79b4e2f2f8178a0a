//! `x W^T`: as one operation, so that no gradient is transposed.

use candle_core::{Result, Tensor};

use crate::decoder::train::tape::Tape;

/// `x W^T` of `x` (tokens, k) and `weight` (n, k), in the type of `x`.
pub(in crate::decoder::train) fn linear(
    tape: &Tape,
    x: &Tensor,
    weight: &Tensor,
) -> Result<Tensor> {
    let weight = &tape.cast(weight, x.dtype())?;
    let tracked = [x, weight].map(|x| tape.tracks(x));
    let (input, rows) = (x.detach(), weight.detach());
    let y = input.matmul(&rows.t()?)?;
    tape.record(&[x, weight], &y, move |grad| {
        let of_x = || grad.matmul(&rows);
        let of_weight = || grad.t()?.matmul(&input);
        Ok(vec![
            tracked[0].then(of_x).transpose()?,
            tracked[1].then(of_weight).transpose()?,
        ])
    });
    Ok(y)
}

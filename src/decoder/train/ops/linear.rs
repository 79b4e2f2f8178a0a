//! `x W^T`: as one node, so that no gradient is transposed.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::values::is_ours;

/// `x W^T` of `x` (tokens, k) and `weight` (n, k), in the type of `x`.
pub(in crate::decoder::train) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    match is_ours(x) && is_ours(weight) {
        true => x.contiguous()?.apply_op2(weight, Linear),
        false => composed(x, weight),
    }
}

fn composed(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.to_dtype(x.dtype())?.t()?)
}

struct Linear;

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (m, k) = x_layout.shape().dims2()?;
        let (n, _) = layout.shape().dims2()?;
        let y = x.matmul(weight, (1, m, n, k), x_layout, &layout.transpose(0, 1)?)?;
        Ok((y, (m, n).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_x = || grad.matmul(weight);
        let of_weight = || grad.t()?.matmul(x);
        Ok((
            x.track_op().then(of_x).transpose()?,
            weight.track_op().then(of_weight).transpose()?,
        ))
    }
}

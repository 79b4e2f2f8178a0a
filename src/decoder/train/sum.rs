//! Sums of tensors of one shape, on all cores: candle adds on one.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::values::{fast, is_ours, read, values};
use crate::decoder::host::math::Job;

/// `a + b`
pub(super) fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let is_ours = |x: &Tensor| is_ours(x) && x.is_contiguous();
    match is_ours(a) && is_ours(b) && a.shape() == b.shape() {
        true => a.apply_op2_no_bwd(b, &Sum),
        false => a + b,
    }
}

/// So many values are a task.
const TASK: usize = 1 << 14;

struct Sum;

impl CustomOp2 for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut to = values(a, a_layout)?.to_vec();
        let pieces = to.par_chunks_mut(TASK);
        let pieces = pieces.zip(values(b, layout)?.par_chunks(TASK));
        pieces.for_each(|(to, from)| {
            let scale = 1.0;
            fast(Job::Add { scale, from, to });
        });
        Ok((CpuStorage::F32(to), a_layout.shape().clone()))
    }
}

/// The sum of the squares of all values, as a number.
pub(super) fn squares(x: &Tensor) -> Result<f64> {
    if !is_ours(x) {
        return Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    read(x, |x| {
        let pieces = x.par_chunks(TASK).map(|x| fast(Squares(x)));
        // In the order of the pieces, however many threads there are.
        let pieces: Vec<f64> = pieces.collect();
        Ok(pieces.iter().sum())
    })
}

struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut parts = [0.0; 16];
        let (whole, rest) = self.0.as_chunks::<16>();
        for chunk in whole {
            for (part, v) in parts.iter_mut().zip(chunk) {
                *part += v * v;
            }
        }
        let rest: f32 = rest.iter().map(|v| v * v).sum();
        parts.iter().map(|part| f64::from(*part)).sum::<f64>() + f64::from(rest)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn sums_are_candles() -> Result<()> {
        let a = Tensor::rand(-1f32, 1.0, (301, 97), &Device::Cpu)?;
        let b = Tensor::rand(-1f32, 1.0, (97, 301), &Device::Cpu)?;
        let found = sum(&a, &b.t()?.contiguous()?)?.flatten_all()?;
        let wanted = (&a + b.t()?)?.flatten_all()?;
        assert_eq!(found.to_vec1::<f32>()?, wanted.to_vec1::<f32>()?);
        // One that is strided is candle's own.
        let strided = sum(&a, &b.t()?)?.flatten_all()?;
        assert_eq!(strided.to_vec1::<f32>()?, wanted.to_vec1::<f32>()?);
        let wanted = a.to_dtype(DType::F64)?.sqr()?.sum_all()?;
        let wanted = wanted.to_scalar::<f64>()?;
        assert!((squares(&a)? - wanted).abs() < 1e-5 * wanted);
        Ok(())
    }
}

//! Tensors' values as slices, and jobs on them.

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};
use pulp::WithSimd;

use crate::decoder::vectors::arch;

/// Whether a tensor is one that the hand-written operations take.
pub(in crate::decoder::train) fn is_ours(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The values of contiguous storage.
pub(in crate::decoder::train) fn values<'a>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("an operation of training was given a strided tensor"),
    }
}

/// Hands out the values of a tensor on the CPU.
pub(in crate::decoder::train) fn read<T>(
    x: &Tensor,
    f: impl FnOnce(&[f32]) -> Result<T>,
) -> Result<T> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(values(storage, layout)?),
        _ => bail!("an operation of training was given a tensor on another device"),
    }
}

/// Runs `job`, compiled for the machine that it runs on.
pub(in crate::decoder::train) fn fast<J: WithSimd>(job: J) -> J::Output {
    arch().dispatch(job)
}

/// How many rows of `width` values are worth a task of their own.
pub(in crate::decoder::train) fn rows_per_task(width: usize) -> usize {
    const TASK: usize = 1 << 14;
    (TASK / width.max(1)).max(1)
}

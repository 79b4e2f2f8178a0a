//! Numbers as files store them.

use std::path::PathBuf;
use std::sync::Arc;

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::Dtype;

use super::error::LoadError;

/// One memory-mapped file.
#[derive(Debug)]
pub struct MappedFile {
    pub(crate) path: PathBuf,
    pub(crate) map: Arc<Mmap>,
}

/// Refuses a tensor of another shape than is wanted.
pub(super) fn check_shape(name: &str, found: &[usize], wanted: &[usize]) -> Result<(), LoadError> {
    if found == wanted {
        return Ok(());
    }
    Err(LoadError::Shape {
        name: name.into(),
        found: found.into(),
        wanted: wanted.into(),
    })
}

/// Little-endian floats of any width as f32.
pub(super) fn to_f32(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>, LoadError> {
    match dtype {
        Dtype::F32 => Ok(each(bytes, f32::from_le_bytes)),
        Dtype::F16 => Ok(each(bytes, |b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Ok(each(bytes, |b| bf16::from_le_bytes(b).to_f32())),
        Dtype::F64 => Ok(each(bytes, |b| f64::from_le_bytes(b) as f32)),
        other => Err(LoadError::Dtype {
            name: name.into(),
            dtype: format!("{other:?}"),
        }),
    }
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&b| read(b)).collect()
}

//! GGUF files: weights that stay quantised, configuration and tokenizer in one file.
//!
//! Layouts as llama.cpp's converter writes them (`gguf-py/gguf/constants.py`).

mod blocks;
mod config;
mod metadata;
mod names;
mod vocab;

#[cfg(test)]
pub(crate) use blocks::archs;

use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Result;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{Content, TensorInfo};
use memmap2::Mmap;
use pulp::Arch;

use crate::models::error::LoadError;
use crate::models::map::map;

/// An open GGUF file, its header read.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    content: Content,
    /// All of the file; the model's matrices stay in it.
    map: Arc<Mmap>,
}

impl GgufFile {
    /// Reads the header: metadata and where the tensors are.
    ///
    /// # Errors
    /// The file is missing, cut short or no GGUF file.
    pub fn open(path: &Path) -> std::result::Result<Self, LoadError> {
        let unreadable = |source| LoadError::Gguf {
            path: path.to_owned(),
            reason: format!("it cannot be read: {source}"),
        };
        let map = map(path).map_err(unreadable)?;
        let content = Content::read(&mut Cursor::new(&map[..])).map_err(|e| {
            // The first line; candle appends a backtrace where it is asked for one.
            let reason = e.to_string().lines().next().unwrap_or_default().to_owned();
            LoadError::Gguf {
                path: path.to_owned(),
                reason,
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            content,
            map: Arc::new(map),
        })
    }

    /// For messages.
    pub(in crate::models) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Size of the file.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Whether the file has the tensor of this Hugging Face name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(&self.stored(name))
    }

    /// A tensor as f32, row-major.
    pub(crate) fn read(
        &self,
        name: &str,
        shape: &[usize],
    ) -> std::result::Result<Vec<f32>, LoadError> {
        let (k, n) = match shape {
            [n, k] => (*k, *n),
            _ => (shape.iter().product(), 1),
        };
        let rows = self.rows_of(name, shape, n, k)?;
        Ok(rows.read(0..n)?)
    }

    /// A matrix of `n` rows of `k` weights, quantised as it is stored.
    pub(crate) fn rows(
        &self,
        name: &str,
        n: usize,
        k: usize,
    ) -> std::result::Result<QuantRows, LoadError> {
        let mut rows = self.rows_of(name, &[n, k], n, k)?;
        rows.order = self.order(name, n);
        Ok(rows)
    }

    fn rows_of(
        &self,
        name: &str,
        shape: &[usize],
        n: usize,
        k: usize,
    ) -> std::result::Result<QuantRows, LoadError> {
        let stored = self.stored(name);
        let infos = &self.content.tensor_infos;
        let info = infos
            .get(&stored)
            .ok_or_else(|| LoadError::Missing(stored.clone()))?;
        if info.shape.dims() != shape {
            return Err(LoadError::Shape {
                name: stored,
                found: info.shape.dims().to_vec(),
                wanted: shape.into(),
            });
        }
        let dtype = info.ggml_dtype;
        if !k.is_multiple_of(dtype.block_size()) {
            return Err(self.broken(&format!(
                "rows of {k} in tensor '{stored}' are not whole blocks"
            )));
        }
        let row_bytes = k / dtype.block_size() * dtype.type_size();
        Ok(QuantRows {
            start: self
                .start(info, n * row_bytes)
                .ok_or_else(|| self.broken(&format!("tensor '{stored}': it is cut short")))?,
            map: self.map.clone(),
            dtype,
            order: None,
            n,
            k,
            row_bytes,
        })
    }

    /// Where in the file a tensor of `n` bytes begins, if all of it is there.
    fn start(&self, info: &TensorInfo, n: usize) -> Option<usize> {
        let start = self.content.tensor_data_offset.checked_add(info.offset)?;
        let start = usize::try_from(start).ok()?;
        (start.checked_add(n)? <= self.map.len()).then_some(start)
    }

    /// Where llama's queries and keys are stored for interleaved rotation: the place of each row
    /// that is wanted in halves, `(head, half, pair)`, stored as `(head, pair, half)`.
    fn order(&self, name: &str, n: usize) -> Option<Vec<u32>> {
        let heads = match self.permuted(name)? {
            0 => return None,
            heads => heads,
        };
        let half = n / heads / 2;
        let place = |row: usize| {
            let (head, at) = (row / (2 * half), row % (2 * half));
            (head * 2 * half + at % half * 2 + at / half) as u32
        };
        Some((0..n).map(place).collect())
    }

    fn broken(&self, reason: &str) -> LoadError {
        LoadError::Gguf {
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Rows of weights where a GGUF file stores them, in blocks.
#[derive(Debug, Clone)]
pub(crate) struct QuantRows {
    map: Arc<Mmap>,
    /// Of the first row, in bytes.
    start: usize,
    dtype: GgmlDType,
    /// Where each row is stored, if not in its place.
    order: Option<Vec<u32>>,
    pub n: usize,
    pub k: usize,
    row_bytes: usize,
}

impl QuantRows {
    pub fn n_bytes(&self) -> usize {
        self.n * self.row_bytes
    }

    /// Some rows as f32, one after the other.
    ///
    /// # Errors
    /// None that is expected: sizes are checked when the file is opened.
    pub fn read(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        let mut out = vec![0.0; rows.len() * self.k];
        self.read_into(Arch::new(), rows, &mut out)?;
        Ok(out)
    }

    /// The same into `out`, of `rows.len() * k`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_into(&self, arch: Arch, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let bytes = |row: usize, n: usize| &self.map[self.start + row * self.row_bytes..][..n];
        let Some(order) = &self.order else {
            let n = rows.len() * self.row_bytes;
            return blocks::unpack(arch, self.dtype, bytes(rows.start, n), out);
        };
        for (row, out) in rows.zip(out.chunks_exact_mut(self.k)) {
            let stored = bytes(order[row] as usize, self.row_bytes);
            blocks::unpack(arch, self.dtype, stored, out)?;
        }
        Ok(())
    }
}

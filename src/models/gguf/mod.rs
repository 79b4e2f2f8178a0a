//! GGUF files: weights that stay quantised, configuration and tokenizer in one file.
//!
//! Layouts as llama.cpp's converter writes them (`gguf-py/gguf/constants.py`).
//!
//! | | |
//! | --- | --- |
//! | read | the numbers in [`config`], `rope.scaling.type` and `.factor`, the older `rope.scale_linear`, `rope_freqs`; tokens, merges or scores, types, `pre`, ids of BOS, EOS, EOT and EOM, ends of turns by their names; the chat template; all parts of a split file |
//! | ignored | sampling, authors, dates, tensors that the architecture does not name |
//! | refused | other architectures, other rotary scaling than linear, other tokenizers than byte-level BPE and SentencePiece's, ways of splitting words that are not known or not said, a part that is not the first |

mod blocks;
mod codes;
mod config;
mod metadata;
mod names;
pub(super) mod parts;
mod vocab;

#[cfg(test)]
pub(crate) use blocks::archs;
pub(crate) use codes::{Codes, Form, GROUP, Scheme};

use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Result;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{Content, TensorInfo};
use memmap2::Mmap;
use pulp::Arch;
use safetensors::Dtype;

use crate::caught::caught;
use crate::models::error::{LoadError, short};
use crate::models::halves::Half;
use crate::models::map::map;

/// An open GGUF file, its header read.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    /// One, or all parts of a file that was split; what the first one says of the model holds.
    parts: Vec<Part>,
}

/// One file.
#[derive(Debug)]
struct Part {
    content: Content,
    /// All of the file; the model's matrices stay in it.
    map: Arc<Mmap>,
}

impl GgufFile {
    /// Reads the header: metadata and where the tensors are; of a file that was split, the headers
    /// of all its parts, which lie beside the first.
    ///
    /// # Errors
    /// The file is missing, cut short or no GGUF file, or a part other than the first.
    pub fn open(path: &Path) -> std::result::Result<Self, LoadError> {
        let mut file = Self {
            path: path.to_owned(),
            parts: vec![Part::open(path)?],
        };
        let count = file.id("split.count").unwrap_or(1);
        if file.id("split.no").unwrap_or(0) != 0 {
            return Err(file.broken(&format!("it is a part of {count}: name the first part")));
        }
        for no in 1..count {
            let part = file.beside(no, count)?;
            file.parts.push(Part::open(&part)?);
        }
        Ok(file)
    }

    /// Where part `no` lies, counted from 0.
    fn beside(&self, no: u32, count: u32) -> std::result::Result<PathBuf, LoadError> {
        let name = self.path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| !parts::is_later(name));
        match name.and_then(|name| parts::part(name, no + 1, count)) {
            Some(part) => Ok(self.path.with_file_name(part)),
            None => Err(self.broken(&format!(
                "it is part 1 of {count}, and its name does not end in -00001-of-{count:05}.gguf"
            ))),
        }
    }

    /// For messages.
    pub(in crate::models) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Size of the file.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.map.len() as u64).sum()
    }

    /// Bytes of all tensors as they are multiplied on the CPU: blocks as they are stored, all
    /// else in f32.
    pub(crate) fn n_bytes_multiplied(&self) -> u64 {
        let infos = self
            .parts
            .iter()
            .flat_map(|part| part.content.tensor_infos.values());
        let bytes = |info: &TensorInfo| {
            let dims = info.shape.dims().iter();
            let n = dims.fold(1u64, |n, dim| n.saturating_mul(*dim as u64));
            let dtype = info.ggml_dtype;
            match dtype {
                dtype if is_dense(dtype) => n.saturating_mul(4),
                _ => (n / dtype.block_size() as u64).saturating_mul(dtype.type_size() as u64),
            }
        };
        infos.map(bytes).fold(0, u64::saturating_add)
    }

    /// How a tensor is stored; `None` where there is no such.
    pub(in crate::models) fn dtype(&self, name: &str) -> Option<GgmlDType> {
        let (_, info) = self.info(&self.stored(name))?;
        Some(info.ggml_dtype)
    }

    /// What the header says.
    fn content(&self) -> &Content {
        &self.parts[0].content
    }

    /// A tensor by its name in the file, and the part that has it.
    fn info(&self, stored: &str) -> Option<(&Part, &TensorInfo)> {
        let mut parts = self.parts.iter();
        parts.find_map(|part| Some((part, part.content.tensor_infos.get(stored)?)))
    }

    /// Whether the file has the tensor of this Hugging Face name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.info(&self.stored(name)).is_some()
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
        let values = rows.read(0..n)?;
        // The biases of permuted rows are permuted too.
        Ok(match self.order(name, k).filter(|_| n == 1) {
            Some(order) => order.iter().map(|place| values[*place as usize]).collect(),
            None => values,
        })
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
        let found = self.info(&stored);
        let (part, info) = found.ok_or_else(|| LoadError::Missing(stored.clone()))?;
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
            start: part
                .start(info, n.saturating_mul(row_bytes))
                .ok_or_else(|| self.broken(&format!("tensor '{stored}': it is cut short")))?,
            map: part.map.clone(),
            dtype,
            order: None,
            n,
            k,
            row_bytes,
        })
    }

    /// Where llama's queries and keys are stored for interleaved rotation: the place of each row
    /// that is wanted in halves, `(head, half, pair)`, stored as `(head, pair, half)`.
    fn order(&self, name: &str, n: usize) -> Option<Vec<u32>> {
        let heads = match self.permuted(name)? {
            0 => return None,
            heads => heads,
        };
        let half = n / heads / 2;
        if half == 0 {
            return None;
        }
        let place = |row: usize| {
            let (head, at) = (row / (2 * half), row % (2 * half));
            (head * 2 * half + at % half * 2 + at / half) as u32
        };
        Some((0..n).map(place).collect())
    }

    fn broken(&self, reason: &str) -> LoadError {
        LoadError::Gguf {
            path: self.path.clone(),
            reason: short(reason),
        }
    }
}

impl Part {
    fn open(path: &Path) -> std::result::Result<Self, LoadError> {
        let broken = |reason| LoadError::Gguf {
            path: path.to_owned(),
            reason,
        };
        let map = map(path).map_err(|source| broken(format!("it cannot be read: {source}")))?;
        let content = caught(|| Content::read(&mut Cursor::new(&map[..])));
        Ok(Self {
            content: content.map_err(|told| broken(short(&told)))?,
            map: Arc::new(map),
        })
    }

    /// Where in the file a tensor of `n` bytes begins, if all of it is there.
    fn start(&self, info: &TensorInfo, n: usize) -> Option<usize> {
        let start = self.content.tensor_data_offset.checked_add(info.offset)?;
        let start = usize::try_from(start).ok()?;
        (start.checked_add(n)? <= self.map.len()).then_some(start)
    }
}

fn all<const N: usize>(bytes: &[u8], is_good: impl Fn([u8; N]) -> bool) -> bool {
    bytes.as_chunks::<N>().0.iter().all(|&b| is_good(b))
}

pub(in crate::models) fn is_dense(dtype: GgmlDType) -> bool {
    matches!(dtype, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16)
}

/// Rows of weights where a file stores them, in blocks or as floats.
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
    /// Rows of noise.
    #[cfg(test)]
    pub fn noise(dtype: GgmlDType, n: usize, k: usize) -> Self {
        let row_bytes = k / dtype.block_size() * dtype.type_size();
        let mut map = memmap2::MmapMut::map_anon(n * row_bytes).unwrap();
        map.copy_from_slice(&blocks::noise(n * row_bytes, dtype));
        Self {
            map: Arc::new(map.make_read_only().unwrap()),
            start: 0,
            dtype,
            order: None,
            n,
            k,
            row_bytes,
        }
    }

    /// Rows where a file of floats stores them, of so many bytes from `start` on; `None` where they
    /// are no floats that need only be widened.
    pub fn floats(
        map: &Arc<Mmap>,
        start: usize,
        dtype: Dtype,
        (n, k): (usize, usize),
    ) -> Option<Self> {
        let dtype = match dtype {
            Dtype::F32 => GgmlDType::F32,
            Dtype::F16 => GgmlDType::F16,
            Dtype::BF16 => GgmlDType::BF16,
            _ => return None,
        };
        Some(Self {
            map: Arc::clone(map),
            start,
            dtype,
            order: None,
            n,
            k,
            row_bytes: k * dtype.type_size(),
        })
    }

    /// In which 16 bits they are stored, if in any.
    pub fn half(&self) -> Option<Half> {
        match self.dtype {
            GgmlDType::BF16 => Some(Half::Bf16),
            GgmlDType::F16 => Some(Half::F16),
            _ => None,
        }
    }

    /// Whether none of its floats is NaN or infinite; blocks are not looked at.
    pub fn is_finite(&self) -> bool {
        let bytes = &self.map[self.start..][..self.n_bytes()];
        // All bits of the exponent are set in those that are not.
        match self.dtype {
            GgmlDType::F32 => all(bytes, |b| {
                u32::from_le_bytes(b) & 0x7F80_0000 != 0x7F80_0000
            }),
            GgmlDType::F16 => all(bytes, |b| u16::from_le_bytes(b) & 0x7C00 != 0x7C00),
            GgmlDType::BF16 => all(bytes, |b| u16::from_le_bytes(b) & 0x7F80 != 0x7F80),
            _ => true,
        }
    }

    /// Whether they are floats, not blocks.
    pub fn is_dense(&self) -> bool {
        is_dense(self.dtype)
    }

    pub fn n_bytes(&self) -> usize {
        self.n * self.row_bytes
    }

    /// How their blocks are made of whole numbers; `None` for rare formats and floats.
    pub fn form(&self) -> Option<Form> {
        Form::of(self.dtype)
    }

    /// One row as whole numbers, for what `codes` had; of a format with a form.
    pub fn codes(&self, row: usize, codes: &mut Codes) {
        codes.read(self.dtype, self.bytes(row));
    }

    /// One row as it is stored.
    pub fn bytes(&self, row: usize) -> &[u8] {
        let place = self.order.as_ref().map_or(row, |order| order[row] as usize);
        &self.map[self.start + place * self.row_bytes..][..self.row_bytes]
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

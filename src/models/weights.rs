//! Weights as they are stored, read tensor by tensor as f32.
//!
//! | safetensors | |
//! | --- | --- |
//! | read | the header, and of the tensors those that the configuration calls for: f32, f16, bf16, f64 |
//! | ignored | metadata, other tensors |
//! | refused | a header that is damaged or points outside the file, an index that names files outside its folder, other shapes and types, values that are not finite |

use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use memmap2::Mmap;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};

use super::error::{LoadError, short};
use super::gguf::{Form, GgufFile, QuantRows, is_dense};
use super::halves::Half;
use super::raw::{MappedFile, check_shape, to_f32};
use super::torch::TorchFile;

/// A model's stored weights.
#[derive(Debug)]
pub enum Weights {
    /// Memory-mapped safetensors files, from [`read_folder`](super::read_folder).
    Mapped(Vec<MappedFile>),
    /// Memory-mapped files of `torch.save`, from [`read_folder`](super::read_folder).
    Torch(Vec<MappedFile>),
    /// One safetensors file embedded in the binary.
    Bytes(&'static [u8]),
    /// A GGUF file, quantised or not.
    Gguf(GgufFile),
    /// Deterministic noise of any shape asked for; for benches and tests.
    Random { seed: u64 },
}

impl Weights {
    /// Bytes that all tensors take in f32, those in blocks as they are stored; `None` where the
    /// headers do not tell.
    #[must_use]
    pub fn n_bytes(&self) -> Option<u64> {
        Source::open(self).ok()?.n_bytes()
    }
}

/// Weights with their headers read.
pub(crate) enum Source<'a> {
    Stored(Vec<Shard<'a>>),
    Torch(Vec<TorchFile<'a>>),
    Gguf(&'a GgufFile),
    Random(u64),
}

pub(crate) struct Shard<'a> {
    metadata: Metadata,
    /// What the header's offsets count from.
    data: &'a [u8],
    /// Where the file is mapped.
    map: Option<&'a Arc<Mmap>>,
}

/// How a matrix is stored, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredAs {
    /// To be read in f32.
    Floats,
    /// In 16 bits.
    Halves(Half),
    /// In blocks of so many bytes for so many weights.
    Blocks {
        form: Option<Form>,
        n_bytes: usize,
        n_weights: usize,
    },
}

impl StoredAs {
    /// How blocks are made of whole numbers, where they are.
    pub fn form(self) -> Option<Form> {
        match self {
            Self::Blocks { form, .. } => form,
            _ => None,
        }
    }

    /// Bytes of so many weights as they are stored; of floats, in f32.
    pub fn n_bytes(self, n: usize) -> usize {
        match self {
            Self::Floats => n * size_of::<f32>(),
            Self::Halves(_) => n * size_of::<u16>(),
            Self::Blocks {
                n_bytes, n_weights, ..
            } => n / n_weights * n_bytes,
        }
    }
}

impl From<GgmlDType> for StoredAs {
    fn from(dtype: GgmlDType) -> Self {
        match dtype {
            GgmlDType::BF16 => Self::Halves(Half::Bf16),
            GgmlDType::F16 => Self::Halves(Half::F16),
            dtype if is_dense(dtype) => Self::Floats,
            dtype => Self::Blocks {
                form: Form::of(dtype),
                n_bytes: dtype.type_size(),
                n_weights: dtype.block_size(),
            },
        }
    }
}

/// A matrix as it is stored, row after row.
pub(crate) enum Stored {
    Plain(Vec<f32>),
    /// Where files have them: parts below each other.
    Quant(Vec<QuantRows>),
}

impl Stored {
    /// All rows in f32.
    pub fn into_plain(self) -> candle_core::Result<Vec<f32>> {
        match self {
            Self::Plain(rows) => Ok(rows),
            Self::Quant(parts) => {
                let parts = parts.iter().map(|p| p.read(0..p.n));
                Ok(parts.collect::<candle_core::Result<Vec<_>>>()?.concat())
            }
        }
    }

    /// `below`'s rows after one's own.
    pub fn over(self, below: Self) -> candle_core::Result<Self> {
        Ok(match (self, below) {
            (Self::Quant(mut parts), Self::Quant(more)) => {
                parts.extend(more);
                Self::Quant(parts)
            }
            (above, below) => {
                let mut rows = above.into_plain()?;
                rows.extend(below.into_plain()?);
                Self::Plain(rows)
            }
        })
    }
}

impl<'a> Source<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`LoadError::Broken`] for a file that is cut short or is something else; as
    /// [`TorchFile::open`].
    pub fn open(weights: &'a Weights) -> Result<Self, LoadError> {
        match weights {
            Weights::Random { seed } => Ok(Self::Random(*seed)),
            Weights::Gguf(file) => Ok(Self::Gguf(file)),
            Weights::Bytes(bytes) => {
                let shard = Shard::open("the built-in file", bytes, None)?;
                Ok(Self::Stored(vec![shard]))
            }
            Weights::Mapped(files) => files
                .iter()
                .map(|f| Shard::open(&f.path.display().to_string(), &f.map, Some(&f.map)))
                .collect::<Result<_, _>>()
                .map(Self::Stored),
            Weights::Torch(files) => {
                let files = files.iter().map(TorchFile::open);
                files.collect::<Result<_, _>>().map(Self::Torch)
            }
        }
    }

    /// As [`Weights::n_bytes`].
    fn n_bytes(&self) -> Option<u64> {
        match self {
            Self::Stored(shards) => Some(shards.iter().map(Shard::n_bytes).sum()),
            Self::Gguf(file) => Some(file.n_bytes_multiplied()),
            Self::Torch(_) | Self::Random(_) => None,
        }
    }

    /// Whether a tensor is there.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Stored(shards) => shards.iter().any(|s| s.metadata.info(name).is_some()),
            Self::Torch(files) => files.iter().any(|f| f.has(name)),
            Self::Gguf(file) => file.has(name),
            Self::Random(_) => true,
        }
    }

    /// The names of all tensors in files that hold some; nowhere else are they asked for.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Stored(shards) => shards
                .iter()
                .flat_map(|s| s.metadata.offset_keys())
                .collect(),
            Self::Torch(files) => files.iter().flat_map(TorchFile::names).collect(),
            Self::Gguf(_) | Self::Random(_) => Vec::new(),
        }
    }

    /// The shape of a tensor, as [`Self::names`].
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Self::Stored(shards) => shards.iter().find_map(|s| s.shape(name)),
            Self::Torch(files) => files.iter().find_map(|f| f.shape(name)),
            Self::Gguf(_) | Self::Random(_) => None,
        }
    }

    /// A matrix of `n` rows of `k` weights, in the form in which it is stored: in the file itself
    /// where that is mapped and needs no more than widening.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn matrix(&self, name: &str, n: usize, k: usize) -> Result<Stored, LoadError> {
        let rows = match self {
            Self::Gguf(file) => Some(file.rows(name, n, k)?),
            Self::Stored(shards) => shards.iter().find_map(|s| s.rows(name, n, k)),
            _ => None,
        };
        match (self, rows) {
            (_, Some(rows)) if !rows.is_finite() => Err(LoadError::NotFinite(name.into())),
            (_, Some(rows)) => Ok(Stored::Quant(vec![rows])),
            _ => self.read(name, &[n, k]).map(Stored::Plain),
        }
    }

    /// How a matrix is stored; where it is not there, in any way.
    pub fn stored_as(&self, name: &str) -> StoredAs {
        match self {
            Self::Gguf(file) => file.dtype(name).map_or(StoredAs::Floats, StoredAs::from),
            Self::Stored(shards) => match shards.iter().find_map(|s| s.metadata.info(name)) {
                Some(info) if info.dtype == Dtype::BF16 => StoredAs::Halves(Half::Bf16),
                Some(info) if info.dtype == Dtype::F16 => StoredAs::Halves(Half::F16),
                _ => StoredAs::Floats,
            },
            Self::Torch(_) | Self::Random(_) => StoredAs::Floats,
        }
    }

    /// A tensor of the given shape, row-major.
    ///
    /// # Errors
    /// It is missing, has another shape or type, or holds NaN or infinity; of a PyTorch file, also
    /// when it is part of a larger one.
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let values = match self {
            Self::Random(seed) => Ok(noise(*seed, name, shape)),
            Self::Stored(shards) => stored(shards, name, shape),
            Self::Torch(files) => {
                let file = files.iter().find(|f| f.has(name));
                let file = file.ok_or_else(|| LoadError::Missing(name.into()))?;
                file.read(name, shape)
            }
            Self::Gguf(file) => file.read(name, shape),
        }?;
        if values.iter().all(|v| v.is_finite()) {
            Ok(values)
        } else {
            Err(LoadError::NotFinite(name.into()))
        }
    }
}

impl<'a> Shard<'a> {
    /// Reads the header.
    fn open(path: &str, bytes: &'a [u8], map: Option<&'a Arc<Mmap>>) -> Result<Self, LoadError> {
        let broken = |reason: String| LoadError::Broken {
            path: path.into(),
            reason,
        };
        let (header, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|e| broken(short(&e.to_string())))?;
        // The header is preceded by its length in 8 bytes.
        let data = bytes
            .get(header + 8..)
            .ok_or_else(|| broken("the data is missing".into()))?;
        Ok(Self {
            metadata,
            data,
            map,
        })
    }

    /// As [`Weights::n_bytes`].
    fn n_bytes(&self) -> u64 {
        let tensors = self.metadata.tensors();
        let sizes = tensors
            .values()
            .map(|info| info.shape.iter().product::<usize>());
        4 * sizes.map(|n| n as u64).sum::<u64>()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// The rows of a matrix of this shape where they lie, if that can be.
    fn rows(&self, name: &str, n: usize, k: usize) -> Option<QuantRows> {
        let (info, bytes) = self.find(name).filter(|(info, _)| info.shape == [n, k])?;
        let map = self.map?;
        let start = map.len() - self.data.len() + info.data_offsets.0;
        let sizes = (n, k);
        QuantRows::floats(map, start, info.dtype, sizes)
            .filter(|rows| rows.n_bytes() == bytes.len())
    }

    fn find(&self, name: &str) -> Option<(&TensorInfo, &'a [u8])> {
        let info = self.metadata.info(name)?;
        let (start, end) = info.data_offsets;
        Some((info, self.data.get(start..end)?))
    }
}

fn stored(shards: &[Shard<'_>], name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
    let (info, bytes) = shards
        .iter()
        .find_map(|s| s.find(name))
        .ok_or_else(|| LoadError::Missing(name.into()))?;
    check_shape(name, &info.shape, shape)?;
    to_f32(name, info.dtype, bytes)
}

/// Uniform noise around 0 for matrices, around 1 for vectors (gains), of deviation about 0.02.
fn noise(seed: u64, name: &str, shape: &[usize]) -> Vec<f32> {
    // FNV-1a, so that every tensor has its own stream.
    let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    let mut state = name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, hash);
    let centre = if shape.len() == 1 { 1.0 } else { 0.0 };
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        centre + ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.07
    };
    (0..shape.iter().product()).map(|_| next()).collect()
}

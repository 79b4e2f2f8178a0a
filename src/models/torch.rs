//! Files of `torch.save` since PyTorch 1.6: a zip archive of one pickle and the tensors' bytes.
//!
//! | `pytorch_model.bin`, `adapter_model.bin` | |
//! | --- | --- |
//! | read | tensors of a state dict, alone or as parameters: f32, f16, bf16, f64, by rows or turned |
//! | ignored | whatever else stands in the dict |
//! | refused | files from before 1.6, compressed or big-endian archives, parts of larger tensors, pickles that would take more to read than a state dict does ([`pickle`]) |
//!
//! candle's unpickler reads what the pickle says and runs none of it: calls come back as data,
//! and the only one that is understood is `torch._utils._rebuild_tensor_v2`. (candle's own reader
//! of tensors is not used: it opens the file anew for each, and prints to the terminal.)

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use candle_core::pickle::{Object, Stack};
use safetensors::Dtype;
use zip::{CompressionMethod, ZipArchive};

use super::error::{LoadError, short};
use super::pickle;
use super::raw::{MappedFile, check_shape, to_f32};
use crate::caught::caught;

/// A file with its pickle read.
pub(crate) struct TorchFile<'a> {
    path: PathBuf,
    tensors: HashMap<String, View<'a>>,
}

/// A tensor as the pickle describes it.
struct View<'a> {
    /// The name of its storage's class, such as `FloatStorage`.
    class: String,
    /// Where it begins in its storage, in elements.
    offset: usize,
    shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    storage: &'a [u8],
}

/// How a tensor's elements follow one another.
#[derive(Clone, Copy)]
enum Order {
    Rows,
    /// Of a matrix: `n` rows are stored column by column.
    Columns(usize),
}

/// The files of an archive by name.
type Entries<'a> = HashMap<String, &'a [u8]>;

impl<'a> TorchFile<'a> {
    /// Reads the pickle.
    ///
    /// # Errors
    /// [`LoadError::TorchLegacy`] for a file of an older PyTorch, [`LoadError::Torch`] for one
    /// that is cut short or holds no state dict.
    pub fn open(file: &'a MappedFile) -> Result<Self, LoadError> {
        let path = file.path.clone();
        // The pickle of which older files consist begins so.
        if file.map.starts_with(&[0x80]) {
            return Err(LoadError::TorchLegacy(path));
        }
        match tensors(&file.map) {
            Ok(tensors) => Ok(Self { path, tensors }),
            Err(reason) => Err(broken(&path, reason)),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = String> {
        self.tensors.keys().cloned()
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|view| view.shape.as_slice())
    }

    /// A tensor of the given shape, row-major.
    ///
    /// # Errors
    /// It is missing, cut short, has another shape or type, or is part of a larger one.
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let missing = || LoadError::Missing(name.to_owned());
        let view = self.tensors.get(name).ok_or_else(missing)?;
        check_shape(name, &view.shape, shape)?;
        let order = view.order();
        let order = order.ok_or_else(|| LoadError::View(name.to_owned()))?;
        let dtype = view.dtype(name)?;
        let n = shape
            .iter()
            .try_fold(1_usize, |n, size| n.checked_mul(*size));
        let n_bytes = n.and_then(|n| n.checked_mul(dtype.bitsize() / 8));
        let bytes = n_bytes.and_then(|n| view.storage.get(..n));
        let cut = || broken(&self.path, format!("tensor '{name}' is cut short"));
        let values = to_f32(name, dtype, bytes.ok_or_else(cut)?)?;
        Ok(order.by_rows(values))
    }
}

impl<'a> View<'a> {
    /// The arguments of `_rebuild_tensor_v2`: storage, offset, shape, strides and others.
    fn new(args: Vec<Object>, root: &str, entries: &Entries<'a>) -> Option<Self> {
        let mut args = args.into_iter();
        let storage = args.next()?.persistent_load().ok()?.tuple().ok()?;
        let offset = size(args.next()?)?;
        let (shape, strides) = (sizes(args.next()?)?, sizes(args.next()?)?);
        // ('storage', class, key, device, number of elements)
        let mut storage = storage.into_iter().skip(1);
        let (_, class) = storage.next()?.class().ok()?;
        let key = storage.next()?.unicode().ok()?;
        let bytes = entries.get(&format!("{root}data/{key}"));
        Some(Self {
            class,
            offset,
            shape,
            strides,
            storage: bytes.copied().unwrap_or_default(),
        })
    }

    /// `None` for what is part of a larger tensor, or has gaps.
    fn order(&self) -> Option<Order> {
        if self.offset > 0 || self.shape.len() != self.strides.len() {
            return None;
        }
        let axes: Vec<_> = self.shape.iter().zip(&self.strides).collect();
        match self.shape[..] {
            _ if is_dense(axes.iter().rev()) => Some(Order::Rows),
            [n, _] if is_dense(axes.iter()) => Some(Order::Columns(n)),
            _ => None,
        }
    }

    fn dtype(&self, name: &str) -> Result<Dtype, LoadError> {
        match self.class.as_str() {
            "FloatStorage" => Ok(Dtype::F32),
            "HalfStorage" => Ok(Dtype::F16),
            "BFloat16Storage" => Ok(Dtype::BF16),
            "DoubleStorage" => Ok(Dtype::F64),
            other => Err(LoadError::Dtype {
                name: name.to_owned(),
                dtype: other.to_owned(),
            }),
        }
    }
}

impl Order {
    fn by_rows(self, values: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Rows => values,
            Self::Columns(n) => {
                let row = |i| values.iter().skip(i).step_by(n).copied();
                (0..n).flat_map(row).collect()
            }
        }
    }
}

/// Whether elements follow one another without gaps, along the first of `axes` (size and stride)
/// fastest. The stride of an axis of one is never used.
fn is_dense<'v>(axes: impl Iterator<Item = &'v (&'v usize, &'v usize)>) -> bool {
    let mut step = 1_usize;
    axes.filter(|(size, _)| **size != 1).all(|(size, stride)| {
        let fits = **stride == step;
        step = step.saturating_mul(**size);
        fits
    })
}

/// The tensors of a state dict; whatever else stands in it is no weight.
fn tensors(bytes: &[u8]) -> Result<HashMap<String, View<'_>>, String> {
    let entries = entries(bytes)?;
    let pickle = entries
        .iter()
        .find_map(|(name, part)| Some((root(name)?, *part)));
    let (root, pickle) = pickle.ok_or("it has no data.pkl")?;
    if entries.get(&format!("{root}byteorder")) == Some(&&b"big"[..]) {
        return Err("its numbers are big-endian".to_owned());
    }
    let named = |(name, value): (Object, Object)| {
        Some((name.unicode().ok()?, tensor(value, root, &entries)?))
    };
    Ok(state_dict(pickle)?.into_iter().filter_map(named).collect())
}

/// What comes before `data.pkl`: a folder.
fn root(name: &str) -> Option<&str> {
    let root = name.strip_suffix("data.pkl")?;
    root.ends_with('/').then_some(root)
}

/// The files in an archive, none of them compressed, as `torch.save` writes it.
fn entries(bytes: &[u8]) -> Result<Entries<'_>, String> {
    let mut zip = caught(|| ZipArchive::new(Cursor::new(bytes)))?;
    let indices = 0..zip.len();
    let entry = |i| {
        let file = zip.by_index(i).map_err(|e| e.to_string())?;
        let name = file.name().map_err(|e| e.to_string())?.into_owned();
        if file.compression() != CompressionMethod::Stored {
            return Err(format!("{name} in it is compressed"));
        }
        let part = slice(bytes, file.data_start(), file.size());
        let part = part.ok_or_else(|| format!("{name} in it is cut short"))?;
        Ok((name, part))
    };
    indices.map(entry).collect()
}

fn slice(bytes: &[u8], start: Option<u64>, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(start?).ok()?;
    bytes.get(start..)?.get(..usize::try_from(len).ok()?)
}

fn state_dict(pickle: &[u8]) -> Result<Vec<(Object, Object)>, String> {
    pickle::check(pickle)?;
    let whole = caught(|| {
        let mut stack = Stack::empty();
        stack.read_loop(&mut &pickle[..])?;
        stack.finalize()
    });
    let whole = whole.map_err(|told| short(&told))?;
    whole
        .dict()
        .map_err(|_| "it holds no state dict".to_owned())
}

/// A tensor, or a parameter around one.
fn tensor<'a>(value: Object, root: &str, entries: &Entries<'a>) -> Option<View<'a>> {
    let (call, args) = value.reduce().ok()?;
    let (module, function) = call.class().ok()?;
    let args = args.tuple().ok()?;
    match (module.as_str(), function.as_str()) {
        ("torch._utils", "_rebuild_tensor_v2") => View::new(args, root, entries),
        ("torch._utils", "_rebuild_parameter") => tensor(args.into_iter().next()?, root, entries),
        _ => None,
    }
}

fn size(value: Object) -> Option<usize> {
    usize::try_from(value.int_or_long().ok()?).ok()
}

fn sizes(value: Object) -> Option<Vec<usize>> {
    value.tuple().ok()?.into_iter().map(size).collect()
}

fn broken(path: &Path, reason: String) -> LoadError {
    LoadError::Torch {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Weights;
    use crate::models::load::open;
    use crate::models::weights::Source;

    /// Reads one tensor of `tests/older/views.bin`, whose values are 1, 2, 3 and so on.
    fn read(name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/older/views.bin");
        let weights = Weights::Torch(vec![open(Path::new(path)).unwrap()]);
        let source = Source::open(&weights).unwrap();
        source.read(name, shape).map_err(|e| e.to_string())
    }

    #[test]
    fn tensors_are_read_as_they_are_stored() {
        let six = [1., 2., 3., 4., 5., 6.];
        for name in ["float", "half", "double"] {
            assert_eq!(read(name, &[2, 3]).unwrap(), six, "{name}");
        }
        assert_eq!(read("parameter", &[6]).unwrap(), six);
        assert_eq!(read("one_row", &[1, 6]).unwrap(), six);
        assert_eq!(read("begin", &[2]).unwrap(), [1., 2.]);
        assert_eq!(read("bfloat", &[3]).unwrap(), [1., 2., 4.]);
        assert_eq!(read("turned", &[3, 2]).unwrap(), [1., 4., 2., 5., 3., 6.]);
    }

    #[test]
    fn parts_of_tensors_are_refused() {
        let views: [(&str, &[usize]); 4] = [
            ("slice", &[2]),
            ("gaps", &[3]),
            ("repeated", &[3, 2]),
            ("permuted", &[1, 2, 3]),
        ];
        for (name, shape) in views {
            let told = read(name, shape).unwrap_err();
            let wanted = format!("tensor '{name}' is stored as part of a larger one");
            assert!(told.starts_with(&wanted), "{told}");
        }
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        let told = |name: &str, shape: &[usize]| read(name, shape).unwrap_err();
        assert!(told("short", &[7]).contains("tensor 'short' is cut short"));
        assert!(told("mask", &[1]).contains("stored as BoolStorage"));
        assert!(told("nan", &[1]).contains("not finite"));
        assert!(told("float", &[3, 2]).contains("has shape [2, 3]"));
        assert!(told("step", &[]).contains("missing"));
    }
}

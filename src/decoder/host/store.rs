//! Where packed weights lie: on the heap until the whole model is read, then together in large
//! pages.

use std::ops::Range;
use std::sync::Arc;

use memmap2::MmapMut;
use pulp::bytemuck::{self, Pod};

use super::memory::large_pages;

/// A stretch of numbers.
#[derive(Debug)]
pub(super) enum Store<T> {
    Heap(Vec<T>),
    /// A range of bytes.
    Slab(Arc<MmapMut>, Range<usize>),
}

impl<T: Pod> Store<T> {
    pub fn all(&self) -> &[T] {
        match self {
            Self::Heap(data) => data,
            // A map begins on a page and is cut at whole lines.
            Self::Slab(slab, range) => bytemuck::cast_slice(&slab[range.clone()]),
        }
    }
}

/// From so many bytes on a store lies in large pages from the start: two of them side by side.
const LARGE: usize = 4 << 20;

/// Zeros, to be written and then kept.
pub(super) enum Blank<T> {
    Heap(Vec<T>),
    Map(MmapMut),
}

impl<T: Pod> Blank<T> {
    pub fn new(n: usize) -> Self {
        let n_bytes = n * size_of::<T>();
        let map = (n_bytes >= LARGE).then(|| large_pages(n_bytes));
        match map {
            Some(Ok(map)) => Self::Map(map),
            _ => Self::Heap(vec![T::zeroed(); n]),
        }
    }

    pub fn all_mut(&mut self) -> &mut [T] {
        match self {
            Self::Heap(data) => data,
            // A map begins on a page and is as long as was asked for.
            Self::Map(map) => bytemuck::cast_slice_mut(&mut map[..]),
        }
    }

    pub fn keep(self) -> Store<T> {
        match self {
            Self::Heap(data) => Store::Heap(data),
            Self::Map(map) => {
                let all = 0..map.len();
                Store::Slab(Arc::new(map), all)
            }
        }
    }
}

/// A store of any type.
pub(crate) trait Held {
    fn bytes(&self) -> &[u8];

    /// Whether it lies where it is to stay.
    fn is_settled(&self) -> bool;

    /// Lets the heap go.
    fn clear(&mut self);

    /// From here on it lies in a part of the slab.
    fn lie_in(&mut self, slab: Arc<MmapMut>, part: Range<usize>);
}

impl<T: Pod> Held for Store<T> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.all())
    }

    fn is_settled(&self) -> bool {
        matches!(self, Self::Slab(..))
    }

    fn clear(&mut self) {
        *self = Self::Heap(Vec::new());
    }

    fn lie_in(&mut self, slab: Arc<MmapMut>, part: Range<usize>) {
        *self = Self::Slab(slab, part);
    }
}

/// Bytes of a line of the cache, in which stores begin.
const LINE: usize = 64;

/// Moves all weights that do not lie in some yet into one stretch of large pages, store by store, so that only one of them is
/// ever there twice. Where the system has no such memory, they stay where they are.
pub(super) fn move_to_large_pages<'a>(stores: impl Iterator<Item = &'a mut dyn Held>) {
    let mut stores: Vec<_> = stores.filter(|store| !store.is_settled()).collect();
    let room = |store: &&mut dyn Held| store.bytes().len().next_multiple_of(LINE);
    let Ok(mut slab) = large_pages(stores.iter().map(room).sum()) else {
        return;
    };
    let mut ranges = Vec::with_capacity(stores.len());
    let mut start: usize = 0;
    for store in &mut stores {
        let range = start..start + store.bytes().len();
        start = range.end.next_multiple_of(LINE);
        slab[range.clone()].copy_from_slice(store.bytes());
        store.clear();
        ranges.push(range);
    }
    let slab = Arc::new(slab);
    for (store, range) in stores.into_iter().zip(ranges) {
        store.lie_in(Arc::clone(&slab), range);
    }
}

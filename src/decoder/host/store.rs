//! Where packed weights lie: together, in large pages, where they are written once and stay.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use memmap2::MmapMut;
use pulp::bytemuck::{self, Pod};

use super::memory::large_pages;

/// Memory that the stores of a model lie in, there once all of them are written.
type Slab = Arc<OnceLock<MmapMut>>;

/// A stretch of numbers.
#[derive(Debug)]
pub(in crate::decoder) enum Store<T> {
    Heap(Vec<T>),
    /// A range of bytes.
    Slab(Slab, Range<usize>),
}

impl<T: Pod> Store<T> {
    /// All numbers; none while their slab is being written.
    pub fn all(&self) -> &[T] {
        match self {
            Self::Heap(data) => data,
            // A map begins on a page and is cut at whole lines.
            Self::Slab(slab, range) => slab
                .get()
                .map_or(&[], |map| bytemuck::cast_slice(&map[range.clone()])),
        }
    }

    #[cfg(test)]
    pub fn is_in_large_pages(&self) -> bool {
        self.n_bytes() == 0 || matches!(self, Self::Slab(..))
    }

    pub fn n_bytes(&self) -> usize {
        match self {
            Self::Heap(data) => size_of_val(&data[..]),
            Self::Slab(_, range) => range.len(),
        }
    }
}

/// Zeros, to be written and then kept.
pub(in crate::decoder) enum Blank<'a, T> {
    Heap(Vec<T>),
    Lent(&'a mut [T], Store<T>),
}

impl<T: Pod> Blank<'_, T> {
    pub fn all_mut(&mut self) -> &mut [T] {
        match self {
            Self::Heap(data) => data,
            Self::Lent(data, _) => data,
        }
    }

    pub fn keep(self) -> Store<T> {
        match self {
            Self::Heap(data) => Store::Heap(data),
            Self::Lent(_, store) => store,
        }
    }
}

/// Room for the stores of a model that is being read.
pub(in crate::decoder) struct Room<'a> {
    slab: Slab,
    rest: Mutex<Rest<'a>>,
}

/// What nobody has taken yet.
#[derive(Default)]
struct Rest<'a> {
    /// Where in the slab it begins, at a whole line.
    start: usize,
    bytes: &'a mut [u8],
}

/// Bytes of a line of the cache, in which stores begin.
const LINE: usize = 64;

/// What a store of so many bytes takes of a room.
pub(super) fn taken(n_bytes: usize) -> usize {
    n_bytes.next_multiple_of(LINE)
}

impl<'a> Room<'a> {
    /// No room: stores lie on the heap.
    pub fn none() -> Self {
        Self {
            slab: Slab::default(),
            rest: Mutex::default(),
        }
    }

    /// Zeros for `n` numbers: in the room, or on the heap once it is full.
    pub fn blank<T: Pod>(&self, n: usize) -> Blank<'a, T> {
        let n_bytes = n * size_of::<T>();
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if n_bytes == 0 || taken(n_bytes) > rest.bytes.len() {
            return Blank::Heap(vec![T::zeroed(); n]);
        }
        let range = rest.start..rest.start + n_bytes;
        let (own, others) = std::mem::take(&mut rest.bytes).split_at_mut(taken(n_bytes));
        *rest = Rest {
            start: range.start + taken(n_bytes),
            bytes: others,
        };
        let own = bytemuck::cast_slice_mut(&mut own[..n_bytes]);
        Blank::Lent(own, Store::Slab(Arc::clone(&self.slab), range))
    }
}

/// Has `build` write stores side by side into large pages, as far as `n_bytes` go; what is not
/// written takes no memory. Where the system has none, they lie on the heap.
pub(in crate::decoder) fn in_large_pages<T>(
    n_bytes: usize,
    build: impl FnOnce(Room<'_>) -> T,
) -> T {
    let slab = Slab::default();
    let Ok(mut map) = large_pages(n_bytes) else {
        return build(Room::none());
    };
    let built = build(Room {
        slab: Arc::clone(&slab),
        rest: Mutex::new(Rest {
            start: 0,
            bytes: &mut map,
        }),
    });
    // Nobody else has set it.
    let _ = slab.set(map);
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store of numbers from `first` on.
    fn written(room: &Room<'_>, first: u16, n: usize) -> Store<u16> {
        let mut blank = room.blank(n);
        let numbers = blank.all_mut().iter_mut().zip(first..);
        numbers.for_each(|(slot, number)| *slot = number);
        blank.keep()
    }

    #[test]
    fn stores_lie_side_by_side_and_on_the_heap_once_the_room_is_full() {
        let stores = in_large_pages(2 * LINE, |room| {
            [5, 0, 7, 1].map(|n| written(&room, 10 * n as u16, n))
        });
        let is_in_room = stores.each_ref().map(|s| matches!(s, Store::Slab(..)));
        assert_eq!(is_in_room, [true, false, true, false]);
        assert_eq!(stores[0].all(), [50, 51, 52, 53, 54]);
        assert_eq!(stores[2].all(), [70, 71, 72, 73, 74, 75, 76]);
        assert_eq!(stores[3].all(), [10]);
        assert_eq!(stores.map(|s| s.n_bytes()), [10, 0, 14, 2]);
    }

    #[test]
    fn without_large_pages_all_lie_on_the_heap() {
        let store = in_large_pages(0, |room| written(&room, 1, 3));
        assert!(matches!(&store, Store::Heap(data) if data == &[1, 2, 3]));
    }
}

//! Memory for numbers that goes round. A pass asks for the same few sizes layer after layer; the
//! allocator and zeros in what it gave took some 4 % of the samples of a bundled search (perf).

use std::borrow::Borrow;
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Numbers whose memory others take over when they are dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer {
    /// The numbers, and what the memory held before.
    data: Vec<f32>,
    n: usize,
}

impl Buffer {
    /// To be written in full: holds what was there before.
    pub fn unwritten(n: usize) -> Self {
        let mut data = taken(n).unwrap_or_else(|| vec![0.0; n]);
        if cfg!(debug_assertions) {
            // What is not written shows.
            data.fill(f32::NAN);
        }
        Self { data, n }
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(data: Vec<f32>) -> Self {
        let n = data.len();
        Self { data, n }
    }
}

impl FromIterator<f32> for Buffer {
    fn from_iter<I: IntoIterator<Item = f32>>(numbers: I) -> Self {
        Vec::from_iter(numbers).into()
    }
}

impl Deref for Buffer {
    type Target = [f32];

    #[inline(always)]
    fn deref(&self) -> &[f32] {
        &self.data[..self.n]
    }
}

impl DerefMut for Buffer {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.n]
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Borrow<[f32]> for Buffer {
    fn borrow(&self) -> &[f32] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        match data.len() {
            0 => {}
            // A thread that ends keeps nothing.
            1..LARGE => drop(OWN.try_with(|own| own.borrow_mut().keep(data, MOST / 16))),
            _ => all().keep(data, MOST),
        }
    }
}

/// From so many numbers on, all threads share what is spare: logits are read, and dropped, by others
/// than those who wrote them.
const LARGE: usize = 1 << 14;

/// The most numbers that lie spare, of all threads and, a sixteenth of them, of each.
const MOST: usize = 1 << 23;

/// So few that looking through them costs nothing.
const FEW: usize = 16;

thread_local! {
    static OWN: RefCell<Spare> = const { RefCell::new(Spare::new()) };
}

static ALL: Mutex<Spare> = Mutex::new(Spare::new());

fn all() -> std::sync::MutexGuard<'static, Spare> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn taken(n: usize) -> Option<Vec<f32>> {
    match n {
        0 => None,
        1..LARGE => OWN.try_with(|own| own.borrow_mut().take(n)).ok()?,
        _ => all().take(n),
    }
}

/// What nobody uses, the latest last.
struct Spare {
    held: Vec<Vec<f32>>,
    /// How many numbers that are.
    n: usize,
}

impl Spare {
    const fn new() -> Self {
        let held = Vec::new();
        Self { held, n: 0 }
    }

    /// The smallest of at least `n` numbers, and not many more.
    fn take(&mut self, n: usize) -> Option<Vec<f32>> {
        let sizes = self.held.iter().map(Vec::len).enumerate();
        let fits = sizes.filter(|(_, size)| (n..=2 * n).contains(size));
        let (at, size) = fits.min_by_key(|(_, size)| *size)?;
        self.n -= size;
        Some(self.held.swap_remove(at))
    }

    /// Keeps it in the place of the oldest ones where these are too many.
    fn keep(&mut self, data: Vec<f32>, most: usize) {
        self.n += data.len();
        self.held.push(data);
        while self.n > most || self.held.len() > FEW {
            self.n -= self.held.remove(0).len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_that_is_enough_is_taken() {
        let mut spare = Spare::new();
        for n in [100, 40, 60] {
            spare.keep(vec![0.0; n], 1000);
        }
        assert_eq!(spare.take(50).map(|data| data.len()), Some(60));
        assert_eq!(spare.take(50).map(|data| data.len()), Some(100));
        assert!(spare.take(50).is_none(), "40 is too little");
        assert!(spare.take(19).is_none(), "40 is too much");
        assert_eq!(spare.n, 40);
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many() {
        let mut spare = Spare::new();
        for n in [50, 30, 20] {
            spare.keep(vec![0.0; n], 60);
        }
        assert_eq!((spare.n, spare.held.len()), (50, 2));
        spare.keep(vec![0.0; 90], 60);
        assert_eq!((spare.n, spare.held.len()), (0, 0));
    }

    #[test]
    fn what_is_dropped_is_found_again() {
        for n in [1000, LARGE] {
            let mut first = Buffer::unwritten(n);
            first.fill(7.0);
            let place = first.as_ptr();
            drop(first);
            let next = Buffer::unwritten(n);
            assert_eq!((next.as_ptr(), next.len()), (place, n));
        }
    }
}

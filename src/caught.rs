//! Panics of other people's code that are taken for errors.

use std::cell::Cell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// What `run` makes, a panic taken for an error: some libraries panic on files that are damaged,
/// as on regular expressions that onig cannot hold. What `run` borrows must not be used after a
/// panic, unless it is only read.
///
/// # Errors
/// `run`'s own, and a panic, in words.
pub fn caught<T, E: Display>(run: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    tell_no_one();
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let made = catch_unwind(AssertUnwindSafe(run));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    match made {
        Ok(made) => made.map_err(|e| e.to_string()),
        Err(_) => Err("the library that reads it gave up on it".to_owned()),
    }
}

/// Makes the hook that is there silent while a panic would be caught. Hooks that are set later ask
/// themselves.
fn tell_no_one() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !is_caught() {
                report(info);
            }
        }));
    });
}

/// Whether a panic on this thread would be caught: then nobody needs to be told.
#[must_use]
pub fn is_caught() -> bool {
    DEPTH.with(Cell::get) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let made: Result<(), String> = caught(|| -> Result<(), String> {
            assert!(is_caught());
            panic!("expected by this test")
        });
        assert!(made.is_err() && !is_caught());
        assert_eq!(caught(|| Ok::<_, String>(1)), Ok(1));
    }
}

//! Two processes: one works, the other waits for it. However the first ends, killed by the system
//! for want of memory, by a fault in a mapped file that shrank, by a library that aborts: the
//! second gives the terminal back and says in a sentence what happened. A handler within the
//! process that is ending could do neither safely, and for some ends there is none.
//!
//! Signals are passed on to the one that works; when it stops (Ctrl-Z), the other stops too.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::keep;

/// Names the process that waits, in the environment of the one that works.
#[cfg(unix)]
const KEPT: &str = "W2S_KEPT_BY";

/// Gives back the screen of a program that could not do so itself.
pub type Leave = fn();

/// Nobody waits.
#[cfg(not(unix))]
#[must_use]
pub fn keep(_: Option<Leave>) -> Option<std::process::ExitCode> {
    None
}

/// Whether `signal` was to be ignored when this program began, as nohup has it for SIGHUP.
#[cfg(unix)]
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Where the system does not say, nothing is taken to be ignored.
    mask.is_some_and(|mask| signal > 0 && signal <= 64 && mask >> (signal - 1) & 1 == 1)
}

//! `w2s models`: what can be named without fetching anything.

use std::io::Write;

use super::Outcome;
use super::error::ReportError;
use crate::lm::{about, bundled_names, hub_cache, hub_cached};

/// One SPEC a line: bundled models with a word about each, then those in the hub's cache.
///
/// # Errors
/// Output that cannot be written.
pub(super) fn list(out: &mut dyn Write) -> Result<Outcome, ReportError> {
    for name in bundled_names() {
        writeln!(out, "bundled:{name:<12} {}", about(name))?;
    }
    let cache = hub_cache();
    let cached = hub_cached(&cache);
    if cached.is_empty() {
        writeln!(out, "no models in {}", cache.display())?;
    }
    for spec in cached {
        writeln!(out, "{spec}")?;
    }
    Ok(Outcome::Done)
}

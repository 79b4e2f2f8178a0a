//! Memory maps of weight files: the one place for `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::path::Path;

use memmap2::Mmap;

use super::files;

/// Maps a file for reading.
///
/// # Errors
/// The file is missing, empty or cannot be mapped.
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = files::open(path)?;
    // SAFETY: the map is read-only and private to this process. Another process may still
    // truncate or rewrite the file while it is mapped; as everywhere weights are mapped, model
    // files are taken to be left alone while they are in use.
    let map = files::mapped(|| unsafe { Mmap::map(&file) })?;
    // All of it is read soon: the first pass should not wait for the disk page by page.
    #[cfg(unix)]
    if map.advise(memmap2::Advice::WillNeed).is_err() {
        tracing::debug!(
            "no reading ahead: {} is read when it is used",
            path.display()
        );
    }
    Ok(map)
}

//! Memory maps: of weight files, which is the one place for `unsafe`, and of large pages.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::{Mmap, MmapMut};

/// Maps a file for reading.
///
/// # Errors
/// The file is missing, empty or cannot be mapped.
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is read-only and private to this process. Another process may still
    // truncate or rewrite the file while it is mapped; as everywhere weights are mapped, model
    // files are taken to be left alone while they are in use.
    let map = unsafe { Mmap::map(&file) }?;
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

/// Memory of zeros in the largest pages that the system gives: finding the way through small
/// ones costs a quarter and more of the time when weights stream by.
///
/// # Errors
/// The system is out of memory.
pub(super) fn large_pages(n_bytes: usize) -> io::Result<MmapMut> {
    let map = MmapMut::map_anon(n_bytes)?;
    #[cfg(target_os = "linux")]
    if map.advise(memmap2::Advice::HugePage).is_err() {
        tracing::debug!("no large pages: weights stay in small ones");
    }
    Ok(map)
}

//! Memory in large pages.

use std::io;

use memmap2::MmapMut;

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

//! One repository in the cache, as it is written: `blobs/` by content, `snapshots/` of links to
//! them, `refs/` of revisions, and locks beside, all as other programs that share the cache have
//! them. Every name was checked before it came here.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::names::Plain;
use crate::models::files;
use crate::models::spec::HubSpec;

/// How long another program that fetches the same file is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a lock is looked at.
const GLANCE: Duration = Duration::from_millis(50);

pub(super) struct Store {
    /// `models--owner--name`
    folder: PathBuf,
    locks: PathBuf,
}

/// Where the content of one file goes.
pub(super) struct Blob {
    /// Once it is whole.
    pub whole: PathBuf,
    /// Until then. What is there is gone on with.
    pub part: PathBuf,
    /// Held by whoever writes.
    _lock: File,
}

impl Store {
    pub(super) fn new(cache: &Path, spec: &HubSpec) -> Self {
        let name = super::cache::folder_name(&spec.repo);
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(name),
        }
    }

    pub(super) fn snapshot(&self, commit: &Plain) -> PathBuf {
        self.folder.join("snapshots").join(commit.as_str())
    }

    /// Whether `file` is there, `size` bytes long.
    pub(super) fn has(&self, commit: &Plain, file: &str, size: u64) -> bool {
        let there = files::size(&self.snapshot(commit).join(file));
        there.is_ok_and(|there| there == size)
    }

    /// The place for content that the hub calls `name`; `None` while another program fetches it.
    ///
    /// # Errors
    /// A cache that cannot be written.
    pub(super) fn blob(&self, name: &Plain) -> io::Result<Option<Blob>> {
        let blobs = self.folder.join("blobs");
        files::make_folder(&blobs)?;
        files::make_folder(&self.locks)?;
        let lock = files::create(&self.locks.join(format!("{}.lock", name.as_str())))?;
        Ok(is_mine(&lock)?.then(|| Blob {
            whole: blobs.join(name.as_str()),
            part: blobs.join(format!("{}.incomplete", name.as_str())),
            _lock: lock,
        }))
    }

    /// Puts `file` of `commit` in its place, where another may be until then.
    ///
    /// # Errors
    /// A cache that cannot be written.
    pub(super) fn link(&self, commit: &Plain, file: &str, blob: &Blob) -> io::Result<()> {
        let place = self.snapshot(commit).join(file);
        let fresh = beside(&place)?;
        // From the file's folder up to the repository's: out of the snapshot, and of "snapshots".
        let up = "../".repeat(file.split('/').count() + 1);
        let name = blob.whole.file_name().unwrap_or_default();
        let to = Path::new(&up).join("blobs").join(name);
        // Where there are no links the file itself goes there.
        match files::link(&to, &fresh) {
            Ok(()) => put_or_remove(&fresh, &place),
            Err(_) => files::put(&blob.whole, &place),
        }
    }

    /// Notes which commit `revision` is.
    ///
    /// # Errors
    /// A cache that cannot be written.
    pub(super) fn note(&self, revision: &str, commit: &Plain) -> io::Result<()> {
        if revision == commit.as_str() {
            return Ok(());
        }
        let place = self.folder.join("refs").join(revision);
        let fresh = beside(&place)?;
        let file = files::create(&fresh)?;
        let written = files::write(&file, commit.as_str().as_bytes());
        written.inspect_err(|_| drop(files::remove(&fresh)))?;
        put_or_remove(&fresh, &place)
    }
}

/// Where what goes to `place` is made, so that whatever is there is whole. No file of a hub is
/// called so.
fn beside(place: &Path) -> io::Result<PathBuf> {
    if let Some(above) = place.parent() {
        files::make_folder(above)?;
    }
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".incomplete");
    let fresh = place.with_file_name(name);
    // One that was left behind.
    files::remove(&fresh)?;
    Ok(fresh)
}

fn put_or_remove(fresh: &Path, place: &Path) -> io::Result<()> {
    let put = files::put(fresh, place);
    put.inspect_err(|_| drop(files::remove(fresh)))
}

impl Blob {
    /// How many bytes the disk has room for, where the system says so.
    pub(super) fn room(&self) -> Option<u64> {
        #[cfg(unix)]
        {
            let disk = rustix::fs::statvfs(self.part.parent()?).ok()?;
            Some(disk.f_bavail.saturating_mul(disk.f_frsize))
        }
        #[cfg(not(unix))]
        None
    }
}

/// Waits for a lock; whether it came.
fn is_mine(lock: &File) -> io::Result<bool> {
    let since = Instant::now();
    loop {
        match files::lock(lock)? {
            true => return Ok(true),
            false if since.elapsed() >= PATIENCE => return Ok(false),
            false => std::thread::sleep(GLANCE),
        }
    }
}

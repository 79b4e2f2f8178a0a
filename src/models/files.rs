//! What loaders and the hub's client ask of the system's files, a function a question.
//!
//! They are here together so that each can be made to fail in turn: in unit tests [`call`] counts,
//! and the one whose turn it is fails. Elsewhere there is nothing between a function and the
//! standard library's, so what is tested is what runs. What goes over the wire and what allocates
//! is not here: servers that lie and processes without memory are made from outside
//! (`tests/binary`, `tests/starved`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

/// More bytes than any file but those of weights has, which are mapped.
const MOST: u64 = 1 << 28;

fn call<T>(run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    #[cfg(test)]
    faults::strike()?;
    run()
}

/// Whether something is there; what cannot be looked at is not absent.
pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    call(|| path.try_exists())
}

/// The size of a plain file.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    let there = call(|| fs::metadata(path))?;
    match there.is_file() {
        true => Ok(there.len()),
        false => Err(io::Error::other("it is no file")),
    }
}

/// Opens a plain file for reading; a pipe would be waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    size(path)?;
    call(|| File::open(path))
}

/// All of a file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    call(|| file.take(MOST + 1).read_to_end(&mut bytes))?;
    match bytes.len() as u64 > MOST {
        true => Err(io::Error::other("it is larger than 256 MiB")),
        false => Ok(bytes),
    }
}

/// All of a file of text.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Maps an open file.
pub(super) fn mapped<T>(map: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    call(map)
}

/// A folder, and those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    call(|| fs::create_dir_all(path))
}

/// A new file, or an empty one in place of the one that is there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    call(|| File::create(path))
}

/// A file to go on with, and how long it is.
pub(super) fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = call(|| OpenOptions::new().create(true).append(true).open(path))?;
    let len = call(|| file.metadata())?.len();
    Ok((file, len))
}

pub(super) fn write(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    call(|| file.write_all(bytes))
}

pub(super) fn empty(file: &File) -> io::Result<()> {
    call(|| file.set_len(0))
}

/// Whether `file` is locked now; not while another program has it.
pub(super) fn lock(file: &File) -> io::Result<bool> {
    call(|| match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })
}

/// Waits until the disk has it.
pub(super) fn sync(file: &File) -> io::Result<()> {
    call(|| file.sync_all())
}

/// Moves a file to its place, in that of what is there.
pub(super) fn put(from: &Path, place: &Path) -> io::Result<()> {
    call(|| fs::rename(from, place))
}

/// What is not there is removed as well.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match call(|| fs::remove_file(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(unix)]
pub(super) fn link(to: &Path, place: &Path) -> io::Result<()> {
    call(|| std::os::unix::fs::symlink(to, place))
}

#[cfg(not(unix))]
pub(super) fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// One call that fails.
#[cfg(test)]
pub(super) mod faults {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static NEXT: Cell<Option<(usize, i32)>> = const { Cell::new(None) };
    }

    /// What `run` makes when its call number `n`, counted from 0, fails with `errno`; `None` where
    /// it makes fewer calls.
    pub fn at<T>(n: usize, errno: i32, run: impl FnOnce() -> T) -> Option<T> {
        NEXT.set(Some((n, errno)));
        let made = run();
        NEXT.take().is_none().then_some(made)
    }

    pub(super) fn strike() -> io::Result<()> {
        match NEXT.get() {
            Some((0, errno)) => {
                NEXT.set(None);
                Err(io::Error::from_raw_os_error(errno))
            }
            Some((n, errno)) => {
                NEXT.set(Some((n - 1, errno)));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

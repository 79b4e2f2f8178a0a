//! The log file: what happened, and where a panic came from. It is the user's own new file: what
//! was there under its name, a link or a pipe too, is removed, never opened.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::home;

/// More than this is not written.
const MAX_BYTES: usize = 4 << 20;

/// The log that was started.
static STARTED: OnceLock<Log> = OnceLock::new();

struct Log {
    path: PathBuf,
    file: Bounded,
}

/// Sends the log to `file`.
///
/// # Errors
/// A file that cannot be made new.
pub fn start(file: &Path) -> io::Result<()> {
    let log = Log {
        path: file.to_owned(),
        file: Bounded::new(create(file)?),
    };
    let writer = log.file.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    // A second start has its subscriber and its file already.
    let _ = subscriber.try_init();
    let _ = STARTED.set(log);
    Ok(())
}

/// Notes a failure: in the log that was started, else in a new one. Where that is, if there is
/// one.
pub fn report(text: &str) -> Option<PathBuf> {
    let (path, mut file) = match STARTED.get() {
        Some(log) => (log.path.clone(), log.file.clone()),
        None => {
            let path = home::log_file()?;
            let file = create(&path).ok()?;
            (path, Bounded::new(file))
        }
    };
    writeln!(file, "{text}").ok()?;
    Some(path)
}

/// A new file that only the user reads.
fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        private(DirBuilder::new().recursive(true)).create(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    // Fails where somebody put something there meanwhile, and follows no link.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn private(folder: &mut DirBuilder) -> &mut DirBuilder {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(folder, 0o700);
    folder
}

/// A file that takes no more than so many bytes.
#[derive(Clone)]
struct Bounded(Arc<Mutex<(File, usize)>>);

impl Bounded {
    fn new(file: File) -> Self {
        Self(Arc::new(Mutex::new((file, MAX_BYTES))))
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, left) = &mut *inner;
        let n = bytes.len().min(*left);
        file.write_all(&bytes[..n])?;
        *left -= n;
        // What has no room is dropped, and nobody is troubled by it.
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_is_replaced_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, log) = (folder.path().join("victim"), folder.path().join("a/b/log"));
        fs::write(&victim, "precious").unwrap();
        drop(create(&log).unwrap());
        fs::remove_file(&log).unwrap();
        symlink(&victim, &log).unwrap();
        create(&log).unwrap().write_all(b"x").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&log).unwrap(), b"x");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&log), mode(log.parent().unwrap())), (0o600, 0o700));
        fs::remove_file(&log).unwrap();
        fs::create_dir(&log).unwrap();
        assert!(create(&log).is_err());
    }

    #[test]
    fn a_log_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Bounded::new(create(&path).unwrap());
        for _ in 0..3 {
            log.write_all(&vec![b'x'; MAX_BYTES / 2]).unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), MAX_BYTES as u64);
    }
}

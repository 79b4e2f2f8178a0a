//! Bytes for the terminal, written on a thread of their own: a terminal that does not read stops
//! that thread and nothing else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::line::{Line, relieve};

/// How long a frame may take before it is broken off to give the terminal back.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long giving the terminal back may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// How often a wait looks.
const GLANCE: Duration = Duration::from_millis(2);

/// Whether the playground's screen is up. Held while a frame is written, so that nothing is
/// written after the terminal was given back.
static IS_UP: Mutex<bool> = Mutex::new(false);

/// The frame that is being written is not wanted any more.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Open from the first frame on: what gives the terminal back must not need a descriptor more.
static LINE: OnceLock<Line> = OnceLock::new();

pub(super) fn lock() -> MutexGuard<'static, bool> {
    IS_UP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on there is something to give back.
pub(super) fn is_up() {
    IS_OVER.store(false, Ordering::Relaxed);
    *lock() = true;
}

fn line() -> io::Result<&'static Line> {
    if let Some(line) = LINE.get() {
        return Ok(line);
    }
    let line = Line::open()?;
    Ok(LINE.get_or_init(|| line))
}

/// Where frames go, one at a time.
pub(super) struct Output {
    frames: SyncSender<Vec<u8>>,
    written: mpsc::Receiver<io::Result<()>>,
    is_busy: bool,
}

impl Output {
    /// # Errors
    /// No thread or descriptor to be had.
    pub(super) fn open() -> io::Result<Self> {
        let (frames, inbox) = sync_channel::<Vec<u8>>(1);
        let (done, written) = mpsc::channel(1);
        let line = line()?;
        let write = move || {
            for frame in inbox {
                if done.blocking_send(put(line, &frame)).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("w2s-output".to_owned());
        thread.spawn(write)?;
        Ok(Self {
            frames,
            written,
            is_busy: false,
        })
    }

    /// Whether a frame is on its way: another one would have to wait.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    pub(super) fn send(&mut self, frame: Vec<u8>) {
        // The thread lives as long as this handle.
        self.is_busy = self.frames.send(frame).is_ok();
    }

    /// Waits until the frame is written.
    ///
    /// # Errors
    /// What the terminal said to it.
    pub(super) async fn written(&mut self) -> io::Result<()> {
        let outcome = self.written.recv().await;
        self.is_busy = false;
        outcome.unwrap_or(Ok(()))
    }
}

/// Writes a frame, if the screen is up.
fn put(line: &Line, frame: &[u8]) -> io::Result<()> {
    let is_up = lock();
    match *is_up {
        true => line.write(frame, || IS_OVER.load(Ordering::Relaxed)),
        false => Ok(()),
    }
}

/// Writes `last` once no frame is on its way, unless somebody else did. A terminal that does not
/// read is relieved of what it has not read, and left alone if that does not help.
pub(super) fn end(last: &[u8]) {
    let Some(mut is_up) = lock_in_time() else {
        return;
    };
    // Held to the end: whoever finds the screen down may end the process at once.
    if !std::mem::replace(&mut *is_up, false) {
        return;
    }
    let since = Instant::now();
    // A terminal that is gone cannot be restored, and there is no one to tell.
    let _ = line().and_then(|line| {
        line.write(last, || {
            if since.elapsed() > PATIENCE {
                relieve();
            }
            since.elapsed() > DEADLINE
        })
    });
}

/// Waits for the frame that is being written, and breaks it off where that takes too long.
fn lock_in_time() -> Option<MutexGuard<'static, bool>> {
    let since = Instant::now();
    while since.elapsed() < DEADLINE {
        match IS_UP.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        if since.elapsed() > PATIENCE {
            IS_OVER.store(true, Ordering::Relaxed);
        }
        std::thread::sleep(GLANCE);
    }
    None
}

/// A buffer that the backend draws into.
#[derive(Clone, Default)]
pub(super) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes())
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

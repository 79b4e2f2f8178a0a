//! The line to the terminal, written to without ever waiting for long: a write that a terminal
//! does not take cannot be called off.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

/// How long a wait for a terminal lasts before it is asked whether to go on.
const GLANCE: Duration = Duration::from_millis(20);

pub(super) struct Line(File);

impl Line {
    /// # Errors
    /// No descriptor to be had.
    pub(super) fn open() -> io::Result<Self> {
        // Opened anew, so that what is set for it holds for nobody else; what stdout is shared
        // with, such as a shell, would not expect it.
        anew().or_else(|_| shared()).map(Self)
    }

    /// Writes all of `bytes`, or breaks off where the terminal takes nothing and `is_over`.
    ///
    /// # Errors
    /// A terminal that is gone.
    pub(super) fn write(&self, mut bytes: &[u8], is_over: impl Fn() -> bool) -> io::Result<()> {
        while !bytes.is_empty() {
            match (&self.0).write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && is_over() => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&self) {
        #[cfg(unix)]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let time = Timespec::try_from(GLANCE).ok();
            let mut line = [PollFd::new(&self.0, PollFlags::OUT)];
            if poll(&mut line, time.as_ref()).is_ok() {
                return;
            }
        }
        std::thread::sleep(GLANCE);
    }
}

/// The terminal behind stdout, where it may be opened; else the one that rules this process.
#[cfg(unix)]
fn anew() -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let name = rustix::termios::ttyname(io::stdout(), Vec::new());
    let named = name.and_then(|name| open(name, flags, Mode::empty()));
    let file = named.or_else(|_| open("/dev/tty", flags, Mode::empty()))?;
    Ok(File::from(file))
}

#[cfg(not(unix))]
fn anew() -> io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}

fn shared() -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }
    #[cfg(not(unix))]
    {
        use std::os::windows::io::AsHandle;
        Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
    }
}

/// Drops what the terminal has not read.
pub(super) fn relieve() {
    #[cfg(unix)]
    let _ = rustix::termios::tcflush(io::stdout(), rustix::termios::QueueSelector::OFlush);
}

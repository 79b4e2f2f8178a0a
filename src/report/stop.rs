//! How a command is asked to end, and what it does then.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::models;

/// Asks a command to end. One that has nothing to hand over yet ends at once; one that heeds it
/// prints what it has.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    is_set: models::Stop,
    is_heeded: Arc<AtomicBool>,
    /// The signal's number; 0 as long as there was none.
    signal: Arc<AtomicU8>,
}

impl Stop {
    /// From here on the command looks at it and ends in order.
    pub(super) fn heed(&self) {
        self.is_heeded.store(true, Ordering::Relaxed);
    }

    pub fn set(&self) {
        self.is_set.stop();
    }

    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_set.is_stopped()
    }

    /// The same, for loads and what else models and judges take their time for.
    pub(super) fn of_models(&self) -> models::Stop {
        self.is_set.clone()
    }

    /// 128 and the signal, as shells have it.
    pub(super) fn exit_code(&self) -> u8 {
        match self.signal.load(Ordering::Relaxed) {
            0 => 130,
            signal => 128 + signal,
        }
    }
}

#[cfg(unix)]
mod listen {
    use std::time::{Duration, Instant};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    use super::*;
    use crate::keeper::is_ignored;

    /// Whoever sends a signal to a process and its group sends it twice.
    const ECHO: Duration = Duration::from_secs(1);

    impl Stop {
        /// Hears SIGINT, SIGTERM and SIGHUP: the first asks, one that comes a while after it ends
        /// the process.
        ///
        /// # Errors
        /// No thread or no descriptors to listen with.
        pub(in crate::report) fn listen(&self) -> io::Result<()> {
            // Under nohup a closed terminal ends nothing.
            let wanted = [SIGINT, SIGTERM, SIGHUP];
            let signals = Signals::new(wanted.into_iter().filter(|s| !is_ignored(*s)))?;
            let stop = self.clone();
            std::thread::Builder::new()
                .name("w2s-signals".to_owned())
                .spawn(move || stop.hear(signals))?;
            Ok(())
        }

        fn hear(&self, mut signals: Signals) {
            let mut first = None;
            for signal in signals.forever() {
                let code = 128 + signal;
                let since = *first.get_or_insert_with(Instant::now);
                if !self.is_heeded.load(Ordering::Relaxed) || since.elapsed() > ECHO {
                    std::process::exit(code);
                }
                // The numbers of these three fit.
                let number = u8::try_from(signal).unwrap_or_default();
                self.signal.store(number, Ordering::Relaxed);
                self.set();
            }
        }
    }
}

#[cfg(not(unix))]
impl Stop {
    /// # Errors
    /// None: the system ends the process.
    pub(super) fn listen(&self) -> io::Result<()> {
        Ok(())
    }
}

//! What the system asks of the playground.

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To end in order.
    Leave,
    /// To give the terminal back for a while.
    Suspend,
}

#[cfg(unix)]
pub(super) use unix::{Signals, stop};

#[cfg(unix)]
mod unix {
    use std::io;

    use signal_hook::consts::signal::*;
    use signal_hook::iterator::Signals as Arrivals;
    use tokio::sync::mpsc::{Receiver, channel};

    use super::Wish;

    /// Signals that would end the process there and then, and the one that stops it.
    const HEARD: [i32; 8] = [
        SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP,
    ];

    pub(in crate::terminal) struct Signals(Receiver<Wish>);

    impl Signals {
        /// # Errors
        /// No thread or descriptors to listen with.
        pub(in crate::terminal) fn listen() -> io::Result<Self> {
            let (sender, wishes) = channel(1);
            let mut arrivals = Arrivals::new(HEARD)?;
            let listen = move || {
                for signal in arrivals.forever() {
                    let wish = match signal {
                        SIGTSTP => Wish::Suspend,
                        _ => Wish::Leave,
                    };
                    if sender.blocking_send(wish).is_err() {
                        break;
                    }
                }
            };
            let thread = std::thread::Builder::new().name("w2s-signals".to_owned());
            thread.spawn(listen)?;
            Ok(Self(wishes))
        }

        pub(in crate::terminal) async fn next(&mut self) -> Wish {
            match self.0.recv().await {
                Some(wish) => wish,
                None => std::future::pending().await,
            }
        }
    }

    /// Stands still until SIGCONT.
    pub(in crate::terminal) fn stop() {
        use rustix::process::{Signal, getpid, kill_process};
        // Where that is forbidden the program goes on at once.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

#[cfg(not(unix))]
pub(super) use other::{Signals, stop};

#[cfg(not(unix))]
mod other {
    use super::Wish;

    /// In raw mode Ctrl-C is a key, and the system asks in no other way.
    pub(in crate::terminal) struct Signals;

    impl Signals {
        pub(in crate::terminal) fn listen() -> std::io::Result<Self> {
            Ok(Self)
        }

        pub(in crate::terminal) async fn next(&mut self) -> Wish {
            std::future::pending().await
        }
    }

    /// There is no shell to go to.
    pub(in crate::terminal) fn stop() {}
}

//! The wish to stop, and the key that says it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a command to stop. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The first Ctrl-C sets it, so that what is done can be printed; the second ends the
    /// process.
    pub(super) fn on_ctrl_c(&self) -> std::io::Result<()> {
        let stop = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listen = async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.set();
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        };
        std::thread::Builder::new()
            .name("ctrl-c".to_owned())
            .spawn(move || runtime.block_on(listen))?;
        Ok(())
    }
}

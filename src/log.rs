//! The log file: what happened, and where a panic on any thread came from.

use std::path::Path;

/// Sends the log, and the report of a panic on any thread, to `file`.
///
/// # Errors
/// A file that cannot be written; a second call.
pub fn start(file: &Path) -> color_eyre::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let writer = std::fs::File::create(file)?;
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(writer)
        .init();
    color_eyre::install()?;
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if crate::caught::is_caught() {
            return;
        }
        tracing::error!("{info}\n{}", std::backtrace::Backtrace::force_capture());
        report(info);
    }));
    Ok(())
}

//! The program's own files, where the platform wants them.

use std::path::PathBuf;

use directories::ProjectDirs;

/// `~/.config/w2s/config.toml`, or what the platform has for it.
#[must_use]
pub fn config_file() -> Option<PathBuf> {
    dirs().map(|dirs| dirs.config_dir().join("config.toml"))
}

/// Where the program writes what a sentence has no room for; nowhere for users without a home.
#[must_use]
pub fn log_file() -> Option<PathBuf> {
    state_folder().map(|folder| folder.join("w2s.log"))
}

/// Whether the tour was never dismissed.
#[must_use]
pub fn is_first_start() -> bool {
    tour_mark().is_some_and(|mark| !mark.exists())
}

/// The tour was dismissed: later starts go without. A home that cannot be written to only means
/// that it comes again.
pub fn remember_tour() {
    if let Some(mark) = tour_mark() {
        let _ = std::fs::write(
            mark,
            "The tour was dismissed. Without this file it is shown again.\n",
        );
    }
}

fn tour_mark() -> Option<PathBuf> {
    state_folder().map(|folder| folder.join("tour-shown"))
}

fn state_folder() -> Option<PathBuf> {
    dirs().map(|dirs| dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned())
}

fn dirs() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "w2s")
}

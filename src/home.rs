//! The program's own files, where the platform wants them.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// Bytes of the list of what was loaded, at most.
const MOST_OF_LOADS: u64 = 256 * 1024;

/// So many tuned folders are remembered.
const MOST_TUNED: usize = 20;

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

/// What was loaded at earlier starts, a line each, oldest first.
#[must_use]
pub fn loads() -> Vec<String> {
    let file = loads_file().filter(|file| {
        let about = std::fs::metadata(file);
        about.is_ok_and(|about| about.is_file() && about.len() <= MOST_OF_LOADS)
    });
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Writes what was loaded, for later starts, into a new file that takes the place of the old one.
/// A home that cannot be written to only means that it is not offered again.
pub fn remember_loads(lines: &[String]) {
    if let Some(file) = loads_file() {
        let new = file.with_extension("new");
        // No link at its place is followed.
        let _ = std::fs::remove_file(&new);
        let written = std::fs::write(&new, lines.join("\n") + "\n");
        let _ = written.and_then(|()| std::fs::rename(&new, &file));
    }
}

/// Where trainings of the playground get folders of their own.
#[must_use]
pub fn trainings() -> Option<PathBuf> {
    dirs().map(|dirs| dirs.data_local_dir().join("tuned"))
}

/// Folders that were tuned on this machine, or are being, oldest first.
#[must_use]
pub fn tuned() -> Vec<PathBuf> {
    let text = tuned_file().and_then(|file| std::fs::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    let folders = text.lines().map(PathBuf::from);
    folders
        .filter(|folder| folder.join("curve.jsonl").exists())
        .collect()
}

/// A folder is to be a weak pair: later starts offer it. A home that cannot be written to only means
/// that it is not offered.
pub fn remember_tuned(folder: &Path) {
    let Ok(folder) = folder.canonicalize() else {
        return;
    };
    let mut folders = tuned();
    folders.retain(|known| *known != folder);
    folders.push(folder);
    let first = folders.len().saturating_sub(MOST_TUNED);
    let lines = folders[first..]
        .iter()
        .map(|folder| format!("{}\n", folder.display()));
    if let Some(file) = tuned_file() {
        let new = file.with_extension("new");
        let _ = std::fs::remove_file(&new);
        let _ = file.parent().map(std::fs::create_dir_all);
        let written = std::fs::write(&new, lines.collect::<String>());
        let _ = written.and_then(|()| std::fs::rename(&new, &file));
    }
}

fn tuned_file() -> Option<PathBuf> {
    state_folder().map(|folder| folder.join("tuned"))
}

fn loads_file() -> Option<PathBuf> {
    state_folder().map(|folder| folder.join("loads"))
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

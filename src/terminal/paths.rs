//! Paths that begin with what the user typed, looked up on a thread of their own: a folder may be
//! slow to read.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::app::Msg;

/// Entries of one folder that are looked at; of those that begin so, how many are told.
const MOST_READ: usize = 100_000;
const MOST_FOUND: usize = 200;

/// Does what may wait for a disk on a thread of its own; without a thread to spare, not at all.
pub(super) fn aside(name: &str, work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(name.to_owned());
    drop(thread.spawn(work));
}

/// Looks paths up, one question a thread.
pub(super) struct Paths {
    sender: UnboundedSender<Msg>,
    found: UnboundedReceiver<Msg>,
}

impl Paths {
    pub fn new() -> Self {
        let (sender, found) = unbounded_channel();
        Self { sender, found }
    }

    /// Has the folders and models looked up whose paths begin so. Without a thread to spare there
    /// is no answer.
    pub fn look_up(&self, typed: String) {
        let sender = self.sender.clone();
        aside("w2s-paths", move || {
            let found = completions(&typed);
            // Nobody waits for it after the end.
            let _ = sender.send(Msg::Completed { typed, found });
        });
    }

    /// The next answer.
    pub async fn found(&mut self) -> Msg {
        match self.found.recv().await {
            Some(msg) => msg,
            // The sender is kept: the channel is never closed.
            None => std::future::pending().await,
        }
    }
}

/// Folders, with a slash at the end, and GGUF files whose paths begin with `typed`, in order.
fn completions(typed: &str) -> Vec<String> {
    let (folder, start) = match typed.rfind('/') {
        Some(slash) => typed.split_at(slash + 1),
        None => ("", typed),
    };
    // A home is written out: whoever opens the path knows no other way.
    let place = place(folder);
    let spelt = match folder.strip_prefix('~') {
        Some(_) => place.display().to_string(),
        None => folder.to_owned(),
    };
    let Ok(entries) = std::fs::read_dir(&place) else {
        return Vec::new();
    };
    let names = entries.take(MOST_READ).flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let is_hidden = name.starts_with('.') && !start.starts_with('.');
        let begins_so = name.starts_with(start) && !is_hidden;
        begins_so.then(|| completed(&spelt, &name, &entry.path()))?
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.truncate(MOST_FOUND);
    names
}

fn completed(folder: &str, name: &str, path: &Path) -> Option<String> {
    let is_model = || name.to_ascii_lowercase().ends_with(".gguf");
    match path.is_dir() {
        true => Some(format!("{folder}{name}/")),
        false => is_model().then(|| format!("{folder}{name}")),
    }
}

/// The folder that is meant: `~` is the user's home.
fn place(folder: &str) -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match (folder.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ if folder.is_empty() => PathBuf::from("."),
        _ => PathBuf::from(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_models_are_found_by_how_they_begin() {
        let here = tempfile::tempdir().unwrap();
        for folder in ["models", "modes", ".hidden"] {
            std::fs::create_dir(here.path().join(folder)).unwrap();
        }
        for file in ["model.gguf", "mode.txt"] {
            std::fs::write(here.path().join(file), "").unwrap();
        }
        let root = format!("{}/", here.path().display());
        let found = completions(&format!("{root}mod"));
        let names = ["model.gguf", "models/", "modes/"].map(|name| format!("{root}{name}"));
        assert_eq!(found, names);
        assert_eq!(
            completions(&format!("{root}.h")),
            [format!("{root}.hidden/")]
        );
        assert!(completions("/no/such/folder/x").is_empty());
    }
}

//! The folder of a training: the tuned model, its curve, and checkpoints to go on from.
//!
//! ```text
//! OUT/config.json, model.safetensors, tokenizer …    the newest checkpoint's model, or its
//! OUT/adapter_config.json, adapter_model.safetensors   factors of low rank
//! OUT/w2s.json                                       base, settings, data: makes OUT a pair
//! OUT/curve.jsonl                                    all events, a line each
//! OUT/preferences.jsonl, made.json                   where they were made here, and how
//! OUT/command.json, log                              where the playground began it: how, and what
//!                                                      it said of faults
//! OUT/steps/00100/                                   checkpoints that can be loaded as models,
//!                                                    the newest with what a resumption needs
//! ```
//!
//! A checkpoint is written beside its place and put there whole, so that a kill at any moment
//! leaves the one before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::base::{Base, read_json, write, write_json};
use super::error::TuneError;
use super::settings::Settings;
use crate::curve::Event;
use crate::decoder::train::{Part, Trainee};

/// How many checkpoints stay.
const KEPT: usize = 3;

/// Where a training stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub step: usize,
    /// The best of what is held out, and how many measures ago.
    pub best: Option<f64>,
    pub stale: usize,
}

/// What a checkpoint says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    settings: Settings,
    /// Of all examples.
    data: u64,
    base: String,
    progress: Progress,
}

/// A training's folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    base: Base,
    halves: bool,
    settings: Settings,
    data: u64,
    curve: File,
}

impl Folder {
    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder, and finds the newest checkpoint of the same training in it. `data` is a
    /// fingerprint of all examples.
    ///
    /// # Errors
    /// It holds something else, or another training; it cannot be read or written.
    pub fn open(
        path: &Path,
        base: &Base,
        (settings, data): (&Settings, u64),
        halves: bool,
    ) -> Result<(Self, Option<(Progress, PathBuf)>), TuneError> {
        let newest = newest(path)?;
        let found = match &newest {
            Some(step) => Some((state(step, base, settings, data, path)?, step.join(STATE))),
            None => None,
        };
        let unwritten = |source| TuneError::Write {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path.join("steps")).map_err(unwritten)?;
        let step = found.as_ref().map_or(0, |(progress, _)| progress.step);
        let curve = curve(&path.join("curve.jsonl"), step).map_err(unwritten)?;
        let folder = Self {
            path: path.to_owned(),
            base: base.clone(),
            halves,
            settings: settings.clone(),
            data,
            curve,
        };
        Ok((folder, found))
    }

    /// Adds a line to the curve.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn tell(&mut self, event: &Event) -> Result<(), TuneError> {
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        let written = self.curve.write_all(&line);
        written.map_err(|source| TuneError::Write {
            path: self.path.join("curve.jsonl"),
            source,
        })
    }

    /// Writes a checkpoint, and its model as that of the folder; older ones go. Where the
    /// checkpoint is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn checkpoint(&self, trainee: &Trainee, progress: &Progress) -> Result<PathBuf, TuneError> {
        let place = self
            .path
            .join("steps")
            .join(format!("{:05}", progress.step));
        let new = place.with_extension("new");
        let unwritten = |source| TuneError::Write {
            path: new.clone(),
            source,
        };
        let _ = fs::remove_dir_all(&new);
        fs::create_dir_all(&new).map_err(unwritten)?;
        self.model(trainee, &new)?;
        trainee.save_state(&new.join(STATE))?;
        let state = State {
            settings: self.settings.clone(),
            data: self.data,
            base: self.base.name(),
            progress: progress.clone(),
        };
        write_json(&new.join("state.json"), &json!(state))?;
        let _ = fs::remove_dir_all(&place);
        fs::rename(&new, &place).map_err(unwritten)?;
        self.publish(&place)?;
        self.prune(progress.step);
        Ok(place)
    }

    fn model(&self, trainee: &Trainee, folder: &Path) -> Result<(), TuneError> {
        match &self.settings.part {
            Part::All => {
                let is_reward = self.settings.objective.is_reward();
                self.base.lay_out(folder, self.halves, is_reward)?;
                trainee.save(&folder.join("model.safetensors"), self.halves)?;
            }
            Part::Low(low) => {
                let modules = trainee.low_modules();
                let size = (low.rank, low.alpha);
                self.base.lay_out_adapter(folder, size, &modules)?;
                trainee.save_low(&folder.join("adapter_model.safetensors"), self.halves)?;
            }
        }
        write_json(&folder.join("w2s.json"), &self.card())
    }

    /// What makes a folder a weak pair: whom it was tuned from.
    fn card(&self) -> serde_json::Value {
        json!({"base": self.base.name(), "settings": self.settings})
    }

    /// The model of a checkpoint as that of the folder: each file is put in its place whole.
    fn publish(&self, step: &Path) -> Result<(), TuneError> {
        let unread = |source| TuneError::Read {
            path: step.to_owned(),
            source,
        };
        for entry in fs::read_dir(step).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            let name = path.file_name().unwrap_or_default();
            if !name.to_string_lossy().starts_with("state") {
                let place = self.path.join(name);
                link_or_copy(&path, &place).map_err(|source| TuneError::Write {
                    path: place,
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// Old checkpoints go, and what a resumption needs of all but the newest. What cannot be
    /// removed only takes room.
    fn prune(&self, newest: usize) {
        let mut steps = steps(&self.path).unwrap_or_default();
        steps.retain(|(step, _)| *step < newest);
        for (_, path) in &steps {
            let _ = fs::remove_file(path.join(STATE));
        }
        let n_old = steps.len().saturating_sub(KEPT - 1);
        for (_, path) in &steps[..n_old] {
            let _ = fs::remove_dir_all(path);
        }
    }
}

const STATE: &str = "state.safetensors";

/// The same bytes under a second name, where the file system has it.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    let new = PathBuf::from(format!("{}.new", to.display()));
    let _ = fs::remove_file(&new);
    if fs::hard_link(from, &new).is_err() {
        fs::copy(from, &new)?;
    }
    fs::rename(&new, to)
}

/// All checkpoints in a folder, oldest first.
fn steps(path: &Path) -> io::Result<Vec<(usize, PathBuf)>> {
    let entries = match fs::read_dir(path.join("steps")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut steps = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(step) = name.and_then(|name| name.parse().ok()) {
            steps.push((step, path));
        }
    }
    steps.sort();
    Ok(steps)
}

/// The newest checkpoint that can be gone on from.
fn newest(path: &Path) -> Result<Option<PathBuf>, TuneError> {
    let unread = |source| TuneError::Read {
        path: path.to_owned(),
        source,
    };
    let steps = steps(path).map_err(unread)?;
    let whole = |(_, path): &&(usize, PathBuf)| path.join(STATE).exists();
    if let Some((_, path)) = steps.iter().rev().find(whole) {
        return Ok(Some(path.clone()));
    }
    let is_taken = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        entries => {
            let names = entries.map_err(unread)?.filter_map(Result::ok);
            let mut names = names.map(|entry| entry.file_name());
            // What a training writes before its first checkpoint.
            names.any(|name| {
                ![
                    "steps",
                    "curve.jsonl",
                    "preferences.jsonl",
                    "made.json",
                    "command.json",
                    "log",
                ]
                .iter()
                .any(|own| name == *own)
            })
        }
    };
    match is_taken {
        true => Err(TuneError::Taken(path.to_owned())),
        false => Ok(None),
    }
}

/// Whether a training can have the folder: it is new, empty, or a training's.
///
/// # Errors
/// It holds something else, or cannot be looked at.
pub fn check_place(path: &Path) -> Result<(), TuneError> {
    newest(path).map(drop)
}

/// Where the training of a checkpoint stood, if it is this one.
fn state(
    step: &Path,
    base: &Base,
    settings: &Settings,
    data: u64,
    path: &Path,
) -> Result<Progress, TuneError> {
    let file = step.join("state.json");
    let state: State =
        serde_json::from_value(read_json(&file)?).map_err(|error| TuneError::Read {
            path: file,
            source: error.into(),
        })?;
    let differs = [
        ("base", state.base != base.name()),
        ("settings", state.settings != *settings),
        ("data", state.data != data),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        None => Ok(state.progress),
        Some((what, _)) => Err(TuneError::Other {
            path: path.to_owned(),
            what,
        }),
    }
}

/// The curve as far as step `step`, to be gone on with.
fn curve(path: &Path, step: usize) -> io::Result<File> {
    let told = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        told => told?,
    };
    let is_past = |line: &&str| {
        let at = serde_json::from_str::<serde_json::Value>(line).ok();
        let at = at.and_then(|event| event["step"].as_u64());
        step > 0 && at.is_some_and(|at| at <= step as u64)
    };
    let kept: String = told
        .lines()
        .filter(is_past)
        .flat_map(|line| [line, "\n"])
        .collect();
    let new = PathBuf::from(format!("{}.new", path.display()));
    fs::write(&new, kept)?;
    fs::rename(&new, path)?;
    OpenOptions::new().append(true).open(path)
}

/// Writes preferences that were made here, for a resumption and for others to learn from.
///
/// # Errors
/// The file cannot be written.
pub fn write_lines(path: &Path, lines: &[serde_json::Value]) -> Result<(), TuneError> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    write(path, text.as_bytes())
}

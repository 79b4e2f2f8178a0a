//! Everything that training can fail with, each in one sentence for the user.

use std::io;
use std::path::PathBuf;

use crate::decoder::ForwardError;
use crate::decoder::train::DeviceError;
use crate::judge::JudgeError;
use crate::models::{EncodeError, LoadError, brief};
use crate::search::ModelError;

#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Nothing in a file of data is of use; with the first line's reason, where there is one.
    #[error("{} has no line to learn {what} from{}", path.display(), reason(.first))]
    NoData {
        path: PathBuf,
        what: &'static str,
        first: Option<String>,
    },
    #[error("{} has {mib} MiB, and data of more than {most} MiB is not held in memory: split it", path.display())]
    Huge { path: PathBuf, mib: u64, most: u64 },
    #[error("{n} examples are too few to learn from and to hold some out: give at least {least}")]
    Few { n: usize, least: usize },
    #[error("{setting} of {value} makes no sense: {wanted}")]
    Setting {
        setting: &'static str,
        value: String,
        wanted: &'static str,
    },
    #[error(
        "the judge finds all of {n} pairs of samples alike, so that nothing can be preferred: choose another judge, other prompts or a higher temperature"
    )]
    AllAlike { n: usize },
    #[error(
        "{} holds a training with another {what}: name another folder, or go on with the same settings",
        path.display()
    )]
    Other { path: PathBuf, what: &'static str },
    #[error("{} is not empty and holds no training to go on with: name another folder", .0.display())]
    Taken(PathBuf),
    /// What was good is on disk.
    #[error(
        "the {what} is not a finite number after step {step}: training has stopped, and {} is as it was at step {kept}; try a lower rate",
        path.display()
    )]
    NotFinite {
        what: &'static str,
        step: usize,
        path: PathBuf,
        kept: usize,
    },
    #[error("training failed: {}", brief(.0))]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

fn reason(first: &Option<String>) -> String {
    first
        .as_ref()
        .map_or(String::new(), |why| format!(": {why}"))
}

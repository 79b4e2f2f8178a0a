//! Values that file and command line have in common.

use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

/// Where models run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    #[default]
    Auto,
    Cpu,
    Cuda,
    Metal,
}

/// What the terminal's background is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ground {
    #[default]
    Auto,
    Dark,
    Light,
}

/// A pace in seconds.
///
/// # Errors
/// In words: a number that no clock can wait for.
pub fn pace(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("the pace must be a number of seconds of at least 0, got {seconds}"))
}

//! w2s: a terminal playground for weak-to-strong search (Zhou et al. 2024, arXiv 2405.19262).
//!
//! # The map
//!
//! | module | what | may know |
//! | --- | --- | --- |
//! | [`search`] | the engine: chunk-level beam search, one round at a time; its ports and events | std |
//! | [`template`] | what a model is shown of a prompt, as the user says it | std |
//! | [`measure`] | the bundled gold reward; means and how sure they are | std |
//! | [`models`] | what files say: specs, the hub, configurations, tokenizers, weights, adapters | template, candle |
//! | [`decoder`] | what computes: forward passes over rows of cached tokens | models, candle |
//! | [`library`] | loaded models, each once, and pairs of them | decoder, models, template |
//! | [`guide`] | the strong model and the weak pair as the search's ports; what they say of text | search, library, decoder, models, template |
//! | [`message`] | all that crosses the thread, as plain data | search |
//! | [`worker`] | the one thread that owns models and device | search, guide, library, decoder, models, template, measure, message |
//! | [`app`] | the playground's state: message in, effects out | search, message |
//! | [`ui`] | draws `&App` | app, search, message, ratatui |
//! | [`terminal`] | owns the terminal: events in, frames out, effects carried out | app, ui, message, home |
//! | [`config`] | the configuration file, and the values it shares with the command line | search |
//! | [`keys`] | the file's keys on top of the playground's own | config, app |
//! | [`cli`] | the command line | config, search, template, line |
//! | [`report`] | the headless twin | cli, config, search, guide, library, decoder, models, measure, message, line |
//! | [`mod@line`], [`home`], [`log`], [`samples`] | text in one line, the platform's folders, the log, sample prompts | std |
//!
//! ```text
//! terminal → ui → app → message → search
//! main → worker → guide → search          report → guide
//!                   └→ library → decoder → models
//! ```
//!
//! The arrows never turn back, between rooms and between files; `tests/layers` holds them, also
//! through others. App and worker meet only in [`message`]; `report` reaches neither `app` nor
//! `ui`.
//!
//! # Invariants, as absences
//!
//! - `search` knows no models, no terminal, no files and no clock. A round that is cancelled or
//!   fails leaves the beam as it was. Draws are a function of (seed, round, lineage, successor,
//!   position): never of batch, order or K.
//! - Only `models` and `decoder` know candle. A hypothesis is plain data; caches are an
//!   optimisation, and what is missing is prefilled again.
//! - The UI thread does nothing that can block: models, files and waits live in the worker.
//! - Structural updates are never lost; growing text is never queued. An update of an earlier run
//!   changes nothing.
//! - All state of a run that is on screen is a fold over [`search::SearchEvent`]s.
//! - `unsafe` stands in one file, for memory maps. No text of a model reaches the terminal with
//!   its control characters.

pub mod app;
pub mod caught;
pub mod cli;
pub mod config;
pub mod decoder;
pub mod guide;
pub mod home;
pub mod keys;
pub mod library;
pub mod line;
pub mod log;
pub mod measure;
pub mod message;
pub mod models;
pub mod report;
pub mod samples;
pub mod search;
pub mod template;
pub mod terminal;
pub mod ui;
pub mod worker;

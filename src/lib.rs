//! w2s: a terminal playground for weak-to-strong search (Zhou et al. 2024, arXiv 2405.19262).
//!
//! # The map
//!
//! | module | what | may know |
//! | --- | --- | --- |
//! | [`search`] | the engine: chunk-level beam search as a machine that asks; its one history | std |
//! | [`template`] | what a model is shown of a prompt, as the user says it | std |
//! | [`measure`] | the bundled gold reward; means, differences, misfit, and how sure they are | std |
//! | [`judge`] | judges of texts behind one interface: bundled, classifiers, lexica, commands | measure, library, decoder, models, template, caught, candle |
//! | [`models`] | what files say: specs, the hub, configurations, tokenizers, weights, adapters | template, caught, candle |
//! | [`decoder`] | what computes: forward passes over rows of cached tokens | models, candle |
//! | [`library`] | loaded models, each once, and pairs of them; lets go of what nothing uses | decoder, models, template |
//! | [`guide`] | executors: the models answering the asks of all searches; what they say of text | search, evidence, library, decoder, models, template |
//! | [`curve`] | what a training tells as it goes, as plain data | std |
//! | [`tune`] | makes the tuned halves of pairs: data, preferences by a judge, training step by step, its folder | curve, guide, judge, library, decoder, models, template, search |
//! | [`evidence`] | what models say of a candidate and see of its prompt, as plain data | search |
//! | [`message`] | all that crosses the thread, as plain data | search, evidence, curve, examples, measure |
//! | [`worker`] | the one thread that owns models and device: commands reduced, passes made | search, evidence, curve, examples, home, guide, library, decoder, models, template, measure, judge, message |
//! | [`app`] | the playground's state: message in, effects out | search, evidence, curve, examples, measure, message |
//! | [`ui`] | draws `&App` | app, search, evidence, curve, measure, message, ratatui |
//! | [`terminal`] | owns the terminal: events in, frames out, effects carried out | app, ui, message, home, line |
//! | [`config`] | the configuration file, and the values it shares with the command line | search |
//! | [`keys`] | the file's keys on top of the playground's own | config, app |
//! | [`cli`] | the command line | config, search, template, line |
//! | [`report`] | the headless twin, evaluations, trainings | cli, config, search, evidence, curve, tune, home, guide, library, decoder, models, measure, judge, samples, examples, line, keeper |
//! | [`keeper`] | the process that waits for the one that works | line |
//! | [`caught`] | panics of other people's code that are taken for errors | std |
//! | [`panics`] | how a panic ends the program | log, line, caught |
//! | [`mod@line`], [`home`], [`log`], [`samples`], [`examples`] | text made fit for a terminal, the platform's folders, the log, sample prompts, answers before other prompts | std |
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
//! # Why it is as it is
//!
//! **The search asks, an executor answers.** [`search::ChunkBeamSearch`] never calls a model: it
//! says what it needs ([`search::Ask`]) and is told the result. So nothing in it can block, a test
//! drives it with scripted answers, and many searches can be served at once: [`search::Lanes`]
//! posts what each of them needs, and [`guide::ModelExecutor`] puts all their rows into one pass.
//! The unguided search beside a guided one costs a row, any other way to go on (settings and a
//! pair of its own) its rows, a list of prompts fills batches, and a prompt is read once a model
//! whoever asks, because all cached ids stand in one table a model.
//!
//! **One history.** Every step is a [`search::Entry`]; the engine's state and what the screen
//! shows are the same fold over them, [`search::History`]: a tree of rounds with a head. Taking
//! another candidate makes a sibling, going back and undoing move the head, nothing is forgotten.
//! A score names the pair that gave it, and a cut asks for scores that are missing, so scores of
//! two pairs never meet in one.
//!
//! **A method is a rule over the history.** Who is continued, who survives a round, what the
//! answer is: pure functions of settings and what happened (`search::method`), each in a file with
//! its source. A method keeps no state of its own, so going back, forking, taking and changing
//! settings work with every one, and a search can turn from one into another. Who has a say in
//! what is drawn (EFT) is part of the ask.
//!
//! **One loop, never deaf.** The worker reads all commands before every pass and reduces them in
//! one place into what is wanted: a stop or a restart is obeyed within one pass, whatever runs.
//! What is asked about a candidate is read in passes too, and the newest question replaces the
//! one before. Pace is the loop's; the engine has no clock.
//!
//! **What a candidate has of its parent is held once.** Tokens, text, log-probabilities and terms
//! are ropes ([`search::Rope`]): memory grows by the chunk, and a sum goes on where the parent's
//! stood, to the last bit.
//!
//! **Rooms by what they know, not by what they serve.** What files say (`models`) knows nothing of
//! arithmetic, what computes (`decoder`) nothing of searches; `library` joins both, and `guide` is
//! the only room that knows models and searches. Loaded models are a room of their own, not part
//! of what files say, since they need both.
//!
//! # Invariants, as absences
//!
//! - `search` knows no models, no terminal, no files and no clock. A round that is broken off
//!   leaves the beam as it was. Draws are a function of (seed, round, lineage, successor,
//!   position): never of batch, order or K; and a search's numbers do not depend on its company.
//! - Only `models`, `decoder` and `judge` know candle. A hypothesis is plain data; caches are an
//!   optimisation, and what is missing is read again.
//! - The UI thread does nothing that can block: models, files and waits live in the worker. The
//!   user's judges have a thread each, and nothing waits for them.
//! - Structural updates are never lost; growing text is never queued. An update of an earlier run
//!   changes nothing.
//! - Settings that exist are valid, also those from a file; those that a run has no room for are
//!   refused while it goes on.
//! - `unsafe` stands in one file, for memory maps. No text of a model reaches the terminal with
//!   its control characters. Nothing that a server says becomes a path unchecked.

pub mod app;
pub mod caught;
pub mod cli;
pub mod config;
pub mod curve;
pub mod decoder;
pub mod evidence;
pub mod examples;
pub mod guide;
pub mod home;
pub mod judge;
pub mod keeper;
pub mod keys;
pub mod library;
pub mod line;
pub mod log;
pub mod measure;
pub mod message;
pub mod models;
pub mod panics;
pub mod report;
pub mod samples;
pub mod search;
pub mod template;
pub mod terminal;
pub mod tune;
pub mod ui;
pub mod worker;

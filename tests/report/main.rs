//! The headless twin: on toy models, and along the recordings of the reference implementation
//! with recorded scores in the place of the weak pair.

mod cli;
mod commands;
mod conformance;
mod eval;
mod panel;
mod tapes;
// The engine's own tests use more of it.
#[allow(dead_code)]
#[path = "../search/toy.rs"]
mod toy;
mod toy_models;

//! Judges through the public command, `w2s judge`: against transformers' logits, and where they
//! fail.
#![cfg(unix)]

mod failing;
mod recorded;
mod support;

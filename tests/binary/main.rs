//! The program as it is installed: in a pseudo-terminal, and as one command among others.
#![cfg(unix)]

mod bad_input;
mod bad_tokenizers;
mod commands;
mod configuration;
mod faults;
mod features;
mod folders;
mod hostile_hub;
mod hostile_text;
mod hub;
mod hub_server;
mod leaving;
mod likelihood;
mod manual;
mod own_files;
mod playground;
mod readme;
mod stopping;
mod terminal;
mod tiny_gguf;
mod tuning;
mod worker_panic;

//! The program as it is installed: in a pseudo-terminal, and as one command among others.
#![cfg(unix)]

mod bad_input;
mod commands;
mod configuration;
mod features;
mod folders;
mod hub;
mod hub_server;
mod leaving;
mod manual;
mod playground;
mod terminal;
mod worker_panic;

#![no_main]
//! The configuration file.

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use w2s::config::Config;

fuzz_target!(|text: &str| {
    let _ = Config::parse(text, Path::new("config.toml"));
});

#![no_main]
//! `config.json`.

use libfuzzer_sys::fuzz_target;
use w2s::models::DecoderConfig;

fuzz_target!(|text: &str| {
    let _ = DecoderConfig::parse(text);
});

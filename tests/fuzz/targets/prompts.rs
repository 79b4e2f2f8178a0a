#![no_main]
//! A list of prompts, as `w2s run --prompts` takes it.

use libfuzzer_sys::fuzz_target;
use w2s::report::prompts;

fuzz_target!(|file: &[u8]| {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("prompts.json");
    std::fs::write(&path, file).unwrap();
    let _ = prompts(&path);
});

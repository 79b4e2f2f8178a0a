#![no_main]
//! A GGUF file: header, configuration, tokenizer, weights.

use libfuzzer_sys::fuzz_target;
use w2s::decoder::DeviceChoice;
use w2s::library::Library;
use w2s::models::ModelSpec;

fuzz_target!(|file: &[u8]| {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, file).unwrap();
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let _ = library.check(&ModelSpec::Gguf(path));
});

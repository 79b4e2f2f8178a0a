#![no_main]
//! A file of `torch.save` under a small configuration.

use libfuzzer_sys::fuzz_target;
use w2s::decoder::{Decoder, Kernels, Placement};
use w2s::models::read_folder;

fuzz_target!(|file: &[u8]| {
    let folder = tempfile::TempDir::new().unwrap();
    let config = include_bytes!("../../families/gpt2/config.json");
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    std::fs::write(folder.path().join("pytorch_model.bin"), file).unwrap();
    if let Ok((config, weights)) = read_folder(folder.path()) {
        let _ = Decoder::load(config, &weights, &Placement::cpu(Kernels::Fast));
    }
});

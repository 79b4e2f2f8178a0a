#![no_main]
//! `adapter_config.json` and the tensors, parted by a zero, on a bundled model: a file of
//! `torch.save` where they begin as an archive does.

use libfuzzer_sys::fuzz_target;
use w2s::decoder::DeviceChoice;
use w2s::library::Library;
use w2s::models::ModelSpec;

fuzz_target!(|files: &[u8]| {
    let mut parts = files.splitn(2, |byte| *byte == 0);
    let [config, weights] = [parts.next(), parts.next()].map(Option::unwrap_or_default);
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    let name = match weights.starts_with(b"PK") {
        true => "adapter_model.bin",
        false => "adapter_model.safetensors",
    };
    std::fs::write(folder.path().join(name), weights).unwrap();
    let spec = format!("bundled:untuned+{}", folder.path().display());
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let _ = library.check(&ModelSpec::parse(&spec));
});

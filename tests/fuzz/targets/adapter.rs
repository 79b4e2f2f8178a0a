#![no_main]
//! `adapter_config.json` and `adapter_model.safetensors`, parted by a zero, on a bundled model.

use libfuzzer_sys::fuzz_target;
use w2s::decoder::DeviceChoice;
use w2s::library::Library;
use w2s::models::ModelSpec;

fuzz_target!(|files: &[u8]| {
    let mut parts = files.splitn(2, |byte| *byte == 0);
    let [config, weights] = [parts.next(), parts.next()].map(Option::unwrap_or_default);
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    std::fs::write(folder.path().join("adapter_model.safetensors"), weights).unwrap();
    let spec = format!("bundled:untuned+{}", folder.path().display());
    let mut library = Library::open(DeviceChoice::Cpu).unwrap();
    let _ = library.check(&ModelSpec::parse(&spec));
});

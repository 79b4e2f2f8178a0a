#![no_main]
//! `tokenizer.json` and `tokenizer_config.json`, parted by a zero.

use libfuzzer_sys::fuzz_target;
use w2s::models::Tokenizer;

fuzz_target!(|files: &[u8]| {
    let mut parts = files.splitn(2, |byte| *byte == 0);
    let [json, config] = [parts.next(), parts.next()].map(Option::unwrap_or_default);
    if let Ok(tokenizer) = Tokenizer::from_bytes(json, config, "fuzzed") {
        if let Ok(ids) = tokenizer.try_encode("A film ½ <s>\n  aaaaaaaaaaaaaaaa!") {
            let _ = tokenizer.decode(&ids);
        }
    }
});

//! An adapted model against its own base, from the command line.

use std::process::Command;

use super::sharing::bundled;
use super::support::repository;

fn w2s(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .args(args)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_adapted_model_and_its_base_are_a_pair() {
    let (base, adapter) = (tempfile::tempdir().unwrap(), bundled(|_| {}));
    for file in std::fs::read_dir(repository("assets/models/untuned")).unwrap() {
        let from = file.unwrap().path();
        std::fs::copy(&from, base.path().join(from.file_name().unwrap())).unwrap();
    }
    let base = base.path().to_str().unwrap();
    let pair = format!("{base}+{},{base}", adapter.path().display());
    let prompt = ["--prompt", "This film is", "--pair", &pair];
    let score = [&["score", "--response", " wonderful."][..], &prompt].concat();
    let told = w2s(&score);
    println!("{told}");
    assert!(told.contains("wonderful"), "{told}");
    let run = ["run", "--strong", base, "-W", "2", "-K", "2", "-n", "12"];
    assert!(w2s(&[&run[..], &prompt].concat()).trim().len() > 10);
}

//! A headless command that is asked to end hands over what it has.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::commands::command;
use super::folders::Folders;
use super::terminal::send;

/// Signals with what a program ended by them exits with, but for those that the tests were told to
/// ignore, as nohup has it: programs that they start ignore them too.
pub fn signals() -> impl Iterator<Item = (&'static str, i32)> {
    let all = [("INT", 130), ("TERM", 143), ("HUP", 129)];
    all.into_iter()
        .filter(|(_, code)| !w2s::keeper::is_ignored(code - 128))
}

#[test]
fn a_list_is_closed_and_told_of() {
    let made = Folders::new();
    let prompts = vec!["This movie"; 500];
    let path = made.file("prompts.json", &serde_json::to_string(&prompts).unwrap());
    for (signal, code) in signals() {
        let home = TempDir::new().unwrap();
        let args = ["run", "--prompts", &path, "-n", "10"];
        let mut child = command(&args, &home).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut text = vec![0; 100];
        // The first prompt is done.
        out.read_exact(&mut text).unwrap();
        send(signal, child.id());
        out.read_to_end(&mut text).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{signal}");
        let list: Vec<Value> = serde_json::from_slice(&text).unwrap();
        assert!((1..500).contains(&list.len()), "{signal}: {}", list.len());
        let told = String::from_utf8_lossy(&output.stderr);
        let means = format!("mean over {} prompt", list.len());
        assert!(told.contains(&means), "{signal}: {told}");
    }
}

#[test]
fn a_single_search_gives_its_best_so_far() {
    for (signal, code) in signals() {
        // One that is still loading has nothing to give.
        let best = (1..20).find_map(|n| {
            let home = TempDir::new().unwrap();
            let args = ["run", "--prompt", "Hi", "-n", "500", "--format", "json"];
            let child = command(&args, &home).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(150 * n));
            send(signal, child.id());
            let output = child.wait_with_output().unwrap();
            let best = serde_json::from_slice::<Value>(&output.stdout).ok()?;
            Some((output.status.code(), best))
        });
        let (ended, best) = best.expect("a best");
        assert_eq!(ended, Some(code), "{signal}");
        assert_eq!(best["finish"], Value::Null, "{signal}: {best}");
        assert!(!best["response"].as_str().unwrap().is_empty(), "{signal}");
    }
}

/// Under nohup a terminal that is closed ends nothing.
#[test]
fn what_is_to_be_ignored_is() {
    let home = TempDir::new().unwrap();
    let script = "trap '' HUP; \"$0\" run --prompt Hi -n 60 & sleep 0.3; kill -HUP $!; wait $!";
    let w2s = env!("CARGO_BIN_EXE_w2s");
    let output = super::commands::command_of("/bin/sh", &["-c", script, w2s], home.path()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!output.stdout.is_empty());
}

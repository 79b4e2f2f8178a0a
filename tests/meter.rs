//! The winner's curse, measured: what chance seems to gain, and what is left of it for those who
//! did not choose. Real models.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Two hundred prompts: the beginnings of the sample prompts, and these themselves.
fn prompts(home: &TempDir) -> String {
    let all = w2s::samples::prompts();
    let short = all.iter().filter_map(|prompt| {
        let (short, _) = prompt.rsplit_once(' ')?;
        (!all.iter().any(|other| other == short)).then(|| short.to_owned())
    });
    let mut both: Vec<String> = all.iter().cloned().chain(short).collect();
    both.sort();
    both.dedup();
    both.truncate(200);
    assert_eq!(both.len(), 200);
    let path = home.path().join("prompts.json");
    std::fs::write(&path, serde_json::to_string(&both).unwrap()).unwrap();
    path.display().to_string()
}

fn meter(home: &TempDir, more: &[&str]) -> [[f64; 3]; 2] {
    let prompts = prompts(home);
    let args = [
        "eval",
        "--method",
        "cbs",
        "--prompts",
        &prompts,
        "-W",
        "2",
        "-K",
        "2",
        "-n",
        "15",
        "--format",
        "json",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .args([&args[..], more].concat())
        .env("XDG_CONFIG_HOME", home.path())
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &json["summary"]["rows"][0];
    assert_eq!((&row["n"], &row["n_failed"]), (&200.into(), &0.into()));
    [0, 1].map(|i| ["value", "low", "high"].map(|k| row["meter"][i][k].as_f64().unwrap()))
}

#[test]
fn a_random_scorer_gains_nothing_for_those_who_did_not_choose() {
    let home = TempDir::new().unwrap();
    let [claimed, shown] = meter(&home, &["--control", "random", "--second-pair", "positive"]);
    // The mean of the better two of four standard normals is 0.66.
    assert!(claimed[1] > 0.55 && claimed[2] < 0.77, "{claimed:?}");
    assert!(shown[1] <= 0.0 && shown[2] >= 0.0, "{shown:?}");
}

/// A scorer with something in it shows a gain to another one of its kind.
#[test]
fn a_pair_gains_for_a_pair_of_its_kind() {
    let home = TempDir::new().unwrap();
    let [claimed, shown] = meter(&home, &["--second-pair", "critical"]);
    assert!(claimed[1] > 0.3, "{claimed:?}");
    // The other way round.
    assert!(shown[2] < 0.0, "{shown:?}");
}

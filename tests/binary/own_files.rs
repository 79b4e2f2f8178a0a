//! The files that are the program's own: its log and its configuration, and what may be in their
//! place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::commands::command;
use super::terminal::Tty;

fn log_of(home: &Path) -> std::path::PathBuf {
    home.join(".local/state/w2s/w2s.log")
}

fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn searches_and_leaves(home: &Path, vars: &[(&str, &str)]) -> Tty {
    let w2s = env!("CARGO_BIN_EXE_w2s");
    let mut tty = Tty::spawn(w2s, home, (80, 24), &["--no-tour"], vars);
    tty.wait("scores", |output| output.n_scores() >= 4);
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
    tty
}

#[test]
fn a_log_is_new_and_the_users_own() {
    let home = TempDir::new().unwrap();
    let log = log_of(home.path());
    let victim = home.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    symlink(&victim, &log).unwrap();
    searches_and_leaves(home.path(), &[]);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    let there = fs::symlink_metadata(&log).unwrap();
    assert!(there.is_file());
    assert_eq!(there.permissions().mode() & 0o777, 0o600);
    fs::remove_file(&log).unwrap();
    fifo(&log);
    searches_and_leaves(home.path(), &[]);
}

#[test]
fn no_log_is_no_obstacle_and_told_once() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join(".local")).unwrap();
    fs::write(home.path().join(".local/state"), "").unwrap();
    for vars in [&[][..], &[("XDG_STATE_HOME", "/proc/none")]] {
        let tty = searches_and_leaves(home.path(), vars);
        tty.wait("a note", |output| {
            output.one_line().contains("there is no log")
        });
    }
    let tty = searches_and_leaves(Path::new("/dev/null"), &[]);
    tty.wait("a note", |output| {
        output.one_line().contains("there is no log")
    });
}

fn run(home: &TempDir) -> (Option<i32>, String) {
    let output = command(&["run", "--prompt", "Hi", "-n", "1"], home)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_configuration_is_a_file_of_its_size() {
    let home = TempDir::new().unwrap();
    let config = home.path().join(".config/w2s/config.toml");
    fifo(&config);
    let (code, told) = run(&home);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("config.toml: it is no file"), "{told}");
    fs::remove_file(&config).unwrap();
    fs::File::create(&config)
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    let (code, told) = run(&home);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("larger than 1 MiB"), "{told}");
}

#[test]
fn a_home_that_is_no_folder_has_no_configuration() {
    let home = TempDir::new().unwrap();
    let mut command = command(&["run", "--prompt", "Hi", "-n", "1"], &home);
    let output = command.env("HOME", "/dev/null").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_stderr_that_takes_nothing_changes_no_exit_code() {
    let home = TempDir::new().unwrap();
    for args in [
        &["run", "--nonsense"][..],
        &["run", "--prompt", "Hi", "--strong", "/no/such"],
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = command(args, &home).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_huge_window_is_drawn_on_in_part() {
    let home = TempDir::new().unwrap();
    let mut tty = Tty::w2s(home.path(), (80, 24), &["--no-tour"]);
    tty.wait("scores", |output| output.n_scores() >= 4);
    let before = tty.see(|output| output.bytes.len());
    tty.resize_window_only(u16::MAX, u16::MAX);
    tty.wait("a frame", |output| output.bytes.len() > before + 100_000);
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
}

//! However it ends, the terminal is as it was.

use tempfile::TempDir;

use super::terminal::Tty;

fn searching() -> (Tty, TempDir) {
    let home = TempDir::new().unwrap();
    let tty = Tty::w2s(
        home.path(),
        (80, 24),
        &["--no-tour", "--pace", "0", "-n", "400"],
    );
    tty.wait("scores", |output| output.n_scores() >= 8);
    (tty, home)
}

#[test]
fn by_key() {
    for key in ["q", "\x03"] {
        let (mut tty, _home) = searching();
        assert!(tty.see(|output| output.parser.screen().alternate_screen()));
        tty.press(key);
        assert_eq!(tty.exit_code(), 0, "{key:?}");
        tty.assert_restored();
    }
}

#[test]
fn by_signal() {
    for signal in ["TERM", "HUP"] {
        let (mut tty, _home) = searching();
        tty.signal(signal);
        assert_eq!(tty.exit_code(), 0, "{signal}");
        tty.assert_restored();
    }
}

#[test]
fn before_the_models_are_loaded() {
    let home = TempDir::new().unwrap();
    let mut tty = Tty::w2s(home.path(), (80, 24), &["--no-tour"]);
    tty.wait_for("w2s");
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    tty.assert_restored();
}

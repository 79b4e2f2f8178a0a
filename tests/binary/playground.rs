//! The playground by its keys, on the bundled models.

use tempfile::TempDir;

use super::terminal::{LIGHT_TERMINAL, Output, Tty};

const W2S: &str = env!("CARGO_BIN_EXE_w2s");

fn playground(args: &[&str]) -> (Tty, TempDir) {
    let home = TempDir::new().unwrap();
    let mut all = vec!["--no-tour"];
    all.extend(args);
    let tty = Tty::w2s(home.path(), (120, 40), &all);
    (tty, home)
}

fn round(output: &Output) -> usize {
    let text = output.text();
    let after = text.split("round ").nth(1).unwrap_or_default();
    let number = after.split('/').next().unwrap_or_default();
    number.parse().unwrap_or(0)
}

#[test]
fn it_searches_at_once_and_shows_scores() {
    let (tty, _home) = playground(&[]);
    tty.wait_for("▶ searching");
    tty.wait("scores", |output| output.n_scores() >= 16);
    tty.wait("a cut", |output| output.has("kept") && output.has("pruned"));
    tty.wait("a second round", |output| round(output) >= 2);
}

#[test]
fn the_first_start_has_a_tour_and_the_second_has_not() {
    let home = TempDir::new().unwrap();
    let mut tty = Tty::w2s(home.path(), (120, 40), &[]);
    tty.wait_for("ends the tour");
    tty.press("\x1b");
    tty.wait("no card", |output| !output.has("ends the tour"));
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    let tty = Tty::w2s(home.path(), (120, 40), &[]);
    tty.wait("scores", |output| output.n_scores() >= 16);
    assert!(!tty.see(|output| output.has("ends the tour")));
}

#[test]
fn keys_change_w_k_and_l_and_the_screen_says_so() {
    let (mut tty, _home) = playground(&["-n", "200"]);
    tty.wait("a round", |output| round(output) >= 1);
    for (key, pending, taken_over) in [
        ("W", "W 4 → 5", "W 5 w/W"),
        ("K", "K 4 → 5", "K 5 k/K"),
        ("L", "L 5 → 6", "L 6 l/L"),
    ] {
        tty.press(key);
        tty.wait_for(pending);
        tty.wait_for(taken_over);
    }
}

#[test]
fn it_pauses_steps_and_goes_on() {
    let (mut tty, _home) = playground(&["-n", "500", "--pace", "0.1"]);
    tty.wait("a round", |output| round(output) >= 1);
    tty.press(" ");
    tty.wait_for("‖ paused");
    let at = tty.see(round);
    // The first step completes the round under way, the second is a round of its own.
    tty.press("s");
    tty.wait("a cut", |output| {
        output.has("‖ paused") && output.has(" kept ")
    });
    tty.press("s");
    tty.wait("one round more", |output| {
        round(output) > at && output.has("‖ paused") && output.has(" kept ")
    });
    tty.press(" ");
    tty.wait("further rounds", |output| round(output) > at + 1);
    tty.wait_for("▶ searching");
}

#[test]
fn help_opens_and_closes() {
    let (mut tty, _home) = playground(&[]);
    tty.wait_for("▶ searching");
    tty.press("?");
    tty.wait_for("All keys");
    tty.press("\x1b");
    tty.wait("no help", |output| !output.has("All keys"));
}

#[test]
fn an_edited_prompt_is_searched_for() {
    let (mut tty, _home) = playground(&["--prompt", "A dull"]);
    tty.wait("the second round", |output| round(output) >= 2);
    tty.press("e");
    tty.wait_for("╭ Prompt");
    tty.press(" xyzzy\r");
    tty.wait("a search with it", |output| {
        output.has("A dull xyzzy") && !output.has("╭ Prompt") && round(output) >= 1
    });
    tty.wait("its scores", |output| output.n_scores() >= 16);
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let home = TempDir::new().unwrap();
    let tty = Tty::w2s(home.path(), (200, 60), &["--no-tour", "-n", "500"]);
    let is_whole =
        |output: &Output| output.row(0).contains("w2s") && output.row(-1).contains("space pause");
    tty.wait("a screen of 60 lines", is_whole);
    tty.resize(80, 24);
    tty.wait("a screen of 24 lines", |output| {
        is_whole(output) && output.n_scores() >= 16
    });
    tty.resize(200, 60);
    tty.wait("60 lines again", is_whole);
}

#[test]
fn a_hostile_prompt_does_not_steer_the_terminal() {
    let (tty, _home) = playground(&["--prompt", "a\x1b]0;x\x07b\u{9b}31m"]);
    tty.wait("scores", |output| output.n_scores() >= 16);
    tty.see(|output| {
        assert!(output.has("]0;x"), "{}", output.text());
        // Before it, the terminal is asked for its colours.
        let begin = b"\x1b[?1049h";
        let at = output.bytes.windows(8).position(|part| part == begin);
        let bytes = &output.bytes[at.unwrap()..];
        assert!(!bytes.contains(&7), "no bell");
        assert!(!bytes.windows(2).any(|pair| pair == b"\x1b]"), "no OSC");
        assert!(
            !bytes.windows(2).any(|pair| pair == b"\xc2\x9b"),
            "no CSI in one character"
        );
    });
}

#[test]
fn a_prompt_that_is_too_long_is_told_on_screen_and_can_be_mended() {
    let long = "hello ".repeat(600);
    let (mut tty, _home) = playground(&["--prompt", &long]);
    tty.wait_for("✗ failed");
    tty.wait_for("shorten the prompt");
    tty.press("x");
    tty.wait_for("Sample prompts");
    tty.press("\r");
    tty.wait("scores", |output| output.n_scores() >= 16);
}

#[test]
fn a_pair_is_picked_and_a_load_that_fails_is_told() {
    let (mut tty, _home) = playground(&["-n", "500"]);
    tty.wait("the second round", |output| round(output) >= 2);
    tty.press("H");
    tty.wait_for("Weak pair");
    tty.press("craft\r");
    tty.wait_for("pair craft");
    tty.press("Hnowhere,bundled:untuned\r");
    tty.wait_for("cannot read nowhere");
    let at = tty.see(round);
    tty.wait("further rounds", |output| round(output) > at);
}

#[test]
fn another_strong_model_is_loaded_and_searched_with() {
    let (mut tty, _home) = playground(&["-n", "500"]);
    tty.wait("the second round", |output| round(output) >= 2);
    tty.press("Bassets/models/craft\r");
    tty.wait_for("strong model assets/models/craft");
    tty.wait("its scores", |output| output.n_scores() >= 16);
}

#[test]
fn colours_follow_the_terminals_background() {
    // The foreground of the key hints, in the palette of 256 colours.
    let key_colour = |vars: &[(&str, &str)], args: &[&str]| {
        let home = TempDir::new().unwrap();
        let args = [&["--no-tour"], args].concat();
        let tty = Tty::spawn(W2S, home.path(), (80, 24), &args, vars);
        tty.wait("hints", |output| output.row(-1).contains("quit"));
        tty.see(|output| {
            let cell = output.parser.screen().cell(23, 1).unwrap();
            format!("{:?}", cell.fgcolor())
        })
    };
    let dark = key_colour(&[], &["--theme", "dark"]);
    let light = key_colour(&[], &["--theme", "light"]);
    assert_ne!(dark, light);
    assert_eq!(key_colour(&[], &[]), dark);
    assert_eq!(key_colour(&[LIGHT_TERMINAL], &[]), light);
    assert_eq!(key_colour(&[("COLORFGBG", "0;15")], &[]), light);
}

//! Every feature of the playground in the running binary: by keys, and where it applies by
//! mouse, judged by what is on screen.

use tempfile::TempDir;

use super::folders::repository;
use super::terminal::{Output, Tty};

const WIDE: (u16, u16) = (200, 60);
const MEDIUM: (u16, u16) = (120, 40);
const SMALL: (u16, u16) = (80, 24);

/// A search of two rounds at full speed, at its end.
const SHORT: &[&str] = &["--no-tour", "--pace", "0", "-n", "10", "--prompt", "A film"];

/// A search that does not end while a test looks.
const LONG: &[&str] = &["--no-tour", "--pace", "0.1", "-n", "500"];

fn start(size: (u16, u16), args: &[&str]) -> (Tty, TempDir) {
    let home = TempDir::new().unwrap();
    let tty = Tty::w2s(home.path(), size, args);
    (tty, home)
}

/// The short search at its end, with its judge and the unguided response.
fn finished(size: (u16, u16)) -> (Tty, TempDir) {
    let (tty, home) = start(size, SHORT);
    tty.wait_for("■ finished");
    (tty, home)
}

/// The long search, paused while chunks grow or before a cut.
fn paused(size: (u16, u16)) -> (Tty, TempDir) {
    let (mut tty, home) = start(size, LONG);
    tty.wait("beams", |output| output.has(" beam 1"));
    tty.press(" ");
    tty.wait_for("‖ paused");
    (tty, home)
}

/// The long search, paused after a cut.
fn cut(size: (u16, u16)) -> (Tty, TempDir) {
    let (mut tty, home) = paused(size);
    tty.press("s");
    tty.wait("a cut", |output| {
        output.has("‖ paused") && output.has(" kept ")
    });
    (tty, home)
}

fn rows(output: &Output) -> Vec<String> {
    output.text().lines().map(str::to_owned).collect()
}

/// The row, from 0, of the first line that is as wanted.
fn row_of(output: &Output, wanted: impl Fn(&str) -> bool) -> Option<usize> {
    rows(output).iter().position(|row| wanted(row))
}

/// A candidate's line, its mark first: `✗  2.3 …`, the pointer of the selection aside.
fn is_candidate(row: &str, mark: char, label: &str) -> bool {
    let row = row.trim_start_matches([' ', '▸', '⋮']);
    let mut words = row.split_whitespace();
    let marked = words.next().is_some_and(|word| word.starts_with(mark));
    marked && words.next().is_some_and(|word| word.starts_with(label))
}

fn has_candidate(output: &Output, mark: char, label: &str) -> bool {
    row_of(output, |row| is_candidate(row, mark, label)).is_some()
}

/// Presses the left button, or turns the wheel, at a cell counted from 0.
fn mouse(tty: &mut Tty, button: u8, (x, y): (usize, usize)) {
    tty.press(&format!("\x1b[<{button};{};{}M", x + 1, y + 1));
}

fn click(tty: &mut Tty, at: (usize, usize)) {
    mouse(tty, 0, at);
    tty.press(&format!("\x1b[<0;{};{}m", at.0 + 1, at.1 + 1));
}

#[test]
fn the_board_sorts_by_beam_and_by_score() {
    let (mut tty, _home) = finished(MEDIUM);
    tty.press("o");
    tty.wait_for("kept above, pruned below");
    tty.see(|output| {
        let line = row_of(output, |row| row.contains("kept above")).unwrap();
        let marks = |rows: &[String], mark| rows.iter().any(|row| is_candidate(row, mark, ""));
        let rows = rows(output);
        assert!(marks(&rows[..line], '✓') && !marks(&rows[..line], '✗'));
        assert!(marks(&rows[line..], '✗') && !marks(&rows[line..], '✓'));
    });
    tty.press("o");
    tty.wait("beams", |output| {
        output.has(" beam 1") && !output.has("kept above")
    });
}

#[test]
fn evidence_sums_to_the_score_and_names_the_likeliest_tokens() {
    let (mut tty, _home) = finished(WIDE);
    tty.press("2\x1b[H");
    tty.wait_for("instead of token 1 after ");
    tty.wait("all three models", |output| {
        ["   tuned  ", " untuned  ", "  strong  ", "% after filters"]
            .iter()
            .all(|text| output.has(text))
    });
    tty.press("\x1b[B");
    tty.wait_for("instead of token 2, raw probabilities");
    tty.see(|output| {
        let numbers = |row: &str| -> Vec<f64> {
            let words = row.split_whitespace();
            words.filter_map(|word| word.parse().ok()).collect()
        };
        let table: Vec<String> = output
            .parser
            .screen()
            .rows(110, 90)
            .skip_while(|row| !row.contains("token raw ln p"))
            .skip(1)
            .take_while(|row| !row.contains("instead of"))
            .collect();
        let total = table.iter().position(|row| row.contains("Σ")).unwrap();
        // The difference is the number before the sum, which ends the line.
        let diffs = table[..total].iter().map(|row| {
            let numbers = numbers(row);
            numbers[numbers.len() - 2]
        });
        let sum: f64 = diffs.sum();
        let score = *numbers(&table[total]).last().unwrap();
        assert!(
            (sum - score).abs() < 0.006 * total as f64,
            "{sum} {score}\n{table:#?}"
        );
        assert!(output.has(&format!("log-ratio {score:+.2} = tuned")));
    });
}

#[test]
fn two_candidates_are_compared_token_by_token() {
    let (mut tty, _home) = finished(WIDE);
    tty.press("gv");
    tty.wait_for("select another candidate to compare it with this one");
    tty.press("\x1b[B\x1b[B");
    tty.wait("both columns", |output| {
        output.has("│ compared") && output.has("ahead") && output.has(" against ")
    });
    tty.press("v");
    tty.wait("one column", |output| !output.has("│ compared"));
}

#[test]
fn the_unguided_response_stands_beside_the_guided_one() {
    let (tty, _home) = finished(MEDIUM);
    tty.wait("both with their numbers", |output| {
        let is_pair = |row: &str| row.contains(" guided") && row.contains("unguided");
        let row = row_of(output, is_pair).map(|at| output.row(at as i32));
        let numbers = ["log-ratio", "judge", "/token"];
        row.is_some_and(|row| numbers.iter().all(|n| row.matches(n).count() == 2))
    });
}

#[test]
fn a_key_compares_with_the_unguided_response_at_any_width() {
    for size in [SMALL, MEDIUM, WIDE] {
        let (mut tty, _home) = finished(size);
        tty.press("j");
        tty.wait("both texts and their difference", |output| {
            let parts = ["best response", "unguided", "the texts part", "− unguided"];
            parts.iter().all(|part| output.has(part))
        });
        tty.press("j");
        tty.wait("no comparison", |output| !output.has("− unguided"));
    }
}

#[test]
fn charts_show_rounds_spread_distribution_and_length() {
    let (mut tty, _home) = finished(MEDIUM);
    tty.press("3z");
    tty.wait("all charts", |output| {
        let parts = ["by round", "spread", "distribution", "length", "r = "];
        parts.iter().all(|part| output.has(part))
    });
}

#[test]
fn the_xray_shows_what_each_model_sees() {
    for size in [SMALL, MEDIUM, WIDE] {
        let (mut tty, _home) = finished(size);
        tty.press("6");
        tty.wait("one view for all three models", |output| {
            let parts = [
                "▸ x-ray",
                "strong   strong  2 tokens, no BOS",
                "\"A film\"",
                "\"A\"·",
                "\" film\"·",
                "tuned    positive  2 tokens, no BOS, all as strong sees it",
                "untuned  untuned  2 tokens, no BOS, all as tuned sees it",
                "✓ vocabularies: the same 4096 tokens",
                "✓ scored: the sampled ids as they are",
                "✓ join: no token spans",
                "ids stay as they are",
                " end: ",
            ];
            parts.iter().all(|part| output.has(part))
        });
    }
}

#[test]
fn the_xray_shows_a_pair_that_scores_text() {
    let strong = ["--strong", "tests/models/other"];
    let (mut tty, _home) = start(MEDIUM, &[SHORT, &strong].concat());
    tty.wait_for("■ finished");
    tty.press("6z");
    tty.wait("two views", |output| {
        let parts = [
            "strong   tests/models/other  ",
            "tuned    positive  2 tokens, no BOS",
            "untuned  untuned  2 tokens, no BOS, all as tuned sees it",
            "! vocabularies: strong 1024, pair 4096; ",
            "! scored: the text, in the pair's own tokens",
            " join: ",
            " accepted text: ",
        ];
        parts.iter().all(|part| output.has(part))
    });
    // Another pair is asked anew.
    tty.press("p");
    tty.wait("the other pair", |output| {
        output.has("tuned    critical  2 tokens")
    });
}

#[test]
fn a_pruned_branch_of_the_tree_is_read_by_click_and_by_key() {
    let (mut tty, _home) = finished(WIDE);
    tty.press("4");
    tty.wait_for("▸ tree");
    let pruned = |output: &Output| {
        let top = row_of(output, |row| row.contains("leads to the best response"))?;
        let rows = rows(output);
        let below = rows.iter().skip(top).position(|row| row.contains("─✗"));
        below.map(|at| top + at)
    };
    tty.wait("a pruned branch", |output| pruned(output).is_some());
    let at = tty.see(pruned).unwrap();
    click(&mut tty, (20, at));
    tty.wait("its evidence", |output| {
        output.has("  ✗ in round") && output.has("Σ = log-ratio")
    });
    let before = tty.see(|output| output.row(at as i32));
    assert!(before.contains('▸'), "{before}");
    tty.press("\x1b[B");
    tty.wait("the next branch", |output| {
        !output.row(at as i32).starts_with('▸') && output.row(at as i32 + 1).starts_with('▸')
    });
}

#[test]
fn pin_kill_and_boost_decide_the_cut() {
    let (mut tty, _home) = paused(MEDIUM);
    // The first cut: later ones may have a finished hypothesis among the first.
    tty.press("r,");
    tty.wait_for("not cut yet");
    tty.press("g");
    tty.wait("the selection", |output| output.has("▸"));
    tty.press("=");
    tty.wait_for("+1 at its cut");
    let hand = |mark: &'static str| move |output: &Output| output.has(mark);
    tty.wait("the boost", hand("0.1 +1 "));
    tty.press("X");
    tty.wait("the kill", hand("0.1 † "));
    tty.press("*");
    tty.wait("the pin", hand("0.1 ◆ "));
    tty.press("\x1b[BX");
    tty.wait("another kill", hand("0.2 † "));
    tty.press("s");
    tty.wait("a cut that obeys", |output| {
        output.has(" kept ")
            && has_candidate(output, '✓', "0.1")
            && output.has("0.1 ◆ ")
            && has_candidate(output, '✗', "0.2")
            && output.has("0.2 † ")
    });
}

#[test]
fn a_chunk_of_ones_own_is_scored() {
    let (mut tty, _home) = cut(MEDIUM);
    tty.press("g");
    tty.wait_for("E own chunk");
    tty.press("E");
    tty.wait_for("A chunk of your own");
    tty.press("\x15 quite wonderful");
    tty.wait_for("quite wonderful");
    tty.press("\r");
    tty.wait("its score", |output| {
        let is_scored = |row: &str| {
            let mut words = row.split_whitespace();
            let is_score = |word: &str| word.starts_with(['+', '-']) && word.contains('.');
            row.contains("quite wonderful") && words.any(is_score)
        };
        !output.has("A chunk of") && row_of(output, is_scored).is_some()
    });
}

/// The first pruned line of the board.
fn pruned(output: &Output) -> Option<usize> {
    row_of(output, |row| is_candidate(row, '✗', ""))
}

#[test]
fn a_pruned_candidate_is_taken_and_that_taken_back() {
    let (mut tty, _home) = finished(MEDIUM);
    let best = |output: &Output| {
        let at = row_of(output, |row| row.contains(" guided"))?;
        Some(output.row(at as i32).chars().take(50).collect::<String>())
    };
    tty.wait("a pruned candidate", |output| pruned(output).is_some());
    // Of the round before, so that something goes on from it.
    tty.press("\x1b[D");
    tty.wait_for("looking back");
    let before = tty.see(best).unwrap();
    let at = tty.see(pruned).unwrap();
    click(&mut tty, (14, at));
    tty.wait_for("d go on from this");
    tty.press("d");
    tty.wait_for("board  round 2b/2");
    tty.wait("the end", |output| {
        output.has("■ finished") && !output.has("looking back")
    });
    tty.press("D");
    tty.wait("the run as it was", |output| {
        output.has("■ finished") && best(output).as_ref() == Some(&before)
    });
}

#[test]
fn a_hypothesis_gets_more_successors() {
    let (mut tty, _home) = cut(MEDIUM);
    let kept = |output: &Output| row_of(output, |row| is_candidate(row, '✓', ""));
    let at = tty.see(kept).unwrap();
    click(&mut tty, (14, at));
    tty.wait_for("S more successors");
    tty.press("S");
    tty.wait_for("1 successor more of it in the next round");
    tty.press("S");
    tty.wait_for("2 successors more of it in the next round");
    tty.press("s");
    tty.wait("six successors", |output| {
        let is_sixth = |row: &str| row.split_whitespace().any(|word| word.ends_with(".6"));
        row_of(output, is_sixth).is_some()
    });
}

#[test]
fn a_run_is_rewound_and_goes_on_from_there() {
    let (mut tty, _home) = finished(MEDIUM);
    go_back(&mut tty);
    tty.press(" ");
    tty.wait("the end", |output| {
        output.has("■ finished") && output.has("board  round 2b/2")
    });
    tty.press("D");
    tty.wait_for("the search is where it was before");
    go_back(&mut tty);
    tty.press("n");
    tty.wait("another end", |output| {
        output.has("■ finished") && output.has("board  round 2c/2")
    });
}

/// From the end to after round 1.
fn go_back(tty: &mut Tty) {
    tty.press("\x1b[D");
    tty.wait("the round before", |output| {
        output.has("looking back") && output.has("board  round 1/2")
    });
    tty.press("\x7f");
    tty.wait_for("back after round 1: n draws anew from here");
}

#[test]
fn sampling_ranking_and_weight_change_while_it_runs() {
    let (mut tty, _home) = start(WIDE, LONG);
    tty.wait("scores", |output| output.n_scores() >= 16);
    for (key, shown) in [
        ("f", "top-k 48 "),
        ("F", "top-k 56 "),
        ("u", "top-p 0.95 "),
        ("U", "top-p 1 "),
        ("-", "weight 0.75"),
        ("+", "weight 1"),
        ("a", "per token"),
    ] {
        tty.press(key);
        tty.wait_for(shown);
    }
}

#[test]
fn presets_samples_and_palette_are_chosen_by_typing_and_by_click() {
    let (mut tty, _home) = finished(MEDIUM);
    tty.press("b");
    tty.wait_for("Presets");
    tty.press("best-of-4\r");
    // The notice is gone as fast as so short a search: the setting stays.
    tty.wait_for(" L ∞ ");
    tty.press("x");
    tty.wait_for("Sample prompts");
    let second = |output: &Output| row_of(output, |row| row.contains("Sample prompts"));
    let at = tty.see(second).unwrap() + 3;
    click(&mut tty, (40, at));
    tty.wait("no menu", |output| !output.has("Sample prompts"));
    tty.wait("another prompt", |output| !output.has("A film"));
    tty.press(":");
    tty.wait_for("What to do");
    tty.press("the charts");
    tty.wait("the action", |output| {
        output.has("scores by round, spread, distribution") && !output.has("leave")
    });
    tty.press("\r");
    tty.wait("charts", |output| {
        output.has("▸ charts") && !output.has("What to do")
    });
    tty.press("\x10");
    tty.wait_for("What to do");
}

#[test]
fn help_scrolls_by_key_and_wheel() {
    let (mut tty, _home) = finished(SMALL);
    tty.press("?");
    tty.wait_for("Settings, effective at the next chunk");
    mouse(&mut tty, 65, (40, 12));
    tty.wait("a scrolled page", |output| {
        output.has("All keys") && !output.has("Settings, effective at")
    });
    tty.press("\x1b[F");
    tty.wait_for("leave");
    tty.press("q");
    tty.wait("no help", |output| !output.has("All keys"));
}

#[test]
fn a_pane_fills_the_screen_and_shrinks_again() {
    let (mut tty, _home) = finished(WIDE);
    tty.press("4");
    tty.wait_for("▸ tree");
    tty.press("z");
    tty.wait("the tree alone", |output| {
        output.has("▸ tree") && !output.has("  board") && !output.has("  evidence")
    });
    tty.press("\x1b");
    tty.wait("all panes", |output| {
        output.has("  board") && output.has("  evidence")
    });
}

#[test]
fn responses_and_tables_are_copied_through_the_terminal() {
    let (mut tty, _home) = finished(MEDIUM);
    let sent = |output: &Output, what: &str| {
        let start = format!("\x1b]52;c;{what}");
        let mut windows = output.bytes.windows(start.len());
        windows.any(|bytes| bytes == start.as_bytes())
    };
    // What is copied begins with the prompt, "A film", or with the headings, "id\ttok".
    tty.press("c");
    tty.wait("the response", |output| sent(output, "QSBmaWxt"));
    tty.wait_for("copied: prompt and response");
    tty.press("y");
    tty.wait("the table", |output| sent(output, "aWQJdG9r"));
    tty.wait_for("copied: token table");
}

#[test]
fn a_click_selects_a_candidate_and_the_wheel_moves_on() {
    let (mut tty, _home) = finished(MEDIUM);
    let third = |output: &Output| {
        row_of(output, |row| {
            is_candidate(row, '✓', "1.4") || is_candidate(row, '✗', "1.4")
        })
    };
    tty.wait("the third candidate", |output| third(output).is_some());
    let at = tty.see(third).unwrap();
    click(&mut tty, (50, at));
    tty.wait("the selection", |output| {
        output.row(at as i32).contains('▸') && output.has("evidence  1.4")
    });
    mouse(&mut tty, 64, (50, at));
    tty.wait("it moves up", |output| !output.row(at as i32).contains('▸'));
    mouse(&mut tty, 65, (50, at));
    tty.wait("it moves down", |output| {
        let selected = row_of(output, |row| {
            row.trim_start().starts_with('▸') && row.contains('#')
        });
        selected.is_some_and(|row| row > at)
    });
}

#[test]
fn borders_are_dragged() {
    let (mut tty, _home) = finished(WIDE);
    let tree = |output: &Output| row_of(output, |row| row.contains("  charts  pair "));
    let start = tty.see(tree).unwrap();
    let to = start - 6;
    tty.press(&format!(
        "\x1b[<0;30;{}M\x1b[<32;30;{}M\x1b[<0;30;{}m",
        start + 1,
        to + 1,
        to + 1
    ));
    tty.wait("a lower board", |output| {
        row_of(output, |row| row.contains("charts  pair ")) == Some(to)
    });
    let evidence = |output: &Output| {
        let rows = rows(output);
        let row = rows.iter().find(|row| row.contains("  board  "))?;
        let at = row.find("evidence")?;
        Some(row[..at].chars().count())
    };
    let at = tty.see(evidence).unwrap();
    // The two cells between board and evidence; the heading's text begins two cells later.
    let (from, to) = (at - 3, at - 23);
    tty.press(&format!(
        "\x1b[<0;{};30M\x1b[<32;{};30M\x1b[<0;{};30m",
        from + 1,
        to + 1,
        to + 1
    ));
    tty.wait("a wider evidence", |output| {
        evidence(output).is_some_and(|now| now.abs_diff(at - 20) <= 1)
    });
}

#[test]
fn older_prompts_are_above_the_one_being_edited() {
    let (mut tty, _home) = finished(MEDIUM);
    tty.press("e");
    tty.wait_for("╭ Prompt");
    tty.press(" noir\r");
    tty.wait_for("A film noir");
    tty.press("e");
    tty.wait_for("╭ Prompt");
    tty.press("\x1b[A");
    tty.wait("the first prompt", |output| {
        let title = row_of(output, |row| row.contains("╭ Prompt"));
        title.is_some_and(|at| output.row(at as i32 + 1).contains("│A film  "))
    });
}

#[test]
fn another_locale_than_utf_8_gets_nothing_but_ascii() {
    let home = TempDir::new().unwrap();
    let program = env!("CARGO_BIN_EXE_w2s");
    let mut tty = Tty::spawn(program, home.path(), WIDE, SHORT, &[("LC_ALL", "C")]);
    tty.wait_for("# finished");
    tty.press("g2?");
    tty.wait_for("All keys");
    assert!(tty.see(|output| output.bytes.is_ascii()));
}

#[test]
fn no_color_puts_no_colour_on_the_wire() {
    let home = TempDir::new().unwrap();
    let program = env!("CARGO_BIN_EXE_w2s");
    let vars = [("NO_COLOR", "1"), ("COLORTERM", "truecolor")];
    let mut tty = Tty::spawn(program, home.path(), WIDE, SHORT, &vars);
    tty.wait_for("■ finished");
    tty.press("g234");
    tty.wait_for("▸ tree");
    assert_eq!(tty.see(|output| colours(&output.bytes)), Vec::<u16>::new());
}

/// The numbers of all colours that the bytes ask for, the terminal's own aside.
fn colours(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let sequences = text.split("\x1b[").skip(1);
    let styles = sequences.filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
        rest[end..].starts_with('m').then(|| rest[..end].to_owned())
    });
    styles
        .flat_map(|style| {
            let numbers = style.split(';').filter_map(|n| n.parse().ok());
            numbers.collect::<Vec<u16>>()
        })
        .filter(|n| matches!(n, 30..=38 | 40..=48 | 90..=107))
        .collect()
}

/// Judges of the user's speak live; leaving waits for none and leaves no command behind.
#[test]
fn judges_speak_beside_the_search() {
    let folder = repository("tests/judges/distilbert");
    let classifier = format!("{}:LABEL_1-LABEL_0", folder.display());
    let late = "cmd:sleep 3; touch \"$HOME/late\"";
    let judges = [classifier.as_str(), "cmd:exit 3", late];
    let judges: Vec<&str> = judges.iter().flat_map(|spec| ["--judge", *spec]).collect();
    let (mut tty, home) = start(WIDE, &[&judges, SHORT].concat());
    tty.wait_for("■ finished");
    tty.wait("verdicts", |output| {
        let rows = rows(output);
        let failed = rows.iter().filter(|row| row.contains("   fails  "));
        output.has("judge distil…  exit 3") && failed.count() >= 12
    });
    tty.press("q");
    assert_eq!(tty.exit_code(), 0);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(!home.path().join("late").exists());
}

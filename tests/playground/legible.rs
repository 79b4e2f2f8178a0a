//! What is said on screen can be read at any size: nothing is cut, and what is out of view is told.

use w2s::app::App;
use w2s::ui::{Depth, Theme};

use crate::screens::{ALL_SETTINGS, draw};
use crate::support::Playground;

/// The screen as lines of text, without colours.
pub fn lines(app: &App, width: u16, height: u16) -> Vec<String> {
    let buffer = draw(app, width, height, &Theme::new(Depth::None, false));
    let cells = buffer.content().chunks(usize::from(width));
    let line = |cells: &[ratatui::buffer::Cell]| cells.iter().map(|c| c.symbol()).collect();
    cells.map(line).collect()
}

pub fn has(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

#[test]
fn what_is_changed_is_shown_whole_at_any_width() {
    let mut p = Playground::loaded();
    p.round().start_round().grow(3).press(&ALL_SETTINGS);
    let changed = [
        "W 4→5",
        "K 4→5",
        "L 5→6",
        "0.7→0.8",
        "n 50→40",
        "top-k 50→48",
        "top-p 1→0.95",
        "sum→per token",
        "weight 1→0.75",
        "pair positive→critical",
        "pace 0.25 s",
    ];
    for width in [80, 100, 120, 160, 200] {
        let lines = lines(&p.app, width, 24);
        for setting in changed {
            assert!(
                has(&lines[1..3], setting),
                "{setting} at {width}: {lines:#?}"
            );
        }
    }
}

#[test]
fn keys_make_room_for_values_and_what_is_usual_for_what_is_not() {
    let mut p = Playground::loaded();
    p.round().press(&["n", "u"]);
    let screen = lines(&p.app, 80, 24);
    for setting in ["W 4 ", "top-p 0.95", "seed 1", "pace 1 s"] {
        assert!(has(&screen[1..2], setting), "{setting}: {screen:#?}");
    }
    let narrow = lines(&p.app, 40, 16);
    assert!(has(&narrow[1..2], "seed 1"), "{narrow:#?}");
    assert!(!has(&narrow[1..2], "pace"), "{narrow:#?}");
}

#[test]
fn the_reference_rules_are_named_on_a_small_screen() {
    let params = w2s::search::SearchParams::default();
    let params = params.with_rules(w2s::search::Rules::Reference);
    let mut p = Playground::with(w2s::app::Options {
        params,
        pair: Some("somewhere/far/away/tuned,somewhere/far/away/untuned".into()),
        ..Default::default()
    })
    .load();
    p.round();
    let screen = lines(&p.app, 80, 24);
    assert!(has(&screen[..3], "rules reference"), "{screen:#?}");
    assert!(has(&screen[..3], "pair tuned,untuned"), "{screen:#?}");
    assert!(has(&screen[..3], "pace 1 s"), "{screen:#?}");
}

#[test]
fn rows_out_of_view_are_counted() {
    let mut p = Playground::loaded().searching(4, 6);
    p.round().round();
    let more = |p: &Playground| lines(&p.app, 80, 24).join("\n");
    assert!(more(&p).contains("▼ 8 more"), "{}", more(&p));
    p.press(&["end"]);
    assert!(more(&p).contains("▲ 8 more"), "{}", more(&p));
    p.press(&["4"]);
    assert!(more(&p).contains('▲'), "{}", more(&p));
    p.press(&["esc", "esc", ":"]);
    assert!(more(&p).contains('▼'), "{}", more(&p));
    p.press(&["esc", "?"]);
    assert!(more(&p).contains('▼'), "{}", more(&p));
}

#[test]
fn tokens_out_of_view_are_counted() {
    let mut p = Playground::loaded();
    for _ in 0..10 {
        p.round();
    }
    p.press(&["2", "home"]);
    let screen = lines(&p.app, 80, 24);
    let total = screen.iter().find(|line| line.contains("Σ")).unwrap();
    assert!(total.contains("▼") && total.contains(" more"), "{total}");
    p.press(&["end"]);
    let screen = lines(&p.app, 80, 24);
    let total = screen.iter().find(|line| line.contains("Σ")).unwrap();
    assert!(total.contains("▲"), "{total}");
}

#[test]
fn a_long_error_is_read_to_its_end() {
    let mut p = Playground::loaded();
    p.round().fail();
    assert!(has(&lines(&p.app, 80, 24), "shorten the prompt"));
}

#[test]
fn why_a_key_does_nothing() {
    let mut p = Playground::loaded();
    p.round();
    for (key, why) in [
        ("d", "select a pruned candidate (✗) first"),
        ("*", "this round is cut, the next one can be marked"),
        ("D", "there is nothing to take back"),
        ("backspace", "look back at an earlier round first"),
        ("j", "has not said anything unguided yet"),
    ] {
        p.press(&[key]);
        let notice = p.app.notice().unwrap_or_default();
        assert!(notice.contains(why), "{key}: {notice}");
    }
}

#[test]
fn a_finished_response_keeps_its_sign() {
    let mut p = Playground::loaded();
    p.round().round().unguided();
    for width in [80, 120, 160] {
        let screen = lines(&p.app, width, 40);
        let unguided = screen.iter().find(|line| line.contains("unguided"));
        assert!(
            unguided.unwrap().contains("unguided ■"),
            "{width}: {screen:#?}"
        );
        let n = screen[2].matches("/token").count();
        assert_eq!(n, if width < 116 { 0 } else { 2 }, "{}", screen[2]);
    }
}

#[test]
fn a_long_unguided_response_shows_its_beginning() {
    let mut p = Playground::loaded();
    p.round().unguided_of(150);
    let screen = lines(&p.app, 120, 40);
    assert_eq!(screen[3].matches("I watched this film").count(), 2);
    assert!(screen[6].trim_end().ends_with('…'), "{}", screen[6]);
}

#[test]
fn numbers_on_screen_add_up() {
    let mut p = Playground::loaded();
    for _ in 0..10 {
        p.round();
        let screen = lines(&p.app, 200, 60).join("\n");
        let (before, after) = screen.split_once(" = tuned ").unwrap();
        let number = |word: Option<&str>| (word.unwrap().parse::<f64>().unwrap() * 100.0).round();
        let value = number(before.split(' ').next_back());
        let mut words = after.split(' ');
        let (tuned, untuned) = (number(words.next()), number(words.nth(2)));
        assert_eq!(value, tuned - untuned);
    }
}

#[test]
fn the_pane_in_focus_has_half_of_the_room() {
    let mut p = Playground::loaded();
    p.round().round();
    let height = |p: &Playground, pane: &str| {
        let screen = lines(&p.app, 120, 40);
        let at = screen.iter().position(|line| line[..30].contains(pane));
        38 - at.unwrap()
    };
    assert_eq!(height(&p, "evidence"), 9);
    p.press(&["2"]);
    assert_eq!(height(&p, "evidence"), 15, "it has use for no more");
    p.press(&["3"]);
    assert_eq!(height(&p, "charts"), 16);
}

#[test]
fn windows_leave_no_fringe() {
    let mut p = Playground::loaded();
    p.round();
    for keys in [&["?"][..], &["esc", ":"], &["esc", "e"]] {
        p.press(keys);
        let screen = lines(&p.app, 80, 24);
        let first = screen.iter().filter(|line| line.starts_with('│')).count();
        let last = screen.iter().filter(|line| line.ends_with('│')).count();
        assert!(first >= 3 && first == last, "{screen:#?}");
    }
}

#[test]
fn branches_can_be_told_apart_without_colours_and_in_ascii() {
    for ascii in [false, true] {
        let mut q = Playground::with(w2s::app::Options {
            ascii,
            ..Default::default()
        })
        .load();
        q.round().round().round();
        let taken = q.app.trace().round(2).unwrap().pruned()[5];
        q.take(taken).round().press(&["4", "z"]);
        let [rail, head] = if ascii { [":", "<"] } else { ["┊", "◀"] };
        let mut all = Vec::new();
        q.press(&["home"]);
        for _ in 0..10 {
            all.extend(lines(&q.app, 80, 24));
            q.press(&["pgdn"]);
        }
        let line = |text: &str| all.iter().find(|line| line.contains(text)).cloned();
        let left = line("round 2a").unwrap();
        assert!(left.contains("left"), "{left}");
        let own = line("round 2b").unwrap();
        assert!(!own.contains("left") && own.contains("taken"), "{own}");
        let broken = all
            .iter()
            .filter(|line| line.contains(" 3a ") || line.contains(" 2a "));
        assert!(broken.clone().filter(|line| line.contains(rail)).count() > 4);
        let whole = all
            .iter()
            .filter(|line| line.contains(" 2b ") && line.contains(rail));
        assert_eq!(whole.count(), 0);
        assert!(
            all.iter()
                .any(|line| line.contains(" 3b ") && line.contains(head))
        );
    }
}

#[test]
fn a_board_beside_the_evidence_has_all_its_columns() {
    let mut p = Playground::loaded();
    p.round();
    for width in [160, 170, 176, 180, 200] {
        let lines = lines(&p.app, width, 40);
        assert!(has(&lines, "to cut   judge"), "{width}: {lines:#?}");
        assert!(has(&lines, "log-ratio +") && has(&lines, "Σ"), "{width}");
    }
}

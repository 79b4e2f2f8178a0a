//! Ways beside the next runs: kept by a key, shown by another.

use w2s::app::{Action, Effect};
use w2s::message::{Command, RunRequest, Update, Way};

use crate::legible::lines;
use crate::screens::ways;
use crate::support::Playground;

/// The ways that the latest run was begun with.
fn beside(p: &Playground) -> Vec<Way> {
    let started = p.effects.iter().rev().find_map(|effect| match effect {
        Effect::Send(Command::Start(RunRequest { beside, .. })) => Some(beside.clone()),
        _ => None,
    });
    started.unwrap()
}

fn names(p: &Playground) -> Vec<String> {
    let guided = p.app.params_in_use();
    p.app.beside().iter().map(|b| b.name(guided)).collect()
}

fn finished() -> Playground {
    let mut p = Playground::loaded();
    p.round().round().finish();
    p
}

#[test]
fn a_run_begins_with_the_unguided_way_alone() {
    let p = Playground::loaded();
    assert_eq!(beside(&p), []);
    assert_eq!(names(&p), ["unguided"]);
}

#[test]
fn a_kept_way_begins_no_run_and_goes_beside_the_next() {
    let mut p = finished();
    let n_before = p.effects.len();
    p.press(&["V"]);
    assert_eq!(p.effects.len(), n_before);
    let note = p.app.notice().unwrap();
    assert!(
        note.contains("W4 K4 L5 positive is kept") && note.contains("(p)"),
        "{note}"
    );
    p.press(&["p"]).wait().round();
    assert_eq!(names(&p), ["unguided", "W4 K4 L5 positive"]);
    assert_eq!(p.app.pair_to_come(), "critical");
}

#[test]
fn two_kept_ways_go_beside_a_third() {
    let p = ways(2);
    assert_eq!(
        names(&p),
        ["unguided", "W4 K4 L5 positive", "W4 K4 L5 critical"]
    );
    assert_eq!(p.app.params_in_use().beam_width().get(), 5);
}

#[test]
fn of_three_kept_ways_the_oldest_is_let_go() {
    let mut p = ways(2);
    p.finish().press(&["V"]);
    assert!(
        p.app
            .notice()
            .unwrap()
            .contains("instead of W4 K4 L5 positive")
    );
    p.press(&["L"]).wait().round();
    assert_eq!(
        names(&p),
        ["unguided", "W4 K4 L5 critical", "W5 K4 L5 critical"]
    );
}

#[test]
fn the_same_way_is_kept_once_whatever_the_seed() {
    let mut p = finished();
    p.press(&["V", "V"]);
    assert_eq!(p.app.kept_ways().len(), 1);
    assert!(p.app.notice().unwrap().contains("kept already"));
    p.press(&["n"]).round().press(&["V"]);
    assert_eq!(p.app.kept_ways().len(), 1);
}

#[test]
fn a_run_is_no_way_beside_itself() {
    let mut p = finished();
    p.press(&["V", "r"]);
    assert_eq!(beside(&p), []);
    p.press(&["n"]);
    assert_eq!(beside(&p), []);
}

#[test]
fn what_is_unguided_is_there_without_being_kept() {
    let mut p = Playground::loaded().searching(1, 1);
    p.round().press(&["V"]);
    assert!(p.app.kept_ways().is_empty());
    assert!(p.app.notice().unwrap().contains("always there"));
}

#[test]
fn a_way_is_named_by_what_else_is_its_own() {
    let mut p = finished();
    p.press(&["V", "T", "m", "-"]).wait().round();
    assert_eq!(names(&p)[1], "W4 K4 L5 positive n 50 T 0.7 weight 1");
}

#[test]
fn dropped_ways_are_not_beside_the_next_run() {
    let mut p = ways(2);
    p.press(&["ctrl-v"]);
    assert_eq!(names(&p).len(), 3, "this run goes on with them");
    p.press(&["r"]);
    assert_eq!(beside(&p), []);
    assert!(!p.app.is_available(Action::DropWays));
    p.press(&["ctrl-v"]);
    assert!(p.app.notice().unwrap().contains("no way is kept"));
}

#[test]
fn a_way_that_cannot_be_gone_is_left_out_and_says_why() {
    let mut p = ways(1);
    let (run, way, why) = (p.run, 1, "its context is too small".to_owned());
    p.update(Update::WayDropped { run, way, why });
    let note = p.app.notice().unwrap();
    assert_eq!(
        note,
        "W4 K4 L5 positive is left out: its context is too small"
    );
    assert!(p.app.is_searching());
}

#[test]
fn what_a_way_of_an_earlier_run_says_is_nobodys() {
    let mut p = ways(1);
    let old = p.app.beside()[1].said.clone().unwrap();
    let run = p.run;
    p.press(&["r"]);
    p.update(Update::Beside {
        run,
        way: 1,
        response: old.response,
        judge: 0.0,
        done: true,
        sampled: 1,
    });
    assert_eq!(p.app.beside()[1].said, None);
}

#[test]
fn the_closed_panel_says_that_there_are_more_ways() {
    let p = ways(2);
    for (width, height) in crate::screens::SIZES {
        let screen = lines(&p.app, width, height);
        assert!(
            screen[2..4].iter().any(|l| l.contains("+2 ways: j")),
            "{screen:#?}"
        );
    }
}

#[test]
fn scores_of_two_pairs_are_not_compared_and_the_judge_compares_all() {
    let mut p = ways(2);
    p.press(&["j"]);
    let screen = lines(&p.app, 200, 60);
    let row = |name: &str| {
        screen
            .iter()
            .rev()
            .find(|l| l.starts_with(&format!(" {name}")))
            .unwrap()
    };
    // Of one pair are the guided, the unguided and the second way; the first is alone with its.
    let leads: usize = ["guided", "unguided", "W4 K4 L5 critical"]
        .map(|n| row(n).matches('●').count())
        .iter()
        .sum();
    let alone = row("W4 K4 L5 positive");
    assert!(
        alone.contains(" positive ") && alone.matches('●').count() <= 1,
        "{alone}"
    );
    assert_eq!(
        leads + alone.matches('●').count(),
        2,
        "one by log-ratio, one by the judge"
    );
}

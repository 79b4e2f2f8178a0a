//! Runs of before: listed, opened with their boards, compared.

use w2s::app::{Action, Phase};
use w2s::message::Command;
use w2s::search::{HypothesisId, Move};

use crate::legible::{has, lines};
use crate::screens::shot;
use crate::support::Playground;

/// Three runs: one that ended, one that was left after a round, one under way.
fn three() -> Playground {
    let mut p = Playground::loaded();
    p.round().round().finish().press(&["W"]).wait();
    p.round().press(&["n"]);
    p.round().round();
    p
}

fn names(p: &Playground) -> Vec<String> {
    p.app.runs().iter().map(|run| run.name()).collect()
}

#[test]
fn every_run_is_listed_and_numbers_have_no_gaps() {
    let mut p = three();
    // One that has not come to anything is none.
    p.press(&["r"]).start_round().grow(2).press(&["r"]).round();
    assert_eq!(names(&p), ["1", "2", "3", "4"]);
    let ended: Vec<bool> = p.app.runs().iter().map(|run| run.has_ended).collect();
    assert_eq!(ended, [true, false, false, false]);
}

#[test]
fn a_run_is_opened_with_its_whole_board() {
    let mut p = Playground::loaded();
    p.round().round();
    let board: Vec<_> = p.app.board().iter().map(|line| line.id()).collect();
    let text = p.app.subject().unwrap().text.clone();
    p.finish().press(&["W"]).wait();
    p.round();
    assert_eq!(p.app.params_in_use().beam_width().get(), 5);
    p.press(&["5", "up"]);
    assert_eq!(*p.app.phase(), Phase::Over);
    let opened: Vec<_> = p.app.board().iter().map(|line| line.id()).collect();
    assert_eq!(opened, board);
    assert_eq!(p.app.subject().unwrap().text, text);
    assert_eq!(p.app.params_in_use().beam_width().get(), 4);
    assert!(p.app.pending().is_empty(), "nothing is to come of it");
    p.press(&["esc"]);
    assert_eq!(*p.app.phase(), Phase::Running);
    assert_eq!(p.app.trace().rounds().len(), 1);
}

#[test]
fn a_run_goes_on_while_another_is_looked_at() {
    let mut p = three();
    p.press(&["5", "home"]);
    let shown = p.app.trace().clone();
    p.round();
    assert_eq!(*p.app.trace(), shown, "what is looked at stays");
    p.press(&["end"]);
    assert_eq!(p.app.trace().rounds().len(), 3);
    assert!(!p.app.is_opened());
}

#[test]
fn what_is_done_to_the_search_is_done_to_the_one_under_way() {
    let mut p = three();
    p.press(&["5", "home", "space"]);
    assert!(!p.app.is_opened());
    assert_eq!(*p.app.phase(), Phase::Pausing);
    p.press(&["home"]);
    for action in [Action::Take, Action::Pin, Action::UndoTurn, Action::Spend] {
        assert!(!p.app.is_available(action), "{action:?}");
    }
    p.press(&["X"]);
    assert!(p.app.notice().unwrap().contains("is over"));
}

#[test]
fn a_restart_is_one_of_the_run_that_is_opened() {
    let mut p = three();
    p.press(&["5", "home", "r"]);
    let Some(w2s::app::Effect::Send(Command::Start(request))) = p.effects.last() else {
        panic!("{:?}", p.effects.last());
    };
    assert_eq!(request.params.beam_width().get(), 4);
    assert_eq!(request.params.seed(), 0);
    assert!(!p.app.is_opened());
    p.round();
    assert_eq!(names(&p), ["1", "2", "3", "4"], "the one under way is kept");
}

#[test]
fn a_steered_run_does_not_look_untouched() {
    let mut p = Playground::loaded();
    p.round();
    let pruned = p.app.trace().rounds()[0].pruned()[0];
    p.take(pruned).round().finish();
    assert_eq!(p.app.runs()[0].by_hand, 1);
    p.press(&["5"]);
    assert!(has(&lines(&p.app, 120, 40), " 1* "));
}

#[test]
fn each_way_that_a_run_ended_is_a_line() {
    let mut p = Playground::loaded();
    p.round().round().finish();
    let (back, end) = (p.node(1), p.node(2));
    p.go(back, Move::Go).start_round().grow(5).score();
    let worst: Vec<HypothesisId> = p.app.trace().last_round().unwrap().candidate_ids();
    p.cut(&worst[..4], &worst[4..], &[]).finish();
    assert_eq!(names(&p), ["1", "1b"]);
    p.press(&["5", "home"]);
    assert_eq!(p.app.sight().node, Some(end));
    assert!(!p.app.is_opened(), "it is the run under way");
}

#[test]
fn two_runs_are_compared_by_settings_scores_and_texts() {
    let mut p = Playground::loaded();
    p.round().round().finish().press(&["W"]).wait();
    p.round().round().finish().press(&["p"]).wait();
    p.round().finish();
    p.press(&["5", "home", "v"]);
    assert_eq!(
        p.app.notice(),
        Some("choose another run to compare it with this one")
    );
    p.press(&["down", "z"]);
    let screen = lines(&p.app, 120, 40);
    assert!(has(&screen, "run 1 → 2 W 4 → 5"), "{screen:#?}");
    shot("runs_compared", &p.app);
    p.press(&["end"]);
    let screen = lines(&p.app, 120, 40);
    assert!(has(&screen, "(scores do not compare)"), "{screen:#?}");
    p.press(&["v", "z"]);
    assert!(!has(&lines(&p.app, 120, 40), "run 1 →"));
}

#[test]
fn many_runs_are_let_go_and_said_so() {
    let mut p = Playground::loaded();
    for _ in 0..53 {
        p.round().press(&["r"]);
    }
    p.round();
    let runs = p.app.runs();
    assert_eq!((runs.len(), runs[0].number), (51, 4));
    p.press(&["5"]);
    assert!(has(
        &lines(&p.app, 120, 40),
        "54 so far, the first 3 let go"
    ));
}

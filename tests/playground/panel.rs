//! Several pairs at once: weights by keys and by the mouse, what ranks, what is shown of them.

use w2s::app::{Effect, Msg, Options, Pane, Target};
use w2s::message::Command;
use w2s::search::{PairId, PanelRule};

use crate::legible::lines;
use crate::screens::shot;
use crate::support::Playground;

/// What the worker was told last about who is to be heard.
fn heard(p: &Playground) -> PairId {
    let told = p.effects.iter().rev().find_map(|effect| match effect {
        Effect::Send(Command::UsePair { pair, .. }) => Some(pair.clone()),
        Effect::Send(Command::Start(request)) => Some(request.pair.clone()),
        _ => None,
    });
    told.unwrap()
}

fn panel(members: &[(&str, f64)]) -> PairId {
    PairId::of_panel(
        members
            .iter()
            .map(|(name, w)| ((*name).into(), *w))
            .collect(),
    )
}

/// Three pairs with a say, two rounds in.
fn three() -> Playground {
    let options = Options {
        pair: Some(panel(&[
            ("positive", 1.0),
            ("critical", -0.5),
            ("craft", 0.5),
        ])),
        ..Options::default()
    };
    let mut p = Playground::with(options).load();
    p.round().round();
    p
}

#[test]
fn who_has_one_pair_sees_nothing_of_a_panel() {
    let mut p = Playground::loaded();
    p.round();
    assert!(!lines(&p.app, 120, 40).join("\n").contains("panel"));
    let seen: Vec<Pane> = (0..8)
        .map(|_| {
            p.press(&["tab"]);
            p.app.look().focus
        })
        .collect();
    assert!(!seen.contains(&Pane::Panel));
    p.press(&["R"]);
    assert!(
        p.app.notice().unwrap().contains("several pairs"),
        "{:?}",
        p.app.notice()
    );
}

#[test]
fn keys_weigh_the_chosen_pair() {
    let mut p = Playground::loaded();
    p.round().press(&["p"]).press(&["P"]).round().round();
    p.press(&["7", "↓", "+", "+"]);
    assert_eq!(heard(&p), panel(&[("positive", 1.0), ("critical", 0.5)]));
    p.press(&["-", "-", "-"]);
    assert_eq!(heard(&p), panel(&[("positive", 1.0), ("critical", -0.25)]));
    // At 0 it is not heard any more, and what is left is a pair by itself.
    p.press(&["+"]);
    assert_eq!(heard(&p), PairId::from("positive"));
    p.press(&["↑", "-", "-", "-", "-"]);
    assert_eq!(heard(&p), panel(&[("positive", 0.25)]));
    assert!(p.app.notice().unwrap().contains("somebody has to be heard"));
    // Elsewhere the same keys weigh all of it.
    p.press(&["1", "+"]);
    assert_eq!(p.app.wanted().params.weight().get(), 1.25);
}

#[test]
fn a_click_on_a_slider_weighs_a_pair() {
    let mut p = three();
    let pair = 2;
    p.msg(Msg::Click(Target::Voice { pair, eighths: -16 }));
    assert_eq!(p.app.look().focus, Pane::Panel);
    assert_eq!(
        heard(&p),
        panel(&[("positive", 1.0), ("critical", -0.5), ("craft", -2.0)])
    );
    p.msg(Msg::Click(Target::Voice { pair, eighths: 0 }));
    assert_eq!(heard(&p), panel(&[("positive", 1.0), ("critical", -0.5)]));
}

#[test]
fn what_ranks_goes_round() {
    let mut p = three();
    for rule in ["naive", "bayes:1", "mixture"] {
        p.press(&["R"]);
        let rule: PanelRule = rule.parse().unwrap();
        assert_eq!(p.app.wanted().params.panel(), rule);
    }
    p.press(&["R", "R", "7", "↓", "+", "+"]);
    assert!(p.app.notice().unwrap().contains("until three have a say"));
}

#[test]
fn a_round_tells_who_disagrees_and_who_is_likely_best() {
    let p = three();
    let conflicts = p.app.conflicts();
    assert!(conflicts.len() == 2 && conflicts.iter().all(|c| c.is_some_and(|c| c > 0.0)));
    let accords = p.app.accords();
    assert_eq!(accords.len(), 3);
    // Critical is the turned one, against which the panel is: both want the same.
    assert!(accords[0].correlation.unwrap() > 0.5, "{accords:?}");
    let chances = p.app.chances();
    assert_eq!(chances.len(), 16);
    assert!((chances.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(chances.is_sorted_by(|a, b| a.1 >= b.1));
}

#[test]
fn the_panel_on_screen() {
    let mut p = three();
    p.press(&["7"]);
    shot("panel", &p.app);
    p.press(&["1", "↓", "2"]).answer();
    shot("panel_evidence", &p.app);
}

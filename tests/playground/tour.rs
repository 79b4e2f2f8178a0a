//! The tour: five steps, each done by a key of the user's own.

use w2s::app::{Effect, Overlay};
use w2s::message::{Act, Command, Update};
use w2s::search::Mark;

use crate::legible::{has, lines};
use crate::screens::SIZES;
use crate::support::Playground;

fn touring() -> Playground {
    Playground::with(w2s::app::Options {
        tour: true,
        ..Default::default()
    })
    .load()
}

fn says(p: &Playground, text: &str) -> bool {
    p.app.tour_card().unwrap().text.contains(text)
}

#[test]
fn every_step_is_done_by_a_key_on_the_live_screen() {
    let mut p = touring();
    p.start_round().grow(2);
    assert!(says(&p, "Press s"));
    p.press(&["s"]).grow(5).score();
    assert_eq!(*p.app.overlay(), Overlay::Tour(0), "no cut yet");
    p.select();
    let run = p.run;
    p.update(Update::Paused { run, paused: true });
    assert_eq!(*p.app.overlay(), Overlay::Tour(1));
    assert!(says(&p, "Press W"));
    p.press(&["W"]);
    assert_eq!(*p.app.overlay(), Overlay::Tour(2));
    assert!(says(&p, "Press p"));
    p.press(&["p"]);
    assert_eq!(*p.app.overlay(), Overlay::Tour(3));
    assert!(says(&p, "Press , to"));
    p.press(&[","]).start_round().grow(5).score();
    p.update(Update::Paused { run, paused: true });
    assert!(says(&p, "select it with ↑↓"));
    let best = p.app.subject().unwrap().slot.id;
    while p.app.sight().selected.is_none() || !says(&p, "Press X") {
        p.press(&["down"]);
    }
    assert_ne!(
        p.app.sight().selected,
        Some(best),
        "the best of the new ones"
    );
    p.press(&["X"]);
    let kill = p.effects.iter().any(|effect| {
        matches!(
            effect,
            Effect::Send(Command::Steer {
                act: Act::Mark {
                    mark: Some(Mark::Kill),
                    ..
                },
                ..
            })
        )
    });
    assert!(kill);
    assert_eq!(*p.app.overlay(), Overlay::Tour(4));
    assert!(says(&p, "s makes the cut") && says(&p, "Press enter"));
    assert!(!p.effects.contains(&Effect::RememberTour));
    p.press(&["enter"]);
    assert_eq!(*p.app.overlay(), Overlay::None);
    assert!(p.app.look().zoom, "the evidence is read");
    assert!(p.effects.contains(&Effect::RememberTour));
    p.press(&["esc", "esc", "esc"]);
    assert!(p.app.tour_card().is_none());
}

#[test]
fn a_step_or_all_can_be_left_out_and_other_keys_do_what_they_do() {
    let mut p = touring();
    p.press(&["enter", "K"]);
    assert_eq!(*p.app.overlay(), Overlay::Tour(1));
    assert!(matches!(
        p.effects.last(),
        Some(Effect::Send(Command::Retune { .. }))
    ));
    p.press(&["?"]);
    assert!(p.app.tour_card().is_none());
    p.press(&["esc"]);
    assert_eq!(*p.app.overlay(), Overlay::Tour(1), "it comes back");
    p.press(&["esc"]);
    assert_eq!(*p.app.overlay(), Overlay::None);
    assert_eq!(p.effects.last(), Some(&Effect::RememberTour));
}

#[test]
fn its_cards_lie_over_nothing() {
    let mut p = touring();
    p.start_round().grow(5).score().select().unguided();
    for _ in 0..5 {
        for (width, height) in SIZES {
            let screen = lines(&p.app, width, height);
            assert!(has(&screen[1..2], "W 4 w/W") || width == 200, "{screen:#?}");
            assert!(has(&screen, " of 5: "), "{screen:#?}");
            assert!(has(&screen[2..4], "guided") && has(&screen[2..5], "unguided"));
            let kept = p.app.trace().last_round().unwrap().kept().len();
            let rows = screen
                .iter()
                .filter(|line| line.chars().nth(1) == Some('✓'));
            assert_eq!(rows.count(), kept, "{screen:#?}");
        }
        p.press(&["enter"]);
    }
}

#[test]
fn a_run_that_ends_by_itself_is_no_step_of_the_tour() {
    let mut p = touring();
    p.round().round().finish();
    assert_eq!(*p.app.overlay(), Overlay::Tour(0));
    assert!(says(&p, "Press r"));
    p.press(&["r"]).start_round();
    assert!(says(&p, "Press s"));
    // The last round of a run shows a cut as well.
    p.grow(5).press(&["s"]).score().select().finish();
    assert_eq!(*p.app.overlay(), Overlay::Tour(1));
}

//! Trainings beside the run: begun, watched, followed, and what they come to guides it.

use w2s::app::{Effect, Key, KeyCode, Msg, Overlay};
use w2s::curve::{Event, Held, Rewards, Step, Training, Watched, Why};
use w2s::message::{Command, Part, Update};

use crate::legible::lines;
use crate::screens::shot;
use crate::support::Playground;

fn rewards(i: usize) -> Rewards {
    let share = i as f64 / 50.0;
    Rewards {
        chosen: share,
        rejected: -share,
        margin: 2.0 * share,
        accuracy: 0.5 + 0.4 * share,
    }
}

/// A training after `n` steps, with a checkpoint every tenth.
fn training(name: &str, n: usize) -> Training {
    let mut events = Vec::new();
    for step in 1..=n {
        events.push(Event::Step(Step {
            step,
            n_steps: 50,
            loss: 0.69 - 0.008 * step as f64 + 0.02 * (step % 3) as f64,
            grad_norm: 1.25,
            rate: 2e-4,
            tokens_per_s: 5120.0,
            left_s: 0.5 * (50 - step) as f64,
            rewards: Some(rewards(step)),
        }));
        if step % 10 == 0 {
            events.push(Event::Held(Held {
                step,
                loss: 0.69 - 0.006 * step as f64,
                rewards: Some(rewards(step)),
                is_best: true,
            }));
            events.push(Event::Checkpoint {
                step,
                path: format!("/tuned/{name}/steps/{step:05}").into(),
            });
            events.push(Event::Watched(Watched {
                step,
                judge: "length".to_owned(),
                guided: 200.0 - 3.0 * step as f64,
                unguided: 201.5,
                prompt: "I watched this film last night,".to_owned(),
                response: " and it was\u{1b}[31m fine".repeat(step / 10),
            }));
        }
    }
    Training {
        folder: format!("/tuned/{name}"),
        base: "bundled:untuned".to_owned(),
        events,
        is_running: true,
        ..Training::default()
    }
}

fn open(all: Vec<Training>) -> Playground {
    let mut p = Playground::loaded();
    p.round();
    p.press(&["O"]);
    p.app.handle(Msg::Update(Update::Trainings(all)));
    p
}

fn press(p: &mut Playground, key: Key) -> Vec<Command> {
    let effects = p.app.handle(Msg::Key(key));
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send(command) => Some(command),
        _ => None,
    });
    sent.collect()
}

fn tell(p: &mut Playground, all: Vec<Training>) -> Vec<String> {
    let effects = p.app.handle(Msg::Update(Update::Trainings(all)));
    let loads = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send(Command::Load {
            part: Part::Pair,
            spec,
            ..
        }) => Some(spec),
        _ => None,
    });
    loads.collect()
}

fn checkpoint(name: &str, step: usize) -> String {
    format!("/tuned/{name}/steps/{step:05},bundled:untuned")
}

#[test]
fn screens() {
    let mut p = Playground::loaded();
    p.round();
    p.press(&["O"]);
    shot("trainings_none", &p.app);
    p.app.handle(Msg::Update(Update::Trainings(Vec::new())));
    assert!(lines(&p.app, 120, 40).join("\n").contains("n trains one"));
    let begun = Training {
        making: Some((256, 4000)),
        ..training("short", 0)
    };
    p.update(Update::Trainings(vec![begun]));
    assert!(
        lines(&p.app, 120, 40)
            .join("\n")
            .contains("256 of 4000 pairs")
    );
    let stopped = Training {
        is_running: false,
        events: vec![Event::Ended {
            step: 3,
            why: Why::Stopped,
        }],
        ..training("critical", 3)
    };
    let mut p = open(vec![stopped, training("short", 30)]);
    shot("trainings", &p.app);
    press(&mut p, Key::char('n'));
    shot("trainings_values", &p.app);
}

#[test]
fn they_are_looked_after_only_while_somebody_looks() {
    let mut p = Playground::loaded();
    p.round();
    assert_eq!(press(&mut p, Key::char('O')), [Command::ShowTrainings]);
    assert_eq!(
        press(&mut p, Key::plain(KeyCode::Esc)),
        [Command::HideTrainings]
    );
    assert_eq!(*p.app.overlay(), Overlay::None);
}

#[test]
fn a_checkpoint_guides_the_run() {
    let mut p = open(vec![training("old", 50), training("short", 25)]);
    let sent = press(&mut p, Key::plain(KeyCode::Enter));
    let wanted = checkpoint("short", 20);
    assert!(
        sent.iter()
            .any(|c| matches!(c, Command::Load { part: Part::Pair, spec, .. } if *spec == wanted))
    );
    assert_eq!(*p.app.overlay(), Overlay::None);
    let mut p = open(vec![training("short", 5)]);
    assert!(press(&mut p, Key::plain(KeyCode::Enter)).is_empty());
}

#[test]
fn a_training_that_is_followed_guides_with_every_new_checkpoint() {
    let mut p = open(vec![training("short", 12)]);
    assert_eq!(press(&mut p, Key::char('@')).len(), 1);
    assert!(tell(&mut p, vec![training("short", 15)]).is_empty());
    assert_eq!(
        tell(&mut p, vec![training("short", 21)]),
        [checkpoint("short", 20)]
    );
    // Also when nobody looks any more.
    assert!(press(&mut p, Key::plain(KeyCode::Esc)).is_empty());
    assert_eq!(
        tell(&mut p, vec![training("short", 30)]),
        [checkpoint("short", 30)]
    );
    press(&mut p, Key::char('O'));
    press(&mut p, Key::char('@'));
    assert!(tell(&mut p, vec![training("short", 40)]).is_empty());
}

#[test]
fn a_value_is_chosen_or_typed() {
    let mut p = open(Vec::new());
    press(&mut p, Key::char('n'));
    for c in "shorter".chars() {
        press(&mut p, Key::char(c));
    }
    let sent = press(&mut p, Key::plain(KeyCode::Enter));
    let [Command::Train(request)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((request.judge.as_str(), request.flip), ("length", true));
    assert_eq!(*p.app.overlay(), Overlay::Trainings);
    press(&mut p, Key::char('n'));
    for c in "lexicon:my/words".chars() {
        press(&mut p, Key::char(c));
    }
    let sent = press(&mut p, Key::plain(KeyCode::Enter));
    assert!(matches!(&sent[..], [Command::Train(request)] if request.judge == "lexicon:my/words"));
    // Who looks for a value and chooses none is where they were.
    press(&mut p, Key::char('n'));
    press(&mut p, Key::plain(KeyCode::Esc));
    assert_eq!(*p.app.overlay(), Overlay::Trainings);
    let told = "cannot make a folder";
    p.app
        .handle(Msg::Update(Update::NotTrained(told.to_owned())));
    assert!(lines(&p.app, 120, 40).join("\n").contains(told));
}

#[test]
fn only_what_runs_is_ended_and_what_rests_goes_on() {
    let mut p = open(vec![training("short", 12)]);
    let folder = "/tuned/short".to_owned();
    assert_eq!(
        press(&mut p, Key::char('C')),
        [Command::StopTraining(folder.clone())]
    );
    assert!(press(&mut p, Key::char('r')).is_empty());
    let resting = Training {
        is_running: false,
        ..training("short", 12)
    };
    tell(&mut p, vec![resting]);
    assert!(press(&mut p, Key::char('C')).is_empty());
    assert_eq!(
        press(&mut p, Key::char('r')),
        [Command::ResumeTraining(folder)]
    );
}

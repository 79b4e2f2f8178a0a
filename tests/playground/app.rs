//! The app as a state machine: one transition a test, named event_outcome.

use std::sync::Arc;
use std::time::Duration;

use w2s::app::board::Line;
use w2s::app::tree::{self, Spot};
use w2s::app::{Action, App, Effect, End, MenuKind, Msg, Overlay, Pane, Phase, Target};
use w2s::message::{Act, Command, Fetched, LoadId, PairInfo, Part, Update};
use w2s::search::{
    CandidateSlot, Entry, Fate, Hypothesis, HypothesisId, Mark, Move, NodeId, SearchParams,
    Successor,
};

use crate::screens::forked;
use crate::support::Playground;

fn sent(p: &Playground) -> Vec<&Command> {
    let commands = p.effects.iter().filter_map(|effect| match effect {
        Effect::Send(command) => Some(command),
        _ => None,
    });
    commands.collect()
}

fn last_sent(p: &Playground) -> &Command {
    sent(p).pop().expect("a command was sent")
}

fn rows(app: &App) -> Vec<(HypothesisId, Fate)> {
    let rows = app.board().into_iter().filter_map(|line| match line {
        Line::Candidate(row) => Some((row.id, row.fate)),
        _ => None,
    });
    rows.collect()
}

#[test]
fn loaded_starts_a_run_with_the_first_sample() {
    let p = Playground::loaded();
    let [Command::Start(request)] = sent(&p)[..] else {
        panic!("{:?}", p.effects);
    };
    assert_eq!(request.prompt, "I watched this film last night,");
    assert_eq!(request.pair, "positive");
    assert_eq!(request.pace, Duration::from_secs(1));
    assert_eq!(request.params.n_candidates(), 16);
    assert_eq!(*p.app.phase(), Phase::Running);
}

#[test]
fn keys_before_loading_start_nothing() {
    let mut p = Playground::new();
    p.press(&["W", "p", "r", "n", "space", "s"]);
    assert_eq!(p.effects, []);
}

#[test]
fn prompt_before_loading_is_searched_once_loaded() {
    let mut p = Playground::new();
    p.press(&["e", "ctrl-u"]).type_str("Hm").press(&["enter"]);
    p = p.load();
    let Command::Start(request) = last_sent(&p) else {
        panic!()
    };
    assert_eq!(request.prompt, "Hm");
}

#[test]
fn wider_beam_while_running_is_pending_until_the_next_round() {
    let mut p = Playground::loaded();
    p.start_round().press(&["W"]);
    assert!(
        matches!(last_sent(&p), Command::Retune { params, .. } if params.beam_width().get() == 5)
    );
    assert_eq!(p.app.pending(), ["W 4 → 5"]);
    p.grow(5).score().select();
    assert_eq!(p.app.pending(), ["W 4 → 5"]);
    p.start_round();
    assert!(p.app.pending().is_empty());
    assert_eq!(p.app.notice(), Some("W 4 → 5: in use since round 2"));
}

#[test]
fn wider_beam_after_the_end_searches_anew() {
    let mut p = Playground::loaded();
    p.round().finish();
    p.effects.clear();
    p.press(&["W"]);
    assert!(matches!(p.effects[..], [Effect::Wake { .. }]));
    p.wait();
    assert!(matches!(&p.effects[1..], [
        Effect::Send(Command::Start(request)),
    ] if request.params.beam_width().get() == 5));
}

#[test]
fn restart_is_another_run() {
    let mut p = Playground::loaded();
    let Some(Effect::Send(Command::Start(first))) = p.effects.first().cloned() else {
        panic!()
    };
    p.round().press(&["r"]);
    assert_eq!(p.app.trace().rounds().len(), 0);
    let Command::Start(second) = last_sent(&p) else {
        panic!()
    };
    assert_ne!(first.run, second.run);
}

#[test]
fn stale_updates_change_nothing() {
    let mut p = Playground::loaded();
    p.round();
    let old = p.run;
    p.press(&["r"]).start_round();
    let before = format!("{:?}", p.app);
    let late = [
        Update::Search {
            run: old,
            entry: Entry::Selected {
                round: 1,
                node: NodeId(2),
                again: None,
                pair: "positive".into(),
                kept: vec![HypothesisId(1)],
                pruned: vec![],
                marks: vec![],
                shares: vec![],
            },
        },
        Update::Paused {
            run: old,
            paused: true,
        },
        Update::Judged {
            run: old,
            scores: vec![(HypothesisId(0), 1.0)],
        },
        Update::NotRetuned {
            run: old,
            params: SearchParams::default().with_seed(9),
            why: "late".to_owned(),
        },
        Update::Failed {
            run: Some(old),
            error: "late".to_owned(),
        },
    ];
    for update in late {
        p.update(update);
    }
    assert_eq!(format!("{:?}", p.app), before);
}

#[test]
fn stale_growth_of_an_earlier_round_changes_nothing() {
    let mut p = Playground::loaded();
    p.round();
    let before = format!("{:?}", p.app.trace());
    p.grow(1);
    assert_eq!(format!("{:?}", p.app.trace()), before);
}

#[test]
fn cut_tells_kept_from_pruned() {
    let mut p = Playground::loaded();
    p.start_round();
    assert!(rows(&p.app).iter().all(|(_, fate)| *fate == Fate::Growing));
    p.grow(5).score();
    assert!(rows(&p.app).iter().all(|(_, fate)| *fate == Fate::Scored));
    p.select();
    let kept = rows(&p.app)
        .iter()
        .filter(|(_, fate)| *fate == Fate::Kept)
        .count();
    assert_eq!(kept, 4);
}

/// Whether the selection is a line of the board.
fn is_on_board(app: &App) -> bool {
    let selected = app.sight().selected;
    selected.is_some_and(|id| rows(app).iter().any(|(row, _)| *row == id))
}

/// Whether a candidate descends from another.
fn descends(app: &App, from: HypothesisId) -> bool {
    let parent = |id: &HypothesisId| app.trace().candidate(*id).and_then(|c| c.slot.parent);
    let mut line = std::iter::successors(app.sight().selected, parent);
    line.any(|id| id == from)
}

#[test]
fn selection_follows_its_lineage_while_rounds_pass() {
    let mut p = Playground::loaded();
    p.round().press(&["o", "down"]);
    let chosen = p.app.sight().selected.unwrap();
    p.start_round();
    assert!(is_on_board(&p.app), "a child that grows");
    assert!(descends(&p.app, chosen));
    p.grow(5).score();
    let best = p.app.sight().selected.unwrap();
    let round = p.app.trace().last_round().unwrap();
    let parent = |id| p.app.trace().candidate(id).unwrap().slot.parent;
    let own = round.ids().filter(|id| parent(*id) == Some(chosen));
    assert!(
        own.into_iter()
            .all(|id| round.key_of(id) <= round.key_of(best))
    );
    p.press(&["left"]);
    assert_eq!(
        p.app.sight().selected,
        Some(chosen),
        "back where it came from"
    );
    p.press(&["esc"]);
    assert_eq!(p.app.sight().selected, None);
}

#[test]
fn a_selection_without_descendants_is_let_go_and_said_so() {
    let mut p = Playground::loaded();
    p.round().press(&["down"]);
    let id = p.app.sight().selected.unwrap();
    assert_eq!(rows(&p.app)[0], (id, Fate::Pruned));
    assert!(is_available(&p, Action::Take));
    p.start_round();
    assert_eq!(p.app.sight().selected, None);
    assert!(!is_available(&p, Action::Take), "it is on no board");
    let told = p.app.notice().unwrap();
    assert_eq!(
        told,
        "0.1 was pruned in round 1: no longer selected, < looks back"
    );
}

#[test]
fn a_selection_that_is_read_keeps_its_round_on_the_board() {
    let mut p = Playground::loaded();
    p.round().press(&["down", "2"]);
    let id = p.app.sight().selected;
    p.round();
    assert_eq!(p.app.sight().selected, id);
    assert!(is_on_board(&p.app));
    assert_eq!(p.app.shown_round().map(|round| round.number), Some(1));
    assert!(p.app.notice().unwrap().contains("stays on the board"));
    p.press(&["esc", "esc"]);
    assert_eq!(p.app.shown_round().map(|round| round.number), Some(2));
}

#[test]
fn selection_stays_on_its_candidate_when_sorted() {
    let mut p = Playground::loaded();
    p.round().press(&["down", "down", "o"]);
    assert_eq!(p.app.sight().selected, Some(HypothesisId(1)));
    let lines = p.app.board();
    let cut = lines.iter().position(|line| matches!(line, Line::Cut(_)));
    assert_eq!(cut, Some(4), "the cut line lies below the four kept");
}

#[test]
fn space_pauses_and_goes_on() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().press(&["space"]);
    assert_eq!(*last_sent(&p), Command::Pause(run));
    assert_eq!(*p.app.phase(), Phase::Pausing);
    p.update(Update::Paused { run, paused: true });
    assert_eq!(*p.app.phase(), Phase::Paused);
    p.press(&["space"]);
    assert_eq!(*last_sent(&p), Command::Resume(run));
    assert_eq!(*p.app.phase(), Phase::Running);
}

#[test]
fn step_runs_one_round_and_stands() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.update(Update::Paused { run, paused: true }).press(&["s"]);
    assert_eq!(*last_sent(&p), Command::Step(run));
    p.update(Update::Paused { run, paused: false });
    assert_eq!(*p.app.phase(), Phase::Stepping);
    p.update(Update::Paused { run, paused: true });
    assert_eq!(*p.app.phase(), Phase::Paused);
}

#[test]
fn finished_run_is_remembered_and_stays() {
    let mut p = Playground::loaded();
    p.round().round().finish();
    let run = p.run;
    p.update(Update::Paused { run, paused: true });
    assert_eq!(*p.app.phase(), Phase::Finished);
    assert_eq!(p.app.runs().len(), 1);
    assert_eq!(p.app.trace().rounds().len(), 2);
}

#[test]
fn failed_run_says_why_and_can_be_restarted() {
    let mut p = Playground::loaded();
    let run = Some(p.run);
    let error = "the context is full".to_owned();
    p.update(Update::Failed { run, error });
    assert!(matches!(p.app.phase(), Phase::Failed { error } if error.contains("context")));
    p.press(&["r"]);
    assert_eq!(*p.app.phase(), Phase::Running);
}

#[test]
fn pair_key_asks_for_the_next_pair() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().press(&["p"]);
    let pair = "critical".to_owned();
    assert_eq!(
        *last_sent(&p),
        Command::UsePair {
            run,
            pair: pair.into()
        }
    );
    assert_eq!(p.app.pending(), ["pair positive → critical"]);
    assert!(
        p.app
            .notice()
            .unwrap()
            .starts_with("pair critical at the next cut")
    );
    p.grow(5);
    assert_eq!(p.app.pending(), ["pair positive → critical"]);
    p.rescore("critical");
    assert!(p.app.pending().is_empty());
    assert_eq!(
        p.app.notice(),
        Some("pair positive → critical: in use since round 1")
    );
}

#[test]
fn pace_keys_change_the_time_a_round_takes() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.press(&["["]);
    let round = Duration::from_secs(2);
    assert_eq!(*last_sent(&p), Command::Pace { run, round });
    p.press(&["0"]);
    let round = Duration::ZERO;
    assert_eq!(*last_sent(&p), Command::Pace { run, round });
}

#[test]
fn going_back_leaves_later_rounds() {
    let mut p = Playground::loaded();
    p.round().round().round().finish();
    p.go(p.node(1), Move::Go);
    assert_eq!(p.app.trace().rounds().len(), 1);
    assert_eq!(p.app.trace().ending(), None);
    assert_eq!(*p.app.phase(), Phase::Running);
    assert!(p.app.trace().best().is_some(), "the best of round 1");
    assert_eq!(p.app.trace().candidates().count(), 16);
}

#[test]
fn pruned_candidate_can_be_taken_and_given_back() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().press(&["down"]);
    let id = HypothesisId(0);
    assert_eq!(rows(&p.app)[0], (id, Fate::Pruned));
    p.press(&["d"]);
    assert_eq!(
        *last_sent(&p),
        Command::Steer {
            run,
            act: Act::Take(id)
        }
    );
    p.take(id).press(&["D"]);
    assert_eq!(
        *last_sent(&p),
        Command::Steer {
            run,
            act: Act::Undo
        }
    );
}

#[test]
fn kept_candidate_needs_no_taking() {
    let mut p = Playground::loaded();
    p.round().press(&["o", "down"]);
    let n = p.effects.len();
    p.press(&["d"]);
    assert_eq!(p.effects.len(), n);
}

#[test]
fn looking_back_and_going_on_goes_on_from_that_round() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().round().round().press(&["left", "backspace"]);
    assert_eq!(
        *last_sent(&p),
        Command::Steer {
            run,
            act: Act::Go(NodeId(2))
        }
    );
    assert_eq!(p.app.sight().node, None);
}

#[test]
fn pin_key_marks_the_selected_candidate_and_takes_the_mark_away() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().grow(2).press(&["down", "*"]);
    let id = HypothesisId(0);
    let mark = Some(Mark::Pin);
    let act = Act::Mark { id, mark };
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
    p.entry(Entry::Marked { id, mark }).press(&["*"]);
    let act = Act::Mark { id, mark: None };
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
}

#[test]
fn own_chunk_is_sent_to_be_scored() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round()
        .press(&["down", "E", "ctrl-u"])
        .type_str(" mine")
        .press(&["enter"]);
    let act = Act::Type {
        sibling: HypothesisId(0),
        chunk: " mine".to_owned(),
    };
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
}

#[test]
fn more_successors_are_spent_on_a_kept_hypothesis() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().press(&["o", "down", "S"]);
    let id = p.app.sight().selected.unwrap();
    let act = Act::Spend { id, extra: 1 };
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
}

#[test]
fn refused_wish_is_told() {
    let mut p = Playground::loaded();
    let run = p.run;
    let why = "no such candidate".to_owned();
    p.update(Update::Refused { run, why });
    assert_eq!(p.app.notice(), Some("no such candidate"));
}

#[test]
fn evidence_is_asked_for_once_while_it_is_read() {
    let mut p = Playground::loaded();
    p.round().press(&["down", "2", "down", "down"]);
    let asked = sent(&p)
        .into_iter()
        .filter(|c| matches!(c, Command::Inspect { .. }));
    assert_eq!(asked.count(), 1);
    p.answer();
    assert!(p.app.evidence().is_some());
}

#[test]
fn written_candidate_joins_its_round() {
    let mut p = Playground::loaded();
    p.round();
    let best = p
        .app
        .trace()
        .best()
        .and_then(|b| b.hypothesis.clone())
        .unwrap();
    let mut own = (*best).clone();
    own.id = HypothesisId(999);
    own.text = own.text.extended(own.text.len(), " indeed");
    own.successor = Successor::Typed { typed: 0 };
    let candidate = Arc::new(own);
    p.entry(Entry::Added {
        round: 1,
        late: Some(p.node(1)),
        candidate,
    });
    let (fate, rank, margin, _) = row(&p.app, HypothesisId(999));
    assert_eq!(
        (fate, rank),
        (Fate::Scored, Some(2)),
        "neither kept nor pruned"
    );
    assert!(margin.is_some_and(|margin| margin > 0.0));
    assert_eq!(p.app.trace().last_round().unwrap().pruned().len(), 12);
    assert_eq!(p.app.sight().selected, Some(HypothesisId(999)));
    assert!(p.app.notice().unwrap().contains("d goes on from it"));
}

#[test]
fn new_seed_searches_anew() {
    let mut p = Playground::loaded();
    p.press(&["n"]);
    assert!(matches!(last_sent(&p), Command::Start(request) if request.params.seed() == 1));
}

#[test]
fn edited_prompt_is_searched() {
    let mut p = Playground::loaded();
    p.press(&["e"])
        .type_str(" q?W")
        .press(&["alt-enter"])
        .type_str("x");
    assert_eq!(sent(&p).len(), 1, "keys are text while editing");
    p.press(&["enter"]);
    let Command::Start(request) = last_sent(&p) else {
        panic!()
    };
    assert_eq!(request.prompt, "I watched this film last night, q?W\nx");
}

#[test]
fn abandoned_edit_changes_nothing() {
    let mut p = Playground::loaded();
    p.press(&["e"]).type_str("nonsense").press(&["esc"]);
    assert_eq!(p.app.wanted().prompt, "I watched this film last night,");
    assert_eq!(*p.app.overlay(), Overlay::None);
}

#[test]
fn paste_opens_the_editor_with_its_text() {
    let mut p = Playground::loaded();
    p.msg(Msg::Paste(" two\r\nlines".to_owned()));
    let Overlay::Prompt(editor) = p.app.overlay() else {
        panic!()
    };
    assert!(editor.text().ends_with(" two\nlines"));
}

#[test]
fn palette_finds_and_does() {
    let mut p = Playground::loaded();
    p.press(&["ctrl-p"]).type_str("raise k").press(&["enter"]);
    assert!(
        matches!(last_sent(&p), Command::Retune { params, .. } if params.successors().get() == 5)
    );
    assert_eq!(*p.app.overlay(), Overlay::None);
}

#[test]
fn palette_lists_only_what_is_possible() {
    let mut p = Playground::new();
    p.press(&[":"]);
    let Overlay::Menu(menu) = p.app.overlay().clone() else {
        panic!()
    };
    assert_eq!(menu.kind, MenuKind::Palette);
    let titles: Vec<_> = p
        .app
        .menu_items(&menu)
        .into_iter()
        .map(|i| i.title)
        .collect();
    assert!(!titles.iter().any(|title| title.contains("pause")));
    assert!(titles.iter().any(|title| title.contains("prompt")));
}

#[test]
fn preset_sets_w_k_l() {
    let mut p = Playground::loaded();
    p.press(&["b"]).type_str("best-of-16").press(&["enter"]);
    let Command::Start(request) = last_sent(&p) else {
        panic!()
    };
    let params = request.params;
    assert_eq!(
        (params.beam_width().get(), params.successors().get()),
        (1, 16)
    );
    assert_eq!(params.chunk_len().get(), 0);
}

#[test]
fn sample_prompt_is_searched() {
    let mut p = Playground::loaded();
    p.press(&["x", "down", "enter"]);
    assert!(matches!(last_sent(&p), Command::Start(r) if r.prompt == "It took a loan out"));
}

#[test]
fn earlier_round_is_shown_and_left_again() {
    let mut p = Playground::loaded();
    p.round().round().round();
    p.press(&["left", "left"]);
    assert_eq!(p.app.shown_round().map(|round| round.number), Some(1));
    p.round();
    assert_eq!(p.app.shown_round().map(|round| round.number), Some(1));
    p.press(&["right", "right", "right", "right"]);
    assert_eq!(p.app.sight().node, None);
}

#[test]
fn click_selects_and_wheel_moves() {
    let mut p = Playground::loaded();
    p.round();
    p.msg(Msg::Click(Target::Candidate(HypothesisId(5))));
    assert_eq!(p.app.sight().selected, Some(HypothesisId(5)));
    p.msg(Msg::Scroll(Target::Pane(Pane::Board), 3));
    assert_eq!(p.app.sight().selected, Some(HypothesisId(8)));
}

#[test]
fn copy_hands_over_prompt_and_response() {
    let mut p = Playground::loaded();
    p.round().press(&["c"]);
    let Some(Effect::Copy(text)) = p.effects.last() else {
        panic!()
    };
    assert!(text.starts_with("I watched this film last night, "));
    p.press(&["y"]);
    let Some(Effect::Copy(table)) = p.effects.last() else {
        panic!()
    };
    assert_eq!(table.lines().count(), 6, "a heading and five tokens");
}

#[test]
fn quit_leaves() {
    let mut p = Playground::loaded();
    p.press(&["q"]);
    assert_eq!(p.effects.last(), Some(&Effect::Quit));
}

#[test]
fn hints_are_possible_now() {
    let p = Playground::new();
    let labels: Vec<_> = p.app.hints().into_iter().map(|hint| hint.label).collect();
    assert!(!labels.contains(&"pause") && labels.contains(&"quit"));
    let p = Playground::loaded();
    let labels: Vec<_> = p.app.hints().into_iter().map(|hint| hint.label).collect();
    assert!(labels.contains(&"pause"));
}

/// The heads of the round on the board: scores under the pair before and under its own.
fn heads(app: &App) -> Vec<(Option<f64>, Option<f64>)> {
    let heads = app.board().into_iter().filter_map(|line| match line {
        Line::Head(head) => Some((head.before, head.score)),
        _ => None,
    });
    heads.collect()
}

#[test]
fn changed_pair_shows_both_scores_in_the_round_that_follows() {
    let mut p = Playground::loaded();
    p.round();
    let old = p.app.trace().best().and_then(|best| best.score);
    p.rescore("critical").start_round();
    let changed = heads(&p.app);
    assert!(changed.iter().all(|(before, _)| before.is_some()));
    let change = p.app.shown_round().unwrap().change().unwrap();
    assert_eq!(Some(change.0), old);
    assert!(
        (change.1 - old.unwrap() / -2.0).abs() > 1e-9,
        "another hypothesis leads"
    );
    p.grow(5).score().select().round();
    assert!(heads(&p.app).iter().all(|(before, _)| before.is_none()));
    p.press(&["<"]);
    assert_eq!(heads(&p.app), changed, "as it was then");
}

#[test]
fn rounds_before_a_change_of_the_pair_keep_their_scores() {
    let mut p = Playground::loaded();
    p.round().round();
    let before = heads(&p.app);
    p.rescore("critical").round().press(&["<"]);
    assert_eq!(heads(&p.app), before);
    let (all, comparable) = (p.app.trace().rounds().len(), p.app.trace().comparable());
    assert_eq!((all, comparable.count()), (3, 1));
}

/// Rows of the board by id: fate, rank, distance to the cut, mark.
fn row(app: &App, id: HypothesisId) -> (Fate, Option<usize>, Option<f64>, Option<Mark>) {
    let rows = app.board().into_iter().find_map(|line| match line {
        Line::Candidate(row) if row.id == id => Some((row.fate, row.rank, row.margin, row.mark)),
        _ => None,
    });
    rows.unwrap()
}

#[test]
fn distance_to_the_cut_is_of_what_is_ranked_by() {
    let mut p = Playground::loaded();
    p.press(&["a", "a", "-", "-"]);
    let params = p.app.wanted().params;
    p.start_round().grow(5).score();
    let key =
        |c: &Arc<Hypothesis>| params.weight().get() * c.chunk_value(&"positive".into()).unwrap();
    let round = p.app.trace().last_round().unwrap();
    let mut order = round.candidates.clone();
    order.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let (best, line) = (order[0].clone(), order[4].clone());
    let ids: Vec<HypothesisId> = order.iter().map(|c| c.id).collect();
    p.cut(&ids[..4], &ids[4..], &[]);
    let (fate, rank, margin, _) = row(&p.app, best.id);
    assert_eq!((fate, rank), (Fate::Kept, Some(1)));
    assert!((margin.unwrap() - (key(&best) - key(&line))).abs() < 1e-12);
    // The best pruned one is as far below the worst kept one as that is above it.
    let worst = order[3].clone();
    let margin = row(&p.app, line.id).2.unwrap();
    assert!((margin - (key(&line) - key(&worst))).abs() < 1e-12 && margin < 0.0);
}

#[test]
fn the_hand_on_a_candidate_stays_in_the_history() {
    let mut p = Playground::loaded();
    p.start_round().grow(5).score();
    let round = p.app.trace().last_round().unwrap();
    let mut order: Vec<(HypothesisId, f64)> = round.scores().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let ids: Vec<HypothesisId> = order.iter().map(|(id, _)| *id).collect();
    // The best is killed, the last is boosted over the line.
    let (killed, boosted) = (ids[0], ids[15]);
    let kept = [ids[1], ids[2], ids[3], boosted];
    let pruned: Vec<HypothesisId> = ids
        .iter()
        .filter(|id| !kept.contains(id))
        .copied()
        .collect();
    let marks = [(killed, Mark::Kill), (boosted, Mark::Boost(9.0))];
    p.cut(&kept, &pruned, &marks).round().press(&["<"]);
    let (fate, _, _, mark) = row(&p.app, killed);
    assert_eq!((fate, mark), (Fate::Pruned, Some(Mark::Kill)));
    let (fate, _, margin, mark) = row(&p.app, boosted);
    assert_eq!((fate, mark), (Fate::Kept, Some(Mark::Boost(9.0))));
    assert!(margin.unwrap() > 0.0, "the boost counts");
    assert!(row(&p.app, ids[4]).2.unwrap() < 0.0, "below the cut");
}

#[test]
fn keys_faster_than_the_worker_add_up() {
    let mut p = Playground::loaded();
    p.start_round().grow(2).press(&["down", "=", "=", "="]);
    let boost = |nats| Some(Mark::Boost(nats));
    let marks: Vec<Option<Mark>> = sent(&p)
        .iter()
        .filter_map(|command| match command {
            Command::Steer {
                act: Act::Mark { mark, .. },
                ..
            } => Some(*mark),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [boost(1.0), boost(2.0), boost(3.0)]);
    p.press(&["=", "=", "="]);
    let Command::Steer {
        act: Act::Mark { mark, .. },
        ..
    } = last_sent(&p)
    else {
        panic!("not a mark");
    };
    assert_eq!(*mark, None, "after the most there is none again");
    p.grow(5).score().select().press(&["o", "home", "S", "S"]);
    let Command::Steer {
        act: Act::Spend { extra, .. },
        ..
    } = last_sent(&p)
    else {
        panic!("nothing was spent");
    };
    assert_eq!(*extra, 2);
}

#[test]
fn settings_in_the_first_round_of_a_trial_make_one_run() {
    let mut p = Playground::loaded();
    p.round().finish().press(&["w"]).wait();
    let first = p.run;
    p.start_round().press(&["K", "K"]).wait();
    assert_eq!(p.run.0, first.0 + 1, "begun again, once for both");
    assert!(p.app.pending().is_empty());
    p.round().start_round().press(&["K"]);
    let told = last_sent(&p);
    assert!(
        matches!(told, Command::Retune { .. }),
        "live from round 2 on: {told:?}"
    );
    p.grow(5).score().select().round().finish();
    let runs = p.app.runs();
    let summary = runs.last().unwrap();
    let ks: Vec<usize> = summary
        .params
        .iter()
        .map(|p| p.successors().get())
        .collect();
    assert_eq!(ks, [6, 7], "both settings of a mixed run are told");
}

fn starts(p: &Playground) -> usize {
    let is_start = |command: &&&Command| matches!(command, Command::Start(_));
    sent(p).iter().filter(is_start).count()
}

#[test]
fn settings_within_a_while_make_one_run() {
    let mut p = Playground::loaded();
    p.press(&["0"]).round().finish();
    p.press(&["W", "p", "K", "K"]);
    assert_eq!(starts(&p), 1, "none has begun yet");
    assert_eq!(
        p.app.notice(),
        Some("W 4 → 5, K 4 → 6, pair positive → critical: searching anew")
    );
    // Only the last wake counts.
    p.msg(Msg::Woken(1)).msg(Msg::Woken(2));
    assert_eq!(starts(&p), 1);
    p.wait();
    assert_eq!(starts(&p), 2);
    let Command::Start(request) = last_sent(&p) else {
        panic!()
    };
    let params = request.params;
    assert_eq!(
        (params.beam_width().get(), params.successors().get()),
        (5, 6)
    );
    assert_eq!(request.pair, "critical");
    p.wait();
    assert_eq!(starts(&p), 2, "once");
}

#[test]
fn a_setting_that_is_taken_back_begins_nothing() {
    let mut p = Playground::loaded();
    p.round().finish().press(&["W", "w"]);
    assert_eq!(p.app.notice(), Some("as before"));
    p.wait();
    assert_eq!(starts(&p), 1);
}

#[test]
fn a_run_that_goes_on_after_all_takes_the_settings_over() {
    let mut p = Playground::loaded();
    p.round().round().finish().press(&["W", "left", "h"]);
    let told: Vec<_> = sent(&p).into_iter().rev().take(2).collect();
    assert!(
        matches!(told[..], [Command::Steer { .. }, Command::Retune { .. }]),
        "{told:?}"
    );
    p.wait();
    assert_eq!(starts(&p), 1);
}

#[test]
fn other_numbers_after_going_back_make_a_fork() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().round().finish();
    p.press(&["left", "h"]);
    assert!(p.app.notice().unwrap().contains("n draws anew from here"));
    p.go(p.node(1), Move::Go);
    p.update(Update::Paused { run, paused: true });
    let label = |p: &Playground| {
        let hints = p.app.hints().into_iter();
        hints
            .filter(|hint| hint.keys == "n")
            .map(|hint| hint.label)
            .next()
    };
    assert_eq!(label(&p), Some("draw anew from here"));
    p.press(&["n"]);
    let told: Vec<_> = sent(&p).into_iter().rev().take(2).cloned().collect();
    let act = Act::Redraw;
    assert_eq!(told, [Command::Resume(run), Command::Steer { run, act }]);
    assert_eq!(*p.app.phase(), Phase::Running);
    p.entry(Entry::Redrawn {
        after: p.node(1),
        draws: 1,
    });
    p.round();
    let ways: Vec<_> = p.app.tree();
    let parts = ways.iter().filter_map(|line| match line {
        tree::Line::Way(way) => Some(way.parts.clone()),
        _ => None,
    });
    assert_eq!(
        parts.collect::<Vec<_>>(),
        [vec![], vec!["drawn anew".to_owned()]]
    );
    assert_eq!(label(&p), Some("seed"), "nothing was left here");
}

#[test]
fn one_undo_takes_back_marks_too_while_there_is_one() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().grow(2).press(&["down", "*"]);
    assert!(!is_available(&p, Action::UndoTurn), "nothing is told yet");
    let id = p.app.sight().selected.unwrap();
    let mark = Some(Mark::Pin);
    p.entry(Entry::Marked { id, mark });
    assert!(is_available(&p, Action::UndoTurn));
    p.press(&["D"]);
    let act = Act::Undo;
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
    p.entry(Entry::Unmarked { id, mark: None });
    assert!(!is_available(&p, Action::UndoTurn));
    p.press(&["*"]);
    let act = Act::Mark { id, mark };
    assert_eq!(
        *last_sent(&p),
        Command::Steer { run, act },
        "pinned once more"
    );
}

#[test]
fn a_change_that_came_too_late_is_told_with_what_to_do() {
    let mut p = Playground::loaded();
    p.round().press(&["W"]).finish();
    assert_eq!(
        p.app.notice(),
        Some("W 4 → 5 came after the last chunk: r searches with it")
    );
    let mut p = Playground::loaded();
    p.round().press(&["K"]).round();
    assert_eq!(p.app.notice(), Some("K 4 → 5: in use since round 2"));
    p.finish();
    assert_eq!(p.app.notice(), None, "what was said of the run is over");
}

#[test]
fn a_failure_is_not_hidden_by_what_was_said_before() {
    let mut p = Playground::loaded();
    p.press(&["m"]);
    let (run, error) = (Some(p.run), "too long".to_owned());
    p.update(Update::Failed { run, error });
    assert_eq!(p.app.notice(), None);
}

#[test]
fn a_run_under_two_pairs_says_so() {
    let mut p = Playground::loaded();
    p.round().rescore("critical").round().finish();
    assert_eq!(p.app.runs()[0].pairs, ["positive", "critical"]);
}

/// What was loaded last on the app's wish.
fn load(p: &Playground) -> (LoadId, Part, String) {
    match last_sent(p) {
        Command::Load { id, part, spec } => (*id, *part, spec.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn typed_pair_is_loaded_beside_the_run_and_used_at_the_next_chunk() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round()
        .press(&["H"])
        .type_str("a/b, c")
        .press(&["enter"]);
    let (id, part, spec) = load(&p);
    assert_eq!((part, &spec[..]), (Part::Pair, "a/b, c"));
    assert_eq!(*p.app.phase(), Phase::Running);
    let what = "loading c".to_owned();
    let (done, total) = (1, 2);
    p.update(Update::Fetching {
        id,
        what,
        done,
        total,
    });
    let at = p.app.fetch().map(|fetch| (fetch.done, fetch.total));
    assert_eq!(at, Some((1, 2)));
    let pair = PairInfo {
        name: spec.clone(),
        about: String::new(),
        n_params: 1,
    };
    let fetched = Fetched::Pair(pair);
    p.update(Update::Fetched { id, fetched });
    assert_eq!(p.app.fetch(), None);
    assert_eq!(
        *last_sent(&p),
        Command::UsePair {
            run,
            pair: spec.into()
        }
    );
}

#[test]
fn loaded_pair_is_found_by_typing_and_used_without_a_load() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round()
        .press(&["H"])
        .type_str("craft")
        .press(&["enter"]);
    let pair = "craft".to_owned();
    assert_eq!(
        *last_sent(&p),
        Command::UsePair {
            run,
            pair: pair.into()
        }
    );
}

#[test]
fn new_strong_model_restarts_the_run() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round()
        .press(&["B"])
        .type_str("models/x")
        .press(&["enter"]);
    let (id, part, spec) = load(&p);
    assert_eq!((part, &spec[..]), (Part::Strong, "models/x"));
    let mut model = p.app.models().unwrap().strong.clone();
    model.name = spec.clone();
    let fetched = Fetched::Strong(model);
    p.update(Update::Fetched { id, fetched });
    let n = p.effects.len();
    assert!(matches!(
        &p.effects[n - 2..],
        [Effect::Send(Command::UseStrong(used)), Effect::Send(Command::Start(_))]
            if *used == spec
    ));
    assert_ne!(p.run, run);
    assert_eq!(p.app.models().unwrap().strong.name, spec);
}

/// What was gauged is of the strong model before: another one is gauged anew.
#[test]
fn a_new_strong_model_has_gains_of_its_own() {
    let mut p = Playground::loaded();
    p.round().press(&["8"]);
    let before = p.app.gauge().unwrap().request.id;
    p.press(&["esc", "B"])
        .type_str("models/x")
        .press(&["enter"]);
    let (id, ..) = load(&p);
    let mut model = p.app.models().unwrap().strong.clone();
    model.name = "models/x".to_owned();
    let fetched = Fetched::Strong(model);
    p.update(Update::Fetched { id, fetched });
    assert!(p.app.gauge().is_none());
    assert_eq!(p.effects.last(), Some(&Effect::Send(Command::StopGauge)));
    p.press(&["8"]);
    assert_ne!(p.app.gauge().unwrap().request.id, before);
}

#[test]
fn failed_load_is_told_and_the_run_goes_on() {
    let mut p = Playground::loaded();
    p.round().press(&["H"]).type_str("x,y").press(&["enter"]);
    let (id, ..) = load(&p);
    let why = "cannot read x".to_owned();
    p.update(Update::NotFetched { id, why });
    assert_eq!(p.app.notice(), Some("cannot read x"));
    assert_eq!(p.app.fetch(), None);
    assert_eq!(*p.app.phase(), Phase::Running);
    assert_eq!(p.app.wanted().pair, "positive");
}

#[test]
fn only_the_latest_load_counts() {
    let mut p = Playground::loaded();
    p.round().press(&["H"]).type_str("x,y").press(&["enter"]);
    let (stale, ..) = load(&p);
    p.press(&["H"]).type_str("v,w").press(&["enter"]);
    let before = format!("{:?}", p.app);
    let why = "late".to_owned();
    p.update(Update::NotFetched { id: stale, why });
    assert_eq!(format!("{:?}", p.app), before);
}

#[test]
fn refused_pair_is_no_longer_pending() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().press(&["p"]);
    let (pair, why) = ("critical".to_owned(), "they do not fit".to_owned());
    p.update(Update::PairRefused { run, pair, why });
    assert!(p.app.pending().is_empty());
    assert_eq!(p.app.notice(), Some("they do not fit"));
}

fn inspected(p: &Playground) -> usize {
    let asks = |c: &&&Command| matches!(c, Command::Inspect { .. });
    sent(p).iter().filter(asks).count()
}

#[test]
fn xray_asks_about_the_prompt_once_while_the_search_moves() {
    let mut p = Playground::loaded();
    p.round().press(&["6"]);
    assert_eq!(p.app.look().focus, Pane::Xray);
    assert_eq!(p.app.look().side, Pane::Xray);
    assert_eq!(inspected(&p), 1);
    assert_eq!(p.app.xray(), None);
    p.answer().round().round();
    assert_eq!(inspected(&p), 1, "the prompt is known");
    assert!(p.app.xray().is_some());
    assert_eq!(p.app.seams(), None, "the best is another one now");
}

#[test]
fn xray_asks_about_a_chosen_candidate_and_what_it_continues() {
    let mut p = Playground::loaded();
    p.round().round().press(&["down", "6"]);
    let Command::Inspect {
        candidate, parent, ..
    } = last_sent(&p)
    else {
        panic!()
    };
    assert_eq!(candidate.parent, parent.as_ref().map(|parent| parent.id));
    assert!(parent.is_some());
    p.answer();
    assert_eq!(p.app.seams().map(|seams| seams.accepted), Some(5));
}

#[test]
fn xray_beside_the_board_follows_the_best_once_the_search_stands() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().press(&["6", "1"]).answer().round();
    let before = inspected(&p);
    p.update(Update::Paused { run, paused: true }).answer();
    assert_eq!(inspected(&p), before + 1);
    assert!(p.app.seams().is_some());
}

#[test]
fn another_pair_is_asked_anew() {
    let mut p = Playground::loaded();
    p.round().press(&["o", "down", "6"]).answer();
    let before = inspected(&p);
    p.rescore("critical");
    assert_eq!(p.app.xray(), None);
    assert_eq!(inspected(&p), before + 1);
}

#[test]
fn successors_tell_whether_a_chunk_ends_in_a_word() {
    let mut p = Playground::loaded().speaking(&["film", "ing", "s"]);
    let run = p.run;
    p.round().press(&["6"]);
    p.update(Update::Paused { run, paused: true }).answer();
    assert_eq!(p.app.end(), Some(End::Open));
    p.start_round();
    assert_eq!(p.app.end(), Some(End::Open), "nothing has grown");
    p.grow(2);
    assert_eq!(p.app.end(), Some(End::GoesOn { within: 4, n: 4 }));
}

#[test]
fn successors_that_begin_with_a_space_end_the_word() {
    let mut p = Playground::loaded().speaking(&[" film", " was"]);
    let run = p.run;
    p.round().press(&["6"]);
    p.update(Update::Paused { run, paused: true }).answer();
    p.start_round().grow(1);
    assert_eq!(p.app.end(), Some(End::GoesOn { within: 0, n: 4 }));
}

#[test]
fn xray_scrolls_without_moving_the_selection() {
    let mut p = Playground::loaded();
    p.round().press(&["down", "6"]).answer();
    let selected = p.app.sight().selected;
    p.press(&["down", "down", "end"]);
    assert_eq!(p.app.sight().selected, selected);
    assert_eq!(p.app.sight().xray, p.app.xray_places() - 1);
    p.press(&["home", "up"]);
    assert_eq!(p.app.sight().xray, 0);
}

#[test]
fn tab_comes_to_the_xray_after_the_runs() {
    let mut p = Playground::loaded();
    p.press(&["5", "tab"]);
    assert_eq!(p.app.look().focus, Pane::Xray);
    p.press(&["tab"]);
    assert_eq!(p.app.look().focus, Pane::Board);
}

#[test]
fn evidence_is_shown_beside_terms_of_its_own_pair_only() {
    let mut p = Playground::loaded();
    p.round().press(&["o", "down", "2"]).answer();
    let (kept, pruned) = (p.app.sight().selected.unwrap(), HypothesisId(0));
    p.rescore("critical");
    assert_eq!(p.app.evidence(), None, "the terms are another pair's now");
    p.answer();
    let evidence = p.app.evidence().unwrap();
    assert_eq!((evidence.id, evidence.pair.as_str()), (kept, "critical"));
    // A candidate that the new pair has not scored is told of by the one that has.
    p.msg(Msg::Click(Target::Candidate(pruned))).answer();
    let evidence = p.app.evidence().unwrap();
    assert_eq!((evidence.id, evidence.pair.as_str()), (pruned, "positive"));
    let terms = p.app.subject().unwrap().hypothesis.as_ref().unwrap();
    assert_eq!(terms.scored_by(), Some(&evidence.pair));
}

#[test]
fn a_pause_told_at_the_end_holds_after_going_back() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().round().press(&["space"]).finish();
    p.update(Update::Paused { run, paused: true });
    assert_eq!(*p.app.phase(), Phase::Finished);
    p.go(p.node(1), Move::Go);
    assert_eq!(*p.app.phase(), Phase::Paused, "as the worker told");
    p.press(&["space"]);
    assert_eq!(*last_sent(&p), Command::Resume(run));
    p.update(Update::Paused { run, paused: false });
    assert_eq!(*p.app.phase(), Phase::Running);
}

#[test]
fn a_head_that_was_the_end_is_the_end_again() {
    let mut p = Playground::loaded();
    p.round().round();
    let (back, end) = (p.node(1), p.node(2));
    p.finish().go(back, Move::Go);
    assert_eq!(*p.app.phase(), Phase::Running);
    p.go(end, Move::Undo);
    assert_eq!(*p.app.phase(), Phase::Finished);
    assert_eq!(p.app.runs().len(), 1);
}

fn is_available(p: &Playground, action: Action) -> bool {
    p.app.is_available(action)
}

#[test]
fn going_back_to_the_head_while_a_round_grows_can_not_be_taken_back() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round().start_round().grow(2).press(&["left"]);
    assert!(is_available(&p, Action::GoOn));
    p.press(&["backspace"]);
    let act = Act::Go(NodeId(1));
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
    p.entry(Entry::Dropped { round: 2 });
    assert!(!is_available(&p, Action::UndoTurn));
    p.press(&["left"]);
    assert!(!is_available(&p, Action::GoOn), "nothing grows after it");
}

#[test]
fn only_what_moved_the_head_can_be_taken_back() {
    let mut p = Playground::loaded();
    p.round().round();
    assert!(!is_available(&p, Action::UndoTurn));
    let head = p.node(2);
    p.go(p.node(1), Move::Go);
    assert!(is_available(&p, Action::UndoTurn));
    p.go(head, Move::Undo);
    assert!(!is_available(&p, Action::UndoTurn));
}

#[test]
fn successors_are_promised_for_the_round_that_gets_them() {
    let mut p = Playground::loaded();
    p.round().press(&["o", "down", "S"]);
    assert_eq!(
        p.app.notice(),
        Some("1 successor more of it in the next round")
    );
    let id = p.app.sight().selected.unwrap();
    p.start_round().grow(2).press(&["S"]);
    assert_eq!(p.app.notice(), Some("1 successor more of it in this round"));
    let slot = CandidateSlot {
        id: HypothesisId(500),
        parent: Some(id),
        successor: Successor::Sampled(4),
    };
    p.entry(Entry::Spent {
        id,
        extra: 1,
        slots: vec![slot],
    });
    assert!(rows(&p.app).contains(&(HypothesisId(500), Fate::Growing)));
    p.press(&["S"]);
    assert_eq!(
        p.app.notice(),
        Some("2 successors more of it in this round")
    );
}

#[test]
fn settings_that_the_run_cannot_take_over_are_as_they_were() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().press(&["M", "W"]);
    assert_eq!(p.app.pending().len(), 2);
    let params = SearchParams::default();
    let why = "the context is too small for 60 tokens".to_owned();
    let refusal = Update::NotRetuned { run, params, why };
    p.update(refusal.clone());
    assert_eq!(p.app.wanted().params, params);
    assert!(p.app.pending().is_empty());
    assert_eq!(
        p.app.notice(),
        Some("the context is too small for 60 tokens")
    );
    // What was on its way when the refusal came must not come into force unseen.
    assert_eq!(*last_sent(&p), Command::Retune { run, params });
    let n = p.effects.len();
    p.update(refusal);
    assert_eq!(p.effects.len(), n, "it is not told twice");
}

#[test]
fn a_mark_that_was_refused_can_be_tried_again() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().grow(2).press(&["down", "X"]);
    let why = "one candidate must live".to_owned();
    p.update(Update::Refused { run, why }).press(&["X"]);
    let id = HypothesisId(0);
    let act = Act::Mark {
        id,
        mark: Some(Mark::Kill),
    };
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
}

#[test]
fn pairs_and_settings_of_a_run_are_those_of_its_own_branch() {
    let mut p = Playground::loaded();
    p.round().rescore("critical").round().finish();
    let pairs = |p: &Playground| p.app.runs().last().unwrap().pairs.clone();
    assert_eq!(pairs(&p), ["positive", "critical"]);
    p.go(NodeId::ROOT, Move::Go).round().finish();
    assert_eq!(pairs(&p), ["critical"], "no round of it was another's");
}

#[test]
fn restart_leaves_nothing_of_the_run_before() {
    let mut p = Playground::loaded();
    p.round().round().unguided();
    p.press(&["down", "v", "down", "2", "down"]).answer();
    p.press(&["<", "r"]);
    let p = &p.app;
    assert_eq!(*p.sight(), w2s::app::Sight::default());
    assert_eq!((p.evidence(), p.xray(), p.unguided()), (None, None, None));
    assert_eq!(p.trace().candidates().count(), 0);
    assert_eq!(p.judge_of(HypothesisId(0)), None);
}

/// The places in the tree by round name, and whether the head is on their branch.
fn places(app: &App, name: &str) -> Vec<(Spot, bool)> {
    let lines = app.tree().into_iter().filter_map(|line| match line {
        tree::Line::Leaf(leaf) if &*leaf.name == name => Some((leaf.spot, leaf.is_on_path)),
        _ => None,
    });
    lines.collect()
}

#[test]
fn a_taken_candidate_makes_another_way_of_the_same_candidates() {
    let p = forked();
    let (left, own) = (places(&p.app, "2a"), places(&p.app, "2b"));
    let ids = |places: &[(Spot, bool)]| {
        let mut ids: Vec<_> = places.iter().filter_map(|(spot, _)| spot.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&left), ids(&own));
    assert!(left.iter().all(|(_, is_on_path)| !is_on_path));
    assert!(own.iter().all(|(_, is_on_path)| *is_on_path));
    let ways: Vec<_> = p.app.tree();
    let ways: Vec<_> = ways
        .iter()
        .filter_map(|line| match line {
            tree::Line::Way(way) => Some((way.name.as_str(), way.parts.clone(), way.is_on_path)),
            _ => None,
        })
        .collect();
    let taken = vec!["2.4 taken".to_owned()];
    assert_eq!(ways, [("2a", Vec::new(), false), ("2b", taken, true)]);
}

#[test]
fn any_place_of_the_tree_becomes_the_head_by_a_key() {
    let mut p = forked();
    let run = p.run;
    p.press(&["4", "home"]);
    let n = p.app.tree().iter().filter(|l| l.spot().is_some()).count();
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..n {
        let spot = p.app.spot().unwrap();
        let is_head = spot.node == p.app.trace().history().head();
        assert_ne!(is_available(&p, Action::GoOn), is_head, "{spot:?}");
        if !is_head {
            let before = p.app.clone();
            p.press(&["h"]);
            let act = Act::Go(spot.node);
            assert_eq!(*last_sent(&p), Command::Steer { run, act });
            p.app = before;
        }
        reached.insert(spot.node);
        p.press(&["down"]);
    }
    let all: Vec<NodeId> = p.app.trace().history().nodes().map(|(id, _)| id).collect();
    assert!(reached.into_iter().eq(all), "every node ever made");
}

#[test]
fn the_round_of_a_place_in_the_tree_is_on_the_board() {
    let mut p = forked();
    let (spot, _) = places(&p.app, "3a")[3];
    p.press(&["4"]).msg(Msg::Click(Target::Spot(spot)));
    assert_eq!(p.app.spot(), Some(spot));
    let shown = p.app.shown_round().unwrap();
    assert_eq!(p.app.name_of(shown), "3a");
    assert!(rows(&p.app).iter().any(|(id, _)| Some(*id) == spot.id));
    p.press(&["<"]);
    assert_eq!(p.app.name_of(p.app.shown_round().unwrap()), "2a");
    p.press(&[">"]);
    assert_eq!(p.app.name_of(p.app.shown_round().unwrap()), "3a");
    p.press(&["esc", "esc"]);
    assert_eq!(p.app.name_of(p.app.shown_round().unwrap()), "4");
}

#[test]
fn a_candidate_of_a_branch_that_was_left_is_inspected_and_taken() {
    let mut p = forked();
    let run = p.run;
    let left = places(&p.app, "3a");
    let is_pruned = |(spot, _): &&(Spot, bool)| {
        let node = p.app.trace().history().node(spot.node).unwrap();
        node.round().unwrap().can_be_taken(spot.id.unwrap())
    };
    let (spot, _) = *left.iter().find(is_pruned).unwrap();
    let id = spot.id.unwrap();
    p.press(&["2", "4"]).msg(Msg::Click(Target::Spot(spot)));
    p.press(&["2"]);
    assert!(matches!(last_sent(&p), Command::Inspect { candidate, .. } if candidate.id == id));
    p.answer();
    assert_eq!(p.app.evidence().map(|evidence| evidence.id), Some(id));
    p.press(&["d"]);
    let act = Act::Take(id);
    assert_eq!(*last_sent(&p), Command::Steer { run, act });
}

#[test]
fn candidates_of_two_branches_are_compared_from_where_they_part() {
    let mut p = forked();
    let (left, head) = (places(&p.app, "3a")[0].0, places(&p.app, "4")[0].0);
    p.press(&["4"]).msg(Msg::Click(Target::Spot(left)));
    p.press(&["v"]).msg(Msg::Click(Target::Spot(head)));
    let terms = |c: &w2s::search::CandidateTrace| {
        let h = c.hypothesis.as_ref().unwrap();
        h.score().terms().map(|term| term.id).collect::<Vec<_>>()
    };
    let (own, other) = (p.app.subject().unwrap(), p.app.reference().unwrap());
    assert_eq!((Some(own.slot.id), Some(other.slot.id)), (head.id, left.id));
    let both = terms(own).into_iter().zip(terms(other));
    let parting = both.take_while(|(a, b)| a == b).count();
    assert!(parting > 0);
    assert_eq!(p.app.token(), parting);
}

#[test]
fn a_load_can_be_given_up() {
    let mut p = Playground::loaded();
    assert!(!is_available(&p, Action::GiveUpLoad));
    p.round().press(&["H"]).type_str("x,y").press(&["enter"]);
    let (id, ..) = load(&p);
    p.press(&["C"]);
    assert_eq!(*last_sent(&p), Command::CancelLoad(id));
    assert_eq!(p.app.fetch(), None);
    assert!(!is_available(&p, Action::GiveUpLoad));
}

//! Screens as text, and as pictures when asked for.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use w2s::app::App;
use w2s::evidence::{Scoring, Seams, Vocabularies, Xray};
use w2s::search::Mark;
use w2s::ui::{Depth, Theme, render};

use crate::support::{Playground, SEAMS, view, xray};

pub fn draw(app: &App, width: u16, height: u16, theme: &Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| render(frame, app, theme)).unwrap();
    terminal.backend().buffer().clone()
}

/// Writes every screen as JSON cells into the folder `W2S_SCREENS`, to be made into pictures.
fn picture(name: &str, app: &App) {
    let Ok(folder) = std::env::var("W2S_SCREENS") else {
        return;
    };
    for (depth, light, suffix) in [
        (Depth::True, false, "dark"),
        (Depth::True, true, "light"),
        (Depth::Ansi16, false, "ansi"),
        (Depth::None, false, "plain"),
    ] {
        for (w, h) in [(80, 24), (120, 40), (200, 60)] {
            let buffer = draw(app, w, h, &Theme::new(depth, light));
            let cells: Vec<_> = buffer
                .content()
                .iter()
                .map(|c| {
                    (
                        c.symbol().to_owned(),
                        format!("{:?}", c.fg),
                        format!("{:?}", c.bg),
                        c.modifier.bits(),
                    )
                })
                .collect();
            let json = serde_json::to_string(&(w, h, cells)).unwrap();
            std::fs::write(format!("{folder}/{name}-{w}x{h}-{suffix}.json"), json).unwrap();
        }
    }
}

pub const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// The screen as text, at every size.
pub fn shot(name: &str, app: &App) {
    let theme = Theme::new(Depth::None, false);
    for (width, height) in SIZES {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| render(frame, app, &theme)).unwrap();
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), terminal.backend());
    }
    picture(name, app);
}

#[test]
fn loading() {
    let mut p = Playground::new();
    p.update(w2s::message::Update::Loading {
        what: "loading bundled:strong".to_owned(),
        done: 3_000_000,
        total: 8_000_000,
    });
    shot("loading", &p.app);
}

#[test]
fn first_round_growing() {
    let mut p = Playground::loaded();
    p.start_round().grow(3);
    shot("first_growing", &p.app);
}

#[test]
fn third_round_growing_with_changes_pending() {
    let mut p = Playground::loaded();
    p.round()
        .round()
        .start_round()
        .grow(3)
        .press(&["W", "W", "K"]);
    shot("growing", &p.app);
}

#[test]
fn after_the_cut() {
    let mut p = Playground::loaded();
    p.round().round().round();
    shot("cut", &p.app);
}

#[test]
fn another_pair_took_over() {
    let mut p = Playground::loaded();
    p.round()
        .press(&["p"])
        .rescore("critical")
        .start_round()
        .grow(2);
    shot("rescored", &p.app);
}

#[test]
fn sorted_by_score_with_a_selection() {
    let mut p = Playground::loaded();
    p.round()
        .round()
        .press(&["o", "down", "down", "down", "down", "down", "down"]);
    shot("by_score", &p.app);
}

#[test]
fn paused() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.round()
        .update(w2s::message::Update::Paused { run, paused: true });
    shot("paused", &p.app);
}

#[test]
fn finished() {
    let mut p = Playground::loaded();
    for _ in 0..10 {
        p.round();
    }
    p.finish();
    shot("finished", &p.app);
}

#[test]
fn failed() {
    let mut p = Playground::loaded();
    let run = Some(p.run);
    let error = "strong has a context of 256 tokens and the text needs 300".to_owned();
    p.round()
        .update(w2s::message::Update::Failed { run, error });
    shot("failed", &p.app);
}

#[test]
fn evidence_of_a_pruned_candidate() {
    let mut p = Playground::loaded();
    p.round()
        .round()
        .press(&["down", "down", "2", "down", "down"]);
    shot("evidence", &p.app);
}

#[test]
fn comparison_of_two_candidates() {
    let mut p = Playground::loaded();
    p.round()
        .round()
        .press(&["down", "v", "down", "down", "2", "z"]);
    shot("comparison", &p.app);
}

#[test]
fn guided_beside_unguided() {
    let mut p = Playground::loaded();
    p.round().round().unguided().press(&["j"]);
    shot("unguided", &p.app);
}

/// A finished run kept as a way and followed by one of another pair, twice.
pub fn ways(n: usize) -> Playground {
    let mut p = Playground::loaded();
    for key in ["p", "W"].into_iter().take(n) {
        p.round().round().finish().press(&["V", key]).wait();
    }
    p.round().round().unguided().ways();
    p
}

#[test]
fn three_ways_side_by_side() {
    let mut p = ways(1);
    shot("ways_closed", &p.app);
    p.press(&["j"]);
    shot("ways_three", &p.app);
}

#[test]
fn four_ways_side_by_side() {
    let mut p = ways(2);
    p.press(&["j"]);
    shot("ways_four", &p.app);
}

#[test]
fn a_way_that_is_left_out_says_why() {
    let mut p = ways(1);
    let why = "the weak pair positive is not loaded".to_owned();
    let (run, way) = (p.run, 1);
    p.press(&["r"]);
    let run = w2s::message::RunId(run.0 + 1);
    p.update(w2s::message::Update::WayDropped { run, way, why });
    p.round().unguided().press(&["j"]);
    shot("ways_left_out", &p.app);
}

#[test]
fn likeliest_tokens_of_a_place() {
    let mut p = Playground::loaded();
    p.round().round().press(&["down", "2", "down"]).answer();
    shot("likeliest", &p.app);
}

#[test]
fn xray_of_models_with_one_vocabulary() {
    let mut p = Playground::loaded();
    p.round().round().press(&["down", "6"]).answer();
    shot("xray", &p.app);
}

#[test]
fn xray_before_anything_is_known() {
    let mut p = Playground::loaded();
    p.start_round().grow(2).press(&["6"]);
    shot("xray_nothing", &p.app);
}

/// A strong model with another vocabulary and a template, a merged join, a changed token.
fn other_vocabulary() -> Xray {
    let templated = "<|user|>\nI watched\u{a0}this film\tlast night,<|end|>\n<|assistant|>\n";
    let pieces = [
        "<s>",
        "<|user|>",
        "\n",
        "I",
        " wat",
        "ched",
        "\u{a0}",
        "this",
        " film",
        "\t",
        "last",
        " night,",
        "<|end|>",
        "\n",
        "<|assistant|>",
        "\n",
    ];
    Xray {
        strong: view("hf:someone/a-chat-model", templated, &pieces, true),
        vocabularies: Vocabularies {
            same: false,
            strong: 32_000,
            pair: 2048,
            differing: 31_114,
        },
        scoring: Scoring::Text,
        ..xray()
    }
}

#[test]
fn xray_of_a_pair_that_scores_text() {
    let mut p = Playground::loaded();
    let seams = Seams {
        merged: 1,
        accepted: 6,
        changed: 2,
        in_character: true,
        after_letter: false,
    };
    p.round().round().press(&["down", "6"]);
    p.answer_with(other_vocabulary(), seams);
    shot("xray_text", &p.app);
}

#[test]
fn xray_of_a_long_prompt_scrolls_to_its_end() {
    let mut p = Playground::loaded();
    let words: Vec<String> = (0..160).map(|n| format!(" word{n}\u{200b}")).collect();
    let pieces: Vec<&str> = words.iter().map(String::as_str).collect();
    let strong = view("bundled:strong", &words.concat(), &pieces, true);
    p.round().round().press(&["down", "6"]);
    p.answer_with(Xray { strong, ..xray() }, SEAMS);
    p.press(&["down", "pgdn"]);
    shot("xray_scrolled", &p.app);
    p.press(&["end"]);
    shot("xray_end", &p.app);
}

#[test]
fn marked_before_the_cut() {
    let mut p = Playground::loaded();
    p.round().start_round().grow(3).press(&["down"]);
    for mark in [w2s::search::Mark::Pin, w2s::search::Mark::Kill] {
        let id = p.app.sight().selected.unwrap();
        p.entry(w2s::search::Entry::Marked {
            id,
            mark: Some(mark),
        })
        .press(&["down"]);
    }
    shot("marked", &p.app);
}

#[test]
fn charts() {
    let mut p = Playground::loaded();
    for _ in 0..6 {
        p.round();
    }
    p.start_round().grow(2).press(&["3"]);
    shot("charts", &p.app);
}

#[test]
fn tree() {
    let mut p = Playground::loaded();
    p.round().round().round().press(&["4", "z"]);
    shot("tree_zoomed", &p.app);
    p.press(&["z", "down", "down"]);
    shot("tree", &p.app);
}

#[test]
fn runs() {
    let mut p = Playground::loaded();
    for keys in [&["W"][..], &["k", "n"], &["p"]] {
        p.round().round().finish().press(keys).wait();
    }
    p.round().round().finish().press(&["5"]);
    shot("runs", &p.app);
}

#[test]
fn help() {
    let mut p = Playground::loaded();
    p.round().press(&["?"]);
    shot("help", &p.app);
    p.press(&["end"]);
    shot("help_end", &p.app);
}

#[test]
fn editing_the_prompt() {
    let mut p = Playground::loaded();
    p.round()
        .press(&["e"])
        .type_str(" and")
        .press(&["alt-enter"])
        .type_str("日本");
    shot("editing", &p.app);
}

#[test]
fn palette() {
    let mut p = Playground::loaded();
    p.round().press(&[":"]).type_str("beam");
    shot("palette", &p.app);
}

#[test]
fn pickers() {
    let mut p = Playground::loaded();
    p.round().press(&["H"]).type_str("crit");
    shot("pairs", &p.app);
    p.press(&["esc", "B"]).type_str("models/large");
    shot("strong_models", &p.app);
    p.press(&["down", "enter"]);
    shot("fetching", &p.app);
}

#[test]
fn tour() {
    let mut p = Playground::with(w2s::app::Options {
        tour: true,
        ..Default::default()
    })
    .load();
    p.start_round().grow(2);
    shot("tour", &p.app);
    p.grow(5).score().select().unguided().press(&["enter"]);
    shot("tour_second", &p.app);
    p.press(&["enter", "enter"]).start_round().grow(5).score();
    shot("tour_fourth", &p.app);
}

#[test]
fn sixty_four_candidates_scroll_to_the_selection() {
    let mut p = Playground::loaded().searching(8, 8);
    p.round().round().press(&["end"]);
    shot("sixty_four", &p.app);
}

/// Judges of the user's beside the bundled one: one has spoken, one fails, one is still to speak.
#[test]
fn judges() {
    let judges = [
        "hf:lvwerra/distilbert-imdb:POSITIVE-NEGATIVE",
        "cmd:./judge.sh",
        "length",
    ];
    let mut p = Playground::with(w2s::app::Options {
        judges: judges.map(str::to_owned).to_vec(),
        ..Default::default()
    })
    .load();
    p.start_round().grow(5).score();
    p.verdicts(0, |id| Ok(id as f64 * 0.75 - 4.0));
    p.verdicts(1, |_| {
        Err("the command ended with exit code 3: no luck".to_owned())
    });
    p.select().press(&["space", "down", "enter"]).answer();
    shot("judges_evidence", &p.app);
    p.press(&["enter"]);
    shot("judges", &p.app);
}

#[test]
fn hostile_text_stays_in_its_place() {
    let mut p = Playground::loaded().speaking(&[
        "\x1b[2J\x1b[31m",
        "\u{202e}abc",
        "日本語",
        "e\u{301}\u{301}",
        "\n\r\t",
        "\u{200d}👩\u{200d}👩",
        "\u{7}\u{8}",
        "שלום",
        "\u{9b}31m",
        "\u{301}",
        "ab\0cd",
        "\u{feff}",
    ]);
    p.round().round().press(&["2"]);
    shot("hostile_evidence", &p.app);
    p.press(&["1"]);
    shot("hostile", &p.app);
}

/// Everything that can be changed, changed and pending.
pub const ALL_SETTINGS: [&str; 12] = ["W", "K", "L", "T", "m", "f", "u", "a", "-", "p", "]", "]"];

#[test]
fn many_settings_pending() {
    let mut p = Playground::loaded();
    p.round().start_round().grow(3).press(&ALL_SETTINGS);
    shot("many_pending", &p.app);
}

#[test]
fn long_error() {
    let mut p = Playground::loaded();
    p.round().fail();
    shot("long_error", &p.app);
}

#[test]
fn any_area_can_be_drawn() {
    let mut growing = Playground::loaded();
    growing.round().start_round().grow(2);
    let mut screens = vec![Playground::new(), growing];
    for keys in [
        &["?"][..],
        &["e"],
        &[":"],
        &["2"],
        &["3"],
        &["4"],
        &["5"],
        &["6"],
        &["o"],
        &["j"],
        &ALL_SETTINGS,
    ] {
        let mut p = Playground::loaded();
        p.round().round().unguided().press(&["down"]).press(keys);
        screens.push(p);
    }
    let mut seen = Playground::loaded();
    seen.round().round().press(&["down", "6"]).answer();
    screens.push(seen);
    let theme = Theme::new(Depth::True, false);
    for p in &screens {
        for (width, height) in areas() {
            draw(&p.app, width, height, &theme);
        }
    }
}

fn areas() -> impl Iterator<Item = (u16, u16)> {
    let widths = [1, 2, 3, 5, 8, 13, 20, 40, 79, 96, 160];
    let heights = (1..=14).chain([24, 32, 36]);
    heights.flat_map(move |height| widths.map(|width| (width, height)))
}

#[test]
fn every_place_can_be_clicked() {
    let mut p = Playground::loaded();
    p.round().round();
    for keys in [&[][..], &["4"], &["esc", ":"]] {
        p.press(keys);
        for (width, height) in [(1, 1), (80, 24), (120, 40), (200, 60)] {
            let area = ratatui::layout::Rect::new(0, 0, width, height);
            for at in area.positions() {
                let _: w2s::app::Target = w2s::ui::hit(&p.app, area, at.x, at.y);
            }
        }
    }
}

#[test]
fn a_click_on_a_candidate_hits_it() {
    let mut p = Playground::loaded();
    p.round();
    let area = ratatui::layout::Rect::new(0, 0, 80, 24);
    // Header, settings, three lines of response, the board's title: then the first candidate.
    let target = w2s::ui::hit(&p.app, area, 20, 6);
    assert_eq!(
        target,
        w2s::app::Target::Candidate(w2s::search::HypothesisId(0))
    );
}

#[test]
fn the_tree_shows_the_users_hand() {
    let mut p = Playground::loaded();
    p.start_round().grow(5).score();
    let round = p.app.trace().last_round().unwrap();
    let mut order: Vec<_> = round.scores().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let ids: Vec<_> = order.iter().map(|(id, _)| *id).collect();
    let marks = [
        (ids[0], Mark::Kill),
        (ids[15], Mark::Pin),
        (ids[4], Mark::Boost(2.0)),
    ];
    let kept = [ids[1], ids[2], ids[4], ids[15]];
    let pruned: Vec<_> = ids
        .iter()
        .filter(|id| !kept.contains(id))
        .copied()
        .collect();
    p.cut(&kept, &pruned, &marks).round().press(&["4", "z"]);
    shot("tree_marked", &p.app);
}

/// Three rounds, then a pruned candidate of the second one taken, and two rounds after it.
pub fn forked() -> Playground {
    let mut p = Playground::loaded();
    p.round().round().round();
    let second = p.app.trace().round(2).unwrap();
    let taken = second.pruned()[5];
    p.take(taken).round().round();
    p
}

#[test]
fn a_tree_of_two_branches() {
    let mut p = forked();
    p.press(&["4", "z", "end"]);
    shot("branches_end", &p.app);
    p.press(&["home", "pgdn", "pgdn", "pgdn"]);
    shot("branches", &p.app);
    p.press(&["z"]);
    shot("branches_beside", &p.app);
}

#[test]
fn the_head_where_the_branches_part() {
    let mut p = forked();
    let fork = p.node(1);
    p.press(&["m"]);
    p.go(fork, w2s::search::Move::Go).start_round().grow(3);
    p.press(&["4", "z", "home"]);
    shot("branches_three", &p.app);
    p.press(&["end"]);
    shot("branches_three_end", &p.app);
}

#[test]
fn two_branches_compared() {
    let mut p = forked();
    // The first candidate of the last round on either branch.
    let first = |p: &Playground, name: &str| {
        let lines = p.app.tree();
        let mut leaves = lines.iter().filter_map(|line| match line {
            w2s::app::tree::Line::Leaf(leaf) if &*leaf.name == name => Some(leaf.spot),
            _ => None,
        });
        w2s::app::Target::Spot(leaves.next().unwrap())
    };
    let (left, head) = (first(&p, "3a"), first(&p, "4"));
    p.press(&["4"]);
    p.msg(w2s::app::Msg::Click(left)).press(&["v"]);
    p.msg(w2s::app::Msg::Click(head)).press(&["2"]);
    shot("branches_compared", &p.app);
    p.press(&["z"]);
    shot("branches_compared_alone", &p.app);
}

/// What a search of an evaluation came to.
fn measured(prompt: usize, way: usize) -> w2s::message::Measured {
    w2s::message::Measured {
        response: format!(" answer {prompt}.{way}").into(),
        judge: way as f64 * 1.5 - prompt as f64,
        log_ratio: 3.0 * way as f64 + prompt as f64,
        strong_log_prob: Some(-2.0 - 0.1 * way as f64),
        sampled: if way == 0 { 50 } else { 800 },
    }
}

/// An evaluation of three prompts and three ways, partly filled.
fn evaluated() -> Playground {
    use w2s::message::{CellId, Command, Update};
    let mut p = Playground::loaded();
    p.round().press(&["V", "W", "A"]);
    let asked = p.effects.iter().find_map(|effect| match effect {
        w2s::app::Effect::Send(Command::Evaluate(request)) => Some(request.clone()),
        _ => None,
    });
    let request = asked.unwrap();
    assert_eq!((request.prompts.len(), request.contenders.len()), (3, 5));
    assert_eq!(request.cells.len(), 9, "refinement waits for answers");
    for (prompt, way) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)] {
        let measured = measured(prompt, way);
        let measured = match (prompt, way) {
            (2, 0) => Err("no room".to_owned()),
            _ => Ok(measured),
        };
        let (id, cell) = (request.id, CellId { prompt, way });
        p.update(Update::Cell { id, cell, measured });
    }
    p
}

#[test]
fn an_evaluation_fills() {
    let mut p = evaluated();
    p.press(&["down", "right"]);
    shot("evaluation", &p.app);
}

/// A cell is a run of its prompt and its way; what is stale changes nothing.
#[test]
fn a_cell_opens_as_a_run() {
    use w2s::message::{CellId, Command, EvaluationId, Update};
    let mut p = evaluated();
    let before = p.app.evaluation().cloned();
    let (id, cell) = (EvaluationId(9), CellId { prompt: 0, way: 0 });
    let measured = Err("stale".to_owned());
    p.update(Update::Cell { id, cell, measured });
    assert_eq!(p.app.evaluation().cloned(), before);
    let own = before.unwrap().request;
    p.effects.clear();
    p.press(&["down", "right", "right", "enter"]);
    let started = p.effects.iter().find_map(|effect| match effect {
        w2s::app::Effect::Send(Command::Start(request)) => Some(request),
        _ => None,
    });
    let started = started.unwrap();
    assert_eq!(started.prompt, own.prompts[1]);
    assert_eq!(started.params, own.contenders[2].way.params);
    assert_eq!(started.pair, own.contenders[2].way.pair);
    // The evaluation goes on, and is shown again by its key.
    p.effects.clear();
    p.press(&["A"]);
    assert!(
        p.effects
            .iter()
            .all(|e| !matches!(e, w2s::app::Effect::Send(Command::Evaluate(_))))
    );
    assert_eq!(p.app.evaluation().unwrap().progress(), (6, 15));
    p.press(&["C"]);
    assert!(p.app.evaluation().unwrap().is_over());
    assert!(
        p.effects
            .iter()
            .any(|e| matches!(e, w2s::app::Effect::Send(Command::StopEvaluation)))
    );
}

/// When all ways are there, the unguided one is asked again after the answers of the user's own.
#[test]
fn refinement_follows_with_the_best_answers_first() {
    use w2s::message::{CellId, Command, Update};
    let mut p = evaluated();
    let id = p.app.evaluation().unwrap().request.id;
    let cell = |p: &mut Playground, prompt, way| {
        let measured = Ok(measured(prompt, way));
        let cell = CellId { prompt, way };
        p.update(Update::Cell { id, cell, measured });
    };
    p.effects.clear();
    for (prompt, way) in [(1, 2), (2, 1), (2, 2)] {
        cell(&mut p, prompt, way);
    }
    let asked = p.effects.iter().find_map(|effect| match effect {
        w2s::app::Effect::Send(Command::Evaluate(request)) => Some(request.clone()),
        _ => None,
    });
    let request = asked.unwrap();
    assert_eq!(request.id, id);
    let best = &request.examples[0];
    assert_eq!((best.prompt, &best.response[..]), (2, " answer 2.1"));
    let n = |way: usize| request.contenders[way].n_examples;
    assert_eq!((n(2), n(3), n(4)), (0, 1, 4));
    assert_eq!(request.contenders[3].way, request.contenders[0].way);
    assert!(request.cells.iter().all(|cell| cell.way > 2));
    for CellId { prompt, way } in request.cells {
        cell(&mut p, prompt, way);
    }
    assert!(p.app.evaluation().unwrap().is_over());
    shot("evaluation_refined", &p.app);
    // A refined cell opens with what the strong model was asked.
    p.press(&["right", "right", "right", "enter"]);
    assert!(p.app.wanted().prompt.ends_with(&request.prompts[0]));
    assert!(p.app.wanted().prompt.contains(" answer 2.1\n\n"));
}

/// What the strong model would gain of each pair, while it is found out and after.
#[test]
fn gains_are_gauged_and_told() {
    use w2s::measure::{Gains, JudgedGain, PairGain};
    use w2s::message::{Command, EvaluationId, Update};
    let mut p = Playground::loaded();
    p.round().press(&["8"]);
    let asked = p.effects.iter().find_map(|effect| match effect {
        w2s::app::Effect::Send(Command::Gauge(request)) => Some(request.clone()),
        _ => None,
    });
    let request = asked.unwrap();
    let id = request.id;
    p.update(Update::Gauged { id, done: 1 });
    shot("gains_on_their_way", &p.app);
    let row = |(i, pair): (usize, &w2s::search::PairId)| {
        let i = i as f64;
        PairGain {
            pair: pair.to_string(),
            misfit: 0.3 + 0.2 * i,
            judged: vec![Some(JudgedGain {
                weak_error: 0.7 + i,
                predicted_error: 0.4 + 0.8 * i,
                gain: 0.4 * i - 0.1,
                strong_error: 0.8 + 0.6 * i,
            })],
        }
    };
    let gains = Gains {
        n_prompts: 3,
        n_responses: 480,
        judges: vec!["bundled".to_owned()],
        rows: request.pairs.iter().enumerate().map(row).collect(),
        judge_misfit: vec![Some(0.88)],
    };
    let stale = EvaluationId(99);
    p.update(Update::Gains {
        id: stale,
        gains: Err("stale".to_owned()),
    });
    assert!(p.app.gauge().unwrap().gains.is_none());
    p.update(Update::Gains {
        id,
        gains: Ok(gains),
    });
    shot("gains", &p.app);
    // It is kept, and begins anew at a word.
    p.effects.clear();
    p.press(&["esc", "8"]);
    assert!(p.effects.is_empty());
    p.press(&["r", "C"]);
    let sent: Vec<_> = p.effects.iter().collect();
    assert!(matches!(
        sent[..],
        [
            w2s::app::Effect::Send(Command::Gauge(_)),
            w2s::app::Effect::Send(Command::StopGauge),
        ]
    ));
}

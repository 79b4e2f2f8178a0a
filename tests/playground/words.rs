//! What is said is so: counts agree, signs mean one thing, notices expire, bars keep their scale.

use std::sync::Arc;

use w2s::evidence::PromptRead;
use w2s::message::Update;
use w2s::search::{EndReason, Entry, Finish, SearchParams, Successor};

use crate::legible::{has, lines};
use crate::screens::SIZES;
use crate::support::Playground;

#[test]
fn no_pruned_candidate_stands_at_the_cut() {
    let mut p = Playground::loaded();
    p.round().round();
    let pruned = p.app.board().into_iter().filter_map(|line| match line {
        w2s::app::board::Line::Candidate(row) if row.fate == w2s::search::Fate::Pruned => {
            row.margin
        }
        _ => None,
    });
    let margins: Vec<f64> = pruned.collect();
    assert!(
        margins.len() == 12 && margins.iter().all(|margin| *margin < 0.0),
        "{margins:?}"
    );
}

#[test]
fn rules_are_named_only_where_they_are_not_as_usual() {
    let mut p = Playground::loaded();
    p.round();
    for (width, height) in SIZES {
        assert!(!has(&lines(&p.app, width, height), "rules"));
    }
}

#[test]
fn a_long_prompt_is_seen_being_read() {
    let mut p = Playground::loaded();
    p.start_round();
    let run = p.run;
    let mut told = |read: Option<(bool, usize)>, words: &str| {
        let total = 2000;
        let read = read.map(|(by_pair, done)| PromptRead {
            by_pair,
            done,
            total,
        });
        p.update(Update::PromptRead { run, read });
        has(&lines(&p.app, 80, 24), words)
    };
    let strong = "The strong model reads the prompt: 256 of 2000 tokens.";
    assert!(told(Some((false, 256)), strong));
    let pair = "The weak pair reads the prompt: 1024 of 2000 tokens.";
    assert!(told(Some((true, 1024)), pair));
    assert!(!told(None, "reads the prompt"));
}

/// A fourth round after which a finished hypothesis stands by.
fn with_one_standing() -> Playground {
    let mut p = Playground::loaded();
    while p
        .app
        .trace()
        .last_round()
        .is_none_or(|round| round.standing.is_empty())
    {
        p.round().start_round();
    }
    p
}

#[test]
fn only_what_grows_is_counted_as_growing() {
    let mut p = with_one_standing();
    p.grow(2);
    let round = p.app.trace().last_round().unwrap();
    let (n, standing) = (round.slots.len(), round.standing.len());
    let parents = round.beam.len() - standing;
    let screen = lines(&p.app, 120, 40);
    assert!(
        has(
            &screen,
            &format!("{n} grow: token 2 of 5, {standing} finished")
        ),
        "{screen:#?}"
    );
    let story = format!("{n} candidates grow after {parents} hypotheses ({standing} ");
    assert!(has(&screen, &story), "{story}: {screen:#?}");
    let mut names = screen
        .iter()
        .filter(|line| line.contains(" ·■ ") || line.contains(" ○■ "));
    let name = names
        .next_back()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap();
    assert!(
        name.parse::<usize>().is_ok(),
        "{name}: the hypothesis itself"
    );
}

#[test]
fn one_is_one() {
    let mut p = Playground::loaded().searching(1, 5);
    p.round();
    let says = |p: &Playground, text: &str| {
        let screen = lines(&p.app, 120, 40);
        assert!(has(&screen, text), "{text}: {screen:#?}");
    };
    says(
        &p,
        "The one of 5 that the weak pair likes best is kept (✓), the others pruned (✗).",
    );
    p.start_round().grow(2);
    says(&p, "5 candidates grow after 1 hypothesis; the weak pair");
    p.grow(5).score();
    says(&p, "5 candidates are scored; the cut is still to come.");
    let ids: Vec<_> = p.app.trace().last_round().unwrap().ids().collect();
    p.cut(&ids[..1], &ids[1..], &[(ids[0], w2s::search::Mark::Pin)]);
    says(
        &p,
        "The weak pair and your hand keep 1 of 5 (✓), the others pruned (✗).",
    );
}

#[test]
fn an_end_that_was_sampled_has_another_sign_than_one_for_want_of_tokens() {
    let mut p = Playground::loaded();
    p.round();
    let best = p.app.trace().best().unwrap().hypothesis.clone().unwrap();
    for (finish, sign) in [(Finish::Eos, "■"), (Finish::Length, "□")] {
        let best = Arc::new(w2s::search::Hypothesis {
            finish: Some(finish),
            ..(*best).clone()
        });
        let mut p = Playground::loaded();
        p.round().entry(Entry::Finished {
            best,
            reason: EndReason::Length,
        });
        for (width, height) in SIZES {
            let screen = lines(&p.app, width, height);
            let rows = screen
                .iter()
                .filter(|line| line.contains(&format!("✓{sign} ")));
            assert_eq!(rows.count(), 1, "{sign}: {screen:#?}");
            let named = screen[2..5]
                .iter()
                .any(|line| line.contains("guided") && line.contains(&format!(" {sign} ")));
            assert!(named, "{sign}: {screen:#?}");
        }
    }
}

#[test]
fn a_notice_is_never_older_than_a_round() {
    let mut p = Playground::loaded();
    p.round().press(&["y"]);
    assert!(p.app.notice().is_some());
    p.start_round().grow(2);
    assert!(p.app.notice().is_some(), "there is time to read it");
    p.grow(5).score().select();
    assert_eq!(p.app.notice(), None);
    p.press(&["W"]).start_round();
    assert_eq!(p.app.notice(), Some("W 4 → 5: in use since round 3"));
    p.grow(5).score().select();
    assert!(p.app.notice().is_some());
    p.start_round();
    assert_eq!(p.app.notice(), None);
}

#[test]
fn the_end_is_told_whatever_was_said_before_and_after() {
    let mut p = Playground::loaded();
    p.round().press(&["0"]).finish();
    assert_eq!(p.app.notice(), None);
    assert!(has(&lines(&p.app, 80, 24), "Finished."));
    p.press(&["]", "["]);
    let screen = lines(&p.app, 80, 24);
    assert!(
        has(&screen, "pace") && has(&screen, "(finished: r searches again)"),
        "{screen:#?}"
    );
}

#[test]
fn the_scale_of_the_bars_moves_rarely_and_says_so() {
    let mut p = Playground::loaded();
    let mut scales = Vec::new();
    for _ in 0..9 {
        p.round();
        let screen = lines(&p.app, 80, 24);
        let title = screen.iter().find(|line| line.contains("bar ±")).cloned();
        let title = title.unwrap_or_default();
        let wide = lines(&p.app, 120, 40);
        let heading = wide
            .iter()
            .find(|line| line.contains("log-ratio −"))
            .unwrap();
        let scale = heading
            .split('−')
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap();
        let moved = scales.last().is_some_and(|last| last != scale);
        assert_eq!(
            has(&wide, &format!("bars now ±{scale}")),
            moved,
            "{title} {wide:#?}"
        );
        scales.push(scale.to_owned());
    }
    scales.dedup();
    assert_eq!(scales, ["10", "30"]);
}

#[test]
fn what_is_ranked_by_stays_whatever_is_pending() {
    let mut p = Playground::loaded();
    p.start_round().press(&["W", "K", "T", "p", "m", "u"]);
    for width in [120, 140, 200] {
        let screen = lines(&p.app, width, 40);
        let by = has(&screen[1..3], "by sum") || has(&screen[1..3], "ranking sum");
        assert!(by, "{width}: {screen:#?}");
    }
}

#[test]
fn the_first_line_names_files_not_paths() {
    let mut p = Playground::new();
    let mut models = crate::support::models();
    models.strong.name = "/home/someone/with/models/large.Q4_1.gguf".to_owned();
    p.update(w2s::message::Update::Loaded(models)).round();
    let screen = lines(&p.app, 80, 24);
    assert!(
        screen[0].contains("strong model: large.Q4_1.gguf, "),
        "{}",
        screen[0]
    );
}

#[test]
fn bars_take_the_room_that_short_chunks_leave() {
    let mut p = Playground::loaded();
    p.round();
    let axis = |screen: &[String]| {
        let row = screen.iter().find(|line| line.contains(" 0.1 ")).unwrap();
        row.chars().position(|c| c == '│').unwrap()
    };
    assert!(
        axis(&lines(&p.app, 120, 40)) >= 42,
        "an arm of more than ten cells"
    );
    assert!(axis(&lines(&p.app, 200, 60)) >= 38);
}

#[test]
fn a_long_chunk_is_told_as_far_as_there_is_room() {
    let params = SearchParams::default().draft();
    let params = w2s::search::Draft {
        chunk_len: 15,
        ..params
    }
    .build()
    .unwrap();
    let mut p = Playground::loaded();
    p.msg(w2s::app::Msg::Key("r".parse().unwrap()));
    p.using(params).round().press(&["z"]);
    let first = p.app.trace().last_round().unwrap().ids().next().unwrap();
    let chunk = p.app.trace().candidate(first).unwrap().chunk();
    let screen = lines(&p.app, 200, 60);
    assert!(has(&screen, chunk.trim()), "{chunk}: {screen:#?}");
}

#[test]
fn own_chunks_and_standing_ones_have_names_of_their_own() {
    let mut p = with_one_standing();
    p.grow(5).score();
    let standing = p.app.trace().last_round().unwrap().standing[0];
    let row = p.app.board().into_iter().find_map(|line| match line {
        w2s::app::board::Line::Candidate(row) if row.id == standing => Some(row),
        _ => None,
    });
    let row = row.unwrap();
    assert_eq!(row.label(), row.beam.to_string());
    let own = w2s::app::board::Row {
        successor: Some(Successor::Typed { typed: 0 }),
        ..row
    };
    assert!(own.label().ends_with(".own"));
}

#[test]
fn rounds_charts_likeliest_tokens_and_runs_say_their_pairs() {
    let mut p = Playground::loaded();
    p.round().rescore("critical").round();
    let all = |p: &Playground| lines(&p.app, 120, 40);
    assert!(has(&all(&p), "pair critical"));
    p.press(&["<"]);
    assert!(has(
        &all(&p),
        "looking back  ✓ 4 kept  ✗ 12 pruned  cut at +1.78, margin 0.20  pair positive"
    ));
    p.press(&[">", "3"]);
    assert!(has(&all(&p), "charts  pair positive ┊ critical, by round"));
    p.press(&["2", "z", "space"]);
    let run = p.run;
    p.update(Update::Paused { run, paused: true }).answer();
    assert!(has(&all(&p), "raw probabilities, pair critical:"));
    p.finish().press(&["5"]);
    assert!(has(&all(&p), "positive→critical"));
}

#[test]
fn a_pause_says_where_it_stands() {
    let mut p = Playground::loaded();
    let run = p.run;
    p.start_round().grow(2).press(&["space"]);
    p.update(Update::Paused { run, paused: true });
    assert!(has(
        &lines(&p.app, 120, 40),
        "Paused while chunks grow: space goes on"
    ));
    p.grow(5).score();
    assert!(has(&lines(&p.app, 120, 40), "Paused before the cut: pin *"));
}

/// A method other than the paper's has words of its own, and no line that it does not cut by.
#[test]
fn what_a_method_does_is_said() {
    use w2s::search::MethodName;
    for (name, told) in [
        ("dvts", "subtrees keeps its own best"),
        ("smc:1", "drawn anew by weight"),
        ("rejection:0.25", "drop out"),
        ("cards:4", "passes the threshold"),
    ] {
        let method: MethodName = name.parse().unwrap();
        let params = method.apply(w2s::search::SearchParams::default().draft());
        let mut p = Playground::loaded();
        p.msg(w2s::app::Msg::Key("r".parse().unwrap()));
        p.using(params.build().unwrap()).round();
        let screen = lines(&p.app, 200, 60);
        assert!(has(&screen, told), "{name}: {screen:#?}");
        assert!(
            has(&screen, &format!("method {name}")),
            "{name}: {screen:#?}"
        );
        assert!(!has(&screen, "cut at"), "{name}: {screen:#?}");
    }
}

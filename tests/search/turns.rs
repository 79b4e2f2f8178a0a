//! What the user did and takes back; rounds drawn anew.

use w2s::search::{ChunkBeamSearch, Entry, History, Mark, NodeId, Refused, Rules};

use crate::cases::{Case, run};
use crate::toy::{Tables, drive};

const CASE: Case = Case {
    w: 2,
    k: 3,
    l: 2,
    n: 8,
    rules: Rules::Fixed,
    seed: 11,
    eos: 0.0,
};

/// A search that is over.
fn over() -> (ChunkBeamSearch, Tables) {
    let (mut search, models) = (CASE.search(), CASE.tables());
    run(&mut search, &models);
    assert!(search.is_finished());
    (search, models)
}

/// A search whose round `number` waits for its cut.
fn at_the_cut(number: usize) -> (ChunkBeamSearch, Tables) {
    let (mut search, models) = (CASE.search(), CASE.tables());
    let waits = |search: &ChunkBeamSearch| search.is_open() && search.round_idx() + 1 == number;
    drive(&mut search, &models, waits).unwrap();
    (search, models)
}

/// The texts of all candidates of the rounds that lead to the head.
fn texts(search: &ChunkBeamSearch) -> Vec<Vec<String>> {
    let rounds = search.history().rounds().iter();
    let of = |round: &std::sync::Arc<w2s::search::Round>| {
        let texts = round.candidates.iter().map(|c| c.text.to_string());
        texts.collect()
    };
    rounds.map(of).collect()
}

#[test]
fn rounds_that_are_drawn_anew_are_others_each_time_and_can_be_taken_back() {
    let (mut search, models) = over();
    let (original, end) = (texts(&search), search.history().head());
    let mut ways = vec![original.clone()];
    for _ in 0..3 {
        search.rewind(1).unwrap();
        search.redraw().unwrap();
        run(&mut search, &models);
        let way = texts(&search);
        assert_eq!(way[0], original[0]);
        assert!(ways.iter().all(|other| other[1] != way[1]), "{ways:?}");
        ways.push(way);
    }
    // What was drawn anew is taken back, and then the way there; and so on to the beginning.
    let at = search
        .history()
        .ancestry(end)
        .last()
        .unwrap()
        .cut
        .as_ref()
        .unwrap()
        .node;
    for _ in 0..3 {
        search.undo().unwrap();
        assert_eq!(search.history().head(), at);
        search.undo().unwrap();
        assert!(search.is_finished());
    }
    assert_eq!((search.history().head(), texts(&search)), (end, original));
    assert_eq!(search.undo(), Err(Refused::NothingToUndo));
}

#[test]
fn what_is_drawn_anew_is_a_function_of_what_was_done() {
    let fork = || {
        let (mut search, models) = over();
        search.rewind(2).unwrap();
        search.redraw().unwrap();
        run(&mut search, &models);
        texts(&search)
    };
    assert_eq!(fork(), fork());
}

#[test]
fn drawing_anew_taken_back_draws_as_before() {
    let (mut search, models) = over();
    let original = texts(&search);
    search.go(NodeId::ROOT).unwrap();
    search.redraw().unwrap();
    drive(&mut search, &models, ChunkBeamSearch::is_open).unwrap();
    assert_ne!(texts(&search)[0], original[0]);
    search.undo().unwrap();
    assert!(search.history().open().is_none());
    run(&mut search, &models);
    assert_eq!(texts(&search), original);
}

#[test]
fn nothing_is_drawn_after_the_end() {
    let (mut search, _) = over();
    assert_eq!(search.redraw(), Err(Refused::Over));
}

#[test]
fn a_mark_is_taken_back_before_its_cut() {
    let (mut search, _) = at_the_cut(2);
    let id = search.history().open().unwrap().candidates[0].id;
    for mark in [Mark::Pin, Mark::Boost(1.0), Mark::Kill] {
        search.mark(id, Some(mark)).unwrap();
    }
    for mark in [Some(Mark::Boost(1.0)), Some(Mark::Pin), None] {
        search.undo().unwrap();
        assert_eq!(search.history().mark_of(id), mark);
    }
    assert_eq!(search.undo(), Err(Refused::NothingToUndo));
}

#[test]
fn a_mark_is_taken_back_after_its_cut_by_going_before_the_round() {
    let (mut straight, models) = (CASE.search(), CASE.tables());
    run(&mut straight, &models);
    let (mut search, models) = at_the_cut(2);
    let head = search.history().head();
    let open = search.history().open().unwrap().clone();
    for candidate in &open.candidates[..2] {
        search.mark(candidate.id, Some(Mark::Kill)).unwrap();
    }
    run(&mut search, &models);
    search.undo().unwrap();
    assert_eq!(search.history().head(), head);
    assert_eq!(
        search.undo(),
        Err(Refused::NothingToUndo),
        "both went with the round"
    );
    run(&mut search, &models);
    assert_eq!(texts(&search), texts(&straight));
}

#[test]
fn marks_of_a_round_that_is_broken_off_are_nothing_to_take_back() {
    let (mut search, _) = at_the_cut(2);
    let id = search.history().open().unwrap().candidates[0].id;
    search.mark(id, Some(Mark::Pin)).unwrap();
    let head = search.history().head();
    search.go(head).unwrap();
    assert_eq!(search.undo(), Err(Refused::NothingToUndo));
    let told = search.news();
    assert!(matches!(told.last(), Some(Entry::Dropped { .. })));
    assert_eq!(History::of(&told).last_turn(), None);
}

//! What waits for scores when something else is done: it is neither lost nor misplaced, and
//! nothing is asked for twice.

use std::collections::HashSet;

use w2s::search::{Answer, Ask, ChunkBeamSearch, Entry, Rules};

use crate::cases::{Case, run};
use crate::toy::{Tables, answer, drive, pair, settle, typed};

const CASE: Case = Case {
    w: 2,
    k: 3,
    l: 2,
    n: 12,
    rules: Rules::Fixed,
    seed: 5,
    eos: 0.15,
};

/// A search that stands before the cut of round 2, and a chunk of the user's own beside its
/// first candidate that nobody has scored.
fn written() -> (ChunkBeamSearch, Tables) {
    let (mut search, models) = (CASE.search(), CASE.tables());
    let waits = |search: &ChunkBeamSearch| search.is_open() && search.round_idx() == 1;
    drive(&mut search, &models, waits).unwrap();
    let open = search.history().open().unwrap().clone();
    let sibling = open.candidates.iter().find(|c| c.round == 2).unwrap();
    let parent = search
        .history()
        .hypothesis(sibling.parent.unwrap())
        .unwrap();
    let chunk = typed(&parent.text.to_string(), "zz");
    search.write(sibling.id, &chunk).unwrap();
    search.news();
    (search, models)
}

fn n_typed(search: &ChunkBeamSearch) -> usize {
    let open = search.history().open().unwrap();
    let typed = open.candidates.iter().filter(|c| c.is_typed());
    typed.count()
}

#[test]
fn a_written_chunk_waits_for_the_head_to_come_back_to_its_round() {
    let (mut search, models) = written();
    search.rewind(0).unwrap();
    settle(&mut search, &models);
    let added = |entry: &Entry| matches!(entry, Entry::Added { .. });
    assert!(!search.news().iter().any(added));
    search.undo().unwrap();
    settle(&mut search, &models);
    assert_eq!(n_typed(&search), 1);
}

#[test]
fn a_written_chunk_stands_beside_successors_that_were_spent_meanwhile() {
    let (mut search, models) = written();
    let parent = search.history().open().unwrap().slots[0].parent.unwrap();
    search.spend(parent, 1).unwrap();
    drive(&mut search, &models, |search| search.is_open()).unwrap();
    let open = search.history().open().unwrap();
    assert_eq!(n_typed(&search), 1);
    assert_eq!(open.candidates.len(), CASE.w * CASE.k + 2);
}

#[test]
fn a_pair_that_comes_while_chunks_grow_is_in_use_once_they_are_complete() {
    let (mut search, models) = (CASE.search(), CASE.tables());
    drive(&mut search, &models, |search| search.round_idx() == 2).unwrap();
    let Ask::Grow(_) = search.ask() else {
        panic!("round 3 grows");
    };
    let sibling = search.history().rounds()[1].kept()[0];
    search.use_pair(pair(8, 9, 1));
    let parent = search
        .history()
        .hypothesis(sibling)
        .unwrap()
        .parent
        .unwrap();
    let parent = search
        .history()
        .hypothesis(parent)
        .unwrap()
        .text
        .to_string();
    search.write(sibling, &typed(&parent, "zz")).unwrap();
    search.news();
    settle(&mut search, &models);
    let told = search.news();
    assert!(
        matches!(&told[..], [Entry::Added { late: Some(_), .. }]),
        "{told:?}"
    );
    drive(&mut search, &models, |search| search.is_open()).unwrap();
    assert_eq!(search.history().open().unwrap().pair, pair(8, 9, 1));
}

/// A finished response that stands in a round which grows is among those that are compared, and
/// among its candidates.
#[test]
fn a_change_of_pair_asks_for_each_response_once() {
    let (mut search, models) = (CASE.search(), CASE.tables());
    let stands = |search: &ChunkBeamSearch| {
        let open = search.history().open();
        open.is_some_and(|round| !round.standing.is_empty())
    };
    while !stands(&search) {
        let ask = search.ask();
        if !stands(&search) {
            search
                .supply(answer(&models, &ask).unwrap().unwrap())
                .unwrap();
        }
    }
    search.use_pair(pair(8, 9, 2));
    let mut asked = HashSet::new();
    while let ask @ (Ask::Grow(_) | Ask::Score(_)) = search.ask() {
        if let Ask::Score(score) = &ask {
            assert!(score.responses.iter().all(|r| asked.insert(r.id)));
        }
        search
            .supply(answer(&models, &ask).unwrap().unwrap())
            .unwrap();
    }
    assert!(!asked.is_empty());
    search.supply(Answer::Cut).unwrap();
    run(&mut search, &models);
}

#[test]
fn a_round_that_is_begun_anew_tells_the_change_of_pair_before_it_again() {
    let (mut search, models) = (CASE.search(), CASE.tables());
    drive(&mut search, &models, |search| search.round_idx() == 1).unwrap();
    search.use_pair(pair(8, 9, 1));
    settle(&mut search, &models);
    let change = |search: &mut ChunkBeamSearch| {
        assert!(matches!(search.ask(), Ask::Grow(_)));
        search.history().open().unwrap().change()
    };
    let first = change(&mut search);
    assert!(first.is_some());
    search.stop();
    assert_eq!(change(&mut search), first);
}

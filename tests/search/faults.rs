//! What once went wrong, named after what is right. Each says what the engine did that called
//! its models itself.

use std::sync::Arc;

use w2s::search::{
    Answer, Ask, ChunkBeamSearch, Draft, Fate, Hypothesis, Mark, PairId, Ranking, Refused, Round,
    Rules, SearchParams, select::Ranker,
};

use crate::cases::{Case, run};
use crate::toy::{Tables, answer, drive, log_ratio, pair, settle};

const CASE: Case = Case {
    w: 1,
    k: 4,
    l: 2,
    n: 8,
    rules: Rules::Fixed,
    seed: 11,
    eos: 0.0,
};

/// A search whose round `number` waits for its cut.
fn at_the_cut(case: &Case, number: usize) -> (ChunkBeamSearch, Tables) {
    let (mut search, models) = (case.search(), case.tables());
    let waits = |search: &ChunkBeamSearch| search.is_open() && search.round_idx() + 1 == number;
    drive(&mut search, &models, waits).unwrap();
    (search, models)
}

/// A search of which round `number` has grown by half.
fn growing(case: &Case, number: usize) -> (ChunkBeamSearch, Tables) {
    let (mut search, models) = (case.search(), case.tables());
    drive(&mut search, &models, |search| {
        search.round_idx() + 1 == number
    })
    .unwrap();
    let ask = search.ask();
    let Some(Answer::Grown(mut grown)) = answer(&models, &ask).unwrap() else {
        panic!("a round begins with its chunks: {ask:?}");
    };
    grown.truncate(grown.len() / 2);
    search.supply(Answer::Grown(grown)).unwrap();
    assert!(search.is_growing());
    (search, models)
}

fn finish(search: &mut ChunkBeamSearch, models: &Tables) -> Arc<Hypothesis> {
    run(search, models);
    search.history().ending().unwrap().best.clone()
}

/// It was put off to the round after, whose cut had removed the hypothesis by then: nothing was
/// sampled, and the screen went on promising it.
#[test]
fn a_successor_spent_on_a_kept_hypothesis_while_its_round_grows_is_sampled_in_that_round() {
    let case = Case { w: 2, ..CASE };
    let (mut search, models) = growing(&case, 2);
    let parent = search.beam()[1].id;
    let own = |round: &Round| {
        round
            .slots
            .iter()
            .filter(|s| s.parent == Some(parent))
            .count()
    };
    search.spend(parent, 2).unwrap();
    let number = search.round_idx() + 1;
    drive(&mut search, &models, |search| search.round_idx() == number).unwrap();
    let round = search.history().rounds().last().unwrap();
    assert_eq!(own(round), case.k + 2);
    assert_eq!(round.candidates.len(), case.w * case.k + 2);
    assert_eq!(search.history().extra_of(parent), 0);
}

/// A round that was stopped forgot what had been spent on it.
#[test]
fn what_is_spent_outlives_a_round_that_is_broken_off() {
    let (mut search, models) = growing(&CASE, 2);
    let parent = search.beam()[0].id;
    search.spend(parent, 1).unwrap();
    search.stop();
    assert_eq!(search.history().extra_of(parent), 1);
    drive(&mut search, &models, |search| search.is_open()).unwrap();
    assert_eq!(
        search.history().open().unwrap().candidates.len(),
        CASE.k + 1
    );
}

/// Both stayed pinned: with W = 1 the better one of the two was kept, and `take` said yes.
#[test]
fn the_last_candidate_taken_stays_also_when_it_is_the_poorer_one() {
    let (mut search, models) = at_the_cut(&CASE, 1);
    search.supply(Answer::Cut).unwrap();
    let pruned = search.history().rounds()[0].pruned().to_vec();
    for id in [pruned[1], pruned[2], pruned[0]] {
        search.take(id).unwrap();
        settle(&mut search, &models);
        let beam: Vec<_> = search.beam().iter().map(|h| h.id).collect();
        assert_eq!(beam, [id]);
    }
}

/// The pool of finished responses took it in before the cut and knew of no marks.
#[test]
fn a_killed_finished_response_is_never_the_answer() {
    let case = Case { l: 0, ..CASE };
    let (mut search, models) = at_the_cut(&case, 1);
    let best = best_candidate(&search);
    search.mark(best, Some(Mark::Kill)).unwrap();
    assert_ne!(finish(&mut search, &models).id, best);
}

/// Nor did a mark reach what the pool held already.
#[test]
fn a_finished_response_that_stood_and_is_killed_is_never_the_answer() {
    let case = Case {
        w: 3,
        eos: 0.25,
        n: 20,
        ..CASE
    };
    let (mut search, models) = (case.search(), case.tables());
    let stands = |search: &ChunkBeamSearch| {
        let open = search.history().open().filter(|round| round.is_scored());
        let best = search.best().map(|best| best.id);
        open.zip(best)
            .is_some_and(|(round, best)| round.standing.contains(&best))
    };
    drive(&mut search, &models, stands).unwrap();
    let best = search.best().unwrap().id;
    search.mark(best, Some(Mark::Kill)).unwrap();
    assert_ne!(finish(&mut search, &models).id, best);
}

fn best_candidate(search: &ChunkBeamSearch) -> w2s::search::HypothesisId {
    let open = search.history().open().unwrap();
    let score = |id: &w2s::search::HypothesisId| open.score_of(*id).unwrap();
    open.ids()
        .max_by(|a, b| score(a).total_cmp(&score(b)))
        .unwrap()
}

/// A rewind brought the beam back with the scores of the pair before: they met the new one's in
/// one cut, and in one chart.
#[test]
fn no_cut_and_no_chart_mixes_the_scores_of_two_pairs() {
    let case = Case {
        w: 3,
        eos: 0.2,
        n: 20,
        ..CASE
    };
    let other = pair(8, 9, 3);
    let (mut search, models) = at_the_cut(&case, 3);
    search.use_pair(other.clone());
    settle(&mut search, &models);
    search.rewind(1).unwrap();
    run(&mut search, &models);
    for round in search.history().rounds() {
        assert_eq!(
            round.pair == other,
            round.number > 1,
            "round {}",
            round.number
        );
        for candidate in &round.candidates {
            let text = candidate.text.to_string();
            let own = log_ratio(&round.pair, &text, candidate.ended(Rules::Fixed));
            assert_eq!(round.score_of(candidate.id), Some(own.value()));
            assert_ne!(round.fate(candidate.id), Fate::Growing);
        }
        for id in &round.beam {
            let text = search.history().hypothesis(*id).unwrap().text.to_string();
            let ended = search
                .history()
                .hypothesis(*id)
                .unwrap()
                .ended(Rules::Fixed);
            assert_eq!(round.base[id], log_ratio(&round.pair, &text, ended).value());
        }
    }
}

/// It cut the new pair's terms where the chunk began under the one before.
#[test]
fn a_chunk_is_ranked_by_its_own_terms_whatever_vocabulary_the_pair_has() {
    let case = Case { w: 2, ..CASE };
    let (mut search, models) = at_the_cut(&case, 3);
    let draft = Draft {
        ranking: Ranking::Chunk,
        ..search.params().draft()
    };
    let params = draft.build().unwrap();
    for pair in [pair(8, 9, 3), pair(3, 4, 1), pair(5, 6, 2)] {
        search.use_pair(pair.clone());
        settle(&mut search, &models);
        let open = search.history().open().unwrap();
        for candidate in search.history().all(&open.candidate_ids()) {
            let ranker = Ranker {
                params: &params,
                pair: &pair,
            };
            assert_eq!(ranker.key(&candidate), chunk_of(&search, &candidate, &pair));
        }
    }
}

/// The terms of the whole response but for as many as its parent's has.
fn chunk_of(search: &ChunkBeamSearch, candidate: &Hypothesis, pair: &PairId) -> f64 {
    let parent = candidate
        .parent
        .and_then(|id| search.history().hypothesis(id))
        .unwrap();
    let before = log_ratio(pair, &parent.text.to_string(), false).len();
    let whole = log_ratio(
        pair,
        &candidate.text.to_string(),
        candidate.ended(Rules::Fixed),
    );
    whole
        .terms()
        .skip(before)
        .fold(0.0, |sum, term| sum + term.delta())
}

/// It changed nothing but counted as a turn, which the next undo then took back.
#[test]
fn going_back_to_the_head_while_a_round_grows_is_nothing_to_undo() {
    let (mut search, models) = growing(&CASE, 3);
    let head = search.history().head();
    search.rewind(2).unwrap();
    assert_eq!(search.history().head(), head);
    assert!(search.history().open().is_none());
    assert_eq!(search.undo(), Err(Refused::NothingToUndo));
    assert_eq!(search.go(head), Err(Refused::AlreadyHere));
    let straight = finish(&mut CASE.search(), &models);
    assert_eq!(finish(&mut search, &models).tokens, straight.tokens);
}

/// What was under way when the head moved went on where it had moved to: under reference rules
/// lowered settings end the beam once it has been scored with its EOS.
#[test]
fn an_end_that_is_being_scored_does_not_follow_the_head() {
    let case = Case {
        rules: Rules::Reference,
        ..CASE
    };
    let (mut search, models) = (case.search(), case.tables());
    drive(&mut search, &models, |search| search.round_idx() == 1).unwrap();
    let draft = Draft {
        max_new_tokens: 1,
        ..search.params().draft()
    };
    search.set_params(draft.build().unwrap());
    let ask = search.ask();
    assert!(matches!(ask, Ask::Score(_)));
    search.rewind(0).unwrap();
    search
        .supply(answer(&models, &ask).unwrap().unwrap())
        .unwrap();
    assert!(matches!(search.ask(), Ask::Grow(_)));
    assert!(search.history().here().stopped().is_none());
}

/// n was a bare number: added to the length of a prompt it went past the largest there is.
#[test]
fn n_is_bounded_by_what_no_model_holds() {
    let draft = |n| Draft {
        max_new_tokens: n,
        ..SearchParams::default().draft()
    };
    let refused = draft(usize::MAX).build().unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("n must be at most 16777216 tokens, got {}", usize::MAX)
    );
    assert!(draft(16_777_216).build().is_ok());
}

/// What was read went round all checks: W = 0, 2,000 candidates, a top-p of 7.
#[test]
fn settings_from_a_file_are_valid_or_none() {
    let good = serde_json::to_value(SearchParams::default()).unwrap();
    for (key, bad, why) in [
        (
            "beam_width",
            0.into(),
            "W (beam width) must be at least 1, got 0",
        ),
        (
            "successors",
            257.into(),
            "W·K must be at most 1024, got 1028: lower W or K",
        ),
        (
            "max_new_tokens",
            0.into(),
            "n (new tokens) must be at least 1, got 0",
        ),
        (
            "max_new_tokens",
            16_777_217.into(),
            "n must be at most 16777216 tokens, got 16777217",
        ),
        (
            "temperature",
            (-1.0).into(),
            "temperature must be a finite number of at least 0, got -1",
        ),
        (
            "top_p",
            7.0.into(),
            "top-p must be above 0 and at most 1, got 7",
        ),
    ] {
        let mut settings = good.clone();
        settings[key] = bad;
        let read = serde_json::from_value::<SearchParams>(settings);
        assert_eq!(read.unwrap_err().to_string(), why);
    }
    assert_eq!(
        serde_json::from_value::<SearchParams>(good).unwrap(),
        SearchParams::default()
    );
}

/// There was no asking: a cut was made whenever it was called for. An answer that nobody waits
/// for is none.
#[test]
fn a_cut_waits_for_the_scores_of_the_pair_that_makes_it() {
    let (mut search, models) = at_the_cut(&CASE, 1);
    search.use_pair(pair(8, 9, 1));
    search.supply(Answer::Cut).unwrap();
    assert!(search.is_open());
    assert!(matches!(search.ask(), Ask::Score(_)));
    settle(&mut search, &models);
    search.supply(Answer::Cut).unwrap();
    assert!(!search.is_open());
}

//! What holds for every search, whatever the models say.

use std::sync::Arc;

use proptest::prelude::*;
use w2s::search::{
    ChunkBeamSearch, Entry, Executor, Finish, Growth, History, Hypothesis, HypothesisId, LaneId,
    Lanes, Lineage, LogRatio, ModelError, PairId, Response, Rules, SearchError, SearchParams,
    SearchTrace, Slot, TokenId,
};

use crate::cases::{Case, cases, run};
use crate::toy::{
    EOS, Models, Tables, Toys, chunk, drive, first_pair, log_ratio, pair, settle, term,
};

const LANE: LaneId = LaneId(0);

/// One search on an executor.
fn lane(case: &Case) -> Lanes<Toys<Tables>> {
    let mut lanes = Lanes::new(Toys::new(case.tables()));
    lanes.open(LANE, case.search());
    lanes
}

/// Runs a search until one more round has made its cut, or to its end.
fn round(search: &mut ChunkBeamSearch, models: &impl Models) -> Result<Vec<Entry>, SearchError> {
    let number = search.round_idx() + 1;
    drive(search, models, |search| search.round_idx() == number)
}

fn scored(entries: &[Entry]) -> Vec<&Vec<Arc<Hypothesis>>> {
    let scored = entries.iter().filter_map(|entry| match entry {
        Entry::Scored { candidates, .. } => Some(candidates),
        _ => None,
    });
    scored.collect()
}

fn trace(entries: &[Entry]) -> SearchTrace {
    let mut trace = SearchTrace::default();
    entries.iter().for_each(|entry| trace.apply(entry));
    trace
}

/// Plain sampling, without any search: what W = K = 1 has to equal.
fn plain_sample(case: &Case, lineage: Lineage) -> Vec<TokenId> {
    let slot = Slot {
        id: HypothesisId(0),
        parent: None,
        lineage,
        n_tokens: case.n,
    };
    chunk(&case.tables(), &slot).tokens
}

fn best_tokens(search: &ChunkBeamSearch) -> Vec<TokenId> {
    search.best().unwrap().tokens.to_vec()
}

proptest! {
    // A failing case is printed with all it takes; it belongs into a scenario, not into a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_round_has_w_times_k_candidates_and_keeps_at_most_w(case in cases()) {
        let (search, entries) = case.run();
        for candidates in scored(&entries) {
            prop_assert_eq!(candidates.len(), case.w * case.k);
        }
        for round in trace(&entries).rounds() {
            prop_assert!(round.kept().len() <= case.w);
            prop_assert_eq!(round.slots.len() + round.standing.len(), case.w * case.k);
        }
        prop_assert!(search.best().unwrap().is_finished());
    }

    #[test]
    fn selection_equals_a_naive_sort(case in cases()) {
        for round in trace(&case.run().1).rounds() {
            let mut naive = round.candidates.clone();
            naive.sort_by(|a, b| {
                let order = b.score().value().partial_cmp(&a.score().value()).unwrap();
                order.then(a.id.cmp(&b.id))
            });
            let naive: Vec<_> = naive.iter().map(|h| h.id).collect();
            let cut = [round.kept(), round.pruned()].concat();
            prop_assert_eq!(cut, naive);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_entries(case in cases()) {
        prop_assert_eq!(case.run().1, case.run().1);
    }

    #[test]
    fn w_1_without_chunks_is_best_of_k(case in cases()) {
        let case = Case { w: 1, l: 0, ..case };
        let (search, entries) = case.run();
        let all = scored(&entries);
        prop_assert_eq!(all.len(), 1);
        let root = Lineage::root(case.seed);
        let mut values = Vec::new();
        for candidate in all[0] {
            let alone = plain_sample(&case, root.successor(1, candidate.successor));
            prop_assert_eq!(&candidate.tokens, &alone);
            let ended = case.rules == Rules::Reference || alone.last() == Some(&EOS);
            values.push(log_ratio(&first_pair(), &candidate.text.to_string(), ended).value());
        }
        let best = values.iter().copied().fold(f64::MIN, f64::max);
        prop_assert_eq!(search.best().unwrap().score().value(), best);
    }

    #[test]
    fn k_1_keeps_all(case in cases()) {
        let case = Case { k: 1, ..case };
        for round in trace(&case.run().1).rounds() {
            prop_assert_eq!(round.kept().len(), case.w);
            prop_assert!(round.pruned().is_empty());
        }
    }

    #[test]
    fn w_1_k_1_is_plain_sampling_whatever_l_is(case in cases()) {
        let case = Case { w: 1, k: 1, ..case };
        let plain = plain_sample(&case, Lineage::root(case.seed));
        prop_assert_eq!(best_tokens(&case.run().0), plain);
    }

    #[test]
    fn a_higher_k_leaves_the_lower_ks_candidates_of_round_1(case in cases(), more in 1..4usize) {
        let (_, few) = case.run();
        let (_, many) = Case { k: case.k + more, ..case }.run();
        let (few, many) = (scored(&few)[0], scored(&many)[0]);
        prop_assert_eq!(&few[..], &many[..few.len()]);
    }

    #[test]
    fn tuned_equal_to_untuned_scores_0(case in cases()) {
        let mut search = ChunkBeamSearch::new(case.params(), pair(3, 3, 1));
        let entries = run(&mut search, &case.tables());
        for candidate in scored(&entries).into_iter().flatten() {
            prop_assert_eq!(candidate.score().value().to_bits(), 0.0f64.to_bits());
        }
    }

    #[test]
    fn an_executor_changes_nothing_however_its_growth_is_followed(
        case in cases(), every in 0..4usize,
    ) {
        let (alone, entries) = case.run();
        let mut lanes = lane(&case);
        let (mut told, mut watched) = (Vec::new(), SearchTrace::default());
        let mut n_steps = 0;
        while lanes.is_busy() {
            for entry in lanes.step().into_iter().flat_map(|progress| progress.entries) {
                watched.apply(&entry);
                told.push(entry);
            }
            n_steps += 1;
            if every > 0 && n_steps % every == 0 {
                let partials = lanes.executor().partials(LANE, Some(&first_pair())).unwrap();
                let number = watched.last_round().map_or(0, |round| round.number);
                watched.grow(number, &partials);
            }
        }
        prop_assert_eq!(&told, &entries);
        prop_assert_eq!(lanes.search(LANE).unwrap().beam(), alone.beam());
        prop_assert_eq!(watched.history(), alone.history());
        // Complete chunks alone are scored for the search: once a round.
        prop_assert!(lanes.executor().scorings <= alone.round_idx());
    }

    #[test]
    fn searches_of_one_executor_do_not_see_each_other(
        case in cases(), others in prop::collection::vec((cases(), 0..20usize), 1..4),
    ) {
        let mut lanes = lane(&case);
        let mut told: Vec<Vec<Entry>> = vec![Vec::new(); others.len() + 1];
        for n_steps in 0.. {
            for (i, (other, _)) in others.iter().enumerate().filter(|(_, (_, at))| *at == n_steps) {
                lanes.open(LaneId(1 + i as u64), other.search());
            }
            for progress in lanes.step() {
                told[progress.lane.0 as usize].extend(progress.entries);
            }
            if n_steps >= 20 && !lanes.is_busy() {
                break;
            }
        }
        for (case, told) in std::iter::once(&case).chain(others.iter().map(|(c, _)| c)).zip(told) {
            prop_assert_eq!(told, run(&mut case.search(), lanes.executor().models()));
        }
    }

    #[test]
    fn a_stopped_round_leaves_the_beam_unchanged(
        case in cases(), rounds in 0..3usize, stop_at in 0..8usize,
    ) {
        let mut lanes = lane(&case);
        while lanes.search(LANE).unwrap().round_idx() < rounds && lanes.is_busy() {
            lanes.step();
        }
        let search = lanes.search(LANE).unwrap();
        let (beam, round_idx, best) = (search.beam(), search.round_idx(), search.best());
        for _ in 0..stop_at {
            lanes.step();
        }
        let search = lanes.search_mut(LANE).unwrap();
        let was_growing = search.is_growing();
        search.stop();
        if was_growing && search.round_idx() == round_idx {
            prop_assert_eq!(search.beam(), beam);
            prop_assert_eq!(search.best(), best);
            prop_assert!(search.history().open().is_none());
        }
        // Stopped or not, going on gives the response that an undisturbed run gives.
        while lanes.is_busy() {
            lanes.step();
        }
        let search = lanes.search(LANE).unwrap();
        prop_assert_eq!(best_tokens(search), best_tokens(&case.run().0));
    }

    #[test]
    fn a_finished_response_is_never_lost_under_fixed_rules(case in cases()) {
        let case = Case { rules: Rules::Fixed, ..case };
        let (search, entries) = case.run();
        let best = search.best().unwrap().score().value();
        for candidate in scored(&entries).into_iter().flatten().filter(|h| h.is_finished()) {
            prop_assert!(candidate.score().value() <= best);
        }
    }

    #[test]
    fn finished_hypotheses_are_cloned_only_under_reference_rules(case in cases()) {
        for round in trace(&case.run().1).rounds().iter().skip(1) {
            for candidate in &round.candidates {
                let cloned = candidate.round == round.number
                    && candidate.chunk_start == candidate.tokens.len();
                prop_assert!(!cloned || case.rules == Rules::Reference);
            }
            if case.rules == Rules::Reference {
                prop_assert!(round.standing.is_empty());
            }
        }
    }

    #[test]
    fn only_live_hypotheses_stay_cached(case in cases()) {
        let mut lanes = lane(&case);
        while lanes.search(LANE).unwrap().round_idx() < 1 {
            lanes.step();
        }
        let beam = lanes.search(LANE).unwrap().beam();
        let live: Vec<_> = beam.iter().filter(|h| !h.is_finished()).map(|h| h.id).collect();
        prop_assert_eq!(&lanes.executor().retained, &live);
    }

    #[test]
    fn settings_may_change_between_rounds(case in cases(), then in cases()) {
        let models = case.tables();
        let mut search = case.search();
        let mut entries = round(&mut search, &models).unwrap();
        search.set_params(then.params());
        prop_assert_eq!(search.params().rules(), case.rules);
        prop_assert_eq!(search.params().seed(), case.seed);
        entries.extend(run(&mut search, &models));
        let trace = trace(&entries);
        for round in trace.rounds().iter().skip(1) {
            prop_assert_eq!(round.candidates.len(), then.w * then.k);
            prop_assert!(round.kept().len() <= then.w);
        }
        prop_assert!(trace.ending().unwrap().best.is_finished());
        for hypothesis in search.beam() {
            prop_assert!(hypothesis.is_finished());
        }
    }

    #[test]
    fn folding_the_entries_gives_the_history(case in cases()) {
        let (search, entries) = case.run();
        prop_assert_eq!(&History::of(&entries), search.history());
        let trace = trace(&entries);
        prop_assert_eq!(trace.history(), search.history());
    }
}

#[test]
fn another_pair_rescores_the_beam_and_the_finished_responses() {
    let case = Case {
        w: 3,
        k: 3,
        l: 2,
        n: 12,
        rules: Rules::Fixed,
        seed: 5,
        eos: 0.1,
    };
    let (mut search, _) = case.run();
    let other = pair(8, 9, 1);
    search.use_pair(other.clone());
    settle(&mut search, &case.tables());
    for hypothesis in search.beam() {
        let ended = hypothesis.finish == Some(Finish::Eos);
        let text = hypothesis.text.to_string();
        assert_eq!(
            *hypothesis.score(),
            log_ratio(&other, &text, ended),
            "{text}"
        );
    }
    assert!(
        search
            .beam()
            .is_sorted_by(|a, b| a.score().value() >= b.score().value())
    );
    assert!(matches!(
        &search.news()[..],
        [Entry::Rescored { .. }, Entry::Finished { .. }]
    ));
}

/// Fails, or scores NaN, from the second round on.
struct Damaged {
    says: fn() -> Result<f64, ModelError>,
}

impl Models for Damaged {
    fn token(&self, slot: &Slot, chunk: &[TokenId]) -> TokenId {
        Tables { seed: 1, eos: 0.0 }.token(slot, chunk)
    }

    fn score(&self, _: &PairId, response: &Response) -> Result<LogRatio, ModelError> {
        let value = match response.parent {
            Some(_) => (self.says)()?,
            None => 1.0,
        };
        Ok(LogRatio::from(vec![term("x", value, 0.0)]))
    }
}

#[test]
fn a_failed_round_leaves_the_beam_unchanged() {
    let failures: [fn() -> Result<f64, ModelError>; 2] =
        [|| Ok(f64::NAN), || Err(ModelError::Other("no".to_owned()))];
    for says in failures {
        let models = Damaged { says };
        let mut search = ChunkBeamSearch::new(SearchParams::default(), first_pair());
        round(&mut search, &models).unwrap();
        let beam = search.beam();
        let failed = round(&mut search, &models);
        assert!(matches!(failed, Err(SearchError::Model(_))));
        assert_eq!(search.beam(), beam);
        assert_eq!(search.round_idx(), 1);
    }
}

#[test]
fn a_chunk_that_is_too_short_is_refused_and_asked_for_again() {
    let mut search = ChunkBeamSearch::new(SearchParams::default(), first_pair());
    let ask = search.ask();
    let w2s::search::Ask::Grow(grow) = &ask else {
        panic!("chunks come first: {ask:?}");
    };
    let short = vec![(grow.slots[0].id, Growth::default())];
    let refused = search.supply(w2s::search::Answer::Grown(short));
    assert_eq!(
        refused,
        Err(SearchError::ShortChunk {
            got: 0,
            expected: 5
        })
    );
    assert_eq!(search.ask(), ask);
}

//! What holds for every search, whatever the models say.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use w2s::search::{
    ChunkBeamSearch, ChunkSampler, Finish, Hypothesis, HypothesisId, Lineage, LogRatio, ModelError,
    Response, Rules, Sampling, Scorer, SearchError, SearchEvent, SearchParams, SearchTrace, Status,
    TokenId, TokenTerm,
};

use crate::toy::{EOS, ToySampler, ToyScorer};

/// A search with its toy models.
#[derive(Debug, Clone, Copy)]
struct Case {
    w: usize,
    k: usize,
    l: usize,
    n: usize,
    rules: Rules,
    seed: u64,
    eos: f64,
}

impl Case {
    fn params(&self) -> SearchParams {
        let sampling = Sampling::default();
        SearchParams::new(
            self.w, self.k, self.l, self.n, sampling, self.rules, self.seed,
        )
        .unwrap()
    }

    fn sampler(&self) -> ToySampler {
        ToySampler::new(self.seed % 7, self.eos)
    }

    fn run(&self) -> (ChunkBeamSearch, Vec<SearchEvent>) {
        run(
            self.params(),
            &mut self.sampler(),
            &mut ToyScorer::new(1, 2),
        )
    }
}

/// Runs a search to its end; returns all events but `Grown`.
fn run(
    params: SearchParams,
    sampler: &mut dyn ChunkSampler,
    scorer: &mut dyn Scorer,
) -> (ChunkBeamSearch, Vec<SearchEvent>) {
    let mut search = ChunkBeamSearch::new(params);
    let mut events = Vec::new();
    loop {
        let mut on = |event| {
            if !matches!(event, SearchEvent::Grown { .. }) {
                events.push(event);
            }
            ControlFlow::Continue(())
        };
        match search.round(sampler, scorer, &mut on).unwrap() {
            Status::Running => {}
            Status::Finished => return (search, events),
            Status::Cancelled => unreachable!("nobody cancels"),
        }
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    prop_oneof![Just(Rules::Fixed), Just(Rules::Reference)]
}

fn cases() -> impl Strategy<Value = Case> {
    let eos = prop_oneof![Just(0.0), 0.01..0.4];
    (
        1..5usize,
        1..5usize,
        0..6usize,
        1..20usize,
        rules(),
        0..1000u64,
        eos,
    )
        .prop_map(|(w, k, l, n, rules, seed, eos)| Case {
            w,
            k,
            l,
            n,
            rules,
            seed,
            eos,
        })
}

fn scored(events: &[SearchEvent]) -> Vec<&Vec<Arc<Hypothesis>>> {
    events
        .iter()
        .filter_map(|event| match event {
            SearchEvent::Scored { candidates, .. } => Some(candidates),
            _ => None,
        })
        .collect()
}

fn trace(events: &[SearchEvent]) -> SearchTrace {
    let mut trace = SearchTrace::default();
    events.iter().for_each(|event| trace.apply(event));
    trace
}

/// Plain sampling, without any search: what W = K = 1 has to equal.
fn plain_sample(case: &Case, lineage: Lineage) -> Vec<TokenId> {
    use w2s::search::{SamplePlan, Slot};
    let slot = Slot {
        id: HypothesisId(0),
        parent: None,
        lineage,
        n_tokens: case.n,
    };
    let plan = SamplePlan {
        slots: &[slot],
        sampling: Sampling::default(),
        rules: case.rules,
    };
    let mut on_growth = |_: &[w2s::search::Growth]| Ok(ControlFlow::Continue(()));
    let grown = case.sampler().sample(&plan, &mut on_growth).unwrap();
    grown.unwrap().remove(0).tokens
}

fn best_tokens(search: &ChunkBeamSearch) -> Vec<TokenId> {
    search.best().unwrap().tokens.clone()
}

proptest! {
    // A failing case is printed with all it takes; it belongs into a scenario, not into a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_round_has_w_times_k_candidates_and_keeps_at_most_w(case in cases()) {
        let (search, events) = case.run();
        for candidates in scored(&events) {
            prop_assert_eq!(candidates.len(), case.w * case.k);
        }
        for round in trace(&events).rounds() {
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
                let order = b.score.value().partial_cmp(&a.score.value()).unwrap();
                order.then(a.id.cmp(&b.id))
            });
            let naive: Vec<_> = naive.iter().map(|h| h.id).collect();
            let cut = [round.kept(), round.pruned()].concat();
            prop_assert_eq!(cut, naive);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_events(case in cases()) {
        prop_assert_eq!(case.run().1, case.run().1);
    }

    #[test]
    fn w_1_without_chunks_is_best_of_k(case in cases()) {
        let case = Case { w: 1, l: 0, ..case };
        let (search, events) = case.run();
        let all = scored(&events);
        prop_assert_eq!(all.len(), 1);
        let root = Lineage::root(case.seed);
        let scorer = ToyScorer::new(1, 2);
        let mut values = Vec::new();
        for (i, candidate) in all[0].iter().enumerate() {
            let alone = plain_sample(&case, root.successor(1, i));
            prop_assert_eq!(&candidate.tokens, &alone);
            let ended = case.rules == Rules::Reference || alone.last() == Some(&EOS);
            values.push(scorer.log_ratio(&candidate.text, ended).value());
        }
        let best = values.iter().copied().fold(f64::MIN, f64::max);
        prop_assert_eq!(search.best().unwrap().score.value(), best);
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
        let mut same = ToyScorer::new(3, 3);
        let (_, events) = run(case.params(), &mut case.sampler(), &mut same);
        for candidate in scored(&events).into_iter().flatten() {
            prop_assert_eq!(candidate.score.value().to_bits(), 0.0f64.to_bits());
        }
    }

    #[test]
    fn partial_scores_do_not_change_the_search(case in cases(), every in 0..4usize) {
        let (with, _) = case.run();
        let mut search = ChunkBeamSearch::new(case.params());
        search.score_partials(NonZeroUsize::new(every));
        let (mut sampler, mut scorer) = (case.sampler(), ToyScorer::new(1, 2));
        let mut on = |_| ControlFlow::Continue(());
        while search.round(&mut sampler, &mut scorer, &mut on).unwrap() == Status::Running {}
        prop_assert_eq!(search.beam(), with.beam());
        if every == 0 {
            prop_assert!(scorer.calls.get() <= search.round_idx());
        }
    }

    #[test]
    fn a_cancelled_round_leaves_the_beam_unchanged(
        case in cases(), rounds in 0..3usize, stop_at in 0..8usize,
    ) {
        let (mut sampler, mut scorer) = (case.sampler(), ToyScorer::new(1, 2));
        let mut search = ChunkBeamSearch::new(case.params());
        for _ in 0..rounds {
            search.round(&mut sampler, &mut scorer, &mut |_| ControlFlow::Continue(())).unwrap();
        }
        let (beam, round_idx) = (search.beam().to_vec(), search.round_idx());
        let best = search.best().cloned();
        let mut seen = 0;
        let mut stop = |_| {
            seen += 1;
            if seen > stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if search.round(&mut sampler, &mut scorer, &mut stop).unwrap() == Status::Cancelled {
            prop_assert_eq!(search.beam(), &beam[..]);
            prop_assert_eq!(search.best().cloned(), best);
            prop_assert_eq!(search.round_idx(), round_idx);
        }
        // Cancelled or not, going on gives the response that an undisturbed run gives.
        while search
            .round(&mut sampler, &mut scorer, &mut |_| ControlFlow::Continue(()))
            .unwrap() == Status::Running {}
        prop_assert_eq!(best_tokens(&search), best_tokens(&case.run().0));
    }

    #[test]
    fn a_finished_response_is_never_lost_under_fixed_rules(case in cases()) {
        let case = Case { rules: Rules::Fixed, ..case };
        let (search, events) = case.run();
        let best = search.best().unwrap().score.value();
        for candidate in scored(&events).into_iter().flatten().filter(|h| h.is_finished()) {
            prop_assert!(candidate.score.value() <= best);
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
        let (mut sampler, mut scorer) = (case.sampler(), ToyScorer::new(1, 2));
        let mut search = ChunkBeamSearch::new(case.params());
        search.round(&mut sampler, &mut scorer, &mut |_| ControlFlow::Continue(())).unwrap();
        let live: Vec<_> = search.beam().iter().filter(|h| !h.is_finished()).map(|h| h.id).collect();
        prop_assert_eq!(sampler.retained, live);
    }

    #[test]
    fn settings_may_change_between_rounds(case in cases(), then in cases()) {
        let (mut sampler, mut scorer) = (case.sampler(), ToyScorer::new(1, 2));
        let mut search = ChunkBeamSearch::new(case.params());
        let mut trace = SearchTrace::default();
        let mut on = |event: SearchEvent| {
            trace.apply(&event);
            ControlFlow::Continue(())
        };
        search.round(&mut sampler, &mut scorer, &mut on).unwrap();
        search.set_params(then.params());
        prop_assert_eq!(search.params().rules, case.rules);
        prop_assert_eq!(search.params().seed, case.seed);
        while search.round(&mut sampler, &mut scorer, &mut on).unwrap() == Status::Running {}
        for round in trace.rounds().iter().skip(1) {
            prop_assert_eq!(round.candidates.len(), then.w * then.k);
            prop_assert!(round.kept().len() <= then.w);
        }
        prop_assert!(trace.ending().unwrap().best.is_finished());
        for hypothesis in search.beam() {
            prop_assert!(hypothesis.is_finished());
        }
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
    let mut other = ToyScorer::new(8, 9);
    let mut events = Vec::new();
    search
        .rescore(&mut other, &mut |event| {
            events.push(event);
            ControlFlow::Continue(())
        })
        .unwrap();
    for hypothesis in search.beam() {
        let ended = hypothesis.finish == Some(Finish::Eos);
        assert_eq!(
            hypothesis.score,
            other.log_ratio(&hypothesis.text, ended),
            "{}",
            hypothesis.text
        );
    }
    assert!(
        search
            .beam()
            .is_sorted_by(|a, b| a.score.value() >= b.score.value())
    );
    assert!(matches!(
        &events[..],
        [SearchEvent::Rescored { .. }, SearchEvent::Finished { .. }]
    ));
}

/// Fails, or scores NaN, from the second call on.
struct Damaged {
    calls: usize,
    says: fn() -> Result<f64, ModelError>,
}

impl Scorer for Damaged {
    fn score(&mut self, responses: &[Response<'_>]) -> Result<Vec<LogRatio>, ModelError> {
        self.calls += 1;
        let value = if self.calls > 1 { (self.says)()? } else { 1.0 };
        let term = TokenTerm {
            id: 0,
            piece: Arc::from("x"),
            tuned: value,
            untuned: 0.0,
        };
        let score = LogRatio { terms: vec![term] };
        Ok(vec![score; responses.len()])
    }

    fn retain(&mut self, _ids: &[HypothesisId]) {}
}

#[test]
fn a_failed_round_leaves_the_beam_unchanged() {
    let failures: [fn() -> Result<f64, ModelError>; 2] =
        [|| Ok(f64::NAN), || Err(ModelError::Other("no".to_owned()))];
    for says in failures {
        let mut scorer = Damaged { calls: 0, says };
        let mut sampler = ToySampler::new(1, 0.0);
        let mut search = ChunkBeamSearch::new(SearchParams::default());
        search.score_partials(None);
        let mut on = |_| ControlFlow::Continue(());
        let status = search.round(&mut sampler, &mut scorer, &mut on).unwrap();
        assert_eq!(status, Status::Running);
        let beam = search.beam().to_vec();
        let failed = search.round(&mut sampler, &mut scorer, &mut on);
        assert!(matches!(failed, Err(SearchError::Model(_))));
        assert_eq!(search.beam(), beam);
        assert_eq!(search.round_idx(), 1);
    }
}

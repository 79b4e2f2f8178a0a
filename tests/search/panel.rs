//! Several pairs at once: what a panel has in common with its pairs, and what each rule does.

use std::sync::Arc;

use proptest::prelude::*;
use w2s::search::panel::{Conflict, Posterior, ScoreTable, order};
use w2s::search::{
    Ask, ChunkBeamSearch, Entry, Hypothesis, HypothesisId, PairId, Panel, PanelRule, SearchParams,
};

use crate::cases::{Case, cases};
use crate::toy::{answer, drive, first_pair, pair};

fn rules() -> [PanelRule; 3] {
    [
        PanelRule::Mixture,
        PanelRule::Naive,
        PanelRule::bayes(None).unwrap(),
    ]
}

fn panel(members: &[(PairId, f64)]) -> PairId {
    PairId::of_panel(members.to_vec())
}

/// The entries of a whole search.
fn entries(case: &Case, params: SearchParams, pair: PairId) -> Vec<Entry> {
    let mut search = ChunkBeamSearch::new(params, pair);
    drive(&mut search, &case.tables(), |_| false).unwrap()
}

/// What every cut kept and pruned.
fn cuts(entries: &[Entry]) -> Vec<(Vec<HypothesisId>, Vec<HypothesisId>)> {
    let cuts = entries.iter().filter_map(|entry| match entry {
        Entry::Selected { kept, pruned, .. } => Some((kept.clone(), pruned.clone())),
        _ => None,
    });
    cuts.collect()
}

fn candidates(entries: &[Entry]) -> Vec<Arc<Hypothesis>> {
    let all = entries.iter().filter_map(|entry| match entry {
        Entry::Scored { candidates, .. } => Some(candidates.clone()),
        _ => None,
    });
    all.flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_pair_of_weight_1_is_the_plain_search(case in cases()) {
        let plain = entries(&case, case.params(), first_pair());
        let name = first_pair().to_string();
        let alone = Panel::new(vec![name], &[1.0]).unwrap().id();
        prop_assert_eq!(entries(&case, case.params(), alone), plain.clone());
        // Also under its own name with a weight, but for who is said to have scored.
        for rule in rules() {
            let params = case.params().with_panel(rule);
            let weighted = panel(&[(first_pair(), 1.0)]);
            prop_assert_eq!(cuts(&entries(&case, params, weighted)), cuts(&plain));
        }
    }

    #[test]
    fn weights_of_0_on_all_but_one_leave_that_one(case in cases()) {
        let plain = cuts(&entries(&case, case.params(), first_pair()));
        let one = panel(&[(pair(8, 9, 1), 0.0), (first_pair(), 1.0), (pair(5, 6, 3), 0.0)]);
        for rule in rules() {
            let params = case.params().with_panel(rule);
            prop_assert_eq!(cuts(&entries(&case, params, one.clone())), plain.clone());
        }
    }

    #[test]
    fn copies_of_a_pair_rank_as_it_does(case in cases()) {
        let plain = cuts(&entries(&case, case.params(), first_pair()));
        let copies = panel(&[(first_pair(), 1.0), (first_pair(), 1.0), (first_pair(), 1.0)]);
        for rule in rules() {
            let params = case.params().with_panel(rule);
            prop_assert_eq!(cuts(&entries(&case, params, copies.clone())), plain.clone());
        }
    }

    #[test]
    fn a_pair_and_its_flip_have_nothing_to_say_and_a_conflict(case in cases()) {
        // Tuned and untuned change places.
        let both = panel(&[(first_pair(), 0.5), (pair(2, 1, 1), 0.5)]);
        let mut seen = false;
        for candidate in candidates(&entries(&case, case.params(), both.clone())) {
            prop_assert!(candidate.score().value().abs() < 1e-12);
            prop_assert_eq!(candidate.scored_by(), Some(&both));
            seen |= candidate.scores.by(&first_pair()).unwrap().value() != 0.0;
        }
        prop_assert!(seen);
    }

    /// Every pair's score is in the history under its own name, and the panel's is their sum,
    /// whatever their tokens.
    #[test]
    fn a_mixture_is_the_sum_of_what_its_pairs_say(case in cases()) {
        let members = [(first_pair(), 1.0), (pair(3, 4, 2), -0.5), (pair(5, 6, 3), 2.0)];
        let mixture = panel(&members);
        for candidate in candidates(&entries(&case, case.params(), mixture)) {
            let said = members.iter().map(|(pair, w)| w * candidate.scores.by(pair).unwrap().value());
            let sum: f64 = said.sum();
            let own = candidate.score();
            prop_assert!((own.value() - sum).abs() < 1e-9 * sum.abs().max(1.0));
            // Told in the tokens of the first.
            prop_assert_eq!(own.len(), candidate.scores.by(&first_pair()).unwrap().len());
        }
    }

    /// What was scored is scored: other weights rank the same candidates anew without a question.
    #[test]
    fn other_weights_ask_nobody(case in cases(), at in 1usize..4) {
        let (one, two) = (first_pair(), pair(3, 4, 2));
        let of = |a, b| panel(&[(one.clone(), a), (two.clone(), b)]);
        let mut search = ChunkBeamSearch::new(case.params(), of(1.0, 0.5));
        let models = case.tables();
        drive(&mut search, &models, |search| search.round_idx() == at && search.is_open() || search.is_finished()).unwrap();
        for (a, b) in [(0.0, 1.0), (-1.0, 0.25), (1.0, 0.5)] {
            search.use_pair(of(a, b));
            prop_assert_eq!(search.settle(), None);
            let in_use = of(a, b);
            prop_assert!(search.beam().iter().all(|h| h.scored_by() == Some(&in_use)));
        }
        // And what comes after is as if they had been there from the start.
        while let Some(told) = answer(&models, &search.ask()).unwrap() {
            search.supply(told).unwrap();
        }
        prop_assert_eq!(search.ask(), Ask::Done);
        prop_assert_eq!(cuts(&entries(&case, case.params(), of(1.0, 0.5))).len(), search.round_idx());
    }

    #[test]
    fn keys_follow_their_formulas(
        scores in prop::collection::vec(prop::collection::vec(-9.0..9.0f64, 5), 3..6),
        kappa in -2.0..2.0f64,
    ) {
        let table = ScoreTable::new(scores.clone(), None).unwrap();
        let opinions = table.opinions();
        let conflict = Conflict::of(&opinions).unwrap();
        let share = conflict.share().unwrap();
        prop_assert!((0.0..=1.0 + 1e-12).contains(&share));
        prop_assert!((conflict.total - conflict.within - conflict.between).abs() < 1e-9);
        for opinion in &opinions {
            prop_assert!((opinion.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let posterior = Posterior::fitted(&opinions).unwrap();
        let bayes = PanelRule::bayes(Some(kappa)).unwrap();
        prop_assert_eq!(table.keys(bayes), posterior.lower(kappa));
        let best = posterior.best(1, 500);
        prop_assert!((best.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert_eq!(&best, &posterior.best(1, 500));
        // How high a weight is does not count for opinions; its sign turns a pair round.
        let turned: Vec<Vec<f64>> = scores.iter().map(|own| own.iter().map(|s| -s).collect()).collect();
        let weights = vec![-3.0; scores.len()];
        let against = ScoreTable::new(turned, Some(weights)).unwrap();
        prop_assert_eq!(against.keys(PanelRule::Naive), table.keys(PanelRule::Naive));
    }
}

#[test]
fn copies_of_one_opinion_have_no_conflict() {
    let own = vec![0.3, -1.0, 2.5, 0.0];
    let table = ScoreTable::new(vec![own.clone(); 4], None).unwrap();
    let conflict = table.conflict().unwrap();
    assert!(conflict.between < 1e-12 && conflict.total > 0.0);
    for rule in rules() {
        assert_eq!(order(&table.keys(rule)), order(&own));
    }
    let flip = own.iter().map(|x| -x).collect();
    let both = ScoreTable::new(vec![own, flip], None).unwrap();
    assert!(both.mixture().iter().all(|x| *x == 0.0));
    assert!(both.conflict().unwrap().between > 0.1);
}

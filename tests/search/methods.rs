//! What ties methods to each other, whatever the models say.

use std::collections::HashSet;

use proptest::prelude::*;
use w2s::search::{
    ChunkBeamSearch, Draft, Entry, Finish, History, LaneId, Lanes, Lineage, Method, MethodName,
    Node, Rules, SearchParams, TokenId,
};

use crate::cases::{Case, cases};
use crate::toy::{Tables, Toys, drive, first_pair};

/// A case under the fixed rules by another method, to its end.
fn run(
    case: &Case,
    name: MethodName,
    change: impl Fn(&mut Draft),
) -> (ChunkBeamSearch, Vec<Entry>) {
    let mut draft = name.apply(case.params().with_rules(Rules::Fixed).draft());
    change(&mut draft);
    let params = draft.build().unwrap();
    let mut search = ChunkBeamSearch::new(params, first_pair());
    let entries = drive(&mut search, &case.tables(), |_| false).unwrap();
    assert!(search.is_finished());
    (search, entries)
}

fn rule(method: Method) -> MethodName {
    MethodName::Rule(method)
}

fn every_method() -> Vec<MethodName> {
    let names = [
        "base",
        "greedy",
        "bon:7",
        "cbs",
        "dvts",
        "smc:1",
        "smc:-2",
        "tree:2",
        "cards:1",
        "rejection:0.3",
    ];
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn answer(search: &ChunkBeamSearch) -> Vec<TokenId> {
    search.best().unwrap().tokens.to_vec()
}

/// Everything that was drawn in a search.
fn drawn(history: &History) -> HashSet<Vec<TokenId>> {
    let rounds = history.nodes().filter_map(|(_, node)| node.round());
    let candidates = rounds.flat_map(|round| &round.candidates);
    candidates.map(|c| c.tokens.to_vec()).collect()
}

/// What a lineage draws by itself.
fn alone(case: &Case, lineage: Lineage) -> Vec<TokenId> {
    use w2s::search::{HypothesisId, Slot};
    let slot = Slot {
        id: HypothesisId(0),
        parent: None,
        lineage,
        n_tokens: case.n,
    };
    crate::toy::chunk(&case.tables(), &slot).tokens
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_method_ends_with_a_complete_response(case in cases()) {
        for name in every_method() {
            let (search, entries) = run(&case, name, |_| {});
            prop_assert!(search.best().unwrap().is_finished(), "{}", name);
            // The history is the fold over what was told, for every method.
            prop_assert_eq!(&History::of(&entries), search.history(), "{}", name);
        }
    }

    #[test]
    fn one_subtree_is_a_beam_of_one(case in cases()) {
        let one = |draft: &mut Draft| draft.beam_width = 1;
        let (dvts, _) = run(&case, rule(Method::Dvts), one);
        let (cbs, _) = run(&case, rule(Method::Cbs), one);
        prop_assert_eq!(answer(&dvts), answer(&cbs));
        prop_assert_eq!(drawn(dvts.history()), drawn(cbs.history()));
    }

    #[test]
    fn subtrees_do_not_compete(case in cases()) {
        let (search, _) = run(&case, rule(Method::Dvts), |_| {});
        for round in search.history().rounds() {
            let lives = |id| search.history().hypothesis(id);
            let parents: Vec<_> = round
                .kept()
                .iter()
                .map(|id| match round.standing.contains(id) {
                    true => Some(*id),
                    false => lives(*id).unwrap().parent,
                })
                .collect();
            let different: HashSet<_> = parents.iter().collect();
            if round.number > 1 {
                prop_assert_eq!(different.len(), parents.len());
            }
            prop_assert_eq!(parents.len(), case.w);
        }
    }

    #[test]
    fn particles_of_equal_weight_are_samples(case in cases()) {
        let (search, _) = run(&case, Method::smc(Some(0.0)).map(rule).unwrap(), |_| {});
        let beam = search.beam();
        prop_assert_eq!(beam.len(), case.w * case.k);
        for particle in &beam {
            prop_assert_eq!(particle.tokens.to_vec(), alone(&case, particle.lineage));
        }
        let tokens = answer(&search);
        prop_assert!(beam.iter().any(|h| h.tokens.to_vec() == tokens));
    }

    #[test]
    fn there_are_always_as_many_particles(case in cases(), alpha in -3.0f64..3.0) {
        let method = Method::smc(Some(alpha)).unwrap();
        let (search, _) = run(&case, rule(method), |_| {});
        for (_, node) in search.history().nodes().skip(1) {
            let shares = node.shares().iter();
            prop_assert_eq!(shares.map(|s| s.copies).sum::<usize>(), case.w * case.k);
            prop_assert_eq!(node.shares().len(), node.beam().len());
        }
    }

    #[test]
    fn what_drops_nothing_is_best_of_n(case in cases()) {
        let (all, _) = run(&case, Method::rejection(Some(0.0)).map(rule).unwrap(), |_| {});
        let (best, _) = run(&case, MethodName::BestOf(case.w * case.k), |_| {});
        prop_assert_eq!(answer(&all), answer(&best));
    }

    #[test]
    fn dropping_never_costs_more(case in cases(), share in 0.0f64..0.9) {
        let method = Method::rejection(Some(share)).unwrap();
        let (search, _) = run(&case, rule(method), |_| {});
        let mut before = case.w * case.k;
        for round in search.history().rounds() {
            prop_assert!(round.candidates.len() <= before);
            before = round.kept().len();
        }
    }

    /// All that is accepted at once is what the strong model draws.
    #[test]
    fn a_target_that_all_reach_is_sampling(case in cases()) {
        let name = Method::cards(Some(-1e9)).map(rule).unwrap();
        let (search, _) = run(&case, name, |draft| draft.successors = 1);
        let root = Lineage::root(case.params().seed());
        prop_assert_eq!(answer(&search), alone(&case, root));
    }

    /// What nobody reaches is drawn as often as there are tries, and the best is taken.
    #[test]
    fn a_target_out_of_reach_takes_the_best_of_twenty(case in cases()) {
        let name = Method::cards(Some(1e9)).map(rule).unwrap();
        let (search, _) = run(&case, name, |_| {});
        for round in search.history().rounds() {
            prop_assert_eq!(round.candidates.len(), 20);
            let best = round.candidates.iter().map(|c| round.key_of(c.id).unwrap());
            let best = best.fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!(round.key_of(round.kept()[0]), Some(best));
        }
    }

    #[test]
    fn what_is_accepted_first_does_not_depend_on_how_many_are_drawn_at_once(
        case in cases(), target in -4.0f64..4.0, k in 1usize..20,
    ) {
        let method = Method::cards(Some(target)).unwrap();
        let one = |draft: &mut Draft| draft.successors = 1;
        let many = |draft: &mut Draft| draft.successors = k;
        let (one, _) = run(&case, rule(method), one);
        let (many, _) = run(&case, rule(method), many);
        prop_assert_eq!(answer(&one), answer(&many));
    }

    /// As long as nothing ends early.
    #[test]
    fn a_tree_of_one_is_a_beam_of_one(case in cases()) {
        let case = Case { eos: 0.0, ..case };
        let one = |draft: &mut Draft| draft.beam_width = 1;
        let (tree, _) = run(&case, Method::tree(None).map(rule).unwrap(), one);
        let (cbs, _) = run(&case, rule(Method::Cbs), one);
        prop_assert_eq!(answer(&tree), answer(&cbs));
    }

    #[test]
    fn a_tree_search_spends_what_a_beam_spends_and_forgets_no_leaf(case in cases()) {
        let case = Case { eos: 0.0, ..case };
        let (search, _) = run(&case, Method::tree(None).map(rule).unwrap(), |_| {});
        let params = search.params();
        let l = params.chunk_len().get();
        let n_chunks = if l == 0 { 1 } else { case.n.div_ceil(l) };
        let is_wide = n_chunks == 1;
        let rounds = search.history().rounds();
        prop_assert!(rounds.len() <= case.w * n_chunks);
        let lives = search.beam().iter().any(|h| !h.is_finished());
        prop_assert!(!lives || rounds.len() == case.w * n_chunks);
        for round in rounds {
            prop_assert!(round.pruned().is_empty());
            let parents: HashSet<_> = round.slots.iter().map(|slot| slot.parent).collect();
            prop_assert_eq!(parents.len(), 1);
            let n = if is_wide { case.w * case.k } else { case.k };
            prop_assert_eq!(round.slots.len(), n);
        }
    }

    /// Going back and on again without a change gives the same.
    #[test]
    fn every_method_can_be_rewound(case in cases(), at in 0usize..6) {
        for name in every_method() {
            let (mut search, _) = run(&case, name, |_| {});
            let before = answer(&search);
            if at >= search.round_idx() {
                continue;
            }
            search.rewind(at).unwrap();
            drive(&mut search, &case.tables(), |_| false).unwrap();
            prop_assert_eq!(&answer(&search), &before, "{}", name);
        }
    }

    /// On an executor among others as by itself.
    #[test]
    fn lanes_run_every_method(case in cases()) {
        for name in every_method() {
            let draft = name.apply(case.params().with_rules(Rules::Fixed).draft());
            let (params, lane) = (draft.build().unwrap(), LaneId(0));
            let mut lanes = Lanes::new(Toys::new(case.tables()));
            lanes.open(lane, ChunkBeamSearch::new(params, first_pair()));
            let mut entries = Vec::new();
            while lanes.is_busy() {
                entries.extend(lanes.step().into_iter().flat_map(|brought| brought.entries));
            }
            let (_, alone) = run(&case, name, |_| {});
            prop_assert_eq!(entries, alone, "{}", name);
        }
    }

    /// Settings may turn from any method into any other between rounds.
    #[test]
    fn a_method_takes_any_beam_over(case in cases(), at in 1usize..4) {
        let draft = case.params().with_rules(Rules::Fixed).draft();
        for (from, to) in pairs() {
            let first = from.apply(draft).build().unwrap();
            let mut search = ChunkBeamSearch::new(first, first_pair());
            drive(&mut search, &case.tables(), |s| s.round_idx() == at).unwrap();
            search.set_params(to.apply(draft).build().unwrap());
            drive(&mut search, &case.tables(), |_| false).unwrap();
            prop_assert!(search.best().unwrap().is_finished(), "{} to {}", from, to);
        }
    }
}

fn pairs() -> Vec<(MethodName, MethodName)> {
    let all = every_method();
    let of = |from: &MethodName| all.iter().map(|to| (*from, *to)).collect::<Vec<_>>();
    all.iter().flat_map(of).collect()
}

#[test]
fn killed_candidates_are_kept_by_no_method() {
    let models = Tables { seed: 3, eos: 0.02 };
    for name in every_method() {
        let params = name.apply(SearchParams::default().draft()).build().unwrap();
        let mut search = ChunkBeamSearch::new(params, first_pair());
        drive(&mut search, &models, ChunkBeamSearch::is_open).unwrap();
        let round = search.history().open().unwrap().clone();
        let Some(best) = round.ids().next().filter(|_| round.ids().count() > 1) else {
            continue;
        };
        search.mark(best, Some(w2s::search::Mark::Kill)).unwrap();
        drive(&mut search, &models, |s| s.round_idx() == 1).unwrap();
        let node: &Node = search.history().here();
        assert!(!node.beam().contains(&best), "{name}");
    }
}

#[test]
fn a_finished_search_says_why() {
    let models = Tables { seed: 5, eos: 0.0 };
    for name in every_method() {
        let params = name.apply(SearchParams::default().draft()).build().unwrap();
        let mut search = ChunkBeamSearch::new(params, first_pair());
        drive(&mut search, &models, |_| false).unwrap();
        let best = search.best().unwrap();
        assert_eq!(best.finish, Some(Finish::Length), "{name}");
        assert_eq!(best.tokens.len(), 50, "{name}");
    }
}

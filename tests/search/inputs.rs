//! Everything that a user can do to a search, at random.

use std::fmt;

use proptest::prelude::*;
use w2s::search::{
    ChunkBeamSearch, HypothesisId, Mark, Motion, NodeId, PairId, Ranking, Refused, SearchParams,
    Weight,
};

use crate::cases::{Case, cases};
use crate::toy::{first_pair, pair, typed};

/// What is done to a search. Numbers name candidates and nodes, counted round their end.
#[derive(Clone)]
pub enum Input {
    Params(SearchParams),
    Pair(PairId),
    Stop,
    Mark(usize, Option<Mark>),
    Spend(usize, usize),
    Take(usize),
    Go(usize),
    Rewind(usize),
    Undo,
    Redraw,
    Write(usize, String),
    /// The search goes on for so many steps.
    Steps(usize),
    Motion(Motion),
}

impl fmt::Debug for Input {
    /// One line each, also where a failing script is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Params(params) => write!(f, "Params({:?})", params.draft()),
            Self::Pair(pair) => write!(f, "Pair({pair})"),
            Self::Stop => f.write_str("Stop"),
            Self::Mark(n, mark) => write!(f, "Mark({n}, {mark:?})"),
            Self::Spend(n, extra) => write!(f, "Spend({n}, {extra})"),
            Self::Take(n) => write!(f, "Take({n})"),
            Self::Go(n) => write!(f, "Go({n})"),
            Self::Rewind(n) => write!(f, "Rewind({n})"),
            Self::Undo => f.write_str("Undo"),
            Self::Redraw => f.write_str("Redraw"),
            Self::Write(n, chunk) => write!(f, "Write({n}, {chunk:?})"),
            Self::Steps(n) => write!(f, "Steps({n})"),
            Self::Motion(motion) => write!(f, "Motion({motion:?})"),
        }
    }
}

/// Pairs, of which two have longer tokens than the strong model, and panels of them.
pub fn pairs() -> Vec<PairId> {
    let panel = |members: &[(PairId, f64)]| PairId::of_panel(members.to_vec());
    let [one, two, long, longer] = [first_pair(), pair(8, 9, 1), pair(3, 4, 2), pair(5, 6, 3)];
    vec![
        panel(&[(one.clone(), 1.0), (two.clone(), -0.5)]),
        panel(&[(one.clone(), 0.25), (two.clone(), 0.5)]),
        panel(&[
            (two.clone(), 1.0),
            (long.clone(), 2.0),
            (longer.clone(), 0.5),
        ]),
        panel(&[(long.clone(), 0.0), (one.clone(), 1.0)]),
        one,
        two,
        long,
        longer,
    ]
}

fn params() -> impl Strategy<Value = SearchParams> {
    let ranking = prop_oneof![
        3 => Just(Ranking::Sum),
        1 => Just(Ranking::PerToken),
        2 => Just(Ranking::Chunk)
    ];
    let weight = prop_oneof![3 => Just(1.0), 1 => Just(0.0), 1 => Just(-1.0)];
    let rule = prop_oneof![
        3 => Just("mixture"),
        2 => Just("naive"),
        2 => Just("bayes:0.5")
    ];
    (cases(), ranking, weight, rule).prop_map(|(case, ranking, weight, rule)| {
        let weight = Weight::new(weight).unwrap();
        let params = case.params().with_ranking(ranking).with_weight(weight);
        params.with_panel(rule.parse().unwrap())
    })
}

fn mark() -> impl Strategy<Value = Option<Mark>> {
    prop_oneof![
        1 => Just(None),
        2 => Just(Some(Mark::Pin)),
        3 => Just(Some(Mark::Kill)),
        1 => (-5.0..5.0).prop_map(|nats| Some(Mark::Boost(nats))),
    ]
}

fn motion() -> impl Strategy<Value = Motion> {
    prop_oneof![
        2 => Just(Motion::Runs),
        2 => Just(Motion::Holds),
        1 => Just(Motion::Stands)
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let n = 0..1000usize;
    prop_oneof![
        1 => params().prop_map(Input::Params),
        2 => prop::sample::select(pairs()).prop_map(Input::Pair),
        1 => Just(Input::Stop),
        4 => (n.clone(), mark()).prop_map(|(n, mark)| Input::Mark(n, mark)),
        2 => (n.clone(), 0..3usize).prop_map(|(n, extra)| Input::Spend(n, extra)),
        2 => n.clone().prop_map(Input::Take),
        2 => n.clone().prop_map(Input::Go),
        1 => (0..4usize).prop_map(Input::Rewind),
        2 => Just(Input::Undo),
        1 => Just(Input::Redraw),
        2 => (n, "[a-z]{0,4}\\.?").prop_map(|(n, chunk)| Input::Write(n, chunk)),
        8 => (1..12usize).prop_map(Input::Steps),
        2 => motion().prop_map(Input::Motion),
    ]
}

/// A search and what is done to it.
pub fn scripts() -> impl Strategy<Value = (Case, Vec<Input>)> {
    (cases(), prop::collection::vec(input(), 0..30))
}

/// Does to the search what is no matter of time.
///
/// # Errors
/// As the search refuses.
pub fn put(search: &mut ChunkBeamSearch, input: &Input) -> Result<(), Refused> {
    match input {
        Input::Params(params) => search.set_params(*params),
        Input::Pair(pair) => search.use_pair(pair.clone()),
        Input::Stop => search.stop(),
        Input::Mark(n, mark) => search.mark(nth(search, *n), *mark)?,
        Input::Spend(n, extra) => search.spend(nth(search, *n), *extra)?,
        Input::Take(n) => search.take(nth(search, *n))?,
        Input::Go(n) => search.go(node(search, *n))?,
        Input::Rewind(number) => search.rewind(*number)?,
        Input::Undo => search.undo()?,
        Input::Redraw => search.redraw()?,
        Input::Write(n, chunk) => write(search, nth(search, *n), chunk)?,
        Input::Steps(_) | Input::Motion(_) => {}
    }
    Ok(())
}

fn write(search: &mut ChunkBeamSearch, beside: HypothesisId, chunk: &str) -> Result<(), Refused> {
    let history = search.history();
    let sibling = history.hypothesis(beside).ok_or(Refused::NotLatest)?;
    let parent = sibling.parent.and_then(|id| history.hypothesis(id));
    let parent = parent
        .map(|parent| parent.text.to_string())
        .unwrap_or_default();
    search.write(beside, &typed(&parent, chunk))
}

/// A candidate: of the latest rounds sooner than of old ones.
pub fn nth(search: &ChunkBeamSearch, n: usize) -> HypothesisId {
    let history = search.history();
    let late = history.rounds().iter().rev().take(2);
    let mut ids: Vec<HypothesisId> = late.flat_map(|round| round.ids()).collect();
    if n.is_multiple_of(4) || ids.is_empty() {
        ids = (0..20).map(HypothesisId).collect();
    }
    ids[n / 4 % ids.len()]
}

pub fn node(search: &ChunkBeamSearch, n: usize) -> NodeId {
    NodeId(n % search.history().nodes().count())
}

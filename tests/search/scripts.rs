//! What holds for every search, whatever is done to it and whenever.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use w2s::search::{
    Answer, Ask, ChunkBeamSearch, Entry, Growth, History, Hypothesis, HypothesisId, LaneId, Lanes,
    LogRatio, Mark, Motion, PairId, Ranking, Round, Rules, SearchTrace,
};

use crate::inputs::{Input, node, nth, pairs, put, scripts};
use crate::laws::{Case, run};
use crate::names::Names;
use crate::toy::{Tables, Toys, answer, settle};

const LANE: LaneId = LaneId(7);

type Checked = Result<(), TestCaseError>;

/// A search under a script, with its history folded beside it.
struct Play {
    models: Tables,
    lanes: Lanes<Toys<Tables>>,
    entries: Vec<Entry>,
    history: History,
    trace: SearchTrace,
}

impl Play {
    fn new(case: &Case) -> Self {
        let mut lanes = Lanes::new(Toys::new(case.tables()));
        lanes.open(LANE, case.search());
        Self {
            models: case.tables(),
            lanes,
            entries: Vec::new(),
            history: History::default(),
            trace: SearchTrace::default(),
        }
    }

    fn search(&self) -> &ChunkBeamSearch {
        self.lanes.search(LANE).unwrap()
    }

    fn search_mut(&mut self) -> &mut ChunkBeamSearch {
        self.lanes.search_mut(LANE).unwrap()
    }

    fn put(&mut self, input: &Input) -> Checked {
        match input {
            Input::Steps(n) => (0..*n).try_for_each(|_| self.step())?,
            Input::Motion(motion) => self.lanes.set_motion(LANE, *motion),
            // Refused is as good as done: nothing happens then.
            other => drop(put(self.search_mut(), other)),
        }
        let news = self.search_mut().news();
        self.hear(news)
    }

    fn step(&mut self) -> Checked {
        for progress in self.lanes.step() {
            prop_assert_eq!(progress.error, None);
            self.hear(progress.entries)?;
        }
        Ok(())
    }

    fn hear(&mut self, entries: Vec<Entry>) -> Checked {
        for entry in entries {
            check_before(&self.history, &entry)?;
            self.history.apply(&entry);
            self.trace.apply(&entry);
            check_after(&self.history, &entry)?;
            self.entries.push(entry);
        }
        prop_assert_eq!(self.search().history(), &self.history);
        prop_assert_eq!(self.trace.history(), &self.history);
        let best = self.search().best();
        prop_assert!(best.is_none_or(|best| !is_killed(&self.history, best.id)));
        Ok(())
    }

    /// Goes on to the end.
    fn finish(&mut self) -> Checked {
        self.lanes.set_motion(LANE, Motion::Runs);
        for _ in 0..10_000 {
            if !self.lanes.is_busy() {
                let news = self.search_mut().news();
                self.hear(news)?;
                prop_assert!(self.search().is_finished());
                return Ok(());
            }
            self.step()?;
        }
        Err(TestCaseError::fail("the search does not end"))
    }
}

/// Whether a candidate was killed on the way to the head.
fn is_killed(history: &History, id: HypothesisId) -> bool {
    let mut way = history.ancestry(history.head());
    way.any(|round| round.mark_of(id) == Some(Mark::Kill))
}

/// What has to hold when an entry comes.
fn check_before(history: &History, entry: &Entry) -> Checked {
    match entry {
        Entry::Selected {
            again,
            pair,
            kept,
            pruned,
            marks,
            ..
        } => {
            let round = match again {
                Some(node) => history.node(*node).and_then(|node| node.round()),
                None => history.open(),
            };
            let cut = [&kept[..], &pruned[..]].concat();
            check_cut(history, round.unwrap(), pair, &cut, kept.len(), marks)
        }
        Entry::Scored {
            pair, candidates, ..
        } => {
            let all_scored = candidates.iter().all(|c| c.scores.by(pair).is_some());
            prop_assert!(all_scored);
            let round = history.open().unwrap();
            let mut ids: Vec<_> = candidates.iter().map(|c| c.id).collect();
            let mut expected: Vec<_> = round.ids().collect();
            ids.sort();
            expected.sort();
            prop_assert_eq!(ids, expected);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What has to hold once an entry has been taken in.
fn check_after(history: &History, entry: &Entry) -> Checked {
    match entry {
        Entry::Finished { best, .. } => {
            prop_assert!(best.is_finished());
            prop_assert!(!is_killed(history, best.id));
        }
        Entry::Rescored { pair, .. } => {
            let beam = history.beam();
            let scored = beam
                .iter()
                .chain(&history.pool())
                .all(|h| h.scores.by(pair).is_some());
            prop_assert!(scored);
        }
        _ => {}
    }
    Ok(())
}

/// The cut is that of a naive sort by scores of one pair alone; what was taken is kept, what was
/// killed is not.
fn check_cut(
    history: &History,
    round: &Round,
    pair: &PairId,
    cut: &[HypothesisId],
    n_kept: usize,
    marks: &[(HypothesisId, Mark)],
) -> Checked {
    let marks: BTreeMap<_, _> = marks.iter().copied().collect();
    let mut keyed = Vec::new();
    for id in round.candidates.iter().map(|c| c.id) {
        let key = naive_key(history, round, pair, id);
        prop_assert!(key.is_some(), "{id:?} or its parent has no score of {pair}");
        prop_assert_eq!(history.hypothesis(id).unwrap().scored_by(), Some(pair));
        let boost = match marks.get(&id) {
            Some(Mark::Boost(nats)) => *nats,
            _ => 0.0,
        };
        keyed.push((id, key.unwrap() + boost));
    }
    keyed.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    let order = |id: &HypothesisId| match marks.get(id) {
        Some(Mark::Take) => 0,
        Some(Mark::Pin) => 1,
        Some(Mark::Kill) => 3,
        _ => 2,
    };
    let mut served: Vec<HypothesisId> = keyed.iter().map(|(id, _)| *id).collect();
    served.sort_by_key(order);
    let alive = served.iter().filter(|id| order(id) != 3).count();
    prop_assert_eq!(n_kept, alive.min(round.params.beam_width().get()));
    let is_kept = |id: &HypothesisId| served[..n_kept].contains(id);
    let (kept, pruned): (Vec<_>, Vec<_>) = keyed.iter().map(|(id, _)| *id).partition(is_kept);
    prop_assert_eq!(cut, &[kept, pruned].concat()[..]);
    for (id, mark) in &marks {
        prop_assert!(*mark != Mark::Take || cut[..n_kept].contains(id));
        prop_assert!(*mark != Mark::Kill || !cut[..n_kept].contains(id));
    }
    Ok(())
}

/// What `pair` makes of a candidate, term by term.
fn naive_key(history: &History, round: &Round, pair: &PairId, id: HypothesisId) -> Option<f64> {
    let candidate = history.hypothesis(id)?;
    let score = candidate.scores.by(pair)?;
    let deltas: Vec<f64> = score.terms().map(|term| term.delta()).collect();
    let start = match round.params.ranking() {
        Ranking::Chunk => kept_terms(history, pair, candidate)?,
        _ => 0,
    };
    let sum = deltas[start..].iter().fold(0.0, |sum, delta| sum + delta);
    let n = match round.params.ranking() {
        Ranking::PerToken => deltas.len().max(1),
        _ => 1,
    };
    Some(round.params.weight().get() * (sum / n as f64))
}

/// How many of its terms are its parent's, under this very pair.
fn kept_terms(history: &History, pair: &PairId, candidate: &Hypothesis) -> Option<usize> {
    match candidate.parent {
        None => Some(0),
        Some(parent) => Some(history.hypothesis(parent)?.scores.by(pair)?.len()),
    }
}

/// A search's way to its head, without ids.
fn way(search: &ChunkBeamSearch, entries: &[Entry]) -> Vec<String> {
    let names = Names::of(entries);
    let rounds = search.history().rounds().iter();
    let shown = rounds.map(|round| {
        let candidates: Vec<String> = round
            .candidates
            .iter()
            .map(|c| {
                format!(
                    "{} {:?} {:?}",
                    names.of_one(c.id),
                    c.text,
                    round.score_of(c.id)
                )
            })
            .collect();
        let kept: Vec<&str> = round.kept().iter().map(|id| names.of_one(*id)).collect();
        format!("{} {} {candidates:?} {kept:?}", round.number, round.pair)
    });
    let best = search.best().map(|best| best.text.to_string());
    shown.chain(best).collect()
}

/// All that a head stands for.
fn stand(search: &ChunkBeamSearch) -> Vec<String> {
    let history = search.history();
    let mut all = vec![format!("{:?} by {:?}", history.head(), history.pair())];
    all.extend(search.beam().iter().map(|h| format!("beam: {}", whole(h))));
    all.extend(history.pool().iter().map(|h| format!("pool: {}", told(h))));
    all.extend(history.rounds().iter().map(|round| of_round(round)));
    all.extend(
        history
            .open()
            .map(|round| format!("open: {}", round.number)),
    );
    all.extend(
        history
            .ending()
            .map(|end| format!("{:?} {}", end.reason, told(&end.best))),
    );
    all.extend(search.best().map(|best| format!("best: {}", told(&best))));
    all
}

fn told(hypothesis: &Hypothesis) -> String {
    let scores = hypothesis.scores.iter();
    let scores: Vec<_> = scores
        .map(|(pair, score)| (pair.as_str(), score.value()))
        .collect();
    let Hypothesis {
        id,
        parent,
        text,
        tokens,
        finish,
        successor,
        ..
    } = hypothesis;
    format!("{id:?} {parent:?} {successor:?} {text:?} {tokens:?} {finish:?} {scores:?}")
}

/// With what its chunk adds, which is known where the parent has been scored too.
fn whole(hypothesis: &Hypothesis) -> String {
    let pairs = hypothesis.scores.iter().map(|(pair, _)| pair);
    let chunks: Vec<_> = pairs.map(|pair| hypothesis.chunk_value(pair)).collect();
    format!("{} {chunks:?}", told(hypothesis))
}

fn of_round(round: &Round) -> String {
    let candidates: Vec<_> = round
        .candidates
        .iter()
        .map(|c| {
            (
                whole(c),
                round.score_of(c.id),
                round.key_of(c.id),
                round.fate(c.id),
            )
        })
        .collect();
    let (base, before): (BTreeMap<_, _>, BTreeMap<_, _>) = (
        round.base.iter().map(|(id, score)| (*id, *score)).collect(),
        round
            .before
            .iter()
            .map(|(id, score)| (*id, *score))
            .collect(),
    );
    let Round {
        number,
        pair,
        slots,
        standing,
        marks,
        extra,
        cut,
        ..
    } = round;
    format!(
        "round {number} by {pair}: {candidates:?} {slots:?} {standing:?} {marks:?} {extra:?} \
         {cut:?} {base:?} {before:?}"
    )
}

/// Delivers answers badly: in parts, twice, out of order, long after they were asked for.
#[derive(Default)]
struct Post {
    past: Vec<Answer>,
    n_sent: usize,
}

impl Post {
    fn deliver(&mut self, search: &mut ChunkBeamSearch, ask: &Ask, models: &Tables) -> Checked {
        let Some(whole) = answer(models, ask).unwrap() else {
            return Ok(());
        };
        self.disturb(search, models);
        prop_assert_eq!(&search.next(), ask);
        let parts = parts(&whole);
        for part in parts.iter().skip(1).rev() {
            search.supply(part.clone()).unwrap();
            search.supply(part.clone()).unwrap();
        }
        let before = search.next();
        self.disturb(search, models);
        prop_assert_eq!(&search.next(), &before);
        search.supply(parts[0].clone()).unwrap();
        self.past.push(whole);
        Ok(())
    }

    /// What nobody asked for, or not any more.
    fn disturb(&mut self, search: &mut ChunkBeamSearch, models: &Tables) {
        self.n_sent += 1;
        let ask = &search.next();
        let late = self.past.len().checked_sub(1 + self.n_sent % 7);
        let late = late
            .map(|i| self.past[i].clone())
            .filter(|late| !is_for(late, ask));
        let nobody = HypothesisId(1 << 40);
        let foreign = pairs()
            .into_iter()
            .find(|pair| pair != search.pair())
            .unwrap();
        let mut unasked = vec![
            Answer::Grown(vec![(nobody, Growth::default())]),
            Answer::Scored {
                pair: search.pair().clone(),
                scores: vec![(nobody, LogRatio::default())],
            },
        ];
        if let Ask::Score(score) = ask {
            let score = w2s::search::Score {
                pair: foreign,
                ..score.clone()
            };
            unasked.extend(answer(models, &Ask::Score(score)).unwrap());
        }
        unasked.extend(late);
        unasked.extend((*ask != Ask::Cut).then_some(Answer::Cut));
        unasked
            .into_iter()
            .for_each(|answer| search.supply(answer).unwrap());
    }
}

/// Whether an answer has something of what is asked for: then it is not too late.
fn is_for(answer: &Answer, ask: &Ask) -> bool {
    match (answer, ask) {
        (Answer::Grown(grown), Ask::Grow(grow)) => grown
            .iter()
            .any(|(id, _)| grow.slots.iter().any(|slot| slot.id == *id)),
        (Answer::Scored { pair, scores }, Ask::Score(score)) => {
            let is_asked = |id| score.responses.iter().any(|r| r.id == id);
            *pair == score.pair && scores.iter().any(|(id, _)| is_asked(*id))
        }
        (Answer::Cut, Ask::Cut) => true,
        _ => false,
    }
}

/// One answer for each thing that was asked for.
fn parts(whole: &Answer) -> Vec<Answer> {
    match whole {
        Answer::Grown(grown) => grown
            .iter()
            .map(|one| Answer::Grown(vec![one.clone()]))
            .collect(),
        Answer::Scored { pair, scores } => {
            let one = |one: &(HypothesisId, LogRatio)| Answer::Scored {
                pair: pair.clone(),
                scores: vec![one.clone()],
            };
            scores.iter().map(one).collect()
        }
        Answer::Cut => vec![Answer::Cut],
    }
}

/// Plays a script by whole answers; `answer` gives each, `told` is asked after every input.
fn play(
    (case, script): &(Case, Vec<Input>),
    mut answer: impl FnMut(&mut ChunkBeamSearch, &Ask) -> Checked,
    mut told: impl FnMut(&mut ChunkBeamSearch),
) -> Checked {
    let mut search = case.search();
    let mut one = |search: &mut ChunkBeamSearch| {
        let ask = search.next();
        answer(search, &ask)
    };
    for input in script {
        match input {
            Input::Steps(n) => (0..*n).try_for_each(|_| one(&mut search))?,
            other => drop(put(&mut search, other)),
        }
        told(&mut search);
    }
    while !search.is_finished() || search.settle().is_some() {
        one(&mut search)?;
    }
    told(&mut search);
    Ok(())
}

fn well(models: &Tables) -> impl Fn(&mut ChunkBeamSearch, &Ask) -> Checked {
    |search, ask| {
        if let Some(answer) = answer(models, ask).unwrap() {
            search.supply(answer).unwrap();
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A taken candidate is kept, a killed one is neither kept nor the answer, every cut is that
    /// of one pair, and the entries alone give the state: checked entry by entry.
    #[test]
    fn whatever_is_done_every_entry_is_lawful((case, script) in scripts()) {
        let mut play = Play::new(&case);
        for input in &script {
            play.put(input)?;
        }
        play.finish()?;
        prop_assert_eq!(&History::of(&play.entries), play.search().history());
    }

    #[test]
    fn what_is_taken_is_kept_at_once((case, script) in scripts(), n in 0..1000usize) {
        let mut play = Play::new(&case);
        for input in &script {
            play.put(input)?;
        }
        let models = play.models;
        let search = play.search_mut();
        let id = nth(search, n);
        if search.take(id).is_ok() {
            settle(search, &models);
            let marked = |entry: &Entry| matches!(
                entry, Entry::Selected { marks, .. } if marks.contains(&(id, Mark::Take))
            );
            prop_assert!(search.news().iter().any(marked));
            prop_assert!(search.beam().iter().any(|kept| kept.id == id));
        }
    }

    #[test]
    fn moving_the_head_there_and_back_changes_nothing(
        (case, script) in scripts(), n in 0..1000usize, by_undo in any::<bool>(),
    ) {
        let mut play = Play::new(&case);
        for input in &script {
            play.put(input)?;
        }
        let models = play.models;
        let search = play.search_mut();
        settle(search, &models);
        let (here, there) = (search.history().head(), node(search, n));
        if search.is_growing() || here == there {
            return Ok(());
        }
        let before = stand(search);
        search.go(there).unwrap();
        settle(search, &models);
        match by_undo {
            true => search.undo().unwrap(),
            false => search.go(here).unwrap(),
        }
        settle(search, &models);
        prop_assert_eq!(stand(search), before);
    }

    /// Chunks that grow are lost when the head moves or the user stops: begun again, they are
    /// the same.
    #[test]
    fn what_is_broken_off_and_run_again_is_the_same(
        (case, script) in scripts(), n in 0..1000usize, moves in any::<bool>(),
    ) {
        let mut play = Play::new(&case);
        for input in &script {
            play.put(input)?;
        }
        let mut search = play.search().clone();
        // Settings and pairs that have not come in force do so when a round begins anew.
        let open = search.history().open();
        let is_stale = open.is_some_and(|open| {
            open.params != search.params() || open.pair != *search.pair()
        });
        // Marks go with the round; what was spent in it keeps its successors, not its ids, which
        // decide between equals.
        let is_steered = open.is_some_and(|open| !open.marks.is_empty() || !open.extra.is_empty());
        if is_stale || is_steered || !search.is_growing() {
            return Ok(());
        }
        let mut broken = search.clone();
        broken.stop();
        if moves {
            let there = node(&broken, n);
            if broken.go(there).is_ok() {
                settle(&mut broken, &play.models);
                broken.undo().unwrap();
            }
        }
        let (mut straight_told, mut told) = (play.entries.clone(), play.entries.clone());
        straight_told.extend(run(&mut search, &play.models));
        told.extend(run(&mut broken, &play.models));
        prop_assert_eq!(way(&broken, &told), way(&search, &straight_told));
    }

    #[test]
    fn a_fork_without_changes_is_the_original((case, script) in scripts()) {
        let mut play = Play::new(&case);
        for input in &script {
            play.put(input)?;
        }
        let models = play.models;
        let mut entries = play.entries.clone();
        let search = play.search_mut();
        search.stop();
        settle(search, &models);
        entries.extend(search.news());
        let node = search.history().head();
        let is_spent = !search.history().here().extra().is_empty();
        if is_spent || search.history().open().is_some() || search.is_finished() {
            return Ok(());
        }
        let original = run(search, &models);
        if search.history().head() == node {
            // Lowered settings ended it right here.
            return Ok(());
        }
        search.go(node).ok();
        settle(search, &models);
        search.news();
        let fork = run(search, &models);
        let named = |branch: &[Entry]| {
            let names = Names::of(&[&entries[..], branch].concat());
            branch.iter().map(|entry| names.told(entry)).collect::<Vec<_>>()
        };
        prop_assert_eq!(named(&fork), named(&original));
    }

    #[test]
    fn answers_that_come_badly_change_nothing((case, script) in scripts()) {
        // Under reference rules a response that lowered settings end is scored anew under the
        // id it has: an answer from before is not told from one after.
        let script = &(Case { rules: Rules::Fixed, ..case }, script);
        let models = case.tables();
        let (mut clean, mut rough) = (Vec::new(), Vec::new());
        play(script, well(&models), |search| clean.extend(search.news()))?;
        let mut post = Post::default();
        let deliver = |search: &mut ChunkBeamSearch, ask: &Ask| post.deliver(search, ask, &models);
        play(script, deliver, |search| rough.extend(search.news()))?;
        prop_assert_eq!(clean, rough);
    }

    #[test]
    fn entries_are_the_same_in_any_grouping(script in scripts(), every in 1..9usize) {
        let models = script.0.tables();
        let (mut one_by_one, mut grouped) = (Vec::new(), Vec::new());
        play(&script, well(&models), |search| one_by_one.extend(search.news()))?;
        let mut n = 0;
        let mut last = None;
        play(&script, well(&models), |search| {
            n += 1;
            if n % every == 0 {
                grouped.extend(search.news());
            }
            last = Some(search.clone());
        })?;
        grouped.extend(last.unwrap().news());
        prop_assert_eq!(&one_by_one, &grouped);
        prop_assert_eq!(History::of(&grouped), History::of(&one_by_one));
    }
}

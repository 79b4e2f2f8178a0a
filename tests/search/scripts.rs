//! What holds for every search, whatever is done to it and whenever.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use w2s::search::{
    Ask, ChunkBeamSearch, Entry, History, Hypothesis, HypothesisId, LaneId, Lanes, Mark, Motion,
    Round, Rules, SearchTrace,
};

use crate::cases::{Case, run};
use crate::checks::{Checked, check_after, check_before, is_killed};
use crate::inputs::{Input, node, nth, put, scripts};
use crate::names::Names;
use crate::post::{Post, play, well};
use crate::toy::{Tables, Toys, settle};

const LANE: LaneId = LaneId(7);

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
                return self.check_watched();
            }
            self.step()?;
        }
        Err(TestCaseError::fail("the search does not end"))
    }
}

impl Play {
    /// Who watches knows the beam and the answer of a search that is over as the search does.
    fn check_watched(&self) -> Checked {
        let seen = |id: &HypothesisId| self.trace.candidate(*id).unwrap();
        let beam: Vec<_> = self.search().beam().iter().map(|h| h.id).collect();
        prop_assert_eq!(self.trace.beam(), &beam[..]);
        prop_assert!(beam.iter().all(|id| seen(id).is_finished()));
        let score = |h: &Hypothesis| h.scores.by(self.search().pair()).map(|score| score.value());
        for h in self.search().beam() {
            prop_assert_eq!(seen(&h.id).score, score(&h));
        }
        let best = &self.search().history().ending().unwrap().best;
        prop_assert_eq!(self.trace.best().map(|c| c.slot.id), Some(best.id));
        prop_assert_eq!(self.trace.best().unwrap().score, score(best));
        Ok(())
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

    /// On whatever branch: what is shown of the beam is what it is ordered by.
    #[test]
    fn the_beam_s_last_word_is_that_of_the_pair_in_use((case, script) in scripts()) {
        let mut play = Play::new(&case);
        for input in &script {
            play.put(input)?;
        }
        let models = play.models;
        let search = play.search_mut();
        settle(search, &models);
        let pair = search.history().pair();
        prop_assert!(search.beam().iter().all(|h| h.scored_by() == pair));
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

//! Answers on their way to a search: as they should come, and as they should not.

use proptest::prelude::*;
use w2s::search::{Answer, Ask, ChunkBeamSearch, Growth, HypothesisId, LogRatio, Score};

use crate::cases::Case;
use crate::checks::Checked;
use crate::inputs::{Input, pairs, put};
use crate::toy::{Tables, answer};

/// Delivers answers badly: in parts, twice, out of order, long after they were asked for.
#[derive(Default)]
pub struct Post {
    past: Vec<Answer>,
    n_sent: usize,
}

impl Post {
    pub fn deliver(&mut self, search: &mut ChunkBeamSearch, ask: &Ask, models: &Tables) -> Checked {
        let Some(whole) = answer(models, ask).unwrap() else {
            return Ok(());
        };
        self.disturb(search, models);
        prop_assert_eq!(&search.ask(), ask);
        let parts = parts(&whole);
        for part in parts.iter().skip(1).rev() {
            search.supply(part.clone()).unwrap();
            search.supply(part.clone()).unwrap();
        }
        let before = search.ask();
        self.disturb(search, models);
        prop_assert_eq!(&search.ask(), &before);
        search.supply(parts[0].clone()).unwrap();
        self.past.push(whole);
        Ok(())
    }

    /// What nobody asked for, or not any more.
    fn disturb(&mut self, search: &mut ChunkBeamSearch, models: &Tables) {
        self.n_sent += 1;
        let ask = &search.ask();
        let late = self.past.len().checked_sub(1 + self.n_sent % 7);
        let late = late
            .map(|i| self.past[i].clone())
            .filter(|late| !is_for(late, ask));
        let nobody = HypothesisId(1 << 40);
        let foreign = pairs()
            .into_iter()
            .find(|pair| !pair.is_panel() && !search.pair().includes(pair))
            .unwrap();
        let mut unasked = vec![
            Answer::Grown(vec![(nobody, Growth::default())]),
            Answer::Scored {
                pair: search.pair().clone(),
                scores: vec![(nobody, LogRatio::default())],
            },
        ];
        if let Ask::Score(score) = ask {
            let score = Score {
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
pub fn play(
    (case, script): &(Case, Vec<Input>),
    mut answer: impl FnMut(&mut ChunkBeamSearch, &Ask) -> Checked,
    mut told: impl FnMut(&mut ChunkBeamSearch),
) -> Checked {
    let mut search = case.search();
    let mut one = |search: &mut ChunkBeamSearch| {
        let ask = search.ask();
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

pub fn well(models: &Tables) -> impl Fn(&mut ChunkBeamSearch, &Ask) -> Checked {
    |search, ask| {
        if let Some(answer) = answer(models, ask).unwrap() {
            search.supply(answer).unwrap();
        }
        Ok(())
    }
}

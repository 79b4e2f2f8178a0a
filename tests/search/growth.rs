//! What a long search costs: memory and work by the token, not by its square.

use std::cell::RefCell;
use std::collections::BTreeMap;

use w2s::search::{
    Ask, ChunkBeamSearch, Hypothesis, HypothesisId, LogRatio, ModelError, PairId, Response, Rope,
    Rules, Scores, Slot, Text, TokenId, TokenTerm,
};

use crate::cases::Case;
use crate::toy::{Models, Tables, answer, first_pair, term};

/// Toys whose scores go on from the parent's, as a cache of rows has them.
struct Caches {
    tables: Tables,
    scores: RefCell<BTreeMap<HypothesisId, LogRatio>>,
}

impl Models for Caches {
    fn token(&self, slot: &Slot, chunk: &[TokenId]) -> TokenId {
        self.tables.token(slot, chunk)
    }

    fn score(&self, _: &PairId, response: &Response) -> Result<LogRatio, ModelError> {
        let mut scores = self.scores.borrow_mut();
        let parent = response
            .parent
            .and_then(|id| scores.get(&id))
            .cloned()
            .unwrap_or_default();
        let new = response.tokens.since(parent.len());
        let terms: Vec<TokenTerm> = new.map(|id| term("x", f64::from(*id), 0.0)).collect();
        let score = parent.extended(parent.len(), terms);
        scores.insert(response.id, score.clone());
        Ok(score)
    }
}

/// What a search of `n` tokens holds and asks for.
#[derive(Debug, PartialEq)]
struct Cost {
    /// Tokens, bytes of text and terms, each counted once wherever it is held.
    items: usize,
    /// Tokens that the strong model is to sample.
    sampled: usize,
    /// Tokens of responses to score, beyond those of their parents.
    scored: usize,
    /// Longest list of anything that one step hands out.
    widest: usize,
}

fn cost(n: usize) -> Cost {
    let case = Case {
        w: 4,
        k: 4,
        l: 5,
        n,
        rules: Rules::Fixed,
        seed: 3,
        eos: 0.0,
    };
    let models = Caches {
        tables: case.tables(),
        scores: RefCell::default(),
    };
    let mut search = ChunkBeamSearch::new(case.params(), first_pair());
    let mut cost = Cost {
        items: 0,
        sampled: 0,
        scored: 0,
        widest: 0,
    };
    loop {
        let ask = search.ask();
        cost.count(&search, &ask);
        match answer(&models, &ask).unwrap() {
            Some(answer) => search.supply(answer).unwrap(),
            None => break,
        }
    }
    cost.items = items(&search);
    assert_eq!(search.best().unwrap().tokens.len(), n);
    cost
}

impl Cost {
    fn count(&mut self, search: &ChunkBeamSearch, ask: &Ask) {
        let len = |id: HypothesisId| search.history().hypothesis(id).unwrap().tokens.len();
        let width = match ask {
            Ask::Grow(grow) => {
                self.sampled += grow.slots.iter().map(|slot| slot.n_tokens).sum::<usize>();
                grow.slots.len()
            }
            Ask::Score(score) => {
                let new = |r: &Response| r.tokens.len() - r.parent.map_or(0, len);
                self.scored += score.responses.iter().map(new).sum::<usize>();
                score.responses.len()
            }
            Ask::Cut | Ask::Done => 0,
        };
        self.widest = self.widest.max(width);
    }
}

/// All that the candidates of a search hold, what they share with their parents once.
fn items(search: &ChunkBeamSearch) -> usize {
    let root = Hypothesis::clone(&search.history().rounds()[0].candidates[0]);
    let root = Hypothesis {
        tokens: Rope::default(),
        text: Text::default(),
        scores: Scores::default(),
        ..root
    };
    let rounds = search.history().rounds().iter();
    let candidates = rounds.flat_map(|round| &round.candidates);
    let own = candidates.map(|candidate| {
        let parent = candidate
            .parent
            .and_then(|id| search.history().hypothesis(id));
        let parent = parent.map_or(&root, |parent| parent);
        own(candidate.tokens.iter(), parent.tokens.iter())
            + own(candidate.text.bytes(), parent.text.bytes())
            + own(candidate.score().terms(), parent.score().terms())
    });
    own.sum()
}

/// How many items do not lie where the parent's lie.
fn own<'a, T: 'a>(
    child: impl ExactSizeIterator<Item = &'a T>,
    parent: impl Iterator<Item = &'a T>,
) -> usize {
    let n = child.len();
    n - child
        .zip(parent)
        .take_while(|(a, b)| std::ptr::eq(*a, *b))
        .count()
}

/// Each candidate was a copy of its parent's tokens, text and terms: what a search held grew
/// with the square of its length.
#[test]
fn a_search_costs_by_the_token() {
    let (short, long) = (cost(200), cost(2000));
    assert_eq!(long.sampled, 10 * short.sampled);
    assert_eq!(long.scored, 10 * short.scored);
    assert_eq!(long.widest, short.widest);
    // Three items a token: the token, its letter, its term.
    assert_eq!(short.items, 3 * short.sampled);
    assert_eq!(long.items, 3 * long.sampled);
}

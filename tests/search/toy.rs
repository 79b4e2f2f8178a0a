//! Toy models: seeded tables as plain functions, one letter a token, id 0 is EOS.

use std::collections::BTreeMap;
use std::sync::Arc;

use w2s::search::{
    Answer, Ask, ChunkBeamSearch, Entry, Executor, Finish, Grow, Growth, HypothesisId, LaneId,
    LogRatio, ModelError, PairId, Partial, Response, SearchError, Served, Slot, TokenId, TokenTerm,
};

pub const EOS: TokenId = 0;

/// What is asked of models.
pub trait Models {
    /// The token that follows `chunk`, which continues the slot's parent.
    fn token(&self, slot: &Slot, chunk: &[TokenId]) -> TokenId;

    fn score(&self, pair: &PairId, response: &Response) -> Result<LogRatio, ModelError>;
}

/// Samples letters from a table that depends on `seed` and on the letter before. Pairs are two
/// tables, as [`pair`] names them.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    pub seed: u64,
    /// The probability of EOS at every position.
    pub eos: f64,
}

impl Models for Tables {
    fn token(&self, slot: &Slot, chunk: &[TokenId]) -> TokenId {
        let before = slot.parent.as_ref().and_then(|p| p.tokens.last());
        let last = chunk.last().or(before).copied().unwrap_or(0);
        let u = slot.lineage.uniform(slot.start() + chunk.len());
        if u < self.eos {
            return EOS;
        }
        let within = (u - self.eos) / (1.0 - self.eos);
        // A table with two letters after each: close to a text with few choices.
        let choice = u64::from(within > 0.6);
        1 + (hash(self.seed, u64::from(last), choice) % 25) as TokenId
    }

    fn score(&self, pair: &PairId, response: &Response) -> Result<LogRatio, ModelError> {
        Ok(log_ratio(pair, &response.text.to_string(), response.ended))
    }
}

/// A weak pair of two tables, whose tokens are `width` letters long.
pub fn pair(tuned: u64, untuned: u64, width: usize) -> PairId {
    PairId::from(format!("{tuned}/{untuned}/{width}"))
}

/// The pair that searches begin with.
pub fn first_pair() -> PairId {
    pair(1, 2, 1)
}

pub fn log_ratio(pair: &PairId, text: &str, ended: bool) -> LogRatio {
    let named: Vec<u64> = pair
        .as_str()
        .split('/')
        .map(|n| n.parse().unwrap())
        .collect();
    let [tuned, untuned, width] = named[..] else {
        panic!("no pair of tables: {pair}");
    };
    let mut pieces: Vec<&str> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.len().min(width as usize));
        pieces.push(piece);
        rest = tail;
    }
    pieces.extend(ended.then_some("."));
    let term = |(t, piece): (usize, &&str)| {
        term(
            piece,
            log_prob(tuned, t, piece),
            log_prob(untuned, t, piece),
        )
    };
    LogRatio::from(pieces.iter().enumerate().map(term).collect::<Vec<_>>())
}

pub fn term(piece: &str, tuned: f64, untuned: f64) -> TokenTerm {
    TokenTerm {
        id: piece.bytes().fold(0, |id, c| id << 8 | TokenId::from(c)),
        piece: Arc::from(piece),
        tuned,
        untuned,
    }
}

fn log_prob(seed: u64, position: usize, piece: &str) -> f64 {
    let piece = piece.bytes().fold(0, |id, c| id << 8 | u64::from(c));
    let bits = hash(seed, position as u64, piece);
    -((bits % 4096) as f64) / 1024.0
}

fn hash(a: u64, b: u64, c: u64) -> u64 {
    [a, b, c].iter().fold(0xCBF2_9CE4_8422_2325, |h, x| {
        let h = (h ^ x).wrapping_mul(0x0000_0100_0000_01B3);
        (h ^ (h >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    })
}

/// One token more.
pub fn push(models: &impl Models, slot: &Slot, row: &mut Growth) {
    let token = models.token(slot, &row.tokens);
    row.tokens.push(token);
    match token {
        EOS => row.finish = Some(Finish::Eos),
        id => row.text = row.text.extended(row.text.len(), &letter(id).to_string()),
    }
}

pub fn letter(id: TokenId) -> char {
    char::from(b'a' + (id - 1) as u8)
}

/// The ids of letters; `.` is EOS.
pub fn ids(chunk: &str) -> Vec<TokenId> {
    let id = |c| match c {
        b'.' => EOS,
        letter => TokenId::from(letter - b'a') + 1,
    };
    chunk.bytes().map(id).collect()
}

/// A chunk of the user's own after `parent`'s text.
pub fn typed(parent: &str, chunk: &str) -> Growth {
    let letters = chunk.trim_end_matches('.');
    Growth {
        tokens: ids(chunk),
        text: w2s::search::Text::from(parent).grown_to(&format!("{parent}{letters}")),
        finish: chunk.ends_with('.').then_some(Finish::Eos),
        ..Growth::default()
    }
}

/// The whole chunk of a slot.
pub fn chunk(models: &impl Models, slot: &Slot) -> Growth {
    let mut row = Growth::after(slot.parent.as_deref());
    while !row.is_complete(slot) {
        push(models, slot, &mut row);
    }
    row
}

/// All that is asked for, at once; `None` when the search is over.
pub fn answer(models: &impl Models, ask: &Ask) -> Result<Option<Answer>, ModelError> {
    Ok(match ask {
        Ask::Grow(grow) => {
            let chunk = |slot: &Slot| (slot.id, chunk(models, slot));
            Some(Answer::Grown(grow.slots.iter().map(chunk).collect()))
        }
        Ask::Score(score) => {
            let one = |r: &Response| models.score(&score.pair, r).map(|ratio| (r.id, ratio));
            let scores = score.responses.iter().map(one).collect::<Result<_, _>>()?;
            let pair = score.pair.clone();
            Some(Answer::Scored { pair, scores })
        }
        Ask::Cut => Some(Answer::Cut),
        Ask::Done => None,
    })
}

/// Answers until `is_enough`, or to the end: looked at before a step begins and before a cut.
///
/// # Errors
/// Of the models, or of the search.
pub fn drive(
    search: &mut ChunkBeamSearch,
    models: &impl Models,
    is_enough: impl Fn(&ChunkBeamSearch) -> bool,
) -> Result<Vec<Entry>, SearchError> {
    // More rounds than any test has.
    for _ in 0..100_000 {
        if is_enough(search) {
            return Ok(search.news());
        }
        let ask = search.ask();
        if ask == Ask::Cut && is_enough(search) {
            return Ok(search.news());
        }
        match answer(models, &ask)? {
            Some(answer) => search.supply(answer)?,
            None => return Ok(search.news()),
        }
    }
    panic!("the search does not end");
}

/// Answers all that the search needs without going on.
pub fn settle(search: &mut ChunkBeamSearch, models: &impl Models) {
    while let Some(ask) = search.settle() {
        search
            .supply(answer(models, &ask).unwrap().unwrap())
            .unwrap();
    }
}

/// An executor of toys: a token a step for the rows of all lanes.
#[derive(Debug)]
pub struct Toys<M> {
    models: M,
    lanes: BTreeMap<LaneId, Rows>,
    pub retained: Vec<HypothesisId>,
    /// How often a pair was asked.
    pub scorings: usize,
}

#[derive(Debug, Default)]
struct Rows {
    ask: Option<Ask>,
    growing: BTreeMap<HypothesisId, Growth>,
}

impl<M: Models> Toys<M> {
    pub fn new(models: M) -> Self {
        Self {
            models,
            lanes: BTreeMap::new(),
            retained: Vec::new(),
            scorings: 0,
        }
    }

    pub fn models(&self) -> &M {
        &self.models
    }
}

impl Rows {
    /// One token more of every chunk; the complete ones.
    fn grow(&mut self, grow: &Grow, models: &impl Models) -> Vec<(HypothesisId, Growth)> {
        let mut complete = Vec::new();
        for slot in &*grow.slots {
            let row = self.growing.entry(slot.id);
            let row = row.or_insert_with(|| Growth::after(slot.parent.as_deref()));
            if !row.is_complete(slot) {
                push(models, slot, row);
            }
            if row.is_complete(slot) {
                complete.push((slot.id, row.clone()));
            }
        }
        complete
    }
}

impl<M: Models> Executor for Toys<M> {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        let rows = self.lanes.entry(lane).or_default();
        rows.ask = ask.cloned();
        if let Some(Ask::Grow(grow)) = ask {
            rows.growing
                .retain(|id, _| grow.slots.iter().any(|slot| slot.id == *id));
        }
    }

    fn step(&mut self) -> Vec<Served> {
        let mut answers = Vec::new();
        for (id, rows) in &mut self.lanes {
            let Some(ask) = rows.ask.clone() else {
                continue;
            };
            let answer = match &ask {
                Ask::Grow(grow) => Ok(Some(Answer::Grown(rows.grow(grow, &self.models)))),
                other => answer(&self.models, other),
            };
            self.scorings += usize::from(matches!(ask, Ask::Score(_)));
            answers.extend(answer.transpose().map(|answer| (*id, answer)));
        }
        answers
    }

    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        let Some(rows) = self.lanes.get(&lane) else {
            return Ok(Vec::new());
        };
        let Some(Ask::Grow(grow)) = &rows.ask else {
            return Ok(Vec::new());
        };
        let known = |slot: &Slot| Some((slot.clone(), rows.growing.get(&slot.id)?.clone()));
        let all = grow.slots.iter().filter_map(known);
        all.map(|(slot, row)| partial(&self.models, &slot, &row, by))
            .collect()
    }

    fn retain(&mut self, _lane: LaneId, ids: &[HypothesisId]) {
        self.retained = ids.to_vec();
    }

    fn close(&mut self, lane: LaneId) {
        self.lanes.remove(&lane);
    }
}

fn partial(
    models: &impl Models,
    slot: &Slot,
    row: &Growth,
    by: Option<&PairId>,
) -> Result<Partial, ModelError> {
    let text_start = slot.parent.as_ref().map_or(0, |p| row.text.leaves(&p.text));
    let score = |pair: &PairId| {
        let said = |(pair, weight): (PairId, f64)| {
            let score = models.score(&pair, &Response::growing(slot, row))?;
            Ok::<f64, ModelError>(weight * score.value())
        };
        pair.members().into_iter().map(said).sum::<Result<f64, _>>()
    };
    Ok(Partial {
        id: slot.id,
        chunk: row.text.since(text_start),
        text_start,
        n_tokens: slot.start() + row.tokens.len(),
        score: by.map(score).transpose()?,
        voices: Vec::new(),
    })
}

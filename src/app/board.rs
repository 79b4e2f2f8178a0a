//! The board: the candidates of one round as lines, in the order in which they are shown.

use std::collections::HashMap;

use crate::search::{
    CandidateTrace, Fate, Finish, HypothesisId, Mark, Round, SearchTrace, Successor, Text,
};

/// The judge's rewards of prompt + response, as far as it has spoken.
pub type Judged = HashMap<HypothesisId, f64>;

/// How the lines of the board are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// By parent, successors in order.
    #[default]
    Beam,
    /// Best first, with the cut line between kept and pruned.
    Score,
}

/// A candidate as the board shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    pub id: HypothesisId,
    /// The rank of its parent in the beam, from 1; 0 when it follows the bare prompt.
    pub beam: usize,
    /// Which of the parent's successors it is; `None` when it stands unchanged.
    pub successor: Option<Successor>,
    pub fate: Fate,
    pub finish: Option<Finish>,
    /// The user's hand on it.
    pub mark: Option<Mark>,
    /// Successors that the user wants of it beyond K, in the round to come.
    pub extra: usize,
    /// The user keeps an eye on it.
    pub watched: bool,
    /// How many candidates it stands for: with itself, those whose chunks are the same.
    pub times: usize,
    /// The whole response so far.
    pub text: &'a Text,
    /// Where its chunk begins in it, in bytes.
    pub chunk_at: usize,
    /// Log-ratio of the response.
    pub score: Option<f64>,
    /// Log-ratio of the chunk alone.
    pub gain: Option<f64>,
    /// What it is ranked by, the user's hand included, once all are scored.
    pub key: Option<f64>,
    /// Place among the round's rank keys, from 1.
    pub rank: Option<usize>,
    /// How far it is from the other side of the cut: its rank key minus that of the best pruned
    /// one, or, where it is pruned, of the worst kept one.
    pub margin: Option<f64>,
    pub judge: Option<f64>,
}

impl Row<'_> {
    /// `beam.successor`, e.g. `2.3`; `2` is that hypothesis itself.
    #[must_use]
    pub fn label(&self) -> String {
        name(self.beam, self.successor)
    }

    /// Whether nothing but the draw tells it from another one.
    fn is_same(&self, other: &Self) -> bool {
        let is_sampled = |row: &Self| matches!(row.successor, Some(Successor::Sampled(_)));
        let is_untouched = |row: &Self| is_sampled(row) && row.mark.is_none() && row.extra == 0;
        let told = |row: &Self| (row.beam, row.fate, row.finish, row.chunk_at, row.score);
        [self, other].into_iter().all(is_untouched)
            && told(self) == told(other)
            && self.text == other.text
    }
}

fn name(beam: usize, successor: Option<Successor>) -> String {
    match successor {
        Some(Successor::Typed { .. }) => format!("{beam}.own"),
        Some(Successor::Sampled(n)) => format!("{beam}.{}", n + 1),
        None => beam.to_string(),
    }
}

/// A line of the board.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// A hypothesis of the beam, above its successors.
    Head(Head<'a>),
    Candidate(Row<'a>),
    /// Between the kept and the pruned.
    Cut(f64),
}

impl Line<'_> {
    /// Whose line it is.
    #[must_use]
    pub fn id(&self) -> Option<HypothesisId> {
        match self {
            Self::Candidate(row) => Some(row.id),
            Self::Head(head) => head.id,
            Self::Cut(_) => None,
        }
    }
}

/// A hypothesis of the beam that candidates continue; the bare prompt when `id` is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Head<'a> {
    pub id: Option<HypothesisId>,
    pub beam: usize,
    pub text: Option<&'a Text>,
    pub score: Option<f64>,
    /// Its score under the pair before, where the pair changed just before this round.
    pub before: Option<f64>,
}

/// The candidates of `round` as lines. Those that are the same are one line: that of the `chosen`
/// one among them, else of the first.
#[must_use]
pub fn lines<'a>(
    trace: &'a SearchTrace,
    judged: &Judged,
    round: &'a Round,
    sort: Sort,
    chosen: &[HypothesisId],
) -> Vec<Line<'a>> {
    let rows = rows(trace, round);
    // While chunks grow they are the same by turns.
    let mut rows = match round.is_scored() {
        true => folded(rows, chosen),
        false => rows,
    };
    for row in &mut rows {
        row.judge = judged.get(&row.id).copied();
    }
    match sort {
        Sort::Score if round.is_scored() => by_score(&mut rows, round),
        _ => by_beam(trace, round, rows),
    }
}

/// The sign of a candidate's fate.
#[must_use]
pub const fn sign(fate: Fate) -> &'static str {
    match fate {
        Fate::Growing => "·",
        Fate::Scored => "○",
        Fate::Kept => "✓",
        Fate::Pruned => "✗",
    }
}

/// What a candidate of `round` is called on the board, such as `2.3`.
#[must_use]
pub fn label(trace: &SearchTrace, round: &Round, id: HypothesisId) -> Option<String> {
    let candidate = trace.candidate(id)?;
    let (beam, successor) = Beam::of(round).place(round, candidate);
    Some(name(beam, successor))
}

/// The candidates of `round`, by beam and successor; the judge is still to speak.
fn rows<'a>(trace: &'a SearchTrace, round: &'a Round) -> Vec<Row<'a>> {
    let beam = Beam::of(round);
    let ranks = ranking(round);
    let mut rows: Vec<Row<'a>> = round
        .ids()
        .filter_map(|id| trace.candidate(id))
        .map(|candidate| row(trace, round, &beam, &ranks, candidate))
        .collect();
    // Where one hypothesis grows beside many that wait, it comes first.
    let is_later = |row: &Row<'_>| !round.params.method().cuts_by_rank() && row.successor.is_none();
    rows.sort_by_key(|row| (is_later(row), row.beam, row.successor));
    rows
}

/// Candidates of one parent with one text, score and fate as one row.
fn folded<'a>(rows: Vec<Row<'a>>, chosen: &[HypothesisId]) -> Vec<Row<'a>> {
    let mut folded: Vec<Row<'a>> = Vec::with_capacity(rows.len());
    for mut row in rows {
        let is_chosen = chosen.contains(&row.id);
        let same = folded.iter_mut().find(|other| other.is_same(&row));
        match same {
            Some(same) if is_chosen && !chosen.contains(&same.id) => {
                row.times += same.times;
                *same = row;
            }
            Some(same) if !is_chosen => same.times += 1,
            _ => folded.push(row),
        }
    }
    folded
}

/// Everything of a round in the order of what it is ranked by, best first.
fn ranking(round: &Round) -> Vec<HypothesisId> {
    let key = |id| Some((id, round.key_of(id)?));
    let mut keys: Vec<(HypothesisId, f64)> = round.ids().filter_map(key).collect();
    // Equal ones keep the order of creation, as the selection does.
    keys.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    keys.into_iter().map(|(id, _)| id).collect()
}

/// The parents of a round, numbered.
struct Beam(Vec<HypothesisId>);

impl Beam {
    /// The order of the cut before; parents it does not know follow in the order of the slots.
    fn of(round: &Round) -> Self {
        let mut ids = round.beam.clone();
        let parents = round.slots.iter().filter_map(|slot| slot.parent);
        for id in parents.chain(round.standing.iter().copied()) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Self(ids)
    }

    /// The number of the hypothesis a candidate continues (or is, where it stands), and which of
    /// its successors it is, counted from 1.
    fn place(&self, round: &Round, candidate: &CandidateTrace) -> (usize, Option<Successor>) {
        let slot = &candidate.slot;
        match round.standing.contains(&slot.id) {
            true => (self.number(Some(slot.id)), None),
            false => (self.number(slot.parent), Some(slot.successor)),
        }
    }

    fn number(&self, id: Option<HypothesisId>) -> usize {
        id.and_then(|id| self.0.iter().position(|other| *other == id))
            .map_or(0, |place| place + 1)
    }
}

fn row<'a>(
    trace: &'a SearchTrace,
    round: &'a Round,
    beam: &Beam,
    ranks: &[HypothesisId],
    candidate: &'a CandidateTrace,
) -> Row<'a> {
    let id = candidate.slot.id;
    let (number, successor) = beam.place(round, candidate);
    let stands = successor.is_none();
    let parent = candidate.slot.parent.and_then(|id| trace.candidate(id));
    let score = round.score_of(id).or(candidate.score);
    let base = parent.map_or(Some(0.0), |parent| base_of(round, parent));
    let other_side = match round.fate(id) {
        Fate::Pruned if !round.params.method().cuts_by_rank() => None,
        Fate::Pruned => least_kept(round),
        _ => round.cut.as_ref().and_then(|cut| cut.line),
    };
    let key = round.key_of(id);
    Row {
        id,
        beam: number,
        successor,
        fate: round.fate(id),
        finish: candidate.hypothesis.as_ref().and_then(|h| h.finish),
        mark: round.mark_of(id),
        extra: trace.extra_of(id),
        watched: false,
        times: 1,
        text: &candidate.text,
        chunk_at: match stands {
            true => candidate.text.len(),
            false => candidate.text_start,
        },
        score,
        gain: if stands {
            None
        } else {
            difference(score, base)
        },
        rank: ranks.iter().position(|other| *other == id).map(|i| i + 1),
        margin: difference(key, other_side),
        key,
        judge: None,
    }
}

/// What the worst kept candidate was ranked by, those aside that the user's hand keeps.
pub(super) fn least_kept(round: &Round) -> Option<f64> {
    let by_hand = |id: &HypothesisId| matches!(round.mark_of(*id), Some(Mark::Pin | Mark::Take));
    let kept = round.kept().iter().filter(|id| !by_hand(id));
    kept.filter_map(|id| round.key_of(*id)).reduce(f64::min)
}

/// What a parent scored when `round` set out from it.
fn base_of(round: &Round, parent: &CandidateTrace) -> Option<f64> {
    let base = round.base.get(&parent.slot.id).copied();
    base.or(parent.score)
}

fn difference(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? - b?)
}

fn by_beam<'a>(trace: &'a SearchTrace, round: &'a Round, rows: Vec<Row<'a>>) -> Vec<Line<'a>> {
    let mut lines = Vec::with_capacity(rows.len() + 4);
    let mut beam = None;
    for row in rows {
        if beam != Some(row.beam) {
            beam = Some(row.beam);
            lines.push(Line::Head(head(trace, round, &row)));
        }
        lines.push(Line::Candidate(row));
    }
    lines
}

fn head<'a>(trace: &'a SearchTrace, round: &'a Round, first: &Row<'a>) -> Head<'a> {
    let id = match first.successor {
        Some(_) => trace.candidate(first.id).and_then(|c| c.slot.parent),
        None => Some(first.id),
    };
    let candidate = id.and_then(|id| trace.candidate(id));
    Head {
        id,
        beam: first.beam,
        text: candidate.map(|candidate| &candidate.text),
        score: candidate.and_then(|candidate| base_of(round, candidate)),
        before: id.and_then(|id| round.before.get(&id).copied()),
    }
}

fn by_score<'a>(rows: &mut Vec<Row<'a>>, round: &Round) -> Vec<Line<'a>> {
    // A pinned one stands above the line, a killed one below it, whatever their ranks.
    rows.sort_by_key(|row| (row.fate != Fate::Kept, row.rank));
    let n = rows.iter().filter(|row| row.fate == Fate::Kept).count();
    let kept = round.cut.as_ref().map(|cut| (n, cut.line));
    let mut lines: Vec<Line<'a>> = rows.drain(..).map(Line::Candidate).collect();
    if let Some((n, Some(line))) = kept {
        lines.insert(n.min(lines.len()), Line::Cut(line));
    }
    lines
}

//! Entries in words that leave out ids and nodes: two branches that went the same way read the
//! same.

use std::collections::HashMap;

use w2s::search::{CandidateSlot, Entry, Hypothesis, HypothesisId, PairId};

/// Every candidate by the successors that lead to it from the prompt.
#[derive(Debug, Default)]
pub struct Names(HashMap<HypothesisId, String>);

impl Names {
    pub fn of(entries: &[Entry]) -> Self {
        let mut names = Self::default();
        for entry in entries {
            match entry {
                Entry::RoundStarted { slots, .. } | Entry::Spent { slots, .. } => {
                    slots.iter().for_each(|slot| names.add(slot));
                }
                Entry::Added { candidate, .. } => names.add(&CandidateSlot {
                    id: candidate.id,
                    parent: candidate.parent,
                    successor: candidate.successor,
                }),
                _ => {}
            }
        }
        names
    }

    fn add(&mut self, slot: &CandidateSlot) {
        let parent = slot.parent.map_or("", |id| self.of_one(id));
        let name = format!("{parent}/{:?}", slot.successor);
        self.0.insert(slot.id, name);
    }

    pub fn of_one(&self, id: HypothesisId) -> &str {
        self.0.get(&id).map_or("?", String::as_str)
    }

    fn of_all<'a>(&self, ids: impl IntoIterator<Item = &'a HypothesisId>) -> String {
        let names: Vec<&str> = ids.into_iter().map(|id| self.of_one(*id)).collect();
        names.join(" ")
    }

    /// What there is to tell of an entry.
    pub fn told(&self, entry: &Entry) -> String {
        match entry {
            Entry::RoundStarted {
                round,
                params,
                pair,
                slots,
                standing,
                ..
            } => {
                let slots = self.of_all(slots.iter().map(|slot| &slot.id));
                let standing = self.of_all(standing);
                format!("round {round} by {pair}: {slots}; {standing}; {params:?}")
            }
            Entry::Dropped { round } => format!("dropped {round}"),
            Entry::Scored {
                round,
                pair,
                candidates,
            } => {
                let all: Vec<String> = candidates.iter().map(|c| self.whole(c, pair)).collect();
                format!("scored {round} by {pair}: {}", all.join(", "))
            }
            Entry::Selected {
                round,
                again,
                pair,
                kept,
                pruned,
                marks,
                ..
            } => {
                let marks: Vec<_> = marks.iter().map(|(id, m)| (self.of_one(*id), m)).collect();
                let (kept, pruned) = (self.of_all(kept), self.of_all(pruned));
                let again = again.is_some();
                format!("cut {round} by {pair}, again {again}: {kept}; {pruned}; {marks:?}")
            }
            Entry::Unmarked { id, mark } => format!("unmarked {}: {mark:?}", self.of_one(*id)),
            Entry::Widened { round, slots } => {
                let slots = self.of_all(slots.iter().map(|slot| &slot.id));
                format!("widened {round}: {slots}")
            }
            Entry::Redrawn { draws, .. } => format!("redrawn {draws}"),
            Entry::Marked { id, mark } => format!("marked {}: {mark:?}", self.of_one(*id)),
            Entry::Spent { id, extra, .. } => format!("spent {extra} on {}", self.of_one(*id)),
            Entry::Added {
                round,
                late,
                candidate,
            } => {
                format!(
                    "added to {round}, late {}: {}",
                    late.is_some(),
                    candidate.text
                )
            }
            Entry::Moved { by, .. } => format!("moved: {by:?}"),
            Entry::Rescored { pair, scores, .. } => {
                let all = scores.iter().map(|(id, s)| (self.of_one(*id), s.value()));
                format!("rescored by {pair}: {:?}", all.collect::<Vec<_>>())
            }
            Entry::CutOff { beam } => {
                format!("cut off: {}", self.of_all(beam.iter().map(|h| &h.id)))
            }
            Entry::Finished { best, reason } => {
                format!(
                    "finished, {reason:?}: {} {}",
                    self.of_one(best.id),
                    best.text
                )
            }
        }
    }

    fn whole(&self, candidate: &Hypothesis, pair: &PairId) -> String {
        let name = self.of_one(candidate.id);
        let score = candidate.scores.by(pair).map(|score| score.value());
        format!(
            "{name} {:?} {score:?} {:?}",
            candidate.text, candidate.finish
        )
    }
}

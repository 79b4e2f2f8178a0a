//! What the user did that can be taken back, the last first.

use super::History;
use crate::search::entry::{Mark, NodeId};
use crate::search::ids::HypothesisId;

/// Something that can be taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Turn {
    /// The head went elsewhere: by a move, or by a cut made again.
    Moved { from: NodeId },
    /// A candidate of the round after `at` was marked.
    Marked {
        at: NodeId,
        id: HypothesisId,
        mark: Option<Mark>,
        before: Option<Mark>,
    },
    /// The rounds after `at` were drawn anew.
    Redrawn { at: NodeId, before: u64 },
}

impl Turn {
    /// Where the head was.
    #[must_use]
    pub fn at(self) -> NodeId {
        match self {
            Self::Moved { from } => from,
            Self::Marked { at, .. } | Self::Redrawn { at, .. } => at,
        }
    }
}

impl History {
    /// What an undo takes back: the last turn of which there is anything left.
    #[must_use]
    pub fn last_turn(&self) -> Option<Turn> {
        let mut turns = self.turns.iter().rev();
        turns.find(|turn| !self.is_void(turn)).copied()
    }

    /// A mark goes with its round when that is broken off; once its cut is made, the way back is
    /// before the round.
    fn is_void(&self, turn: &Turn) -> bool {
        match *turn {
            Turn::Marked { at, id, mark, .. } if at == self.head => {
                let open = self.open().filter(|round| round.holds(id));
                open.is_none_or(|round| round.mark_of(id) != mark)
            }
            _ => false,
        }
    }

    pub(super) fn turn_mark(&mut self, id: HypothesisId, mark: Option<Mark>) {
        let (at, before) = (self.head, self.mark_of(id));
        if before != mark {
            self.turns.push(Turn::Marked {
                at,
                id,
                mark,
                before,
            });
        }
        self.mark(id, mark);
    }

    pub(super) fn redraw(&mut self, after: NodeId, draws: u64) {
        let Some(node) = self.nodes.get_mut(after.0) else {
            return;
        };
        let before = node.draws();
        node.set_draws(draws);
        self.turns.push(Turn::Redrawn { at: after, before });
    }

    /// How often the rounds after the head will have been drawn anew, if they are once more:
    /// more often than any that followed it.
    pub(in crate::search) fn next_draws(&self) -> u64 {
        let child = |id: &NodeId| Some(self.node(*id)?.round()?.draws);
        let drawn = self.here().children().iter().filter_map(child);
        drawn.chain([self.here().draws()]).max().unwrap_or(0) + 1
    }

    /// The last turn is taken back, and those of which nothing was left are forgotten.
    pub(super) fn take_back(&mut self) {
        while let Some(turn) = self.turns.pop() {
            if self.is_void(&turn) {
                continue;
            }
            if let Turn::Redrawn { at, before } = turn {
                self.nodes[at.0].set_draws(before);
            }
            return;
        }
    }
}

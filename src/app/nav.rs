//! Where the user looks: panes, the selection, the node on the board.

use crate::search::{HypothesisId, NodeId};

use super::board::Sort;

/// A part of the screen with a subject of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pane {
    Board,
    Evidence,
    Charts,
    Tree,
    Runs,
    Xray,
    Panel,
}

impl Pane {
    pub const ALL: [Self; 7] = [
        Self::Board,
        Self::Evidence,
        Self::Charts,
        Self::Tree,
        Self::Runs,
        Self::Xray,
        Self::Panel,
    ];

    /// Its name on screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Evidence => "evidence",
            Self::Charts => "charts",
            Self::Tree => "tree",
            Self::Runs => "runs",
            Self::Xray => "x-ray",
            Self::Panel => "panel",
        }
    }

    /// The pane `by` places further, round and round.
    #[must_use]
    pub fn turn(self, by: isize) -> Self {
        let n = Self::ALL.len();
        let here = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        Self::ALL[here.wrapping_add_signed(by).wrapping_add(n) % n]
    }
}

/// A border between panes that can be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Between the board and the pane below it.
    Rows,
    /// Between what stands side by side.
    Columns,
}

/// What of a run the user looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// A candidate of the round on the board that the user chose, or its kin in that round.
    pub selected: Option<HypothesisId>,
    /// It is not what the user chose, but kin of it.
    pub is_heir: bool,
    /// A candidate to compare others with, token by token.
    pub reference: Option<HypothesisId>,
    /// Candidates that the user keeps an eye on, in the order of their choice.
    pub watched: Vec<HypothesisId>,
    /// A node to look at, on whichever branch: its round is on the board. `None` follows the run.
    pub node: Option<NodeId>,
    /// A place in the token table that the user chose; else it is where the chunk begins, or where
    /// two that are compared part.
    pub token: Option<usize>,
    /// How far the X-ray is scrolled.
    pub xray: usize,
}

/// How the user looks: panes and their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The pane that the arrow keys move in.
    pub focus: Pane,
    /// The pane beside the board; never the board itself.
    pub side: Pane,
    /// The focused pane fills the screen.
    pub zoom: bool,
    /// The pane that a candidate was read from: where to go back to.
    pub read_from: Option<Pane>,
    pub sort: Sort,
    /// The pair of the panel whose weight the keys change.
    pub voice: usize,
    /// The guided and the unguided response are compared in full.
    pub twin: bool,
    /// The share of the first pane at each border the user moved, in thousandths.
    pub rows: Option<u16>,
    pub columns: Option<u16>,
    /// Colours for a light background.
    pub light: bool,
    /// The terminal shows no more than ASCII.
    pub ascii: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            focus: Pane::Board,
            side: Pane::Evidence,
            zoom: false,
            read_from: None,
            sort: Sort::Beam,
            voice: 0,
            twin: false,
            rows: None,
            columns: None,
            light: false,
            ascii: false,
        }
    }
}

impl Look {
    /// Moves a border.
    pub fn divide(&mut self, edge: Edge, share: u16) {
        match edge {
            Edge::Rows => self.rows = Some(share),
            Edge::Columns => self.columns = Some(share),
        }
    }

    /// The evidence alone on the screen, or back to where that was asked for.
    pub fn toggle_reading(&mut self) {
        match self.read_from.take() {
            Some(pane) => {
                self.zoom = false;
                self.focus(pane);
            }
            None => {
                self.read_from = Some(self.focus);
                self.focus = Pane::Evidence;
                self.zoom = true;
            }
        }
    }

    /// The focused pane alone, or all panes. Either way it is no longer a reading to go back from.
    pub fn toggle_zoom(&mut self) {
        self.read_from = None;
        self.zoom = !self.zoom;
    }

    /// Gives a pane the focus, and the place beside the board if it is not the board. To leave a
    /// reading by another pane ends its zoom too.
    pub fn focus(&mut self, pane: Pane) {
        if self.read_from.take().is_some() {
            self.zoom = false;
        }
        self.focus = pane;
        if pane != Pane::Board {
            self.side = pane;
        }
    }
}

/// A movement in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    By(isize),
    First,
    Last,
}

impl Jump {
    /// The place after the movement from `here` in a list of `n`.
    #[must_use]
    pub fn apply(self, here: usize, n: usize) -> usize {
        let last = n.saturating_sub(1);
        match self {
            Self::By(by) => here.saturating_add_signed(by).min(last),
            Self::First => 0,
            Self::Last => last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_turn_round() {
        assert_eq!(Pane::Panel.turn(1), Pane::Board);
        assert_eq!(Pane::Board.turn(-1), Pane::Panel);
    }

    #[test]
    fn a_reading_left_by_another_pane_leaves_no_zoom() {
        let mut look = Look::default();
        look.toggle_reading();
        assert!(look.zoom && look.focus == Pane::Evidence);
        look.focus(Pane::Charts);
        assert!(!look.zoom && look.read_from.is_none());
    }

    #[test]
    fn a_zoom_the_user_made_goes_from_pane_to_pane() {
        let mut look = Look::default();
        look.toggle_zoom();
        look.focus(Pane::Charts);
        assert!(look.zoom);
    }

    #[test]
    fn moves_stay_in_the_list() {
        assert_eq!(Jump::By(-3).apply(1, 5), 0);
        assert_eq!(Jump::By(9).apply(1, 5), 4);
        assert_eq!(Jump::Last.apply(0, 0), 0);
    }
}

//! Where everything is: a pure function of the app and the area.

use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::{board, columns, evidence, overlay, panel, response, settings, status, tour, tree};
use crate::app::{App, Context, Edge, Pane, Phase, Target};

/// From here on the board has room for headings and another pane below it.
const MEDIUM: (u16, u16) = (96, 32);

/// From here on panes stand side by side.
const WIDE: (u16, u16) = (160, 36);

/// The places of all panels.
#[derive(Debug, Clone, PartialEq)]
pub struct Screen {
    pub header: Rect,
    pub settings: Rect,
    pub response: Rect,
    pub panes: Vec<(Pane, Rect)>,
    /// A card of the tour: it has a place of its own and lies over nothing.
    pub card: Rect,
    pub status: Rect,
    pub hints: Rect,
}

impl Screen {
    /// Lays out `area`. When it is too low, the response goes first, then status, then settings.
    pub fn of(app: &App, area: Rect) -> Self {
        let (w, h) = (area.width, area.height);
        let row = |from: u16| u16::from(h >= from);
        let settings = match h {
            0..=19 => row(6),
            _ => settings::height_wanted(app, w),
        };
        let status = match h {
            0..=15 => row(8),
            _ => status::height_wanted(app, w),
        };
        let lengths = [row(2), settings, response_height(app, area)].map(Constraint::Length);
        let [header, settings, response] = lengths;
        let card = match h {
            0..=15 => 0,
            _ => tour::height_wanted(app, w),
        };
        let [card, status, hints] = [card, status, row(4)].map(Constraint::Length);
        let body = Constraint::Fill(1);
        let rows = [header, settings, response, body, card, status, hints];
        let [header, settings, response, body, card, status, hints] =
            Layout::vertical(rows).areas(area);
        Self {
            header,
            settings,
            response,
            panes: panes(app, body, area),
            card,
            status,
            hints,
        }
    }
}

/// While the board moves, nothing else does; at the end there is a response to read, and a
/// comparison is read whenever it is asked for.
fn response_height(app: &App, area: Rect) -> u16 {
    let least = match area.height {
        0..=9 => 0,
        10..=31 => 3,
        32..=47 => 5,
        _ => 6,
    };
    let most = match app.phase() {
        _ if area.height < 16 => least,
        _ if response::is_comparison(app) => area.height * 2 / 3,
        Phase::Finished | Phase::Over => area.height / 3,
        _ => least,
    };
    if most == least {
        return least;
    }
    let wanted = response::height_wanted(app, area.width, most);
    let wanted = u16::try_from(wanted).unwrap_or(u16::MAX);
    wanted.min(most).max(least)
}

fn fits(area: Rect, (width, height): (u16, u16)) -> bool {
    area.width >= width && area.height >= height
}

fn panes(app: &App, body: Rect, area: Rect) -> Vec<(Pane, Rect)> {
    let look = app.look();
    if look.zoom || !fits(area, MEDIUM) {
        vec![(look.focus, body)]
    } else if fits(area, WIDE) {
        wide(app, body)
    } else {
        let side = look.side;
        let [top, bottom] = stacked(app, body, side);
        vec![(Pane::Board, top), (side, bottom)]
    }
}

/// Board and side pane on the left, the evidence on the right, below it what is not on the left.
fn wide(app: &App, body: Rect) -> Vec<(Pane, Rect)> {
    let [left, right] = side_by_side(app, body);
    let below = match app.look().side {
        Pane::Evidence => Pane::Charts,
        other => other,
    };
    let [top, bottom] = stacked(app, left, below);
    let mut panes = vec![(Pane::Board, top), (below, bottom)];
    // Few responses have use for all of a high column; who reads the evidence gets it all.
    let is_read = app.look().focus == Pane::Evidence;
    if right.height < TALL || is_read {
        panes.push((Pane::Evidence, right));
        return panes;
    }
    let also = match below {
        Pane::Tree => Pane::Charts,
        _ => Pane::Tree,
    };
    let share = [Constraint::Fill(3), Constraint::Fill(2)];
    let [evidence, rest] = Layout::vertical(share).areas(right);
    panes.extend([(Pane::Evidence, evidence), (also, rest)]);
    panes
}

/// The height from which the column of the evidence holds another pane too.
const TALL: u16 = 44;

/// Columns that keep this much of the width, however the border is moved.
const LEAST_WIDTH: u16 = 50;

/// Lines that the pane below the board keeps while nobody moves the border: enough for a table.
const LEAST_BELOW: u16 = 9;

/// Lines that both of two stacked panes keep.
const LEAST_HEIGHT: u16 = 4;

fn side_by_side(app: &App, body: Rect) -> [Rect; 2] {
    // The board has all its columns before the evidence has a wider bar.
    let usual = (u32::from(body.width.saturating_sub(2)) * 11 + 10) / 20;
    let usual = u16::try_from(usual).unwrap_or(body.width);
    let left = match app.look().columns {
        None => usual.max(columns::ROOMY),
        Some(share) => part(share, body.width, LEAST_WIDTH),
    };
    let columns = [Constraint::Length(left), Constraint::Fill(1)];
    Layout::horizontal(columns).spacing(2).areas(body)
}

/// `share` thousandths of `whole`, with at least `least` on either side.
fn part(share: u16, whole: u16, least: u16) -> u16 {
    let part = u32::from(share) * u32::from(whole) / 1000;
    let most = whole.saturating_sub(least).max(least);
    u16::try_from(part)
        .unwrap_or(most)
        .clamp(least, most)
        .min(whole)
}

/// The border at a place of the screen.
#[must_use]
pub fn edge(app: &App, area: Rect, x: u16, y: u16) -> Option<Edge> {
    if app.context() != Context::Main {
        return None;
    }
    let panes = Screen::of(app, area).panes;
    let (_, top) = panes.first()?;
    let (_, bottom) = panes.get(1)?;
    let is_beside = panes.len() > 2 && (top.right()..top.right() + 2).contains(&x);
    if is_beside && (top.y..bottom.bottom()).contains(&y) {
        return Some(Edge::Columns);
    }
    let is_below = y == bottom.y && (bottom.x..bottom.right()).contains(&x);
    is_below.then_some(Edge::Rows)
}

/// The share that the first pane has when the border is moved to a place, in thousandths.
#[must_use]
pub fn share(app: &App, area: Rect, edge: Edge, x: u16, y: u16) -> u16 {
    let panes = Screen::of(app, area).panes;
    let all = panes.iter().map(|(_, area)| *area).reduce(Rect::union);
    let all = all.unwrap_or_default();
    let (at, whole) = match edge {
        Edge::Rows => (y.saturating_sub(all.y), all.height),
        Edge::Columns => (x.saturating_sub(all.x), all.width),
    };
    // Rounded up, so that the border comes to lie where the pointer is.
    let share = (u32::from(at) * 1000).div_ceil(u32::from(whole.max(1)));
    u16::try_from(share.min(1000)).unwrap_or(1000)
}

/// The board as high as the user made it, else as it wants to be, but never all of the height:
/// half of it belongs to the pane below while that has the focus, as far as that has use for it.
fn stacked(app: &App, area: Rect, below: Pane) -> [Rect; 2] {
    let share = match app.look().focus == below {
        true => area.height.div_ceil(2),
        false => (area.height / 4).clamp(LEAST_BELOW.min(area.height / 2), 12),
    };
    let least_below = share.min(height_wanted(app, below, area.width));
    let height = match app.look().rows {
        None => board::height_wanted(app).min(area.height - least_below),
        Some(share) => part(share, area.height, LEAST_HEIGHT),
    };
    Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area)
}

/// Lines that a pane has use for; all where it has no end of its own.
fn height_wanted(app: &App, pane: Pane, width: u16) -> u16 {
    match pane {
        Pane::Evidence => evidence::height_wanted(app, width),
        _ => u16::MAX,
    }
}

/// What lies at a place of the screen.
#[must_use]
pub fn hit(app: &App, area: Rect, x: u16, y: u16) -> Target {
    let at = Position::new(x, y);
    if app.context() != Context::Main {
        return overlay::hit(app, area, at);
    }
    let screen = Screen::of(app, area);
    if screen.response.contains(at) {
        return Target::Prompt;
    }
    let Some((pane, area)) = screen.panes.iter().find(|(_, area)| area.contains(at)) else {
        return Target::Nothing;
    };
    let row = usize::from(y - area.y);
    let found = match pane {
        Pane::Board => board::candidate_at(app, *area, row).map(Target::Candidate),
        Pane::Tree => tree::spot_at(app, *area, row).map(Target::Spot),
        Pane::Panel => panel::target_at(app, *area, x, row),
        _ => None,
    };
    found.unwrap_or(Target::Pane(*pane))
}

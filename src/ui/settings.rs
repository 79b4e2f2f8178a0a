//! The settings with the keys that change them. What is pending or not as usual is never missing:
//! keys make room for values, what is as usual for what is not, and a second line for both.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::{Depth, Theme};
use super::{draw, text};
use crate::app::settings::{is_plain, pace_text};
use crate::app::{Action, App, Context, Options};
use crate::search::{MethodName, SearchParams};

/// Lines that the settings take at most.
const MOST: u16 = 2;

/// The width from which what is ranked by is never left out.
const RANKED: u16 = 100;

/// Cells that a pair's name keeps, however narrow the screen is.
const LEAST_NAME: usize = 12;

/// Lines that it takes to show every value that matters.
pub fn height_wanted(app: &App, width: u16) -> u16 {
    let all = dials(app, width);
    let mut shown = Shown::of(&all, app);
    match shown.fit(width, 1, Shown::give_up_words) {
        Some(_) => 1,
        None => MOST,
    }
}

/// Every setting with its value, `4→6` while a change is pending, and its keys; named in full
/// where that fits. No item is cut: what has no room is left out whole.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let all = dials(app, area.width);
    let mut shown = Shown::of(&all, app);
    let most = usize::from(area.height).max(1);
    let words_fit = shown.fit(area.width, most, Shown::give_up_words).is_some();
    if !words_fit {
        shown.fit(area.width, most, Shown::give_up_value);
    }
    let lines = shown.lines(area.width, theme);
    for (row, line) in lines.into_iter().enumerate() {
        draw::line(buf, area, row, line);
    }
}

/// A setting on screen: a name, its value, what it will be, the keys.
struct Dial {
    long: &'static str,
    short: &'static str,
    used: String,
    wanted: String,
    /// The run has not taken it over yet.
    pending: bool,
    /// As it is when nobody has touched it.
    usual: bool,
    keys: Vec<Action>,
    /// Left out while it is as usual and there is no room.
    minor: bool,
}

/// A setting as far as it is shown.
struct Item<'a> {
    dial: &'a Dial,
    keys: String,
}

/// What of the settings is shown.
struct Shown<'a> {
    items: Vec<Item<'a>>,
    long: bool,
}

impl<'a> Shown<'a> {
    /// Everything.
    fn of(all: &'a [Dial], app: &App) -> Self {
        let label = |action: &Action| app.keymap().label(Context::Main, *action);
        let item = |dial: &'a Dial| {
            let keys: Vec<String> = dial.keys.iter().map(label).collect();
            let keys = keys.join("/");
            Item { dial, keys }
        };
        Self {
            items: all.iter().map(item).collect(),
            long: true,
        }
    }

    /// Gives up one thing after the other until the rest fits into `most` lines; `None` when
    /// there is nothing more to give up.
    fn fit(&mut self, width: u16, most: usize, give_up: fn(&mut Self) -> bool) -> Option<()> {
        let plain = Theme::new(Depth::None, false);
        let is_wide = |line: &Vec<Span<'_>>| draw::width(line) > usize::from(width);
        loop {
            let lines = self.lines(width, &plain);
            if lines.len() <= most && !lines.iter().any(is_wide) {
                return Some(());
            }
            if !give_up(self) {
                return None;
            }
        }
    }

    /// Full names, minor settings that are as usual, keys: the last first, those of what is as
    /// usual before the others.
    fn give_up_words(&mut self) -> bool {
        if std::mem::take(&mut self.long) {
            return true;
        }
        let is_minor = |item: &Item<'_>| item.dial.minor && item.dial.usual;
        if self.remove_last(is_minor) {
            return true;
        }
        [true, false].into_iter().any(|usual| {
            let mut items = self.items.iter_mut().rev();
            let found = items.find(|i| !i.keys.is_empty() && i.dial.usual == usual);
            found.map(|item| item.keys.clear()).is_some()
        })
    }

    /// Whole settings: those as usual before those changed, and these before those pending.
    fn give_up_value(&mut self) -> bool {
        self.remove_last(|item| item.dial.usual)
            || self.remove_last(|item| !item.dial.pending)
            || self.items.pop().is_some()
    }

    fn remove_last(&mut self, is_it: impl Fn(&Item<'_>) -> bool) -> bool {
        let at = self.items.iter().rposition(is_it);
        at.map(|at| self.items.remove(at)).is_some()
    }

    /// The items in order, in as many lines as they fill.
    fn lines(&self, width: u16, theme: &Theme) -> Vec<Vec<Span<'static>>> {
        let mut lines: Vec<Vec<Span<'static>>> = Vec::new();
        for item in &self.items {
            let item = item.spans(self.long, theme);
            let room = usize::from(width).saturating_sub(draw::width(&item) + 1);
            match lines.last_mut().filter(|line| draw::width(line) <= room) {
                Some(line) => line.extend([vec![Span::raw(" ")], item].concat()),
                None => lines.push(item),
            }
        }
        lines
    }
}

impl Item<'_> {
    fn spans(&self, long: bool, theme: &Theme) -> Vec<Span<'static>> {
        let dial = self.dial;
        let name = if long { dial.long } else { dial.short };
        let mut spans = vec![Span::styled(format!(" {name} "), theme.muted)];
        match dial.pending {
            false => spans.push(Span::styled(dial.used.clone(), theme.title)),
            true => spans.extend([
                Span::raw(dial.used.clone()),
                Span::styled(format!("→{}", dial.wanted), theme.accent),
            ]),
        }
        if !self.keys.is_empty() {
            spans.push(Span::styled(format!(" {}", self.keys), theme.key));
        }
        spans
    }
}

/// All settings, in the order in which they keep their places on screen.
fn dials(app: &App, width: u16) -> Vec<Dial> {
    let mut all = sizes(app);
    all.extend([pair(app, usize::from(width)), pace(app)]);
    // What is pending does not push off what the cut ranks by, where that has its place.
    let is_ranking = |dial: &Dial| dial.keys == [Action::NextRanking] && width >= RANKED;
    all.extend(minor(app).map(|dial| Dial {
        minor: !is_ranking(&dial),
        ..dial
    }));
    // As usual they stand in the first line.
    let rare = rare(app).into_iter();
    all.extend(rare.filter(|dial| !dial.usual));
    all
}

fn sizes(app: &App) -> Vec<Dial> {
    use Action as A;
    let w = of(app, ("beam width W", "W"), |p| p.beam_width().to_string());
    let k = of(app, ("successors K", "K"), |p| p.successors().to_string());
    let l = of(app, ("chunk length L", "L"), |p| p.chunk_len().to_string());
    let t = of(app, ("temperature", "T"), |p| {
        p.sampling().temperature().to_string()
    });
    let n = of(app, ("tokens n", "n"), |p| p.max_new_tokens().to_string());
    vec![
        w.by([A::NarrowerBeam, A::WiderBeam]),
        k.by([A::FewerSuccessors, A::MoreSuccessors]),
        l.by([A::ShorterChunk, A::LongerChunk]),
        t.by([A::Cooler, A::Hotter]),
        n.by([A::FewerTokens, A::MoreTokens]),
    ]
}

fn minor(app: &App) -> [Dial; 4] {
    use Action as A;
    let top_k = of(app, ("top-k", "top-k"), |p| {
        p.sampling().top_k().to_string()
    });
    let top_p = of(app, ("top-p", "top-p"), |p| {
        p.sampling().top_p().to_string()
    });
    let ranking = of(app, ("ranking", "by"), |p| p.ranking().to_string());
    let weight = of(app, ("weight", "weight"), |p| p.weight().get().to_string());
    [
        top_k.by([A::LowerTopK, A::RaiseTopK]),
        top_p.by([A::LowerTopP, A::RaiseTopP]),
        ranking.by([A::NextRanking]),
        weight.by([A::LowerWeight, A::RaiseWeight]),
    ]
}

fn rare(app: &App) -> [Dial; 3] {
    let method = of(app, ("method", "method"), method);
    let seed = of(app, ("seed", "seed"), |p| p.seed().to_string());
    let rules = of(app, ("rules", "rules"), |p| p.rules().to_string());
    [
        method.by([Action::Presets]),
        seed.by([Action::NewSeed]),
        rules,
    ]
}

/// W, K and L say it all of the paper's own.
fn method(params: &SearchParams) -> String {
    match is_plain(params) {
        true => "cbs".to_owned(),
        false => MethodName::of(params).to_string(),
    }
}

/// A setting that is one of the params.
fn of(
    app: &App,
    (long, short): (&'static str, &'static str),
    read: impl Fn(&SearchParams) -> String,
) -> Dial {
    let used = read(app.params_in_use());
    let wanted = read(app.params_to_come());
    let usual = read(&SearchParams::default());
    Dial {
        long,
        short,
        pending: used != wanted,
        usual: used == wanted && used == usual,
        used,
        wanted,
        keys: Vec::new(),
        minor: false,
    }
}

impl Dial {
    fn by(self, keys: impl Into<Vec<Action>>) -> Self {
        let keys = keys.into();
        Self { keys, ..self }
    }
}

fn pair(app: &App, width: usize) -> Dial {
    let wanted = app.pair_to_come();
    let used = match app.pair_in_use() {
        "" => wanted,
        pair => pair,
    };
    let first = app.models().and_then(|models| models.pairs.first());
    let usual = first.map_or(used, |pair| pair.name.as_str());
    let room = (width / 4).max(LEAST_NAME);
    Dial {
        long: "weak pair",
        short: "pair",
        used: pair_name(used, room),
        wanted: pair_name(wanted, room),
        pending: used != wanted,
        usual: used == wanted && used == usual,
        keys: vec![Action::NextPair, Action::PreviousPair],
        minor: false,
    }
}

/// A pair's name; where it is long, without the folders that its models lie in. A checkpoint is
/// called by its training.
pub fn pair_name(name: &str, room: usize) -> String {
    let name = text::clean(name);
    if text::width(&name) <= room {
        return name;
    }
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let model = |spec: &str| match spec.rsplit_once("/steps/") {
        Some((training, step)) => format!("{} {step}", last(training)),
        None => last(spec),
    };
    let models: Vec<String> = name.split(',').map(model).collect();
    text::head(&models.join(","), room)
}

/// The pace is obeyed at once, so it is never pending.
fn pace(app: &App) -> Dial {
    let text = |pace| {
        let text = pace_text(pace).replace("/round", "");
        text.replace(" speed", "")
    };
    let pace = text(app.wanted().pace);
    let usual = pace == text(Options::default().pace);
    Dial {
        long: "pace",
        short: "pace",
        used: pace.clone(),
        wanted: pace,
        pending: false,
        usual,
        keys: vec![Action::SlowerPace, Action::FasterPace],
        minor: false,
    }
}

#[cfg(test)]
mod tests {
    use super::pair_name;

    #[test]
    fn long_names_lose_their_folders() {
        let name = |spec| pair_name(spec, 24);
        assert_eq!(name("a/b,c/d"), "a/b,c/d");
        assert_eq!(
            name("models/of/mine/tuned,models/of/mine/plain"),
            "tuned,plain"
        );
        let checkpoint = "/home/me/tuned/short/steps/00050,bundled:untuned";
        assert_eq!(name(checkpoint), "short 00050,bundled:unt…");
    }
}

//! Two hundred scripts of keys, mouse, sizes and what the worker does meanwhile, drawn from seeds:
//! what is promised holds on every frame.

use std::collections::HashSet;

use ratatui::layout::Rect;
use w2s::app::board::{Line, Row};
use w2s::app::{Action, App, Context, Key, Msg, Pane, Phase, Target, tree};
use w2s::message::Update;
use w2s::search::{Fate, HypothesisId};
use w2s::ui::{Depth, Theme, edge, hit, share};

use crate::legible::lines;
use crate::screens::draw;
use crate::support::Playground;

const SCRIPTS: u64 = 200;
const STEPS: usize = 40;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// How far the round of the made-up worker is.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Cut,
    Growing,
    Scored,
}

struct Script {
    p: Playground,
    dice: Dice,
    run: w2s::message::RunId,
    stage: Stage,
    rounds: usize,
    area: Rect,
    /// What was said last, and the steps of the search since.
    notice: (Option<String>, usize),
    told: Vec<String>,
}

impl Script {
    fn new(seed: u64) -> Self {
        let tour = seed.is_multiple_of(5);
        let mut p = Playground::with(w2s::app::Options {
            samples: vec!["I watched this film last night,".to_owned()],
            tour,
            ..Default::default()
        })
        .alike(1 + seed % 3)
        .load();
        let run = p.run;
        p.msg(Msg::Key(Key::char('o')));
        Self {
            p,
            dice: Dice(seed * 7919 + 17),
            run,
            stage: Stage::Cut,
            rounds: 0,
            area: Rect::new(0, 0, 80, 24),
            notice: (None, 0),
            told: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.dice.below(12) {
            0..=4 => self.key(),
            5 => self.click(),
            6 => self.scroll(),
            7 => self.resize(),
            8 => self.drag(),
            _ => self.work(),
        }
        // A new run begins at its first round.
        if self.p.run != self.run {
            (self.run, self.stage, self.rounds) = (self.p.run, Stage::Cut, 0);
        }
    }

    fn key(&mut self) {
        const OTHERS: [&str; 9] = [
            "enter", "esc", "up", "down", "pgdn", "home", "end", "tab", "space",
        ];
        let leaves = [Action::Quit, Action::EditPrompt, Action::WriteChunk];
        let all = Action::ALL.iter().filter(|action| !leaves.contains(action));
        let keys: Vec<Key> = all
            .flat_map(|action| self.p.app.keymap().keys(*action))
            .collect();
        let key = match self.dice.below(2) {
            0 => *self.dice.of(&keys),
            _ => self.dice.of(&OTHERS).parse().unwrap(),
        };
        self.say(Msg::Key(key), format!("key {key}"));
    }

    fn place(&mut self) -> (u16, u16) {
        let x = self.dice.below(usize::from(self.area.width)) as u16;
        (x, self.dice.below(usize::from(self.area.height)) as u16)
    }

    fn click(&mut self) {
        let (x, y) = self.place();
        let target = hit(&self.p.app, self.area, x, y);
        if target != Target::Prompt {
            self.say(Msg::Click(target), format!("click {target:?}"));
        }
    }

    fn scroll(&mut self) {
        let (x, y) = self.place();
        let target = hit(&self.p.app, self.area, x, y);
        let lines = self.dice.below(7) as isize - 3;
        self.say(
            Msg::Scroll(target, lines),
            format!("scroll {target:?} {lines}"),
        );
    }

    fn drag(&mut self) {
        let (x, y) = self.place();
        if let Some(edge) = edge(&self.p.app, self.area, x, y) {
            let (x, y) = self.place();
            let share = share(&self.p.app, self.area, edge, x, y);
            self.say(Msg::Drag(edge, share), format!("drag {edge:?} {share}"));
        }
    }

    fn resize(&mut self) {
        let width = 80 + self.dice.below(130) as u16;
        self.area = Rect::new(0, 0, width, 24 + self.dice.below(40) as u16);
        self.told
            .push(format!("size {}×{}", width, self.area.height));
    }

    /// The worker goes on by a stage, if the run moves.
    fn work(&mut self) {
        let run = self.p.run;
        let pause = |paused| Update::Paused { run, paused };
        match self.p.app.phase() {
            Phase::Pausing => self.say(Msg::Update(pause(true)), "paused".to_owned()),
            Phase::Running | Phase::Stepping => self.go_on(),
            _ => {}
        }
    }

    fn go_on(&mut self) {
        let before = self.p.app.notice().map(str::to_owned);
        self.told.push(format!("worker, round {}", self.rounds));
        match self.stage {
            Stage::Cut if self.rounds >= 10 => {
                self.p.finish();
            }
            Stage::Cut => {
                self.p.start_round().grow(2);
                self.rounds += 1;
                self.stage = Stage::Growing;
                self.age(before);
            }
            Stage::Growing => {
                self.p.grow(5).score();
                self.stage = Stage::Scored;
            }
            Stage::Scored => {
                self.p.select();
                if self.rounds == 2 {
                    self.p.unguided().ways();
                }
                self.stage = Stage::Cut;
                self.age(before);
            }
        }
    }

    /// A step of the search: what was said before it is older.
    fn age(&mut self, before: Option<String>) {
        if self.p.app.notice().map(str::to_owned) == before && before.is_some() {
            self.notice.1 += 1;
        }
    }

    fn say(&mut self, msg: Msg, what: String) {
        self.told.push(what);
        let is_key = matches!(msg, Msg::Key(_) | Msg::Click(_));
        self.p.msg(msg);
        if is_key {
            self.notice.1 = 0;
        }
    }

    fn check(&mut self) {
        let notice = self.p.app.notice().map(str::to_owned);
        if notice != self.notice.0 {
            self.notice = (notice, 0);
        }
        let is_old = self.notice.0.is_some() && self.notice.1 > 1;
        assert!(
            !is_old,
            "{:?} is older than a round: {:#?}",
            self.notice.0, self.told
        );
        let app = &self.p.app;
        let screen = lines(app, self.area.width, self.area.height);
        if app.context() == Context::Main {
            check_board(app, &screen, &self.told);
            check_tree(app, &screen, &self.told);
            check_responses(&screen, &self.told);
        }
    }
}

fn candidates(app: &App) -> Vec<Row<'_>> {
    let row = |line| match line {
        Line::Candidate(row) => Some(row),
        _ => None,
    };
    app.board().into_iter().filter_map(row).collect()
}

/// The candidates drawn below the board's title, by what their lines call them.
fn drawn(rows: &[Row<'_>], screen: &[String]) -> HashSet<HypothesisId> {
    let is_row = |line: &&String| line.chars().nth(1).is_some_and(|c| "·○✓✗".contains(c));
    let name = |line: &String| -> String {
        let label = line.chars().skip(4);
        label.take_while(|c| !c.is_whitespace()).collect()
    };
    let names: HashSet<String> = screen.iter().filter(is_row).map(name).collect();
    let drawn = rows.iter().filter(|row| names.contains(&row.label()));
    drawn.map(|row| row.id).collect()
}

fn check_board(app: &App, screen: &[String], told: &[String]) {
    let Some(at) = screen.iter().position(|line| is_board(line)) else {
        return;
    };
    let (title, below) = (&screen[at], &screen[at + 1..]);
    let rows = candidates(app);
    let shown = drawn(&rows, below);
    let is_chosen = |row: &&Row<'_>| app.sight().selected == Some(row.id);
    let matters = |row: &&Row<'_>| row.fate == Fate::Kept || is_chosen(row);
    let hidden = rows
        .iter()
        .filter(matters)
        .filter(|row| !shown.contains(&row.id));
    let idle = rows
        .iter()
        .filter(|row| !matters(row))
        .filter(|row| shown.contains(&row.id));
    assert!(
        hidden.clone().count() == 0 || idle.count() == 0,
        "{:?} out of view: {told:#?}\n{screen:#?}",
        hidden.map(Row::label).collect::<Vec<_>>()
    );
    check_counts(title, &rows, &shown, told, screen);
}

fn is_board(line: &str) -> bool {
    line.starts_with("▸ board ") || line.starts_with("  board ")
}

fn check_counts(
    title: &str,
    rows: &[Row<'_>],
    shown: &HashSet<HypothesisId>,
    told: &[String],
    screen: &[String],
) {
    let n = |is_it: &dyn Fn(&Row<'_>) -> bool| -> usize {
        rows.iter()
            .filter(|row| is_it(row))
            .map(|row| row.times)
            .sum()
    };
    let hidden = n(&|row| !shown.contains(&row.id));
    let out_of_view =
        number_after(title, "▲ ").unwrap_or(0) + number_after(title, "▼ ").unwrap_or(0);
    assert_eq!(out_of_view, hidden, "{title}: {told:#?}\n{screen:#?}");
    for (sign, fate) in [("✓ ", Fate::Kept), ("✗ ", Fate::Pruned)] {
        if let Some(told) = number_after(title, sign) {
            assert_eq!(told, n(&|row| row.fate == fate), "{title}: {screen:#?}");
        }
    }
    if let Some((before, _)) = title.split_once(" grow: ") {
        let number = before.split_whitespace().last().unwrap();
        let growing = n(&|row| row.finish.is_none());
        assert_eq!(number, growing.to_string(), "{title}: {screen:#?}");
    }
}

/// The number that follows a sign.
fn number_after(line: &str, sign: &str) -> Option<usize> {
    let (_, rest) = line.split_once(sign)?;
    rest.split_whitespace().next()?.parse().ok()
}

fn check_tree(app: &App, screen: &[String], told: &[String]) {
    let title = screen.iter().find(|line| line.contains(" tree  "));
    let Some((_, rest)) = title.and_then(|line| line.split_once(" tree  ")) else {
        return;
    };
    let lines = app.tree();
    let leaves = lines
        .iter()
        .filter(|line| matches!(line, tree::Line::Leaf(_)));
    if let Some(n) = rest
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<usize>().ok())
    {
        assert_eq!(n, leaves.count(), "{rest}: {told:#?}");
    }
}

fn check_responses(screen: &[String], told: &[String]) {
    let has = |text: &str| screen[1..].iter().any(|line| line.contains(text));
    assert!(has("guided") && has("unguided"), "{told:#?}\n{screen:#?}");
}

/// What a hint offers: the actions whose keys it names.
fn offered(app: &App, keys: &str) -> Vec<Key> {
    let all = Action::ALL
        .iter()
        .filter(|action| app.is_available(**action));
    let keys_of: Vec<Key> = all
        .filter_map(|action| app.keymap().keys(*action).next())
        .collect();
    if let Some(key) = keys_of.iter().find(|key| key.to_string() == keys) {
        return vec![*key];
    }
    let pairs = keys_of
        .iter()
        .flat_map(|a| keys_of.iter().map(move |b| (a, b)));
    let mut pairs = pairs.filter(|(a, b)| format!("{a}{b}") == keys);
    pairs.next().map_or_else(Vec::new, |(a, b)| vec![*a, *b])
}

/// Every key in the last line does something.
fn check_offers(app: &App, told: &[String]) {
    if app.context() != Context::Main {
        return;
    }
    let theme = Theme::new(Depth::None, false);
    let before = draw(app, 200, 60, &theme);
    let said = app.notice().map(str::to_owned);
    let (sight, look) = (app.sight().clone(), app.look().clone());
    for hint in app.hints() {
        let keys = offered(app, &hint.keys);
        assert!(!keys.is_empty(), "{:?} is no key: {told:#?}", hint.keys);
        let does = |key: &Key| {
            let mut app = app.clone();
            let effects = app.handle(Msg::Key(*key));
            let is_new = app.notice() != said.as_deref();
            let refused = app
                .notice()
                .is_some_and(|n| is_new && n.starts_with("not possible"));
            let has_moved = *app.sight() != sight || *app.look() != look;
            !refused && (has_moved || !effects.is_empty() || draw(&app, 200, 60, &theme) != before)
        };
        assert!(keys.iter().any(does), "{hint:?} does nothing: {told:#?}");
    }
}

#[test]
fn every_frame_of_two_hundred_scripts_keeps_what_is_promised() {
    for seed in 0..SCRIPTS {
        let mut script = Script::new(seed);
        let offers_at = script.dice.below(STEPS);
        for step in 0..STEPS {
            script.step();
            script.check();
            if step == offers_at {
                check_offers(&script.p.app, &script.told);
            }
        }
    }
}

#[test]
fn scripts_come_to_all_that_there_is() {
    let (mut panes, mut cuts, mut ends) = (HashSet::new(), 0, 0);
    for seed in 0..40 {
        let mut script = Script::new(seed);
        for _ in 0..2 * STEPS {
            script.step();
            panes.insert(script.p.app.look().focus);
            cuts += usize::from(script.stage == Stage::Cut && script.rounds > 0);
            ends += usize::from(*script.p.app.phase() == Phase::Finished);
        }
    }
    let all = Pane::ALL.iter().all(|pane| panes.contains(pane));
    assert!(all && cuts > 100, "{panes:?}, {cuts} cuts, {ends} ends");
}

//! Which key means which action, by context.

use super::action::Action;
use super::input::{Key, KeyCode};

/// What the keyboard is for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// The playground itself.
    Main,
    /// Text is being typed: characters are text.
    Text,
    /// A list with a filter is open: characters are the filter.
    Menu,
    /// A page to read is open.
    Page,
    /// An evaluation is open.
    Grid,
    /// Trainings are shown.
    Trainings,
    /// Gains are shown.
    Gains,
}

/// Keys and their actions; several keys may mean the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    main: Vec<(Key, Action)>,
}

/// Keys of the other contexts: the same in every program, so they are not configured.
const TEXT: &[(Key, Action)] = &[
    (Key::plain(KeyCode::Enter), Action::Accept),
    (Key::plain(KeyCode::Esc), Action::Back),
    (Key::ctrl('c'), Action::Back),
    (
        Key {
            code: KeyCode::Enter,
            ctrl: false,
            alt: true,
        },
        Action::NewLine,
    ),
    (Key::ctrl('j'), Action::NewLine),
    (Key::ctrl('z'), Action::Undo),
];

const MENU: &[(Key, Action)] = &[
    (Key::plain(KeyCode::Enter), Action::Accept),
    (Key::plain(KeyCode::Esc), Action::Back),
    (Key::ctrl('c'), Action::Back),
    (Key::plain(KeyCode::Tab), Action::Complete),
    (Key::plain(KeyCode::Up), Action::SelectPrevious),
    (Key::plain(KeyCode::Down), Action::SelectNext),
    (Key::ctrl('p'), Action::SelectPrevious),
    (Key::ctrl('n'), Action::SelectNext),
    (Key::ctrl('k'), Action::SelectPrevious),
    (Key::ctrl('j'), Action::SelectNext),
    (Key::plain(KeyCode::PageUp), Action::PageUp),
    (Key::plain(KeyCode::PageDown), Action::PageDown),
    (Key::plain(KeyCode::Home), Action::SelectFirst),
    (Key::plain(KeyCode::End), Action::SelectLast),
];

const PAGE: &[(Key, Action)] = &[
    (Key::plain(KeyCode::Enter), Action::Accept),
    (Key::plain(KeyCode::Esc), Action::Back),
    (Key::char('?'), Action::Back),
    (Key::char('q'), Action::Back),
    (Key::ctrl('c'), Action::Back),
    (Key::plain(KeyCode::Up), Action::SelectPrevious),
    (Key::plain(KeyCode::Down), Action::SelectNext),
    (Key::char('k'), Action::SelectPrevious),
    (Key::char('j'), Action::SelectNext),
    (Key::ctrl('u'), Action::PageUp),
    (Key::ctrl('d'), Action::PageDown),
    (Key::char('g'), Action::SelectFirst),
    (Key::char('G'), Action::SelectLast),
    (Key::plain(KeyCode::PageUp), Action::PageUp),
    (Key::plain(KeyCode::PageDown), Action::PageDown),
    (Key::char(' '), Action::PageDown),
    (Key::plain(KeyCode::Home), Action::SelectFirst),
    (Key::plain(KeyCode::End), Action::SelectLast),
];

const GRID: &[(Key, Action)] = &[
    (Key::plain(KeyCode::Enter), Action::Accept),
    (Key::plain(KeyCode::Esc), Action::Back),
    (Key::char('q'), Action::Back),
    (Key::ctrl('c'), Action::Back),
    (Key::char('r'), Action::Restart),
    (Key::char('C'), Action::GiveUpLoad),
    (Key::plain(KeyCode::Up), Action::SelectPrevious),
    (Key::plain(KeyCode::Down), Action::SelectNext),
    (Key::plain(KeyCode::Left), Action::EarlierRound),
    (Key::plain(KeyCode::Right), Action::LaterRound),
    (Key::char('k'), Action::SelectPrevious),
    (Key::char('j'), Action::SelectNext),
    (Key::char('h'), Action::EarlierRound),
    (Key::char('l'), Action::LaterRound),
    (Key::plain(KeyCode::PageUp), Action::PageUp),
    (Key::plain(KeyCode::PageDown), Action::PageDown),
    (Key::plain(KeyCode::Home), Action::SelectFirst),
    (Key::plain(KeyCode::End), Action::SelectLast),
];

const GAINS: &[(Key, Action)] = &[
    (Key::plain(KeyCode::Esc), Action::Back),
    (Key::plain(KeyCode::Enter), Action::Back),
    (Key::char('q'), Action::Back),
    (Key::char('8'), Action::Back),
    (Key::ctrl('c'), Action::Back),
    (Key::char('r'), Action::Restart),
    (Key::char('C'), Action::GiveUpLoad),
];

const TRAININGS: &[(Key, Action)] = &[
    (Key::plain(KeyCode::Enter), Action::Accept),
    (Key::plain(KeyCode::Esc), Action::Back),
    (Key::char('q'), Action::Back),
    (Key::ctrl('c'), Action::Back),
    (Key::char('n'), Action::NewSeed),
    (Key::char('@'), Action::Watch),
    (Key::char('r'), Action::Restart),
    (Key::char('C'), Action::GiveUpLoad),
    (Key::plain(KeyCode::Up), Action::SelectPrevious),
    (Key::plain(KeyCode::Down), Action::SelectNext),
    (Key::char('k'), Action::SelectPrevious),
    (Key::char('j'), Action::SelectNext),
    (Key::plain(KeyCode::Home), Action::SelectFirst),
    (Key::plain(KeyCode::End), Action::SelectLast),
];

impl Keymap {
    /// The action of `key`, if it has one.
    #[must_use]
    pub fn action(&self, context: Context, key: Key) -> Option<Action> {
        self.table(context)
            .iter()
            .find(|(bound, _)| *bound == key)
            .map(|(_, action)| *action)
    }

    /// The keys of an action in the playground, best known first.
    pub fn keys(&self, action: Action) -> impl Iterator<Item = Key> {
        self.main
            .iter()
            .filter(move |(_, bound)| *bound == action)
            .map(|(key, _)| *key)
    }

    /// The first key of an action in `context`, as text; empty when it has none.
    #[must_use]
    pub fn label(&self, context: Context, action: Action) -> String {
        self.table(context)
            .iter()
            .find(|(_, bound)| *bound == action)
            .map(|(key, _)| key.to_string())
            .unwrap_or_default()
    }

    /// Gives `keys`, best known first, to `action` and to nothing else; what it had is let go.
    pub fn bind(&mut self, action: Action, keys: &[Key]) {
        if self.keys(action).eq(keys.iter().copied()) {
            return;
        }
        self.main
            .retain(|(key, bound)| *bound != action && !keys.contains(key));
        self.main.extend(keys.iter().map(|key| (*key, action)));
    }

    fn table(&self, context: Context) -> &[(Key, Action)] {
        match context {
            Context::Main => &self.main,
            Context::Text => TEXT,
            Context::Menu => MENU,
            Context::Page => PAGE,
            Context::Grid => GRID,
            Context::Trainings => TRAININGS,
            Context::Gains => GAINS,
        }
    }
}

/// Actions that the playground reaches without a key of their own: by the palette, or in a menu.
pub const WITHOUT_KEY: &[Action] = &[
    Action::ToggleRules,
    Action::Tour,
    Action::Accept,
    Action::NewLine,
    Action::Undo,
    Action::Complete,
];

impl Default for Keymap {
    /// Settings: the small letter lowers, the capital raises.
    fn default() -> Self {
        use KeyCode::{BackTab, Down, End, Enter, Esc, Home, Left, PageDown, PageUp};
        use KeyCode::{Right, Tab, Up};
        let mut main: Vec<(Key, Action)> = CHARS
            .iter()
            .map(|(c, action)| (Key::char(*c), *action))
            .collect();
        main.extend([
            (Key::plain(Up), Action::SelectPrevious),
            (Key::plain(Down), Action::SelectNext),
            (Key::plain(Home), Action::SelectFirst),
            (Key::plain(End), Action::SelectLast),
            (Key::plain(PageUp), Action::PageUp),
            (Key::plain(PageDown), Action::PageDown),
            // As in vi, with control where the letter alone is a setting's.
            (Key::ctrl('k'), Action::SelectPrevious),
            (Key::ctrl('j'), Action::SelectNext),
            (Key::ctrl('u'), Action::PageUp),
            (Key::ctrl('d'), Action::PageDown),
            (Key::plain(Left), Action::EarlierRound),
            (Key::plain(Right), Action::LaterRound),
            (Key::plain(Tab), Action::NextPane),
            (Key::plain(BackTab), Action::PreviousPane),
            (Key::plain(Enter), Action::Read),
            (Key::plain(Esc), Action::Back),
            (Key::plain(KeyCode::Backspace), Action::GoOn),
            (Key::ctrl('p'), Action::Palette),
            (Key::ctrl('v'), Action::DropWays),
            (Key::ctrl('c'), Action::Quit),
            (Key::plain(KeyCode::F(1)), Action::Help),
        ]);
        Self { main }
    }
}

const CHARS: &[(char, Action)] = &[
    ('w', Action::NarrowerBeam),
    ('W', Action::WiderBeam),
    ('k', Action::FewerSuccessors),
    ('K', Action::MoreSuccessors),
    ('l', Action::ShorterChunk),
    ('L', Action::LongerChunk),
    ('t', Action::Cooler),
    ('T', Action::Hotter),
    ('m', Action::FewerTokens),
    ('M', Action::MoreTokens),
    ('f', Action::LowerTopK),
    ('F', Action::RaiseTopK),
    ('u', Action::LowerTopP),
    ('U', Action::RaiseTopP),
    ('a', Action::NextRanking),
    ('R', Action::NextRule),
    ('-', Action::LowerWeight),
    ('+', Action::RaiseWeight),
    ('p', Action::NextPair),
    ('P', Action::PreviousPair),
    ('[', Action::SlowerPace),
    (']', Action::FasterPace),
    ('0', Action::FullSpeed),
    (' ', Action::TogglePause),
    ('s', Action::Step),
    ('.', Action::Step),
    (',', Action::ToCut),
    ('r', Action::Restart),
    ('n', Action::NewSeed),
    ('V', Action::KeepWay),
    ('A', Action::Evaluate),
    ('O', Action::Trainings),
    ('e', Action::EditPrompt),
    ('i', Action::EditPrompt),
    ('x', Action::SamplePrompts),
    ('b', Action::Presets),
    ('B', Action::PickStrong),
    ('H', Action::PickPair),
    ('C', Action::GiveUpLoad),
    ('*', Action::Pin),
    ('X', Action::Kill),
    ('=', Action::Boost),
    ('S', Action::Spend),
    ('E', Action::WriteChunk),
    ('j', Action::ToggleTwin),
    ('d', Action::Take),
    ('h', Action::GoOn),
    ('D', Action::UndoTurn),
    ('g', Action::SelectFirst),
    ('G', Action::SelectLast),
    ('<', Action::EarlierRound),
    ('>', Action::LaterRound),
    ('v', Action::Compare),
    ('/', Action::Find),
    ('@', Action::Watch),
    ('\'', Action::ShowWatched),
    ('!', Action::NextDecisive),
    ('o', Action::ToggleSort),
    ('1', Action::ShowBoard),
    ('2', Action::ShowEvidence),
    ('3', Action::ShowCharts),
    ('4', Action::ShowTree),
    ('5', Action::ShowRuns),
    ('6', Action::ShowXray),
    ('7', Action::ShowPanel),
    ('8', Action::Gains),
    ('z', Action::Zoom),
    ('c', Action::CopyResponse),
    ('y', Action::CopyTable),
    ('I', Action::ToggleLight),
    (':', Action::Palette),
    ('?', Action::Help),
    ('q', Action::Quit),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_key_or_is_listed() {
        let keymap = Keymap::default();
        for action in Action::ALL {
            let bound = keymap.keys(*action).next().is_some();
            assert_ne!(bound, WITHOUT_KEY.contains(action), "{action:?}");
        }
    }

    #[test]
    fn no_key_means_two_things() {
        for context in [Context::Main, Context::Text, Context::Menu, Context::Page] {
            let keymap = Keymap::default();
            let table = keymap.table(context);
            for (i, (key, _)) in table.iter().enumerate() {
                assert!(table[..i].iter().all(|(other, _)| other != key), "{key}");
            }
        }
    }
}

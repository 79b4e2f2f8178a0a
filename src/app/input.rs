//! What reaches the app: keys, mouse, pasted text and the worker's reports, as plain data.

use std::fmt;
use std::str::FromStr;

use super::nav::{Edge, Pane};
use super::tree::Spot;
use crate::message::{Live, Update};
use crate::search::HypothesisId;

/// Everything that can happen to the app.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    Key(Key),
    Paste(String),
    /// The pointer was pressed on something the view named.
    Click(Target),
    /// A border was moved: what lies before it has this share of both, in thousandths.
    Drag(Edge, u16),
    /// The wheel turned over something: lines down, or up when negative.
    Scroll(Target, isize),
    /// What [`Effect::Wake`](super::Effect::Wake) asked for.
    Woken(u64),
    /// The paths that begin with what was typed, those of folders with a slash at their ends.
    Completed {
        typed: String,
        found: Vec<String>,
    },
    Update(Update),
    Live(Live),
}

/// What lies under the pointer. The view knows where things are, the app what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Candidate(HypothesisId),
    /// A place in the tree.
    Spot(Spot),
    Pane(Pane),
    Prompt,
    /// A place on the slider of a pair: its weight there, in eighths.
    Voice {
        pair: usize,
        eighths: i8,
    },
    /// A line of the menu that is open.
    MenuItem(usize),
    Nothing,
}

/// A key as the user sees it: shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub code: KeyCode,
    pub ctrl: bool,
    pub alt: bool,
}

/// The part of a [`Key`] without modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyCode {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

impl Key {
    /// The key without modifiers.
    #[must_use]
    pub const fn plain(code: KeyCode) -> Self {
        Self {
            code,
            ctrl: false,
            alt: false,
        }
    }

    /// A character key.
    #[must_use]
    pub const fn char(c: char) -> Self {
        Self::plain(KeyCode::Char(c))
    }

    /// A character key with Ctrl held.
    #[must_use]
    pub const fn ctrl(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            ctrl: true,
            alt: false,
        }
    }
}

/// The names of keys that are not characters, as shown and as parsed.
const NAMED: &[(&str, KeyCode)] = &[
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("↑", KeyCode::Up),
    ("↓", KeyCode::Down),
    ("←", KeyCode::Left),
    ("→", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
];

/// Other spellings that are parsed but never shown.
const ALIASES: &[(&str, KeyCode)] = &[
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        if self.alt {
            f.write_str("alt-")?;
        }
        match self.code {
            KeyCode::F(n) => write!(f, "f{n}"),
            code => match (NAMED.iter().find(|(_, named)| *named == code), code) {
                (Some((name, _)), _) => f.write_str(name),
                (None, KeyCode::Char(c)) => write!(f, "{c}"),
                (None, _) => Ok(()),
            },
        }
    }
}

/// Text that names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown key {0:?}: use a character, or e.g. `ctrl-p`, `alt-enter`, `space`, `up`, `f1`")]
pub struct UnknownKey(String);

impl FromStr for Key {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        if let Some(rest) = text.strip_prefix("ctrl-") {
            return Ok(Self {
                ctrl: true,
                ..rest.parse()?
            });
        }
        if let Some(rest) = text.strip_prefix("alt-") {
            return Ok(Self {
                alt: true,
                ..rest.parse()?
            });
        }
        key_code(text)
            .map(Self::plain)
            .ok_or_else(|| UnknownKey(text.to_owned()))
    }
}

fn key_code(text: &str) -> Option<KeyCode> {
    if let Some((_, code)) = NAMED.iter().chain(ALIASES).find(|(name, _)| *name == text) {
        return Some(*code);
    }
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Some(KeyCode::Char(c)),
        (Some('f'), Some(_)) => text[1..].parse().ok().map(KeyCode::F),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_display_and_parse() {
        for text in [
            "w",
            "W",
            "ctrl-p",
            "alt-enter",
            "space",
            "↑",
            "f1",
            "shift-tab",
            "-",
            "[",
        ] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        assert_eq!(
            "up".parse::<Key>().unwrap(),
            "↑".parse().unwrap(),
            "an alias"
        );
        assert!("no-such".parse::<Key>().is_err());
    }
}

//! Lists to choose from by typing: the palette, sample prompts, presets.

use super::action::Action;
use super::input::{Key, KeyCode};
use super::nav::Jump;
use super::presets::PRESETS;
use super::tree::Spot;

/// What a menu lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuKind {
    Palette,
    Samples,
    Presets,
    /// Candidates by what they say, and actions.
    Find,
    /// Candidates that are watched.
    Watched,
    /// Strong models.
    Strong,
    /// Weak pairs.
    Pairs,
    /// Values to be trained.
    Values,
}

impl MenuKind {
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Palette => "What to do",
            Self::Samples => "Sample prompts",
            Self::Presets => "Presets",
            Self::Find => "Find a candidate by what it says, or a key by what it does",
            Self::Watched => "Candidates that are watched",
            Self::Strong => "Strong model: choose, or type a folder, a .gguf, hf:owner/name",
            Self::Values => {
                "Train for: choose, or type a judge (lexicon:FILE, cmd:SHELL, a folder)"
            }
            Self::Pairs => "Weak pair: choose, or type two models: TUNED,UNTUNED",
        }
    }
}

/// What choosing a line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Act(Action),
    /// The sample prompt of this number.
    Prompt(usize),
    /// The preset of this number.
    Preset(usize),
    /// The strong model of this number.
    Strong(usize),
    /// The weak pair of this number.
    Pair(usize),
    /// The offer of this number, which is not loaded.
    Offer(usize),
    /// What was loaded before, of this number.
    Load(usize),
    /// The value of this number.
    Value(usize),
    /// Load what was typed, or learn from it.
    Typed,
    /// A place in the tree of rounds.
    Spot(Spot),
}

/// A line of a menu.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub title: String,
    /// Beside the title: a key, a size.
    pub note: String,
    pub choice: Choice,
}

/// An open menu.
#[derive(Debug, Clone, PartialEq)]
pub struct Menu {
    pub kind: MenuKind,
    pub filter: String,
    pub cursor: usize,
}

impl Menu {
    #[must_use]
    pub fn open(kind: MenuKind) -> Self {
        Self {
            kind,
            filter: String::new(),
            cursor: 0,
        }
    }

    /// Types into the filter; whether the key meant anything.
    pub fn key(&mut self, key: Key) -> bool {
        match (key.code, key.ctrl || key.alt) {
            (KeyCode::Char(c), false) => self.filter.push(c),
            (KeyCode::Backspace, _) => {
                self.filter.pop();
            }
            (KeyCode::Char('u'), true) => self.filter.clear(),
            _ => return false,
        }
        self.cursor = 0;
        true
    }

    pub fn go(&mut self, to: Jump, n_items: usize) {
        self.cursor = to.apply(self.cursor, n_items);
    }
}

/// The lines of the menu of presets.
#[must_use]
pub fn presets() -> Vec<Item> {
    let item = |(i, preset): (usize, &super::presets::Preset)| Item {
        title: format!("{}: {}", preset.name, preset.about),
        note: preset.sizes(),
        choice: Choice::Preset(i),
    };
    PRESETS.iter().enumerate().map(item).collect()
}

/// The items that match `filter`, best match first; in their own order when there is no filter.
#[must_use]
pub fn filtered(items: Vec<Item>, filter: &str) -> Vec<Item> {
    let mut scored: Vec<(usize, Item)> = items
        .into_iter()
        .filter_map(|item| Some((fuzzy(filter, &item.title)?, item)))
        .collect();
    scored.sort_by_key(|(cost, _)| *cost);
    scored.into_iter().map(|(_, item)| item).collect()
}

/// How far `text` is from `filter`: the letters must occur in order; gaps and a late start cost.
fn fuzzy(filter: &str, text: &str) -> Option<usize> {
    let text = text.to_lowercase();
    let filter = filter.to_lowercase();
    if let Some(at) = text.find(&filter) {
        return Some(at);
    }
    let mut cost = 1000;
    let mut rest = text.as_str();
    for c in filter.chars().filter(|c| !c.is_whitespace()) {
        let at = rest.find(c)?;
        cost += at;
        rest = &rest[at + c.len_utf8()..];
    }
    Some(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_come_before_scattered_letters() {
        let item = |title: &str| Item {
            title: title.to_owned(),
            note: String::new(),
            choice: Choice::Act(Action::Quit),
        };
        let items = vec![item("p a u s e"), item("to pause"), item("help")];
        let found: Vec<_> = filtered(items, "pause")
            .into_iter()
            .map(|i| i.title)
            .collect();
        assert_eq!(found, ["to pause", "p a u s e"]);
    }
}

//! The file's keys on top of the default ones.

use std::collections::HashMap;

use toml::Spanned;

use super::error::Fault;
use crate::app::{Action, Key, Keymap};

/// What the file binds: an action's keys replace its default keys, and a key given to one action
/// is taken from every other.
///
/// # Errors
/// Text that is no key; a key given to two actions; an end that no key reaches.
pub(super) fn keymap(bound: &HashMap<Action, Vec<Spanned<String>>>) -> Result<Keymap, Fault> {
    let mut keymap = Keymap::default();
    let mut seen: HashMap<Key, Action> = HashMap::new();
    for action in Action::ALL {
        let Some(texts) = bound.get(action) else {
            continue;
        };
        let keys: Vec<Key> = texts.iter().map(key).collect::<Result<_, _>>()?;
        for (key, text) in keys.iter().zip(texts) {
            if let Some(other) = seen.insert(*key, *action) {
                return Err(twice(text, other, *action));
            }
        }
        keymap.bind(*action, &keys);
    }
    is_leavable(&keymap, bound).map(|()| keymap)
}

fn key(text: &Spanned<String>) -> Result<Key, Fault> {
    text.get_ref().parse().map_err(|error| Fault {
        span: text.span(),
        what: format!("{error}"),
    })
}

fn twice(key: &Spanned<String>, one: Action, other: Action) -> Fault {
    let (key_name, span) = (key.get_ref(), key.span());
    Fault {
        span,
        what: format!(
            "the key {key_name:?} is given to `{}` and to `{}`: choose one",
            one.name(),
            other.name()
        ),
    }
}

/// A playground that cannot be left by key is a trap.
fn is_leavable(
    keymap: &Keymap,
    bound: &HashMap<Action, Vec<Spanned<String>>>,
) -> Result<(), Fault> {
    if keymap.keys(Action::Quit).next().is_some() {
        return Ok(());
    }
    let first = bound.values().flatten().map(Spanned::span).next();
    Err(Fault {
        span: first.unwrap_or(0..0),
        what: "no key is left for `quit`: give it one".to_owned(),
    })
}

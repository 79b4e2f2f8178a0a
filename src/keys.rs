//! The configuration file's keys on top of the default ones: where file and playground meet.

use std::collections::HashMap;

use crate::app::{Action, Key, Keymap};
use crate::config::{ConfigError, Keys, Written};

/// What the file binds: an action's keys replace its default keys, and a key given to one action
/// is taken from every other.
///
/// # Errors
/// Text that is no key; a key given to two actions; an end that no key reaches.
pub fn keymap(bound: &Keys) -> Result<Keymap, ConfigError> {
    let mut keymap = Keymap::default();
    let mut seen: HashMap<Key, Action> = HashMap::new();
    for action in Action::ALL {
        let Some(written) = bound.of(&action.name()) else {
            continue;
        };
        let key = |written| key(written, bound);
        let keys: Vec<Key> = written.iter().map(key).collect::<Result<_, _>>()?;
        for (key, written) in keys.iter().zip(written) {
            if let Some(other) = seen.insert(*key, *action) {
                return Err(bound.wrong(written.line, twice(written, other, *action)));
            }
        }
        keymap.bind(*action, &keys);
    }
    is_leavable(&keymap, bound).map(|()| keymap)
}

fn key(written: &Written, bound: &Keys) -> Result<Key, ConfigError> {
    let key = written.key.parse::<Key>();
    key.map_err(|error| bound.wrong(written.line, error.to_string()))
}

fn twice(written: &Written, one: Action, other: Action) -> String {
    format!(
        "the key {:?} is given to `{}` and to `{}`: choose one",
        written.key,
        one.name(),
        other.name()
    )
}

/// A playground that cannot be left by key is a trap.
fn is_leavable(keymap: &Keymap, bound: &Keys) -> Result<(), ConfigError> {
    if keymap.keys(Action::Quit).next().is_some() {
        return Ok(());
    }
    let what = "no key is left for `quit`: give it one";
    Err(bound.wrong(bound.first_line(), what.to_owned()))
}

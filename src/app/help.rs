//! What the help says beside the actions, and how long it is.

use super::{Action, Group};

/// The signs on screen and what they mean.
pub const SIGNS: [(&str, &str); 19] = [
    ("✓ ✗", "kept or pruned at the cut of its round"),
    ("· ○", "its chunk still grows; it is scored and not cut yet"),
    ("■ □", "finished: its end was sampled; it ran out of tokens"),
    (
        "◆ †",
        "your hand: kept or pruned at its cut, whatever its score",
    ),
    ("+n", "your hand: n nats more at its cut"),
    ("»", "your hand: taken, its round was cut again for it"),
    ("K+n", "your hand: n successors more of it than K"),
    ("×3", "three candidates with the very same chunk"),
    ("⋮", "others before it are out of view"),
    (
        "2.3",
        "the third successor of the second hypothesis in the beam",
    ),
    (
        "2  2.own",
        "that hypothesis itself, finished; a chunk of your own",
    ),
    (
        "●",
        "tree: leads to the best response; charts: mean of the kept",
    ),
    ("▸", "has the focus, or is selected"),
    (
        "◀ 3b",
        "tree: where the search goes on from; the second of rounds 3",
    ),
    ("◇", "what the one in detail is compared with"),
    (
        "4→6",
        "in use, and wanted from the next chunk on; a pair, next cut",
    ),
    ("▲ 3 ▼ 4", "so many lines more above and below"),
    (
        "⏎ → ·",
        "in texts: a line break, a tab, another control character",
    ),
    ("⟨7⟩", "a token without text, by its number"),
];

/// The heading above the signs.
pub const SIGNS_TITLE: &str = "Signs";

/// How many lines the help has: a heading and a blank a part, every action, every sign.
#[must_use]
pub fn help_len() -> usize {
    let actions = Action::ALL.iter().filter(|action| !action.is_modal());
    actions.count() + SIGNS.len() + 2 * (Group::ALL.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line of the help holds on a screen of 80 columns, beside border and keys.
    const ROOM: usize = 62;

    #[test]
    fn nothing_is_cut_on_a_small_screen() {
        let actions = Action::ALL.iter().map(|action| action.help());
        for line in actions.chain(SIGNS.map(|(_, meaning)| meaning)) {
            assert!(line.chars().count() <= ROOM, "{line}");
        }
    }
}

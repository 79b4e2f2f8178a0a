//! The screen for terminals that show no more than ASCII: every other character gives way to one
//! that looks or means alike, cell by cell, so that nothing moves.

use ratatui::buffer::Buffer;

/// What the screen draws with, and what stands for it.
const ALIKE: &[(&str, &str)] = &[
    ("┃", "#"),
    ("│║‖", "|"),
    ("┊⋮", ":"),
    ("─╌┈━−–—", "-"),
    ("▄█▆▇▅", "#"),
    ("▗▖▃▂▁", "="),
    ("╭╮╰╯├┤└┘┌┐┬┴┼", "+"),
    ("✓", "v"),
    ("✗×", "x"),
    ("†", "k"),
    ("■", "#"),
    ("□", "-"),
    ("●◆", "*"),
    ("◇", "="),
    ("▸▶→⟩»", ">"),
    ("←⟨◀", "<"),
    ("↑▲", "^"),
    ("↓▼", "v"),
    ("…±", "~"),
    ("·", "."),
    ("◌○", "o"),
    ("∞", "0"),
    ("Σ", "S"),
    ("⏎", "$"),
    ("‘’", "'"),
    ("“”", "\""),
];

/// Whether the locale says that text is not UTF-8, by the first of `LC_ALL`, `LC_CTYPE` and
/// `LANG` that is set, as `var` looks them up. Where none is, there is no reason to think so.
pub fn is_ascii(var: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let mut set = names
        .into_iter()
        .filter_map(var)
        .filter(|value| !value.is_empty());
    set.next().is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

/// Leaves nothing but ASCII in the buffer.
pub fn reduce(buf: &mut Buffer) {
    for cell in &mut buf.content {
        if !cell.symbol().is_ascii() {
            cell.set_symbol(alike(cell.symbol()));
        }
    }
}

fn alike(symbol: &str) -> &'static str {
    let found = ALIKE.iter().find(|(from, _)| from.contains(symbol));
    found.map_or("?", |(_, to)| to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn the_locale_decides() {
        let with = |pairs: &[(&str, &str)]| {
            is_ascii(|name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(!with(&[]));
        assert!(with(&[("LANG", "C")]));
        assert!(!with(&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]));
        assert!(with(&[("LC_ALL", "POSIX"), ("LANG", "en_GB.utf8")]));
    }

    #[test]
    fn the_signs_of_the_charts_stay_apart() {
        let signs = ["┃", "│", "╌", "●", "┊"].map(alike);
        for (i, sign) in signs.iter().enumerate() {
            assert!(!signs[..i].contains(sign), "{signs:?}");
        }
    }

    #[test]
    fn nothing_but_ascii_is_left_and_nothing_moves() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 9, 1));
        buf.set_string(0, 0, "✓ │▄映é b", ratatui::style::Style::new());
        reduce(&mut buf);
        assert_eq!(buf, Buffer::with_lines(["v |#? ? b"]));
    }
}

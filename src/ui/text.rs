//! Text that is safe and measured. Model text is untrusted: whatever it holds, no control
//! character reaches the terminal, and every line is as wide as it claims.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::search::Text;

/// More characters than this in one cell are a prank, not writing.
const MAX_GRAPHEME_CHARS: usize = 6;

/// What is shown instead of a character; `None` leaves it out.
fn stand_in(c: char) -> Option<char> {
    match c {
        '\n' | '\u{2028}' | '\u{2029}' => Some('⏎'),
        '\r' => None,
        '\t' => Some('→'),
        c if (c as u32) < 0x20 || c == '\u{7f}' => Some('·'),
        '\u{80}'..='\u{9f}' => Some('�'),
        // Joiners and variation selectors: terminals disagree on their width.
        '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => None,
        // What turns, hides or tags text.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => Some('·'),
        c => Some(c),
    }
}

/// `text` with visible stand-ins for everything a terminal would obey.
#[must_use]
pub fn clean(text: &str) -> String {
    let shown: String = text.chars().filter_map(stand_in).collect();
    if shown.is_ascii() {
        return shown;
    }
    let mut out = String::with_capacity(shown.len());
    for grapheme in shown.graphemes(true) {
        if grapheme.width() == 0 {
            // A mark without a letter to sit on.
            out.push('◌');
        }
        out.extend(grapheme.chars().take(MAX_GRAPHEME_CHARS));
    }
    out
}

/// `text` in quotes, as [`escaped`].
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// `text` with escapes for all that cannot be seen, and for what would be taken for one: nothing
/// is left out, nothing is there that is not seen.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        let n = grapheme.chars().count();
        let is_whole = grapheme.width() > 0 && n <= MAX_GRAPHEME_CHARS;
        let is_whole = is_whole && grapheme.chars().all(is_seen);
        for c in grapheme.chars() {
            match c {
                '"' | '\\' | '\n' | '\r' | '\t' => out.extend(c.escape_default()),
                c if is_whole || (is_seen(c) && c.width().is_some_and(|n| n > 0)) => out.push(c),
                c => out.extend(c.escape_unicode()),
            }
        }
    }
    out
}

fn is_seen(c: char) -> bool {
    stand_in(c) == Some(c) && (c == ' ' || !c.is_whitespace())
}

/// A model by the name of its file or folder, without the path to it; what is no path is as it is.
#[must_use]
pub fn short_name(spec: &str) -> String {
    let short = |part: &str| match part.starts_with("hf:") {
        true => part.to_owned(),
        false => {
            let whole = part.trim_end_matches('/');
            whole.rsplit('/').next().unwrap_or(whole).to_owned()
        }
    };
    spec.split('+').map(short).collect::<Vec<_>>().join("+")
}

/// How many cells a clean text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a clean text, cut to `max` cells, with `…` where something is missing.
#[must_use]
pub fn head(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut out = take(text.graphemes(true), max.saturating_sub(1));
    if max > 0 {
        out.push('…');
    }
    out
}

/// The end of a clean text, cut to `max` cells, with `…` where something is missing.
#[must_use]
pub fn tail(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut left = max.saturating_sub(1);
    let mut from = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        let Some(rest) = left.checked_sub(grapheme.width()) else {
            break;
        };
        (left, from) = (rest, at);
    }
    match max {
        0 => String::new(),
        _ => format!("…{}", &text[from..]),
    }
}

/// At least so many bytes of writing are looked at for each cell that it may fill: less than what
/// a prank takes, more than any script.
pub const BYTES: usize = 8;

/// The end of these bytes of `text`, clean, cut to `max` cells. However long it is, no more of it
/// is looked at than that takes.
#[must_use]
pub fn tail_of(text: &Text, bytes: Range<usize>, max: usize) -> String {
    let start = bytes.end.saturating_sub(BYTES * (max + 1)).max(bytes.start);
    let shown = clean(&text.between(start, bytes.end));
    match start > bytes.start && width(&shown) <= max && max > 0 {
        true => format!("…{}", tail(&shown, max - 1).trim_start_matches('…')),
        false => tail(&shown, max),
    }
}

/// The beginning of these bytes of `text`, in the same way.
#[must_use]
pub fn head_of(text: &Text, bytes: Range<usize>, max: usize) -> String {
    let end = (bytes.start + BYTES * (max + 1)).min(bytes.end);
    let shown = clean(&text.between(bytes.start, end));
    match end < bytes.end && width(&shown) <= max && max > 0 {
        true => format!("{}…", head(&shown, max - 1).trim_end_matches('…')),
        false => head(&shown, max),
    }
}

/// The beginning of a text, as much as may be seen in `cells`.
#[must_use]
pub fn beginning(text: &Text, cells: usize) -> String {
    text.between(0, BYTES * cells)
}

/// The end of a text, at least as much as may be seen in `cells`. While the text grows it begins at
/// the same place for as long as possible, so that lines do not break anew with every token.
#[must_use]
pub fn ending(text: &Text, cells: usize) -> String {
    let step = BYTES * cells.max(1);
    text.since((text.len() / step).saturating_sub(1) * step)
}

fn take<'a>(graphemes: impl Iterator<Item = &'a str>, mut left: usize) -> String {
    let mut out = String::new();
    for grapheme in graphemes {
        let Some(rest) = left.checked_sub(grapheme.width()) else {
            break;
        };
        left = rest;
        out.push_str(grapheme);
    }
    out
}

/// A clean text in exactly `to` cells, flush left.
#[must_use]
pub fn pad(text: &str, to: usize) -> String {
    let mut out = head(text, to);
    out.extend(std::iter::repeat_n(' ', to.saturating_sub(width(&out))));
    out
}

/// A signed number of two decimals in `to` cells, flush right; `·` when there is none.
#[must_use]
pub fn signed(value: Option<f64>, to: usize) -> String {
    match value {
        // −0.00 would claim a sign that rounding took away.
        Some(value) if value.abs() < 0.005 => format!("{:>to$}", "0.00"),
        Some(value) if value.abs() >= 10_000.0 => format!("{value:>+to$.1e}"),
        Some(value) => format!("{value:>+to$.2}"),
        None => format!("{:>to$}", "·"),
    }
}

/// A number as two decimals show it. Numbers that stand beside their sum or difference are
/// reckoned from such, so that what is on screen adds up.
#[must_use]
pub fn hundredths(value: f64) -> f64 {
    // By way of what is shown: arithmetic would round some halves the other way.
    format!("{value:.2}").parse().unwrap_or(value)
}

/// How many lines there are beyond those in view: `▲ 3 more`, `▼ 4 more`, `▲ 3 ▼ 4`.
#[must_use]
pub fn more(above: usize, below: usize) -> String {
    match (above, below) {
        (0, 0) => String::new(),
        (above, 0) => format!("▲ {above} more"),
        (0, below) => format!("▼ {below} more"),
        (above, below) => format!("▲ {above} ▼ {below}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::style::Style;

    use crate::ui::wrap::{flow, wrap};

    #[test]
    fn controls_become_visible() {
        assert_eq!(clean("a\x1b[2Jb\nc\td\u{9b}e"), "a·[2Jb⏎c→d�e");
        assert_eq!(clean("x\u{202e}y\u{200b}"), "x·y·");
        assert_eq!(clean("\u{301}"), "◌\u{301}");
    }

    #[test]
    fn models_go_by_the_names_of_their_files() {
        assert_eq!(short_name("/far/away/model.Q4_1.gguf"), "model.Q4_1.gguf");
        assert_eq!(short_name("models/large/"), "large");
        assert_eq!(short_name("/a/base+/b/adapter"), "base+adapter");
        assert_eq!(short_name("hf:owner/name"), "hf:owner/name");
        assert_eq!(short_name("bundled:strong"), "bundled:strong");
    }

    #[test]
    fn quotes_escape_what_is_not_seen() {
        assert_eq!(quoted(" a\nb\u{202e}\u{a0}"), "\" a\\nb\\u{202e}\\u{a0}\"");
        assert_eq!(quoted("e\u{301}\\\"日"), "\"e\u{301}\\\\\\\"日\"");
        assert_eq!(quoted("\u{301}"), "\"\\u{301}\"");
        assert_eq!(quoted("\x1b[2J"), "\"\\u{1b}[2J\"");
    }

    #[test]
    fn cuts_respect_wide_characters() {
        assert_eq!(head("日本語", 4), "日…");
        assert_eq!(tail("日本語", 4), "…語");
        assert_eq!(pad("日", 4), "日  ");
        assert_eq!(head("abc", 0), "");
    }

    #[test]
    fn more_lines_are_counted_either_way() {
        assert_eq!(more(0, 4), "▼ 4 more");
        assert_eq!(more(3, 0), "▲ 3 more");
        assert_eq!(more(3, 4), "▲ 3 ▼ 4");
        assert_eq!(more(0, 0), "");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in any::<String>(), max in 0usize..30) {
            let clean = clean(&text);
            prop_assert!(!clean.chars().any(char::is_control));
            prop_assert!(width(&head(&clean, max)) <= max);
            prop_assert!(width(&tail(&clean, max)) <= max);
            prop_assert_eq!(width(&pad(&clean, max)), max);
            for line in wrap(&[(clean, Style::new())], max) {
                let used: usize = line.iter().map(|span| width(&span.content)).sum();
                prop_assert!(used <= max.max(1));
            }
        }

        #[test]
        fn quotes_show_all_of_a_text(text in any::<String>(), max in 12usize..30) {
            let quoted = quoted(&text);
            prop_assert!(!quoted.chars().any(char::is_control));
            prop_assert_eq!(clean(&quoted), quoted.clone());
            let units: Vec<_> = quoted
                .split_word_bounds()
                .map(|word| vec![(word.to_owned(), Style::new())])
                .collect();
            let mut told = String::new();
            for line in flow(&units, max) {
                let line: String = line.iter().map(|span| span.content.as_ref()).collect();
                prop_assert!(width(&line) <= max);
                told += &line;
            }
            prop_assert_eq!(told, quoted);
        }
    }

    #[test]
    fn a_part_of_a_long_text_is_told_as_the_whole_would_be() {
        for whole in [
            "short",
            &"a long text goes on. ".repeat(40),
            &"日本語".repeat(90),
        ] {
            let text = Text::from(whole);
            for max in [0, 1, 7, 30] {
                let all = 0..text.len();
                assert_eq!(tail_of(&text, all.clone(), max), tail(&clean(whole), max));
                assert_eq!(head_of(&text, all, max), head(&clean(whole), max));
            }
        }
        // However little of it is seen, it is told that there is more.
        let unseen = Text::from("\r".repeat(500));
        assert_eq!(tail_of(&unseen, 0..500, 5), "…");
        assert_eq!(head_of(&unseen, 0..500, 5), "…");
    }
}

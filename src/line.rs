//! Text that came from outside, made fit for a terminal: nothing in it is obeyed, nothing hides.

use std::fmt::Display;
use std::io::{self, Write};

/// `text` on one line: line breaks and tabs become spaces, other control characters and what
/// cannot be seen are spelled out, so that a file name or a prompt cannot steer the terminal nor
/// look like another one.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if is_obeyed(c) || joins(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

/// `text` with line breaks and tabs as they are, and with what a terminal would obey spelled out.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if is_obeyed(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Controls, and what turns, hides or tags text.
const fn is_obeyed(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What writing needs within words, and what names do not.
const fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// One sentence on stderr. Where nobody can read it, nobody can be told that either.
pub fn say(error: &dyn Display) {
    let _ = writeln!(io::stderr(), "error: {}", one_line(&error.to_string()));
}

/// A writer for a terminal: text goes on as [`visible`].
pub struct Visible<W> {
    to: W,
    /// The beginning of a character whose end is still to come.
    rest: Vec<u8>,
}

impl<W: Write> Visible<W> {
    pub fn new(to: W) -> Self {
        let rest = Vec::new();
        Self { to, rest }
    }
}

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let mut text = String::new();
        let mut n_read = 0;
        for chunk in self.rest.utf8_chunks() {
            text.push_str(&visible(chunk.valid()));
            n_read += chunk.valid().len();
            let is_last = n_read + chunk.invalid().len() == self.rest.len();
            // What may still become a character waits for the rest of it.
            if is_last && is_begun(chunk.invalid()) {
                break;
            }
            n_read += chunk.invalid().len();
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.rest.drain(..n_read);
        self.to.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether more bytes could make a character of these.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(one_line("a\tb\nc\n"), "a b c");
        assert_eq!(one_line("\x1b[31mé"), "\\u{1b}[31mé");
        assert_eq!(one_line("\u{9b}1m"), "\\u{9b}1m", "C1 too");
    }

    #[test]
    fn what_turns_or_hides_is_spelled_out() {
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{e0041}'] {
            let spelled = c.escape_unicode().to_string();
            assert_eq!(one_line(&c.to_string()), spelled);
            assert_eq!(visible(&c.to_string()), spelled);
        }
        // Persian needs it within words; a name does not.
        assert_eq!(visible("\u{200c}"), "\u{200c}");
        assert_eq!(one_line("\u{200c}"), "\\u{200c}");
    }

    #[test]
    fn what_is_written_piece_by_piece_comes_whole() {
        let text = "é\x1bc\u{9b}…\n".as_bytes();
        for n in 1..=text.len() {
            let mut out = Visible::new(Vec::new());
            text.chunks(n)
                .for_each(|piece| out.write_all(piece).unwrap());
            assert_eq!(out.to, "é\\u{1b}c\\u{9b}…\n".as_bytes(), "in pieces of {n}");
        }
        let mut out = Visible::new(Vec::new());
        out.write_all(b"a\xff\xc3b").unwrap();
        assert_eq!(out.to, "a\u{fffd}\u{fffd}b".as_bytes());
    }
}

//! Text that came from outside, made fit for one line of a terminal.

/// `text` on one line: line breaks and tabs become spaces, other control characters are spelled
/// out, so that a file name or a prompt cannot steer the terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(one_line("a\tb\nc\n"), "a b c");
        assert_eq!(one_line("\x1b[31mé"), "\\u{1b}[31mé");
        assert_eq!(one_line("\u{9b}1m"), "\\u{9b}1m", "C1 too");
    }
}

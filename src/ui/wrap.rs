//! Styled text in lines: at spaces where they are, inside words where it must be.

use ratatui::style::Style;
use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;

use super::text::width;

/// Styled pieces of clean text, wrapped into lines of at most `max` cells: at spaces and line
/// breaks, and inside words that are longer than a line. A word may go on from piece to piece.
#[must_use]
pub fn wrap(pieces: &[(String, Style)], max: usize) -> Vec<Vec<Span<'static>>> {
    let mut lines = Wrapper::new(max.max(1));
    for (text, style) in pieces {
        for grapheme in text.graphemes(true) {
            lines.push(grapheme, *style);
        }
    }
    lines.finish()
}

/// Units of styled clean text, each on one line where it fits into `max` cells; nothing is left
/// out between them.
#[must_use]
pub fn flow(units: &[Vec<(String, Style)>], max: usize) -> Vec<Vec<Span<'static>>> {
    let mut lines = Wrapper::new(max.max(1));
    for unit in units {
        let n = unit.iter().map(|(text, _)| width(text)).sum::<usize>();
        if n <= lines.max && lines.used + n > lines.max {
            lines.turn();
        }
        for (text, style) in unit {
            lines.push_graphemes(text, *style);
        }
    }
    lines.finish()
}

/// Lines that fill up from left to right, word by word.
struct Wrapper {
    max: usize,
    used: usize,
    done: Vec<Vec<Span<'static>>>,
    line: Vec<Span<'static>>,
    /// The word under way and its width.
    word: Vec<(String, Style)>,
    word_width: usize,
}

impl Wrapper {
    fn new(max: usize) -> Self {
        Self {
            max,
            used: 0,
            done: Vec::new(),
            line: Vec::new(),
            word: Vec::new(),
            word_width: 0,
        }
    }

    fn push(&mut self, grapheme: &str, style: Style) {
        if grapheme.chars().all(char::is_whitespace) {
            self.end_word();
            return self.push_space(grapheme, style);
        }
        self.word_width += width(grapheme);
        match self.word.last_mut() {
            Some((text, last)) if *last == style => text.push_str(grapheme),
            _ => self.word.push((grapheme.to_owned(), style)),
        }
        if grapheme == "⏎" {
            self.end_word();
        }
    }

    /// Spaces that a line has no room for are what it is broken at.
    fn push_space(&mut self, space: &str, style: Style) {
        let n = width(space);
        let is_break = self.used == 0 && !self.done.is_empty();
        match self.used + n <= self.max {
            _ if is_break => {}
            true => self.append(space, n, style),
            false => self.turn(),
        }
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        let n = std::mem::take(&mut self.word_width);
        if n <= self.max && self.used + n > self.max {
            self.turn();
        }
        for (text, style) in word {
            match n <= self.max {
                true => self.append(&text, width(&text), style),
                false => self.push_graphemes(&text, style),
            }
        }
    }

    fn push_graphemes(&mut self, text: &str, style: Style) {
        for grapheme in text.graphemes(true) {
            let n = width(grapheme);
            if self.used + n > self.max {
                self.turn();
            }
            if n <= self.max {
                self.append(grapheme, n, style);
            }
        }
    }

    fn append(&mut self, text: &str, n: usize, style: Style) {
        self.used += n;
        match self.line.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(text),
            _ => self.line.push(Span::styled(text.to_owned(), style)),
        }
    }

    fn turn(&mut self) {
        self.used = 0;
        self.done.push(std::mem::take(&mut self.line));
    }

    fn finish(mut self) -> Vec<Vec<Span<'static>>> {
        self.end_word();
        if !self.line.is_empty() {
            self.turn();
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(pieces: &[&str], max: usize) -> Vec<String> {
        // Every piece has a style of its own, as every token has.
        let styled = pieces.iter().enumerate().map(|(i, piece)| {
            let style = Style::new().fg(ratatui::style::Color::Indexed(i as u8));
            ((*piece).to_owned(), style)
        });
        let lines = wrap(&styled.collect::<Vec<_>>(), max);
        let text = |line: &Vec<Span<'_>>| line.iter().map(|span| span.content.as_ref()).collect();
        lines.iter().map(text).collect()
    }

    #[test]
    fn wrap_breaks_at_spaces() {
        assert_eq!(wrapped(&["one two three"], 7), ["one two", "three"]);
        assert_eq!(wrapped(&["one⏎two⏎three"], 8), ["one⏎two⏎", "three"]);
    }

    #[test]
    fn wrap_leaves_punctuation_at_its_word() {
        let tokens = ["waste", " your", " time", ". But", " this"];
        let lines = wrapped(&tokens, 15);
        assert_eq!(lines, ["waste your ", "time. But this"]);
        assert_eq!(
            wrapped(&["a fi", "lm", ", dull"], 6),
            ["a ", "film, ", "dull"]
        );
    }

    #[test]
    fn wrap_breaks_inside_words_longer_than_a_line() {
        assert_eq!(
            wrapped(&["ab cdefgh", "ij k"], 4),
            ["ab c", "defg", "hij ", "k"]
        );
    }
}

//! A small multi-line text editor: a string, a cursor, an undo history.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::input::{Key, KeyCode};

/// How many edits can be taken back.
const UNDO_DEPTH: usize = 200;

/// Text being edited.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Editor {
    text: String,
    /// A byte position on a grapheme boundary.
    cursor: usize,
    undo: Vec<(String, usize)>,
    /// Texts to come back to, oldest first, the one being edited among them.
    history: Vec<String>,
    /// Which of them is being edited.
    place: usize,
    /// The cursor after a word's last typed letter: the next letter there belongs to the same
    /// edit.
    typing: Option<usize>,
}

impl Editor {
    /// Opens `text` with the cursor at its end.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            cursor: text.len(),
            ..Self::default()
        }
    }

    /// Opens `text`; up from its first line lie the `older` texts, oldest first.
    #[must_use]
    pub fn with_history(text: &str, older: &[String]) -> Self {
        let mut history: Vec<String> = older.iter().filter(|old| *old != text).cloned().collect();
        history.push(text.to_owned());
        Self {
            place: history.len() - 1,
            history,
            ..Self::new(text)
        }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text left and right of the cursor.
    #[must_use]
    pub fn halves(&self) -> (&str, &str) {
        self.text
            .split_at_checked(self.cursor)
            .unwrap_or((&self.text, ""))
    }

    /// Puts text at the cursor. Line breaks become `\n`; a paste may bring any kind.
    pub fn insert(&mut self, text: &str) {
        self.remember();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
    }

    /// Types a character; the letters of a word are one edit.
    fn type_char(&mut self, c: char) {
        let goes_on = self.typing == Some(self.cursor) && !c.is_whitespace();
        if !goes_on {
            self.remember();
        }
        self.text.insert(self.cursor, c);
        self.cursor += c.len_utf8();
        self.typing = Some(self.cursor);
    }

    /// Takes back the last edit.
    pub fn undo(&mut self) {
        self.typing = None;
        if let Some((text, cursor)) = self.undo.pop() {
            self.text = text;
            self.cursor = cursor;
        }
    }

    /// Types or moves; whether the key meant anything.
    pub fn key(&mut self, key: Key) -> bool {
        match (key.code, key.ctrl || key.alt) {
            (KeyCode::Char(c), false) => self.type_char(c),
            (KeyCode::Backspace, false) => self.delete(self.before(), self.cursor),
            (KeyCode::Backspace, true) | (KeyCode::Char('w'), true) => {
                self.delete(self.word_before(), self.cursor);
            }
            (KeyCode::Delete, _) => self.delete(self.cursor, self.after()),
            (KeyCode::Char('u'), true) => self.delete(self.line_start(), self.cursor),
            (KeyCode::Char('l'), true) => self.delete(0, self.text.len()),
            (KeyCode::Char('k'), true) => self.delete(self.cursor, self.line_end()),
            (KeyCode::Left, true) => self.cursor = self.word_before(),
            (KeyCode::Right, true) => self.cursor = self.word_after(),
            (KeyCode::Left, false) => self.cursor = self.before(),
            (KeyCode::Right, false) => self.cursor = self.after(),
            (KeyCode::Up, _) if self.line_start() == 0 && self.recall(-1) => {}
            (KeyCode::Down, _) if self.line_end() == self.text.len() && self.recall(1) => {}
            (KeyCode::Up, _) => self.cursor = self.line_above(),
            (KeyCode::Down, _) => self.cursor = self.line_below(),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.cursor = self.line_start(),
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.cursor = self.line_end(),
            _ => return false,
        }
        true
    }

    /// Opens the text `by` places further in the history; whether there is one.
    fn recall(&mut self, by: isize) -> bool {
        let place = self.place.saturating_add_signed(by);
        let Some(text) = self.history.get(place).filter(|_| place != self.place) else {
            return false;
        };
        let text = text.clone();
        self.remember();
        self.history[self.place] = std::mem::replace(&mut self.text, text);
        self.place = place;
        self.cursor = self.text.len();
        true
    }

    fn remember(&mut self) {
        self.typing = None;
        if self.undo.len() == UNDO_DEPTH {
            self.undo.remove(0);
        }
        self.undo.push((self.text.clone(), self.cursor));
    }

    fn delete(&mut self, from: usize, to: usize) {
        if from < to {
            self.remember();
            self.text.replace_range(from..to, "");
            self.cursor = from;
        }
    }

    fn before(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        let found = cursor.prev_boundary(&self.text, 0);
        found.ok().flatten().unwrap_or(0)
    }

    fn after(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        let found = cursor.next_boundary(&self.text, 0);
        found.ok().flatten().unwrap_or(self.text.len())
    }

    fn word_before(&self) -> usize {
        let mut words = self.halves().0.unicode_word_indices();
        words.next_back().map_or(0, |(at, _)| at)
    }

    fn word_after(&self) -> usize {
        let mut words = self.halves().1.unicode_word_indices();
        let end = words.next().map(|(at, word)| self.cursor + at + word.len());
        end.unwrap_or(self.text.len())
    }

    fn line_start(&self) -> usize {
        self.halves().0.rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        let rest = self.halves().1;
        self.cursor + rest.find('\n').unwrap_or(rest.len())
    }

    fn line_above(&self) -> usize {
        match self.line_start() {
            0 => 0,
            start => {
                let above = self.text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
                self.column_in(above, start - 1)
            }
        }
    }

    fn line_below(&self) -> usize {
        let end = self.line_end();
        if end == self.text.len() {
            return end;
        }
        let start = end + 1;
        let len = self.text[start..].find('\n');
        self.column_in(start, len.map_or(self.text.len(), |len| start + len))
    }

    /// The place in the line `start..end` under the cursor's column, counted in graphemes.
    fn column_in(&self, start: usize, end: usize) -> usize {
        let column = self.text[self.line_start()..self.cursor]
            .graphemes(true)
            .count();
        let mut graphemes = self.text[start..end].grapheme_indices(true);
        graphemes.nth(column).map_or(end, |(at, _)| start + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn press(editor: &mut Editor, keys: &[&str]) {
        for key in keys {
            editor.key(key.parse().unwrap());
        }
    }

    #[test]
    fn older_texts_lie_above_and_what_is_typed_is_not_lost() {
        let older = ["one".to_owned(), "two".to_owned()];
        let mut editor = Editor::with_history("new", &older);
        press(&mut editor, &["!", "up"]);
        assert_eq!(editor.text(), "two");
        press(&mut editor, &["up", "up", "?"]);
        assert_eq!(editor.text(), "?one");
        press(&mut editor, &["down", "down", "down"]);
        assert_eq!(editor.text(), "new!");
        press(&mut editor, &["up", "up"]);
        assert_eq!(editor.text(), "?one");
    }

    #[test]
    fn backspace_removes_a_whole_grapheme() {
        let mut editor = Editor::new("ae\u{301}");
        press(&mut editor, &["backspace"]);
        assert_eq!(editor.text(), "a");
    }

    #[test]
    fn up_and_down_keep_the_column() {
        let mut editor = Editor::new("first\nsecond");
        press(&mut editor, &["home", "right", "right", "up", "x"]);
        assert_eq!(editor.text(), "fixrst\nsecond");
        press(&mut editor, &["down", "y"]);
        assert_eq!(editor.text(), "fixrst\nsecyond");
    }

    #[test]
    fn undo_takes_back_one_edit() {
        let mut editor = Editor::new("a film");
        press(&mut editor, &["ctrl-w", "backspace"]);
        assert_eq!(editor.text(), "a");
        editor.undo();
        editor.undo();
        assert_eq!(editor.text(), "a film");
    }

    #[test]
    fn undo_takes_back_a_word_at_a_time() {
        let mut editor = Editor::new("");
        press(
            &mut editor,
            &["a", "space", "f", "i", "l", "m", "left", "x"],
        );
        for text in ["a film", "a", ""] {
            editor.undo();
            assert_eq!(editor.text(), text);
        }
    }

    #[test]
    fn paste_keeps_lines_and_drops_carriage_returns() {
        let mut editor = Editor::default();
        editor.insert("a\r\nb\rc");
        assert_eq!(editor.text(), "a\nb\nc");
    }

    proptest! {
        #[test]
        fn any_keys_on_any_text_leave_a_valid_cursor(
            text in "\\PC{0,12}\n?\\PC{0,12}",
            keys in proptest::collection::vec(0usize..12, 0..40),
        ) {
            const KEYS: [&str; 12] = [
                "left", "right", "up", "down", "home", "end", "backspace", "delete", "ctrl-w",
                "ctrl-k", "ctrl-right", "é",
            ];
            let mut editor = Editor::new(&text);
            for key in keys {
                editor.key(KEYS[key].parse().unwrap());
                prop_assert!(editor.text.is_char_boundary(editor.cursor));
            }
        }
    }
}

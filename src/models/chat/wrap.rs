//! `wordwrap`: lines as Python's `textwrap` breaks them.

use minijinja::{Error, State, Value};

use super::args::{Args, More, invalid};
use super::cut;
use super::json::written;
use super::text::{is_decimal, is_word, pay};

/// # Errors
/// A width of nothing.
pub(super) fn word_wrap(state: &State, value: &Value, more: More) -> Result<String, Error> {
    let names = [
        "width",
        "break_long_words",
        "wrapstring",
        "break_on_hyphens",
    ];
    let more = more.into_values();
    let args = Args::bind(&more, &names)?;
    let width = usize::try_from(args.int_if(0)?.unwrap_or(79)).unwrap_or(0);
    if width == 0 {
        return Err(invalid("a line is to be one character wide at least"));
    }
    let wrap = Wrap {
        width,
        words: args.is_unless(1),
        hyphens: args.is_unless(3),
    };
    let text = written(value);
    let lines = cut::lines_of(&text, false).into_iter();
    let lines: Vec<String> = lines.map(|line| wrap.wrapped(line).join("\n")).collect();
    let whole = lines.join("\n");
    let between = args.text_if(2)?.unwrap_or("\n");
    let n = whole.matches('\n').count();
    pay(state, whole.len() + n.saturating_mul(between.len()))?;
    Ok(whole.replace('\n', between))
}

/// How lines are broken.
struct Wrap {
    width: usize,
    /// Whether words that are longer than a line are broken.
    words: bool,
    /// Whether words are broken after their hyphens.
    hyphens: bool,
}

impl Wrap {
    /// A line, on as many as it takes.
    fn wrapped(&self, line: &str) -> Vec<String> {
        let chars: Vec<char> = line.chars().collect();
        let mut chunks: Vec<&[char]> = self.chunks(&chars);
        chunks.reverse();
        let mut lines: Vec<String> = Vec::new();
        while !chunks.is_empty() {
            if !lines.is_empty() && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
                chunks.pop();
            }
            let line = self.filled(&mut chunks);
            if !line.is_empty() {
                lines.push(line.concat().into_iter().collect());
            }
        }
        lines
    }

    /// The chunks that fit on a line, none of them blank at its end.
    fn filled<'a>(&self, chunks: &mut Vec<&'a [char]>) -> Vec<&'a [char]> {
        let (mut line, mut n) = (Vec::new(), 0);
        while let Some(chunk) = chunks.pop_if(|chunk| n + chunk.len() <= self.width) {
            n += chunk.len();
            line.push(chunk);
        }
        let is_long = |chunk: &mut &[char]| chunk.len() > self.width;
        if (self.words || line.is_empty())
            && let Some(long) = chunks.pop_if(is_long)
        {
            let room = self.width - n;
            let at = if self.words {
                self.place_to_break(long, room)
            } else {
                long.len()
            };
            line.push(&long[..at]);
            chunks.extend(Some(&long[at..]).filter(|rest| !rest.is_empty()));
        }
        // At most one, which may be the empty beginning of a long word.
        line.pop_if(|chunk| is_blank(chunk));
        line
    }

    /// Where a long word is broken: after its last hyphen that fits, or where the line ends.
    fn place_to_break(&self, long: &[char], room: usize) -> usize {
        let hyphen = long[..room].iter().rposition(|c| *c == '-');
        let hyphen = hyphen.filter(|at| self.hyphens && long[..*at].iter().any(|c| *c != '-'));
        hyphen.map_or(room, |at| at + 1)
    }

    /// Words, parts of words that end in a hyphen, dashes, and the white space between them.
    fn chunks<'a>(&self, line: &'a [char]) -> Vec<&'a [char]> {
        let (mut chunks, mut start) = (Vec::new(), 0);
        while start < line.len() {
            let is_other = |at: &usize| is_gap(line[*at]) != is_gap(line[start]);
            let end = match self.hyphens && !is_gap(line[start]) {
                true => word_end(line, start),
                false => (start..line.len()).find(is_other).unwrap_or(line.len()),
            };
            chunks.push(&line[start..end]);
            start = end;
        }
        chunks
    }
}

/// Where a word that begins at `start`, or a dash between two, may end.
fn word_end(line: &[char], start: usize) -> usize {
    if is_dash(line, start) {
        return start + n_hyphens(&line[start..]);
    }
    let end = (start + 1..line.len()).find_map(|at| match is_hyphen(line, at) {
        true => Some(at + 1),
        false => (is_gap(line[at]) || is_dash(line, at)).then_some(at),
    });
    end.unwrap_or(line.len())
}

/// Whether a hyphen at `at` joins letters, two of them on either side or one beside another hyphen.
fn is_hyphen(line: &[char], at: usize) -> bool {
    let is = |at: usize, what: fn(char) -> bool| line.get(at).is_some_and(|c| what(*c));
    let before = |n: usize, what| at.checked_sub(n).is_some_and(|at| is(at, what));
    let hyphen = |c| c == '-';
    let is_after =
        before(1, is_letter) && (before(2, is_letter) || before(2, hyphen) && before(3, is_letter));
    let is_before = is(at + 1, is_letter)
        && (is(at + 2, is_letter) || is(at + 2, hyphen) && is(at + 3, is_letter));
    line[at] == '-' && is_after && is_before
}

/// Whether two hyphens or more at `at` stand between words.
fn is_dash(line: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|at| line[at]);
    let is_after = before.is_some_and(|c| is_word(c) || "!\"'&.,?".contains(c));
    // Counted once a run: a hyphen is no such sign.
    let n = if is_after { n_hyphens(&line[at..]) } else { 0 };
    n > 1 && line.get(at + n).is_some_and(|c| is_word(*c))
}

fn n_hyphens(line: &[char]) -> usize {
    line.iter().take_while(|c| **c == '-').count()
}

fn is_letter(c: char) -> bool {
    is_word(c) && !is_decimal(c)
}

/// White space at which lines are broken.
fn is_gap(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

fn is_blank(chunk: &[char]) -> bool {
    chunk.iter().all(|c| cut::is_space(*c))
}

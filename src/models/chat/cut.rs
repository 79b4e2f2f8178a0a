//! Methods of Python's texts that take parts of them.

use minijinja::{Error, Value};

use super::args::{Args, invalid, tuple};

/// White space to Python: Unicode's, and four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

pub(super) fn strip(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["chars"])?;
    let chars: Option<Vec<char>> = args.text_if(0)?.map(|chars| chars.chars().collect());
    let goes = |c: char| {
        chars
            .as_ref()
            .map_or_else(|| is_space(c), |chars| chars.contains(&c))
    };
    Ok(Value::from(match method {
        "lstrip" => text.trim_start_matches(goes),
        "rstrip" => text.trim_end_matches(goes),
        _ => text.trim_matches(goes),
    }))
}

pub(super) fn split(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["sep", "maxsplit"])?;
    let n = args.int_if(1)?.and_then(|n| usize::try_from(n).ok());
    let n = n.map_or(usize::MAX, |n| n.saturating_add(1));
    let from_end = method == "rsplit";
    let mut parts: Vec<&str> = match (args.text_if(0)?, from_end) {
        (Some(""), _) => return Err(invalid("empty separator")),
        (Some(sep), false) => text.splitn(n, sep).collect(),
        (Some(sep), true) => text.rsplitn(n, sep).collect(),
        (None, false) => words(text, n),
        (None, true) => last_words(text, n),
    };
    if from_end {
        parts.reverse();
    }
    Ok(parts.into_iter().collect())
}

/// At most `n` words; the last is all the rest.
fn words(text: &str, n: usize) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), text.trim_start_matches(is_space));
    while !rest.is_empty() {
        let end = rest
            .find(is_space)
            .filter(|_| words.len() + 1 < n)
            .unwrap_or(rest.len());
        words.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_space);
    }
    words
}

/// The same from the end, the last word first.
fn last_words(text: &str, n: usize) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), text.trim_end_matches(is_space));
    while !rest.is_empty() {
        let space = rest.char_indices().rfind(|(_, c)| is_space(*c));
        let start = space
            .filter(|_| words.len() + 1 < n)
            .map_or(0, |(at, c)| at + c.len_utf8());
        words.push(&rest[start..]);
        rest = rest[..start].trim_end_matches(is_space);
    }
    words
}

/// What ends a line to Python.
fn ends_line(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

pub(super) fn lines(text: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["keepends"])?;
    Ok(lines_of(text, args.is(0)).into_iter().collect())
}

/// The lines of a text, with their ends or without.
pub(super) fn lines_of(text: &str, with_ends: bool) -> Vec<&str> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(ends_line) {
        let first = rest[at..].chars().next().map_or(1, char::len_utf8);
        let n = if rest[at..].starts_with("\r\n") {
            2
        } else {
            first
        };
        lines.push(&rest[..if with_ends { at + n } else { at }]);
        rest = &rest[at + n..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

pub(super) fn partition(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["sep"])?;
    let sep = args.text(0)?;
    if sep.is_empty() {
        return Err(invalid("empty separator"));
    }
    let (found, missing) = match method {
        "partition" => (text.split_once(sep), [text, "", ""]),
        _ => (text.rsplit_once(sep), ["", "", text]),
    };
    Ok(tuple(
        found.map_or(missing, |(before, after)| [before, sep, after]),
    ))
}

pub(super) fn remove(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["part"])?;
    let part = args.text(0)?;
    let rest = match method {
        "removeprefix" => text.strip_prefix(part),
        _ => text.strip_suffix(part),
    };
    Ok(Value::from(rest.unwrap_or(text)))
}

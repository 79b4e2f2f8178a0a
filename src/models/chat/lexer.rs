//! Templates as Jinja2's lexer reads them: text, comments, and tags with their tokens.

/// A piece of a template, in order. All of the source is in one of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// With its signs; without an end where it has none.
    Comment(&'a str),
    /// A raw block: its first tag, what stands after it, its last tag; that is empty where there
    /// is none.
    Raw([&'a str; 3]),
    /// `{{ … }}` or `{% … %}`.
    Tag(Tag<'a>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// `{{`, `{%-` and so on.
    pub open: &'a str,
    /// `}}`, `-%}` and so on; empty where the template ends within the tag.
    pub close: &'a str,
    pub tokens: Vec<Token<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// White space before it.
    pub space: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    /// With its quotes.
    Str,
    /// An operator or a bracket.
    Sign,
}

/// Splits `source`, whose line ends are `\n`.
pub(super) fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some(at) = next_tag(rest) {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
            rest = &rest[at..];
        }
        let (piece, n) = match rest.starts_with("{#") {
            true => comment(rest),
            false => raw(rest).unwrap_or_else(|| tag(rest)),
        };
        pieces.push(piece);
        rest = &rest[n..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Where the next `{{`, `{%` or `{#` stands.
fn next_tag(text: &str) -> Option<usize> {
    let starts = text.match_indices('{').map(|(at, _)| at);
    let mut starts =
        starts.filter(|at| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')));
    starts.next()
}

fn comment(text: &str) -> (Piece<'_>, usize) {
    let end = text.find("#}").map_or(text.len(), |end| end + 2);
    (Piece::Comment(&text[..end]), end)
}

/// The raw block that `text` begins with.
fn raw(text: &str) -> Option<(Piece<'_>, usize)> {
    let start = word_tag(text, "raw")?;
    let tags = text[start..].match_indices("{%").map(|(at, _)| start + at);
    let mut ends = tags.filter_map(|at| Some((at, at + word_tag(&text[at..], "endraw")?)));
    let (end, after) = ends.next().unwrap_or((text.len(), text.len()));
    let parts = [&text[..start], &text[start..end], &text[end..after]];
    Some((Piece::Raw(parts), after))
}

/// The length of the tag `{% word %}`, if `text` begins with it.
fn word_tag(text: &str, word: &str) -> Option<usize> {
    let inner = text.strip_prefix("{%")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let inner = inner.trim_start().strip_prefix(word)?.trim_start();
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    Some(text.len() - inner.strip_prefix("%}")?.len())
}

fn tag(text: &str) -> (Piece<'_>, usize) {
    let signed = text[2..].starts_with(['-', '+']);
    let (open, mut rest) = text.split_at(2 + usize::from(signed));
    let end = if open.starts_with("{{") { "}}" } else { "%}" };
    let (mut tokens, mut depth) = (Vec::new(), 0_usize);
    loop {
        let word = rest.trim_start();
        let space = &rest[..rest.len() - word.len()];
        let close = closing(word, end);
        if word.is_empty() || (close > 0 && depth == 0) {
            let close = &rest[..space.len() + close];
            let n = text.len() - rest.len() + close.len();
            return (
                Piece::Tag(Tag {
                    open,
                    close,
                    tokens,
                }),
                n,
            );
        }
        let (kind, n) = token(word);
        let text = &word[..n];
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { kind, text, space });
        rest = &word[n..];
    }
}

/// The length of the end of a tag, with its sign, if `text` begins with it.
fn closing(text: &str, end: &str) -> usize {
    let inner = text.strip_prefix(['-', '+']).unwrap_or(text);
    match inner.starts_with(end) {
        true => text.len() - inner.len() + end.len(),
        false => 0,
    }
}

fn token(text: &str) -> (Kind, usize) {
    let first = text.chars().next().unwrap_or_default();
    match first {
        '"' | '\'' => (Kind::Str, string(text, first)),
        _ if first.is_ascii_digit() => (Kind::Number, number(text)),
        _ if first.is_alphanumeric() || first == '_' => {
            let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
            (Kind::Name, end.unwrap_or(text.len()))
        }
        _ => {
            let two = ["**", "//", "==", "!=", "<=", ">="];
            let is_two = two.iter().any(|sign| text.starts_with(sign));
            (Kind::Sign, if is_two { 2 } else { first.len_utf8() })
        }
    }
}

/// The length of a string with its quotes; all of `text` where it does not end.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a number; a dot belongs to it only where a digit follows.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut n = 0;
    while let Some(byte) = bytes.get(n) {
        let next_is_digit = bytes.get(n + 1).is_some_and(u8::is_ascii_digit);
        let exponent = n > 0 && matches!(bytes[n - 1], b'e' | b'E') && !text.starts_with("0x");
        let goes_on = match byte {
            b'.' => next_is_digit && !text[..n].contains(['.', 'e', 'E']),
            b'+' | b'-' => exponent && next_is_digit,
            byte => byte.is_ascii_alphanumeric() || *byte == b'_',
        };
        if !goes_on {
            break;
        }
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<&str> {
        let tags = pieces(source).into_iter().filter_map(|p| match p {
            Piece::Tag(tag) => Some(tag),
            Piece::Text(_) | Piece::Comment(_) | Piece::Raw(_) => None,
        });
        tags.flat_map(|t| t.tokens).map(|t| t.text).collect()
    }

    #[test]
    fn tags_end_where_their_brackets_are_closed() {
        assert_eq!(
            tokens("a {{ {'a': {}} }} b"),
            ["{", "'a'", ":", "{", "}", "}"]
        );
        assert_eq!(tokens("{%- if '%}' -%}"), ["if", "'%}'"]);
        assert_eq!(
            tokens("{{ a.0.5e+3 ** 1.5.b }}"),
            ["a", ".", "0.5e+3", "**", "1.5", ".", "b"]
        );
    }

    #[test]
    fn comments_and_raw_blocks_are_text() {
        assert!(tokens("{# {{ a }} #}{% raw %}{{ b }}{%- endraw %}").is_empty());
    }

    #[test]
    fn nothing_is_lost() {
        for source in [
            "",
            "a{{b",
            "{%",
            "{{ 'a",
            "{#",
            "{% raw %}x",
            "{% raw -%}x{%+ endraw %}y",
            "{{ a -}} {%+ b +%}{",
        ] {
            let parts = pieces(source).into_iter().map(|piece| match piece {
                Piece::Text(text) | Piece::Comment(text) => text.to_owned(),
                Piece::Raw(parts) => parts.concat(),
                Piece::Tag(tag) => {
                    let inner = tag.tokens.iter().map(|t| format!("{}{}", t.space, t.text));
                    format!("{}{}{}", tag.open, inner.collect::<String>(), tag.close)
                }
            });
            assert_eq!(parts.collect::<String>(), source);
        }
    }
}

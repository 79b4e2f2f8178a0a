//! Jinja2's filters that write and read HTML and addresses, as MarkupSafe and Python's `urllib` do.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::args::{Args, More, invalid};
use super::cut::is_space;
use super::json::written;
use super::text::pay;

/// What stands in an address as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// The same in a path.
const PATH: &AsciiSet = &PLAIN.remove(b'/');

/// # Errors
/// None but for want of fuel.
pub(super) fn escape(state: &State, value: &Value) -> Result<Value, Error> {
    match value.is_safe() {
        true => Ok(value.clone()),
        false => force_escape(state, value),
    }
}

/// # Errors
/// As [`escape`].
pub(super) fn force_escape(state: &State, value: &Value) -> Result<Value, Error> {
    let text = escaped(&written(value));
    pay(state, text.len())?;
    Ok(Value::from_safe_string(text))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

/// A dict as attributes of a tag.
///
/// # Errors
/// A value that is no dict; a name that no attribute has.
pub(super) fn attributes(state: &State, value: &Value, more: More) -> Result<String, Error> {
    let more = more.into_values();
    let spaced = Args::bind(&more, &["autospace"])?.is_unless(0);
    let map = value.as_object().filter(|_| value.kind() == ValueKind::Map);
    let map = map.ok_or_else(|| invalid("xmlattr takes a dict"))?;
    let mut out = String::new();
    for (key, value) in map.try_iter_pairs().into_iter().flatten() {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let key = key.as_str().filter(|key| !key.contains(ends_name));
        let key = key.ok_or_else(|| invalid("an attribute has no such name"))?;
        let value = escape(state, &value)?;
        out.push_str(&format!(" {}=\"{value}\"", escaped(key)));
    }
    pay(state, out.len())?;
    Ok(match spaced {
        true => out,
        false => out.trim_start_matches(' ').to_owned(),
    })
}

fn ends_name(c: char) -> bool {
    is_space(c) || matches!(c, '/' | '>' | '=')
}

/// A text without comments and tags, its white space single spaces.
///
/// # Errors
/// A character by name that is not known here.
pub(super) fn strip_tags(value: &Value) -> Result<String, Error> {
    let text = written(value);
    let (mut kept, mut rest) = (String::new(), &text[..]);
    while let Some((start, end)) = next_tag(rest) {
        kept.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    kept.push_str(rest);
    let words = kept.split(is_space).filter(|word| !word.is_empty());
    unescaped(&words.collect::<Vec<_>>().join(" "))
}

/// Where the next tag or comment begins and ends; none where it does not end.
fn next_tag(text: &str) -> Option<(usize, usize)> {
    let start = text.find('<')?;
    let (skipped, close) = match text[start..].starts_with("<!--") {
        true => (start + 4, "-->"),
        false => (start, ">"),
    };
    let end = skipped + text[skipped..].find(close)? + close.len();
    Some((start, end))
}

/// A text with the characters that it names.
fn unescaped(text: &str) -> Result<String, Error> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let named = rest.starts_with(|c: char| c == '#' || c.is_ascii_alphabetic());
        let name = if named { rest.split_once(';') } else { None };
        // Python takes many names without their end as well: what is not certain is refused.
        match name.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None if named => return Err(invalid("striptags: a character by name is not known")),
            None => out.push('&'),
        }
    }
    Ok(out + rest)
}

/// What stands between `&` and `;`.
fn character(name: &str) -> Option<char> {
    let code = match name.strip_prefix('#') {
        Some(code) => match code.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => code.parse().ok()?,
        },
        None => return by_name(name),
    };
    // Control characters stand for others in HTML.
    char::from_u32(code).filter(|c| !c.is_control() && code & 0xfffe != 0xfffe)
}

fn by_name(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "copy" => '©',
        "reg" => '®',
        "laquo" => '«',
        "raquo" => '»',
        "middot" => '·',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "bull" => '•',
        _ => return None,
    })
}

/// A text as a part of an address; pairs as a query.
///
/// # Errors
/// What is iterated and no pairs.
pub(super) fn url_encode(state: &State, value: &Value) -> Result<String, Error> {
    let whole = match value.kind() {
        ValueKind::Map => {
            let map = value.as_object();
            let pairs = map
                .and_then(|map| map.try_iter_pairs())
                .into_iter()
                .flatten();
            query(pairs)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let pairs = value.try_iter()?.map(pair);
            query(pairs.collect::<Result<Vec<_>, Error>>()?.into_iter())
        }
        _ => utf8_percent_encode(&written(value), PATH).to_string(),
    };
    pay(state, whole.len())?;
    Ok(whole)
}

fn pair(value: Value) -> Result<(Value, Value), Error> {
    let both: Vec<Value> = value.try_iter()?.collect();
    let both = <[Value; 2]>::try_from(both);
    let [key, value] = both.map_err(|_| invalid("urlencode takes a text or pairs"))?;
    Ok((key, value))
}

fn query(pairs: impl Iterator<Item = (Value, Value)>) -> String {
    let quoted = |value| {
        let text = utf8_percent_encode(&written(&value), PLAIN).to_string();
        text.replace("%20", "+")
    };
    let pairs = pairs.map(|(key, value)| format!("{}={}", quoted(key), quoted(value)));
    pairs.collect::<Vec<_>>().join("&")
}

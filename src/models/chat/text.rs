//! Methods of Python's texts.

use minijinja::formatting::{FormatStyle, format};
use minijinja::{Error, ErrorKind, State, Value};

use super::args::{Args, invalid};
use super::cut;

/// Calls `method` of `text`.
pub(super) fn call(
    state: &State,
    text: &str,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(asked) = asked(text, method) {
        Args::bind(args, &[])?;
        return Ok(Value::from(asked));
    }
    if let Some(cased) = cased(text, method) {
        Args::bind(args, &[])?;
        return Ok(Value::from(cased));
    }
    match method {
        "strip" | "lstrip" | "rstrip" => cut::strip(text, method, args),
        "split" | "rsplit" => cut::split(text, method, args),
        "splitlines" => cut::lines(text, args),
        "partition" | "rpartition" => cut::partition(text, method, args),
        "removeprefix" | "removesuffix" => cut::remove(text, method, args),
        "find" | "rfind" | "index" | "rindex" | "count" => search(text, method, args),
        "startswith" | "endswith" => borders(text, method, args),
        "ljust" | "rjust" | "center" | "zfill" => pad(state, text, method, args),
        "expandtabs" => expand_tabs(state, text, args),
        "join" => join(state, text, args),
        "replace" => replace(state, text, args),
        "format" => {
            check_widths(text)?;
            let n_fields = text.matches('{').count();
            pay(state, n_fields.saturating_mul(1 << 10))?;
            format(FormatStyle::StrFormat, text, args).map(Value::from)
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// What a text is. (Python asks for Unicode's categories where Rust has properties: they differ
/// for letters that are numbers, and for marks.)
fn asked(text: &str, method: &str) -> Option<bool> {
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    let any = |is: fn(char) -> bool| text.chars().any(is);
    Some(match method {
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(is_decimal),
        "isdigit" => all(|c| {
            is_decimal(c) || matches!(c, '²' | '³' | '¹' | '⁰'..='⁹' | '₀'..='₉' | '①'..='⑨')
        }),
        "isnumeric" => all(char::is_numeric),
        "isspace" => all(cut::is_space),
        "islower" => any(char::is_lowercase) && !any(char::is_uppercase),
        "isupper" => any(char::is_uppercase) && !any(char::is_lowercase),
        "istitle" => (any(char::is_uppercase) || any(char::is_lowercase)) && title(text) == text,
        "isprintable" => text
            .chars()
            .all(|c| c == ' ' || !(c.is_control() || c.is_whitespace())),
        "isidentifier" => {
            let is_first = |c: char| c.is_alphabetic() || c == '_';
            text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_alphanumeric())
        }
        _ => return None,
    })
}

/// Digits of the decimal systems, as far as their first codes are told apart from other numbers.
pub(super) fn is_decimal(c: char) -> bool {
    const ZEROS: [u32; 37] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
        0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
        0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
        0xff10,
    ];
    ZEROS
        .iter()
        .any(|zero| (*zero..zero + 10).contains(&(c as u32)))
}

/// `\w` of Python's expressions.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn cased(text: &str, method: &str) -> Option<String> {
    Some(match method {
        "upper" => text.to_uppercase(),
        "lower" => text.to_lowercase(),
        // Folding is lower case of upper case, but for the letter that has no upper case of its own.
        "casefold" => text.chars().fold(String::new(), |folded, c| match c {
            'ı' => folded + "ı",
            c => {
                folded
                    + &c.to_uppercase()
                        .collect::<String>()
                        .to_lowercase()
                        .replace('ς', "σ")
            }
        }),
        "swapcase" => text.chars().fold(String::new(), |mut swapped, c| {
            match c.is_uppercase() {
                true => swapped.extend(c.to_lowercase()),
                false => swapped.extend(c.to_uppercase()),
            }
            swapped
        }),
        "capitalize" => {
            let mut chars = text.chars();
            let first: String = chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .collect();
            first + &chars.as_str().to_lowercase()
        }
        "title" => title(text),
        _ => return None,
    })
}

/// Words are runs of letters that have a case: "They'Re".
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        match inside {
            true => out.extend(c.to_lowercase()),
            false => out.extend(c.to_uppercase()),
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    out
}

/// The part of `text` from one character to another, as Python's slices count, and how many
/// characters stand before it; `None` where it begins after the text.
fn part<'a>(text: &'a str, args: &Args<'_>) -> Result<Option<(usize, &'a str)>, Error> {
    let n = text.chars().count() as i64;
    let place = |at: i64| if at < 0 { (at + n).max(0) } else { at };
    let (start, end) = (args.int_if(1)?, args.int_if(2)?);
    let (start, end) = (start.map_or(0, place), end.map_or(n, place).min(n));
    if start > n {
        return Ok(None);
    }
    let byte = |at: i64| {
        text.char_indices()
            .nth(at as usize)
            .map_or(text.len(), |(byte, _)| byte)
    };
    Ok(Some((
        start as usize,
        &text[byte(start)..byte(end.max(start))],
    )))
}

fn search(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["sub", "start", "end"])?;
    let sub = args.text(0)?;
    let part = part(text, &args)?;
    if method == "count" {
        return Ok(Value::from(
            part.map_or(0, |(_, part)| part.matches(sub).count()),
        ));
    }
    let found = part.and_then(|(before, part)| {
        let at = if method.starts_with('r') {
            part.rfind(sub)
        } else {
            part.find(sub)
        };
        at.map(|at| before + part[..at].chars().count())
    });
    match found {
        Some(at) => Ok(Value::from(at)),
        None if method.ends_with("find") => Ok(Value::from(-1)),
        None => Err(invalid("substring not found")),
    }
}

fn borders(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["sub", "start", "end"])?;
    let wanted: Vec<Value> = match args.needed(0)? {
        one if one.as_str().is_some() => vec![one.clone()],
        many => many.try_iter()?.collect(),
    };
    let Some((_, part)) = part(text, &args)? else {
        return Ok(Value::from(false));
    };
    let holds = |sub: &Value| match (sub.as_str(), method) {
        (Some(sub), "startswith") => Ok(part.starts_with(sub)),
        (Some(sub), _) => Ok(part.ends_with(sub)),
        (None, _) => Err(invalid(format!(
            "{method} takes a text or a tuple of texts"
        ))),
    };
    let held = wanted.iter().map(holds).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::from(held.contains(&true)))
}

/// Pays for what is about to be made: a unit of fuel is 64 bytes.
pub(super) fn pay(state: &State, n_bytes: usize) -> Result<(), Error> {
    state.consume_fuel(n_bytes.div_ceil(64) as u64)
}

fn pad(state: &State, text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["width", "fillchar"])?;
    let n = text.chars().count();
    let width = args
        .int_if(0)?
        .ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let width = usize::try_from(width).unwrap_or(0);
    let missing = width.saturating_sub(n);
    let fill = args.text_if(1)?.unwrap_or(" ");
    if fill.chars().count() != 1 {
        return Err(invalid("fillchar is to be one character"));
    }
    pay(state, missing.saturating_mul(fill.len()))?;
    let fill = |n: usize| fill.repeat(n);
    let left = missing / 2 + (missing & width & 1);
    Ok(Value::from(match method {
        "ljust" => format!("{text}{}", fill(missing)),
        "rjust" => format!("{}{text}", fill(missing)),
        "center" => format!("{}{text}{}", fill(left), fill(missing - left)),
        _ => {
            let sign = text.len()
                - text
                    .trim_start_matches(['+', '-'])
                    .len()
                    .max(text.len().saturating_sub(1));
            format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
        }
    }))
}

fn expand_tabs(state: &State, text: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["tabsize"])?;
    let size = usize::try_from(args.int_if(0)?.unwrap_or(8)).unwrap_or(0);
    let (mut out, mut column) = (String::new(), 0);
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let n = size - column % size;
                pay(state, n)?;
                out.push_str(&" ".repeat(n));
                column += n;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    Ok(Value::from(out))
}

fn join(state: &State, text: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["iterable"])?;
    let mut out = String::new();
    for (i, item) in args.needed(0)?.try_iter()?.enumerate() {
        let item = item
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| invalid("join takes texts"))?;
        pay(state, text.len() + item.len())?;
        out.push_str(if i > 0 { text } else { "" });
        out.push_str(&item);
    }
    Ok(Value::from(out))
}

fn replace(state: &State, text: &str, args: &[Value]) -> Result<Value, Error> {
    let args = Args::bind(args, &["old", "new", "count"])?;
    let (old, new) = (args.text(0)?, args.text(1)?);
    let count = args.int_if(2)?.and_then(|n| usize::try_from(n).ok());
    let found = text.matches(old).count().min(count.unwrap_or(usize::MAX));
    pay(state, found.saturating_mul(new.len()))?;
    Ok(Value::from(text.replacen(old, new, found)))
}

/// Widths and precisions are below this: they are allocated, and Rust takes 16 bits.
pub(super) const MAX_WIDTH: i64 = 60_000;

/// Refuses a format with a wider field.
pub(super) fn check_widths(text: &str) -> Result<(), Error> {
    let mut runs = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| !run.is_empty());
    match runs.any(|digits| digits.parse().map_or(true, |width: i64| width >= MAX_WIDTH)) {
        true => Err(invalid("a width in a format is too large")),
        false => Ok(()),
    }
}

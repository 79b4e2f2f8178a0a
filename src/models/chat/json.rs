//! `tojson` as transformers has it: Python's `json.dumps`.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Error, State, Value};

use super::args::{Args, invalid};
use super::text::pay;

const OPTIONS: [&str; 4] = ["ensure_ascii", "indent", "separators", "sort_keys"];

/// # Errors
/// A value that JSON does not have, as something that is not defined.
pub(super) fn to_json(
    state: &State,
    value: &Value,
    options: Rest<ValueOrKwargs>,
) -> Result<String, Error> {
    let args = Args::bind(&options.into_values(), &OPTIONS)?;
    let indent = indent(state, &args)?;
    let pair = args
        .any(2)
        .map(|pair| pair.try_iter().map(Iterator::collect::<Vec<_>>));
    let pair = pair.transpose()?;
    let separators = match pair.as_deref() {
        Some([item, key]) => [item, key].map(|s| s.as_str().map(str::to_owned)),
        Some(_) => return Err(invalid("separators are two texts")),
        None if indent.is_some() => [",", ": "].map(|s| Some(s.to_owned())),
        None => [", ", ": "].map(|s| Some(s.to_owned())),
    };
    let [Some(item), Some(key)] = separators else {
        return Err(invalid("separators are two texts"));
    };
    let (ascii, sorted) = (args.is(0), args.is(3));
    let mut writer = Writer {
        state,
        out: String::new(),
        ascii,
        sorted,
        indent,
        item,
        key,
        depth: 0,
    };
    writer.value(value)?;
    Ok(writer.out)
}

/// What a level is indented by: a number of spaces, or a text.
fn indent(state: &State, args: &Args<'_>) -> Result<Option<String>, Error> {
    let Some(indent) = args.any(1) else {
        return Ok(None);
    };
    if let Some(text) = indent.as_str() {
        return Ok(Some(text.to_owned()));
    }
    let n = usize::try_from(args.int_if(1)?.unwrap_or(0)).unwrap_or(0);
    pay(state, n)?;
    Ok(Some(" ".repeat(n)))
}

struct Writer<'a> {
    state: &'a State<'a, 'a>,
    out: String,
    ascii: bool,
    sorted: bool,
    indent: Option<String>,
    /// Between items, and after keys.
    item: String,
    key: String,
    depth: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                let word = scalar(value);
                self.out.push_str(&word);
            }
            ValueKind::String => self.text(value.as_str().unwrap_or_default())?,
            ValueKind::Seq => {
                let items = value.try_iter()?.map(|item| (None, item)).collect();
                self.group(["[", "]"], items)?;
            }
            ValueKind::Map => {
                let items = self.items(value)?;
                self.group(["{", "}"], items)?;
            }
            other => {
                return Err(invalid(format!(
                    "a value of kind {other} is not JSON serializable"
                )));
            }
        }
        Ok(())
    }

    fn items(&self, map: &Value) -> Result<Vec<(Option<String>, Value)>, Error> {
        let pair = |key: Value| {
            let name = match key.kind() {
                ValueKind::String => key.as_str().map(str::to_owned),
                ValueKind::None | ValueKind::Bool | ValueKind::Number => Some(scalar(&key)),
                _ => None,
            };
            let name = name.ok_or_else(|| invalid("a key is to be a text or a number"))?;
            Ok((Some(name), map.get_item(&key)?))
        };
        let mut items = map
            .try_iter()?
            .map(pair)
            .collect::<Result<Vec<_>, Error>>()?;
        if self.sorted {
            items.sort_by(|a, b| a.0.cmp(&b.0));
        }
        Ok(items)
    }

    fn group(
        &mut self,
        [open, close]: [&str; 2],
        items: Vec<(Option<String>, Value)>,
    ) -> Result<(), Error> {
        self.out.push_str(open);
        if items.is_empty() {
            self.out.push_str(close);
            return Ok(());
        }
        self.depth += 1;
        for (i, (name, value)) in items.iter().enumerate() {
            if i > 0 {
                self.out.push_str(&self.item);
            }
            self.line()?;
            if let Some(name) = name {
                self.text(name)?;
                self.out.push_str(&self.key);
            }
            self.value(value)?;
        }
        self.depth -= 1;
        self.line()?;
        self.out.push_str(close);
        Ok(())
    }

    /// A new line, where lines are asked for.
    fn line(&mut self) -> Result<(), Error> {
        let Some(indent) = &self.indent else {
            return self.state.consume_fuel(1);
        };
        pay(self.state, 64 + indent.len().saturating_mul(self.depth))?;
        self.out.push('\n');
        self.out.push_str(&indent.repeat(self.depth));
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        pay(self.state, text.len() * 2)?;
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.out.extend(['\\', c]),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                c if c < ' ' || (self.ascii && c > '~') => self.escape(c),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
        Ok(())
    }

    fn escape(&mut self, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.out.push_str(&format!("\\u{unit:04x}"));
        }
    }
}

/// None, a truth or a number.
fn scalar(value: &Value) -> String {
    match value.kind() {
        ValueKind::None => "null".to_owned(),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        _ if value.is_integer() => value.to_string(),
        _ => match f64::try_from(value.clone()) {
            Ok(number) if number.is_nan() => "NaN".to_owned(),
            Ok(number) if number.is_infinite() => if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }
            .to_owned(),
            Ok(number) => float(number),
            Err(_) => value.to_string(),
        },
    }
}

/// As Python writes it: the shortest digits that mean the number, with an exponent where it is
/// small or large.
pub(super) fn float(number: f64) -> String {
    let shortest = format!("{number:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) || !number.is_finite() {
        return match number.to_string() {
            whole if number.is_finite() && !whole.contains('.') => whole + ".0",
            text => text,
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// A value as `str` writes it.
pub(super) fn written(value: &Value) -> String {
    let is_float = value.kind() == ValueKind::Number && !value.is_integer();
    match f64::try_from(value.clone()) {
        Ok(number) if is_float => float(number),
        _ => value.to_string(),
    }
}

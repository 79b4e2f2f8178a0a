//! Jinja2's filters and tests where minijinja's take other arguments or answer otherwise.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Environment, Error, Output, State, Value};

use super::args::{Args, More, invalid};
use super::{cut, json, markup, paid, prose, text, wrap};

/// Puts them in the places of minijinja's.
pub(super) fn add(env: &mut Environment<'_>) {
    env.add_filter("tojson", json::to_json);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("replace", replace);
    env.add_filter("trim", trim);
    env.add_filter("indent", indent);
    env.add_filter("int", int);
    env.add_filter("center", center);
    env.add_filter("wordcount", prose::word_count);
    env.add_filter("truncate", prose::truncate);
    env.add_filter("filesizeformat", prose::file_size);
    env.add_filter("wordwrap", wrap::word_wrap);
    env.add_filter("striptags", markup::strip_tags);
    env.add_filter("xmlattr", markup::attributes);
    env.add_filter("escape", markup::escape);
    env.add_filter("e", markup::escape);
    env.add_filter("forceescape", markup::force_escape);
    env.add_filter("urlencode", markup::url_encode);
    // They write another text than Jinja2's.
    for name in ["pprint", "attr"] {
        env.remove_filter(name);
    }
    env.add_test("iterable", |value: &Value| {
        !value.is_none() && value.try_iter().is_ok()
    });
    env.add_test("sequence", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::String | ValueKind::Seq | ValueKind::Map
        )
    });
    env.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
    env.remove_global("debug");
    env.add_function("dict", |state: &State, more: More| {
        let more = more.into_values();
        let (maps, given): (&[Value], Kwargs) = from_args(&more)?;
        let maps = maps
            .iter()
            .map(|map| map.as_object().and_then(|map| map.try_iter_pairs()));
        let named = given
            .args()
            .map(|name| Ok((Value::from(name), given.get(name)?)));
        let named = named.collect::<Result<Vec<(Value, Value)>, Error>>()?;
        let pairs = maps.flatten().flatten().chain(named);
        paid::paid(state, &Value::from_pairs(pairs))
    });
    env.set_formatter(write);
}

/// Numbers as Python writes them.
fn write(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Number => Ok(out.write_str(&json::written(value))?),
        _ => {
            paid::paid(state, value)?;
            minijinja::escape_formatter(out, state, value)
        }
    }
}

fn default(value: &Value, more: More) -> Result<Value, Error> {
    let more = more.into_values();
    let args = Args::bind(&more, &["default_value", "boolean"])?;
    let instead = value.is_undefined() || (args.is(1) && !value.is_true());
    let other = || args.given(0).map_or_else(|_| Value::from(""), Value::clone);
    Ok(if instead { other() } else { value.clone() })
}

fn replace(state: &State, value: &Value, more: More) -> Result<Value, Error> {
    let more = more.into_values();
    let args = Args::bind(&more, &["old", "new", "count"])?;
    let plain: Vec<Value> = (0..3).filter_map(|i| args.any(i).cloned()).collect();
    text::call(state, &value.to_string(), "replace", &plain)
}

fn trim(value: &Value, more: More) -> Result<Value, Error> {
    cut::strip(
        &value.to_string(),
        "strip",
        &named(&more.into_values(), "chars")?,
    )
}

fn center(state: &State, value: &Value, more: More) -> Result<Value, Error> {
    let plain = named(&more.into_values(), "width")?;
    let plain = if plain.is_empty() {
        vec![Value::from(80)]
    } else {
        plain
    };
    text::call(state, &value.to_string(), "center", &plain)
}

/// The one argument, by its place.
fn named(values: &[Value], name: &str) -> Result<Vec<Value>, Error> {
    Ok(Args::bind(values, &[name])?
        .any(0)
        .cloned()
        .into_iter()
        .collect())
}

/// Lines after the first, or all of them, indented by a number of spaces or by a text.
fn indent(state: &State, value: &Value, more: More) -> Result<String, Error> {
    let more = more.into_values();
    let args = Args::bind(&more, &["width", "first", "blank"])?;
    let by = match args.any(0).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => {
            let n = usize::try_from(args.int_if(0)?.unwrap_or(4)).unwrap_or(0);
            text::pay(state, n)?;
            " ".repeat(n)
        }
    };
    let text = value.to_string();
    text::pay(state, text.matches('\n').count().saturating_mul(by.len()))?;
    let line = |(i, line): (usize, &str)| match (i, line) {
        (0, _) if !args.is(1) => line.to_owned(),
        (1.., "") if !args.is(2) => String::new(),
        _ => format!("{by}{line}"),
    };
    let lines: Vec<String> = text.split('\n').enumerate().map(line).collect();
    Ok(lines.join("\n"))
}

/// A whole number, or the default where there is none in the value.
fn int(value: &Value, more: More) -> Result<Value, Error> {
    let more = more.into_values();
    let args = Args::bind(&more, &["default", "base"])?;
    let base = args
        .int_if(1)?
        .and_then(|base| u32::try_from(base).ok())
        .unwrap_or(10);
    if !(2..=36).contains(&base) {
        return Err(invalid("the base of a number is 2 to 36"));
    }
    let found = match (value.as_str(), value.kind()) {
        (Some(text), _) => whole(text.trim(), base),
        (_, ValueKind::Bool) => Some(i128::from(value.is_true())),
        (_, ValueKind::Number) if value.is_integer() => return Ok(value.clone()),
        (_, ValueKind::Number) => f64::try_from(value.clone())
            .ok()
            .map(|number| number as i128),
        _ => None,
    };
    let default = || args.any(0).cloned().unwrap_or_else(|| Value::from(0));
    Ok(found.map_or_else(default, Value::from))
}

fn whole(text: &str, base: u32) -> Option<i128> {
    let prefix = match base {
        16 => ["0x", "0X"],
        8 => ["0o", "0O"],
        _ => ["0b", "0B"],
    };
    let plain = if base == 10 {
        text
    } else {
        text.strip_prefix(prefix[0])
            .or(text.strip_prefix(prefix[1]))
            .unwrap_or(text)
    };
    let whole = i128::from_str_radix(&plain.replace('_', ""), base).ok();
    whole.or_else(|| text.parse::<f64>().ok().map(|number| number as i128))
}

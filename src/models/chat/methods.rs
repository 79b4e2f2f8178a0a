//! Methods of Python's texts, lists and dicts.

use std::sync::Arc;

use minijinja::value::{DynObject, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::args::{Args, invalid};
use super::paid::paid;
use super::text;

/// Calls a method that minijinja does not know. Methods that change what they are called on are
/// refused, as transformers' sandbox does.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    // What looks through a value is paid for by its size.
    text::pay(state, value.as_str().map_or(0, str::len))?;
    if value.kind() == ValueKind::Seq {
        paid(state, value)?;
    }
    match (value.kind(), value.as_str(), value.as_object()) {
        (_, Some(text), _) if value.is_safe() => markup(state, text, method, args),
        (_, Some(text), _) => text::call(state, text, method, args),
        (ValueKind::Map, _, Some(map)) => dict(map, method, args),
        (ValueKind::Seq, _, Some(_)) => list(value, method, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Methods of markup make markup, and take what they are given for text: those are refused.
fn markup(state: &State, text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    const TAKING: [&str; 11] = [
        "replace",
        "ljust",
        "rjust",
        "center",
        "strip",
        "lstrip",
        "rstrip",
        "removeprefix",
        "removesuffix",
        "join",
        "format",
    ];
    if TAKING.contains(&method) && !args.is_empty() {
        return Err(invalid(format!("{method} of markup is not supported")));
    }
    let made = text::call(state, text, method, args)?;
    Ok(match made.as_str() {
        Some(made) => Value::from_safe_string(made.to_owned()),
        None => made,
    })
}

fn dict(map: &DynObject, method: &str, args: &[Value]) -> Result<Value, Error> {
    let pairs = || map.try_iter_pairs().into_iter().flatten();
    match method {
        "keys" | "values" | "items" | "copy" => Args::bind(args, &[])?,
        "get" => {
            let args = Args::bind(args, &["key", "default"])?;
            let default = || args.any(1).cloned().unwrap_or_else(|| Value::from(()));
            return Ok(map.get_value(args.needed(0)?).unwrap_or_else(default));
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    };
    let map = map.clone();
    Ok(match method {
        "keys" => view(pairs().map(|(key, _)| key).collect()),
        "values" => view(pairs().map(|(_, value)| value).collect()),
        "items" => view(
            pairs()
                .map(|(key, value)| Value::from(Tuple::from([key, value])))
                .collect(),
        ),
        _ => Value::from_dyn_object(map),
    })
}

/// What can be iterated again and again, and is no list.
fn view(items: Vec<Value>) -> Value {
    let items: Arc<[Value]> = items.into();
    Value::make_object_iterable(items, |items| Box::new(items.iter().cloned()))
}

fn list(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    match method {
        "copy" => {
            Args::bind(args, &[])?;
            Ok(value.clone())
        }
        "count" => {
            let args = Args::bind(args, &["value"])?;
            let wanted = args.given(0)?;
            Ok(Value::from(
                value.try_iter()?.filter(|item| item == wanted).count(),
            ))
        }
        "index" => {
            let args = Args::bind(args, &["value"])?;
            let wanted = args.given(0)?;
            let found = value.try_iter()?.position(|item| item == *wanted);
            found
                .map(Value::from)
                .ok_or_else(|| invalid("the list has no such value"))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

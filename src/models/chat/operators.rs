//! `%`, `+` and `*` between any values, as Python has them.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Rest, Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::args::invalid;
use super::markup;
use super::paid::paid;
use super::source::{PAID, PERCENT, PLUS, TIMES};
use super::text::{MAX_WIDTH, check_widths, pay};

/// Gives a rewritten template what it calls.
pub(super) fn add(env: &mut Environment<'_>) {
    env.add_function(PERCENT, percent);
    env.add_function(TIMES, times);
    env.add_function(PLUS, |state: &State, values: Rest<Value>| {
        plus(state, &values)
    });
    env.add_function(PAID, paid);
    env.add_filter(PAID, paid);
}

/// # Errors
/// Values that Python does not take either.
fn percent(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    match left.as_str() {
        // Markup takes what is put into it as text.
        Some(text) if left.is_safe() => {
            let written = formatted(state, text, &as_markup(state, right)?)?;
            Ok(Value::from_safe_string(written))
        }
        Some(text) => formatted(state, text, right).map(Value::from),
        None => remainder(left, right),
    }
}

/// What is put into markup: numbers are numbers, and all else text.
fn as_markup(state: &State, value: &Value) -> Result<Value, Error> {
    let escaped = |value: &Value| match value.kind() {
        ValueKind::Number | ValueKind::Bool => Ok(value.clone()),
        _ => markup::escape(state, value),
    };
    if let Some(tuple) = value.downcast_object_ref::<Tuple>() {
        let parts = tuple.iter().map(escaped).collect::<Result<Vec<_>, _>>()?;
        return Ok(Value::from(Tuple::new(parts)));
    }
    let map = value.as_object().filter(|_| value.kind() == ValueKind::Map);
    match map.and_then(|map| map.try_iter_pairs()) {
        Some(pairs) => {
            let pairs = pairs.map(|(key, value)| Ok((key, escaped(&value)?)));
            Ok(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?))
        }
        None => escaped(value),
    }
}

fn formatted(state: &State, text: &str, right: &Value) -> Result<String, Error> {
    check_widths(text)?;
    let args: Vec<Value> = match right.downcast_object_ref::<Tuple>() {
        Some(tuple) => tuple.iter().cloned().collect(),
        None => vec![right.clone()],
    };
    let by_name = right.kind() == ValueKind::Map;
    let mut args = args.into_iter();
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let n = spec(&rest[at..]).ok_or_else(|| invalid("a format ends within a field"))?;
        field(state, &rest[at..at + n], right, &mut args, &mut out)?;
        rest = &rest[at + n..];
    }
    if args.next().is_some() && !by_name {
        return Err(invalid(
            "not all arguments converted during string formatting",
        ));
    }
    Ok(out + rest)
}

/// The length of the field that `text` begins with, such as `%-5.2f` or `%(name)s`.
fn spec(text: &str) -> Option<usize> {
    let name = match text[1..].starts_with('(') {
        true => text.find(')')?,
        false => 0,
    };
    let is_last = |c: char| c == '%' || (c.is_alphabetic() && !"hlL".contains(c));
    let end = text[1 + name..].char_indices().find(|(_, c)| is_last(*c))?;
    Some(1 + name + end.0 + end.1.len_utf8())
}

fn field(
    state: &State,
    spec: &str,
    all: &Value,
    args: &mut impl Iterator<Item = Value>,
    out: &mut String,
) -> Result<(), Error> {
    if spec == "%%" {
        out.push('%');
        return Ok(());
    }
    let mut next = || {
        args.next()
            .ok_or_else(|| invalid("not enough arguments for format string"))
    };
    let (mut spec, mut value) = (spec.to_owned(), None);
    if let Some((name, rest)) = spec.strip_prefix("%(").and_then(|s| s.split_once(')')) {
        value = Some(all.get_item(&Value::from(name))?);
        spec = format!("%{rest}");
    }
    while spec.contains('*') {
        let width = next()?.as_i64().filter(|w| w.abs() < MAX_WIDTH);
        let width = width.ok_or_else(|| invalid("* wants a whole number below 60000"))?;
        spec = spec.replacen('*', &width.to_string(), 1);
    }
    let value = value.map_or_else(next, Ok)?;
    let last = spec.pop().unwrap_or_default();
    let (last, value) = match (last, value.kind()) {
        ('r' | 'a', _) => ('s', Value::from(format!("{value:?}"))),
        ('i' | 'd' | 'u', ValueKind::Number) if !value.is_integer() => {
            let number = f64::try_from(value)?.trunc();
            ('d', Value::from(number as i128))
        }
        ('i' | 'u', _) => ('d', value),
        (last, _) => (last, value),
    };
    spec.push(last);
    let written = format(FormatStyle::Printf, &spec, &[value])?;
    pay(state, written.len())?;
    out.push_str(&written);
    Ok(())
}

/// `+` between all values.
///
/// # Errors
/// As [`percent`].
fn plus(state: &State, values: &[Value]) -> Result<Value, Error> {
    let mut values = values.iter();
    let first = values.next().cloned().unwrap_or_default();
    values.try_fold(first, |sum, value| sum_of_two(state, &sum, value))
}

fn sum_of_two(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        pay(state, a.len() + b.len())?;
        return Ok(match left.is_safe() || right.is_safe() {
            true => {
                let [a, b] = [markup::escape(state, left)?, markup::escape(state, right)?];
                Value::from_safe_string(format!("{a}{b}"))
            }
            false => Value::from(format!("{a}{b}")),
        });
    }
    let is_tuple = |value: &Value| value.downcast_object_ref::<Tuple>().is_some();
    let are_lists = [left, right]
        .iter()
        .all(|value| value.kind() == ValueKind::Seq);
    if are_lists && is_tuple(left) == is_tuple(right) {
        let n = left
            .len()
            .unwrap_or(0)
            .saturating_add(right.len().unwrap_or(0));
        pay(state, n.saturating_mul(64))?;
        let items: Vec<Value> = left.try_iter()?.chain(right.try_iter()?).collect();
        let all = if is_tuple(left) {
            Value::from(Tuple::new(items))
        } else {
            Value::from(items)
        };
        return paid(state, &all);
    }
    let sum = match (whole(left), whole(right)) {
        (Some(a), Some(b)) => a.checked_add(b).map(Value::from),
        _ => float(left)
            .zip(float(right))
            .map(|(a, b)| Value::from(a + b)),
    };
    sum.ok_or_else(|| {
        invalid(format!(
            "a {} and a {} cannot be added",
            left.kind(),
            right.kind()
        ))
    })
}

/// `*` between any two values.
///
/// # Errors
/// As [`percent`].
fn times(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    for (many, n) in [(left, right), (right, left)] {
        let n = whole(n).map(|n| usize::try_from(n).unwrap_or(if n < 0 { 0 } else { usize::MAX }));
        if let (Some(text), Some(n)) = (many.as_str(), n) {
            pay(state, text.len().saturating_mul(n))?;
            return Ok(Value::from(text.repeat(n)));
        }
        if let (ValueKind::Seq, Some(n)) = (many.kind(), n) {
            return repeated(state, many, n);
        }
    }
    let product = match (whole(left), whole(right)) {
        (Some(a), Some(b)) => a.checked_mul(b).map(Value::from),
        _ => float(left)
            .zip(float(right))
            .map(|(a, b)| Value::from(a * b)),
    };
    product.ok_or_else(|| {
        invalid(format!(
            "{} and {} cannot be multiplied",
            left.kind(),
            right.kind()
        ))
    })
}

/// A list or a tuple, `n` times.
fn repeated(state: &State, many: &Value, n: usize) -> Result<Value, Error> {
    let items: Vec<Value> = many.try_iter()?.collect();
    pay(state, items.len().saturating_mul(n).saturating_mul(64))?;
    let all: Vec<Value> = (0..n).flat_map(|_| items.iter().cloned()).collect();
    let is_tuple = many.downcast_object_ref::<Tuple>().is_some();
    let all = if is_tuple {
        Value::from(Tuple::new(all))
    } else {
        Value::from(all)
    };
    paid(state, &all)
}

fn whole(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        _ => i128::try_from(value.clone())
            .ok()
            .filter(|_| value.is_integer()),
    }
}

fn float(value: &Value) -> Option<f64> {
    match whole(value) {
        Some(number) => Some(number as f64),
        None => f64::try_from(value.clone())
            .ok()
            .filter(|_| value.kind() == ValueKind::Number),
    }
}

fn remainder(left: &Value, right: &Value) -> Result<Value, Error> {
    let numbers = (whole(left), whole(right));
    if let (Some(_), Some(0)) | (_, None) =
        (numbers.0, float(right).filter(|r| *r != 0.0).map(|_| 1))
    {
        return Err(invalid(format!("cannot divide by {right}")));
    }
    match (numbers, float(left), float(right)) {
        ((Some(a), Some(b)), ..) => {
            let rest = a.checked_rem(b).unwrap_or(0);
            Ok(Value::from(if rest != 0 && (rest < 0) != (b < 0) {
                rest + b
            } else {
                rest
            }))
        }
        (_, Some(a), Some(b)) => {
            let rest = a % b;
            Ok(Value::from(if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
                rest + b
            } else {
                rest
            }))
        }
        _ => Err(invalid(format!("{left} % {right}: these are no numbers"))),
    }
}

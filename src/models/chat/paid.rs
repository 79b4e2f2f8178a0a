//! What a value costs to write: all that is in it, as often as it is in it.
//!
//! minijinja's fuel pays for what is made, and counts a part that is shared once; a list that
//! holds one list twice, that again, and so on, would take no memory and be endless when written
//! or compared. So whatever holds other values is paid for as a whole when it is made.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::args::invalid;
use super::text::pay;

/// No conversation nests so deep.
const MAX_DEPTH: usize = 200;

/// `value`, paid for.
///
/// # Errors
/// It is too large or too deep, or a namespace, which could hold itself.
pub(super) fn paid(state: &State, value: &Value) -> Result<Value, Error> {
    pay_for(state, value, 0)?;
    Ok(value.clone())
}

fn pay_for(state: &State, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(invalid("it puts lists into lists without an end"));
    }
    if let Some(text) = value.as_str() {
        return if depth > 0 {
            pay(state, text.len() + 32)
        } else {
            Ok(())
        };
    }
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    if object.type_name().contains("Namespace") {
        return Err(invalid("a namespace in another value is not supported"));
    }
    match value.kind() {
        ValueKind::Map => {
            for (key, item) in object.try_iter_pairs().into_iter().flatten() {
                pay(state, 64)?;
                pay_for(state, &key, depth + 1)?;
                pay_for(state, &item, depth + 1)?;
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in object.try_iter().into_iter().flatten() {
                pay(state, 32)?;
                pay_for(state, &item, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

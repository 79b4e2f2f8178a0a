//! Jinja2's filters that measure and cut texts.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::args::{Args, More, invalid};
use super::json::written;
use super::text::is_word;

pub(super) fn word_count(value: &Value) -> usize {
    let text = written(value);
    let words = text.split(|c| !is_word(c));
    words.filter(|word| !word.is_empty()).count()
}

/// What is longer than `length` and a bit, cut to that length with an ellipsis, at a space where
/// there is one.
///
/// # Errors
/// A value that is no text; an ellipsis longer than all is to be.
pub(super) fn truncate(value: &Value, more: More) -> Result<Value, Error> {
    let more = more.into_values();
    let args = Args::bind(&more, &["length", "killwords", "end", "leeway"])?;
    let size = |i, usual| {
        let n = args.int_if(i)?.unwrap_or(usual);
        usize::try_from(n).map_err(|_| invalid("a length is to be 0 at least"))
    };
    let (length, leeway) = (size(0, 255)?, size(3, 5)?);
    let end = args.text_if(2)?.unwrap_or("...");
    let kept = length.checked_sub(end.chars().count());
    let kept = kept.ok_or_else(|| invalid("length is to be that of the ellipsis at least"))?;
    if value.is_undefined() {
        return Ok(value.clone());
    }
    let text = value.as_str();
    let text = text.ok_or_else(|| invalid("truncate takes a text"))?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(value.clone());
    }
    let cut = text
        .char_indices()
        .nth(kept)
        .map_or(text, |(at, _)| &text[..at]);
    let cut = match cut.rsplit_once(' ').filter(|_| !args.is(1)) {
        Some((before, _)) => before,
        None => cut,
    };
    Ok(Value::from(format!("{cut}{end}")))
}

/// # Errors
/// A value that is no number.
pub(super) fn file_size(value: &Value, more: More) -> Result<String, Error> {
    let more = more.into_values();
    let is_binary = Args::bind(&more, &["binary"])?.is(0);
    let number = match value.kind() {
        ValueKind::String => value.as_str().and_then(|text| text.trim().parse().ok()),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        _ => f64::try_from(value.clone()).ok(),
    };
    let number: f64 = number
        .filter(|number| number.is_finite())
        .ok_or_else(|| invalid("filesizeformat takes a number"))?;
    let (base, ending): (f64, _) = if is_binary {
        (1024.0, "iB")
    } else {
        (1000.0, "B")
    };
    Ok(match number {
        1.0 => "1 Byte".to_owned(),
        _ if number < base => format!("{:.0} Bytes", number.trunc()),
        _ => {
            let units = if is_binary { "KMGTPEZY" } else { "kMGTPEZY" }.chars();
            let mut units = (2..).map(|i| base.powi(i)).zip(units);
            let fits = |(above, unit): &(f64, char)| number < *above || *unit == 'Y';
            let (above, unit) = units.find(fits).unwrap_or((base, 'k'));
            format!("{:.1} {unit}{ending}", base * number / above)
        }
    })
}

//! `strftime_now`: the time as the C library writes it.

use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{BrokenDownTime, Config};
use jiff::tz::TimeZone;

/// `format` filled in with the local time, or with `fixed`.
///
/// # Errors
/// What cannot be written, in words.
pub(super) fn strftime(format: &str, fixed: Option<DateTime>) -> Result<String, String> {
    let now = fixed.map_or_else(
        || Ok(Zoned::now()),
        |date| date.to_zoned(TimeZone::system()),
    );
    let now = now.map_err(|e| e.to_string())?;
    let config = Config::new().lenient(true);
    let format = known(format, &now);
    let written = BrokenDownTime::from(&now).to_string_with_config(&config, &format);
    written.map_err(|e| e.to_string())
}

/// What C and jiff write alike.
const LETTERS: &str = "aAbBCdDeFgGhHIjklmMnpPRsStTuUVwWyY%";

/// `format` without what C knows and jiff does not. Python's `datetime.now()` has no zone, and
/// writes microseconds itself.
fn known(format: &str, now: &Zoned) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let code = &rest[at..];
        let flags =
            code[1..].trim_start_matches(|c: char| "-_0^#".contains(c) || c.is_ascii_digit());
        let flags = &code[1..code.len() - flags.len()];
        let after = &code[1 + flags.len()..];
        // `%Ey`, `%Od`: other calendars and digits, which the C locale does not have.
        let after = after.strip_prefix(['E', 'O']).unwrap_or(after);
        let Some(letter) = after.chars().next() else {
            out.push_str("%%");
            out.push_str(&code[1..]);
            return out;
        };
        match letter {
            'Z' | 'z' => {}
            'f' => out.push_str(&format!("{:06}", now.subsec_nanosecond() / 1000)),
            'c' => out.push_str("%a %b %e %H:%M:%S %Y"),
            'x' => out.push_str("%m/%d/%y"),
            'X' => out.push_str("%H:%M:%S"),
            'r' => out.push_str("%I:%M:%S %p"),
            letter if LETTERS.contains(letter) => {
                out.push('%');
                out.push_str(flags);
                out.push(letter);
            }
            // As C has it: what is no code stands as it is.
            letter => out.extend(["%%", flags, &letter.to_string()]),
        }
        rest = &after[letter.len_utf8()..];
    }
    out + rest
}

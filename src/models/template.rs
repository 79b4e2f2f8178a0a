//! Chat templates: prompts as models that chat were taught to read them.
//!
//! They are Jinja as transformers runs it (`utils/chat_template_utils.py`): blocks
//! trimmed, loop controls, methods of Python's strings and lists, `tojson` without escapes for
//! HTML, `strftime_now`, `raise_exception`.

use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value, context};

/// One user's turn, after a system prompt where there is one, and the beginning of the answer;
/// `specials` are the texts of BOS and EOS.
///
/// # Errors
/// Why the template cannot be run, in one line.
pub(crate) fn render(
    source: &str,
    prompt: &str,
    system: Option<&str>,
    specials: [Option<String>; 2],
) -> Result<String, String> {
    run(source, prompt, system, specials).map_err(|error| reason(&error))
}

fn reason(error: &Error) -> String {
    let told = error
        .detail()
        .map_or_else(|| error.to_string(), str::to_owned);
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run(
    source: &str,
    prompt: &str,
    system: Option<&str>,
    [bos, eos]: [Option<String>; 2],
) -> Result<String, Error> {
    let turn = |role: &str, content: &str| context! { role, content };
    let system = system.map(|text| turn("system", text));
    let messages: Vec<Value> = system.into_iter().chain([turn("user", prompt)]).collect();
    let mut env = environment();
    env.add_template("chat", source)?;
    env.get_template("chat")?.render(context! {
        messages,
        bos_token => bos.unwrap_or_default(),
        eos_token => eos.unwrap_or_default(),
        add_generation_prompt => true,
    })
}

fn environment<'a>() -> Environment<'a> {
    let mut env = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    // Delimiters are the defaults: nothing that building could refuse.
    if let Ok(syntax) = syntax.trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.add_filter("tojson", to_json);
    env.add_function("strftime_now", |format: &str| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        strftime(format, since.map_or(0, |d| d.as_secs()))
    });
    env.add_function("raise_exception", |told: String| {
        Err::<(), _>(Error::new(ErrorKind::InvalidOperation, told))
    });
    env
}

/// As Python writes JSON: a space after colons and commas, or lines with `indent`.
fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let failed = |e: serde_json::Error| Error::new(ErrorKind::InvalidOperation, e.to_string());
    let indent: Option<usize> = options.get("indent")?;
    // Python's other options change nothing in what templates print.
    let _ = options.get::<Option<bool>>("ensure_ascii")?;
    options.assert_all_used()?;
    let mut out = Vec::new();
    let done = match indent {
        Some(n) => {
            let spaces = " ".repeat(n);
            let lines = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            let mut to = serde_json::Serializer::with_formatter(&mut out, lines);
            serde::Serialize::serialize(value, &mut to)
        }
        None => {
            let mut to = serde_json::Serializer::with_formatter(&mut out, Spaced);
            serde::Serialize::serialize(value, &mut to)
        }
    };
    done.map_err(failed)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// `{"a": 1, "b": [2, 3]}`
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
    ) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// The directives that templates use, in UTC.
fn strftime(format: &str, seconds: u64) -> String {
    let days = seconds / 86_400;
    let (year, month, day) = date(days);
    let name = MONTHS[month as usize - 1];
    let weekday = DAYS[(days % 7) as usize];
    let time = seconds % 86_400;
    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        out += &match rest.next() {
            Some('d') => format!("{day:02}"),
            Some('m') => format!("{month:02}"),
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('b') => name[..3].to_owned(),
            Some('B') => name.to_owned(),
            Some('a') => weekday[..3].to_owned(),
            Some('A') => weekday.to_owned(),
            Some('H') => format!("{:02}", time / 3600),
            Some('M') => format!("{:02}", time / 60 % 60),
            Some('S') => format!("{:02}", time % 60),
            Some(other) => other.to_string(),
            None => "%".to_owned(),
        };
    }
    out
}

/// Year, month and day of a day since 1970 (H. Hinnant, chrono-compatible date algorithms).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (month, shift) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (400 * era + year + shift, month, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(source: &str, system: Option<&str>) -> Result<String, String> {
        let specials = [Some("<s>".to_owned()), Some("</s>".to_owned())];
        render(source, "Hi", system, specials)
    }

    #[test]
    fn chatml() {
        let source = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + \
            message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}\
            {{ '<|im_start|>assistant\n' }}{% endif %}";
        let text = rendered(source, Some("Be brief.")).unwrap();
        let wanted = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
            <|im_start|>assistant\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn what_templates_rely_on() {
        let cases = [
            ("{{ bos_token }}{{ messages[-1].content.strip() }}", "<s>Hi"),
            (
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
                "1",
            ),
            (
                "{{ {'a': [1, '<ü>'], 'b': none} | tojson }}",
                r#"{"a": [1, "<ü>"], "b": null}"#,
            ),
            ("a\n  {%- if true %}\n  b\n  {% endif %}\nc", "a  b\nc"),
            (
                "{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
                "1",
            ),
            (
                "{% if tools is defined %}x{% endif %}{{ 'A B'.split(' ')[1] }}",
                "B",
            ),
            (
                "{{ messages[0]['role'].upper() if messages[0]['role'] != 'system' }}",
                "USER",
            ),
        ];
        for (source, wanted) in cases {
            assert_eq!(rendered(source, None).unwrap(), wanted, "{source}");
        }
    }

    #[test]
    fn a_template_may_refuse() {
        let error = rendered("{{ raise_exception('no system role') }}", None).unwrap_err();
        assert_eq!(error, "no system role");
        let error = rendered("{% if %}", None).unwrap_err();
        assert!(!error.contains('\n'));
    }

    #[test]
    fn dates() {
        assert_eq!(strftime("%d %b %Y", 1_721_952_000), "26 Jul 2024");
        assert_eq!(
            strftime("%A, %Y-%m-%d %H:%M:%S", 951_827_696),
            "Tuesday, 2000-02-29 12:34:56"
        );
        assert_eq!(strftime("%d %B %y", 0), "01 January 70");
    }
}

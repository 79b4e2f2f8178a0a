//! Templates as transformers renders them, and templates that do harm.

use serde_json::Value;

use super::*;

fn talk(system: Option<&str>) -> Talk {
    let specials = [
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("pad_token", "<pad>"),
        ("image_token", "<img>"),
    ];
    let system = system.map(|text| Message::new("system", text));
    Talk {
        messages: system
            .into_iter()
            .chain([Message::new("user", "Hi")])
            .collect(),
        is_open: true,
        specials: specials
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .to_vec(),
        date: Some(jiff::civil::datetime(2026, 11, 5, 18, 3, 9, 0)),
    }
}

/// `tests/record-templates.py` has written the file, with transformers.
#[test]
fn templates_render_as_transformers_renders_them() {
    let cases = include_str!("../../../tests/recordings/templates.json");
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    for case in &cases {
        let system = case["system"].as_bool().unwrap().then_some("Be brief.");
        let source = case["source"].as_str().unwrap();
        let rendered = render(source, talk(system));
        match case["rendered"].as_str() {
            Some(wanted) => assert_eq!(rendered.as_deref(), Ok(wanted), "{source}"),
            None => assert!(rendered.is_err(), "{source}: {rendered:?}"),
        }
    }
}

/// What transformers knows and is refused here, so that no other text takes its place.
#[test]
fn what_is_not_known_is_refused() {
    let sources = [
        "{{ {'a': 1}|attr('a') }}",
        "{{ [1,2]|pprint }}",
        "{{ [1,2]|random }}",
        "{{ 'http://a.b'|urlize }}",
        "{{ 'AT&T &copy 1'|striptags }}",
        "{{ '&nosuch;'|striptags }}",
        "{{ ('<'|e).replace('&', '<') }}",
        "{% block a %}1{% block b %}2{% endblock %}{% endblock a %}",
        "{% for i in [1,2] %}{% block a %}{{ i }}{% endblock %}{% endfor %}",
        "{% with y = 3 %}{% block a %}{{ y }}{% endblock %}{% endwith %}",
        "{% block a %}1{% endblock %}{{ self.a() }}",
        "{{ '\\N{BULLET}' }}",
        "{{ 'abc'.translate({97: 'x'}) }}",
        "{{ '{!r}'.format('a') }}",
        "{% macro m() %}{{ varargs }}{% endmacro %}{{ m(1) }}",
    ];
    for source in sources {
        assert!(render(source, talk(None)).is_err(), "{source}");
    }
}

#[test]
fn a_template_may_refuse() {
    let told = render("{{ raise_exception('no\nsystem role') }}", talk(None));
    assert_eq!(told, Err("no system role".to_owned()));
}

/// Each of these takes all time or memory, or the stack, of a renderer without limits.
#[test]
fn no_template_does_harm() {
    let grow = |how: &str| {
        format!(
            "{{% set n = namespace(s='a') %}}{{% for i in range(99999) %}}{{% set n.s = {how} %}}{{% endfor %}}{{{{ n.s }}}}"
        )
    };
    let nest = |open: &str, inner: &str, close: &str, n: usize| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    let expression = |text: String| format!("{{{{ {text} }}}}");
    let mut sources = vec![
        nest("{% for a in range(99999) %}", "", "{% endfor %}", 4),
        expression("-".repeat(50_000) + "1"),
        expression("-".repeat(9_000) + "1"),
        expression("not ".repeat(9_000) + "1"),
        expression("1".to_owned() + &"+1".repeat(4_900)),
        expression("1".to_owned() + &"%1".repeat(4_900)),
        expression("a".to_owned() + &".a".repeat(4_900)),
        expression(nest("(", "1", ")", 4_900)),
        expression(nest("[", "1", "]", 4_900)),
        expression(nest("a(", "1", ")", 3_000)),
        nest("{% if 1 %}", "", "{% endif %}", 9_000),
        "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(19_000) + "{% endif %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".to_owned(),
        "{% macro f(n) %}{{ f([n, n]) }}{% endmacro %}{{ f(0) }}".to_owned(),
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(),
        "{% set x = namespace() %}{% set x.x = x %}{{ x }}".to_owned(),
        "{% set x = namespace() %}{% set x.x = [x] %}{{ x == x }}".to_owned(),
    ];
    let grows = [
        "n.s + n.s",
        "n.s ~ n.s",
        "[n.s, n.s]",
        "(n.s, n.s)",
        "{'a': n.s, 'b': n.s}",
        "[n.s]",
        "dict(a=n.s, b=n.s)",
        "[n.s] * 2",
        "[n.s] + [n.s]",
        "n.s * 2",
        "n.s.replace('a', 'aa')",
        "'%s%s' % (n.s, n.s)",
        "'{0}{0}'.format(n.s)",
        "n.s.join([n.s, n.s, n.s])",
        "[n.s, n.s]|tojson",
        "[n.s]|batch(2, n.s)|list",
        "[n.s]|zip([n.s])|list",
    ];
    sources.extend(grows.map(grow));
    let huge = [
        "'a\nb'|indent(10**9)",
        "'a'.center(10**9)",
        "'a'.ljust(10**12)",
        "'a'.zfill(10**9)",
        "'a\tb'.expandtabs(10**9)",
        "'%1000000000d' % 1",
        "'%*d' % (10**9, 1)",
        "'%.999999f' % 1",
        "'{:>1000000000}'.format(1)",
        "('a ' * 9999)|wordwrap(1, wrapstring='x' * 9999)",
        "('-' * 10**6)|wordwrap(3)|length",
        "('&' * 10**6)|striptags|length",
        "'a' * 10**10",
        "[1] * 10**9",
        "9**9**9",
        "range(10**12)|list",
        "[1,2]|batch(10**9, 'x')|list",
        "[1]|slice(10**9)|list",
        "[1]|tojson(indent=10**9)",
    ];
    sources.extend(huge.map(|text| expression(text.to_owned())));
    for source in sources {
        let rendered = render(&source, talk(None));
        let n = rendered.map_or(0, |text| text.len());
        assert!(n < 1_000, "{}: {n} bytes", &source[..source.len().min(100)]);
    }
}

//! Templates written for Jinja2 as transformers sets it up, rewritten for minijinja, which differs
//! in a few places: line ends, `{% generation %}`, `{% block %}`, what strings mean, `%`.

use super::blocks;
use super::lexer::{Kind, Piece, Tag, Token, pieces};

/// What `%` becomes: a function that knows texts as well as numbers.
pub(super) const PERCENT: &str = "__percent__";
/// What `+` and `*` become: lists are put together at once, and paid for.
pub(super) const PLUS: &str = "__plus__";
pub(super) const TIMES: &str = "__times__";
/// A function and a filter that change nothing, and pay for all that is in a value: what can be
/// reached in more than one way is there as often when it is written.
pub(super) const PAID: &str = "__paid__";

/// A template is at most this long, in bytes: the longest in use have 40,000.
const MAX_BYTES: usize = 1 << 20;
/// A tag has at most so many tokens, a template so many tags: both bound how deep a parser goes.
const MAX_TOKENS: usize = 10_000;
const MAX_TAGS: usize = 20_000;
/// minijinja counts columns in 16 bits.
const MAX_LINE: usize = 60_000;

/// The template for minijinja, or why it is not one.
pub(super) fn rewritten(source: &str) -> Result<String, String> {
    if source.len() > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    // As Jinja2's lexer does, in strings as well.
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let pieces = pieces(&source);
    if pieces.len() > MAX_TAGS {
        return Err(format!("it has more than {MAX_TAGS} tags"));
    }
    blocks::check(&pieces)?;
    let parts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => Ok((*text).to_owned()),
        Piece::Comment(text) => Ok(comment(text)),
        Piece::Raw([.., ""]) => Err("a raw block in it does not end".to_owned()),
        Piece::Raw(parts) => Ok(raw(*parts)),
        Piece::Tag(tag) => self::tag(tag),
    });
    let whole: String = parts.collect::<Result<_, String>>()?;
    match whole.lines().any(|line| line.len() > MAX_LINE) {
        true => Err(format!("it has a line of more than {MAX_LINE} bytes")),
        false => Ok(whole),
    }
}

/// A comment without what it says; its signs take white space away.
fn comment(text: &str) -> String {
    let before = if text.starts_with("{#-") { "-" } else { "" };
    let after = if text.ends_with("-#}") { "-" } else { "" };
    match text.ends_with("#}") {
        true => format!("{{#{before} {after}#}}"),
        false => "{#".to_owned(),
    }
}

/// A raw block as a text in a block: minijinja would take a line end off its beginning.
fn raw([open, inner, close]: [&str; 3]) -> String {
    let before = if open.starts_with("{%-") { "{%-" } else { "{%" };
    let after = if close.ends_with("-%}") { "-%}" } else { "%}" };
    let inner = if open.ends_with("-%}") {
        inner.trim_start()
    } else {
        inner
    };
    let inner = if close.starts_with("{%-") {
        inner.trim_end()
    } else {
        inner
    };
    format!(
        "{before} if true %}}{{{{ {} }}}}{{% endif {after}",
        quoted(inner)
    )
}

fn tag(tag: &Tag<'_>) -> Result<String, String> {
    if tag.tokens.len() > MAX_TOKENS {
        return Err(format!("a tag of it has more than {MAX_TOKENS} words"));
    }
    if let Some(block) = blocks::rewritten(tag) {
        return Ok(block);
    }
    let is_block = tag.open.starts_with("{%");
    let word = tag.tokens.first().map_or("", |token| token.text);
    let mut writer = Writer::new(is_block, word);
    let sets_field = word == "set" && tag.tokens.get(2).is_some_and(|token| token.text == ".");
    for (at, token) in tag.tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tag.tokens[before]);
        match token.kind {
            Kind::Str => writer.string(token, before)?,
            Kind::Name if is_block && at == 0 => writer.plain(token.space, keyword(token.text)),
            Kind::Name => writer.name(token, before),
            Kind::Number => writer.plain(token.space, token.text),
            Kind::Sign => writer.sign(token, before),
        }
        if token.text == "=" && sets_field && writer.last.is_empty() {
            writer.out.push(format!(" {PAID}("));
            writer.begin();
            writer.last = ")";
        }
    }
    Ok(format!("{}{}{}", tag.open, writer.finish(), tag.close))
}

/// What is said within `{% generation %}` is marked for training only; names set there end there.
fn keyword(word: &str) -> &str {
    match word {
        "generation" => "with",
        "endgeneration" => "endwith",
        other => other,
    }
}

/// Writes a tag's tokens, with `a % b` and `a + b` as calls. Both bind to the left, `%` as `*`
/// does.
struct Writer {
    out: Vec<String>,
    /// By open bracket; the first is the tag itself.
    levels: Vec<Level>,
    /// Whether names are being given: before the `=` of `set`, the `in` of `for`.
    naming: bool,
    /// What ends the tag.
    last: &'static str,
}

/// What is between one pair of brackets, as far as it is written.
#[derive(Clone, Copy, Default)]
struct Level {
    sum: Chain,
    product: Chain,
    bracket: Bracket,
    /// Where in the output its bracket stands.
    place: usize,
    /// Whether a filter's name or arguments come to an end here, and its result is to be paid for.
    filtered: bool,
}

/// What a bracket is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Bracket {
    /// Of arguments or of an index, or around an operand.
    #[default]
    Plain,
    /// Of a list or a dict.
    Display,
    /// Around an operand, or of a tuple if a comma follows.
    Round,
    Tuple,
}

/// Operands with operators of one rank between them.
#[derive(Clone, Copy, Default)]
struct Chain {
    /// Where in the output it begins.
    start: usize,
    /// Whether its last operand is the second argument of a call that is still open.
    open: bool,
}

impl Level {
    fn at(start: usize) -> Self {
        let chain = Chain { start, open: false };
        Self {
            sum: chain,
            product: chain,
            place: start,
            ..Self::default()
        }
    }
}

impl Writer {
    fn new(is_block: bool, word: &str) -> Self {
        // A block's first word is no operand.
        let levels = vec![Level::at(usize::from(is_block))];
        let naming = is_block && matches!(word, "set" | "for" | "macro");
        Self {
            out: Vec::new(),
            levels,
            naming,
            last: "",
        }
    }

    fn finish(mut self) -> String {
        self.end_sum();
        self.out.push(self.last.to_owned());
        self.out.concat()
    }

    fn plain(&mut self, space: &str, text: &str) {
        self.out.push(format!("{space}{text}"));
    }

    /// Neighbouring strings are one.
    fn string(&mut self, token: &Token<'_>, before: Option<&Token<'_>>) -> Result<(), String> {
        let inner = token.text.get(1..token.text.len() - 1);
        let inner = inner.filter(|_| token.text.ends_with(&token.text[..1]));
        let meant = meant(inner.ok_or("a text in it does not end")?)?;
        let quoted = quoted(&meant);
        match (before, self.out.last_mut()) {
            (Some(before), Some(last)) if before.kind == Kind::Str => {
                last.pop();
                last.push_str(&quoted[1..]);
            }
            _ => self.plain(token.space, &quoted),
        }
        Ok(())
    }

    fn name(&mut self, token: &Token<'_>, before: Option<&Token<'_>>) {
        let of = |word| before.is_some_and(|before| before.text == word);
        if token.text == "in" {
            self.naming = false;
        }
        let is_operator = matches!(token.text, "and" | "or" | "not" | "in" | "if" | "else");
        // `a.if`, `a is in`, `a is not`
        let splits = is_operator && !of(".") && !of("is");
        if splits {
            self.end_sum();
        }
        self.plain(token.space, token.text);
        if splits {
            self.begin();
        }
    }

    fn sign(&mut self, token: &Token<'_>, before: Option<&Token<'_>>) {
        let binary = ends_operand(before);
        match token.text {
            "%" => return self.call(token, PERCENT, true),
            "*" if binary => return self.call(token, TIMES, true),
            "+" if binary => return self.call(token, PLUS, false),
            // minijinja knows no sign that changes nothing.
            "+" => return,
            "-" if binary => return self.after(token, Self::end_sum, true),
            "~" => return self.after(token, Self::end_product, true),
            "/" | "//" => self.end_product(),
            "|" => self.end_filter(),
            "-" | "." | "**" | "*" => {}
            "(" | "[" | "{" => return self.open(token, binary),
            ")" | "]" | "}" => return self.shut(token),
            "," => self.comma(),
            "=" => self.naming = false,
            _ => {}
        }
        match token.text {
            "," | "=" | "==" | "!=" | "<" | ">" | "<=" | ">=" | ":" => {
                self.after(token, Self::end_sum, false)
            }
            _ => self.plain(token.space, token.text),
        }
        if let ("|", Some(level)) = (token.text, self.levels.last_mut()) {
            level.filtered = true;
        }
    }

    fn open(&mut self, token: &Token<'_>, after_operand: bool) {
        let bracket = match token.text {
            _ if after_operand || self.naming => Bracket::Plain,
            "(" => Bracket::Round,
            _ => Bracket::Display,
        };
        let place = self.out.len();
        if bracket == Bracket::Display {
            self.out.push(format!(" {PAID}("));
        }
        self.plain(token.space, token.text);
        self.levels.push(Level {
            bracket,
            place,
            ..Level::at(self.out.len())
        });
    }

    fn shut(&mut self, token: &Token<'_>) {
        self.end_sum();
        self.plain(token.space, token.text);
        if self.levels.len() < 2 {
            return;
        }
        let Some(level) = self.levels.pop() else {
            return;
        };
        match level.bracket {
            Bracket::Display => self.out.push(")".to_owned()),
            Bracket::Tuple => {
                self.out[level.place].insert_str(0, &format!(" {PAID}("));
                self.out.push(")".to_owned());
            }
            Bracket::Plain | Bracket::Round => {}
        }
    }

    fn comma(&mut self) {
        let level = self.levels.last_mut();
        if let Some(level) = level.filter(|level| level.bracket == Bracket::Round) {
            level.bracket = Bracket::Tuple;
        }
    }

    /// Writes an operator after which a product begins, or a sum.
    fn after(&mut self, token: &Token<'_>, end: impl Fn(&mut Self), within_sum: bool) {
        end(self);
        self.plain(token.space, token.text);
        let level = Level::at(self.out.len());
        if let Some(last) = self.levels.last_mut() {
            last.product = level.product;
            last.filtered = false;
            last.sum = if within_sum { last.sum } else { level.sum };
        }
    }

    /// Makes what is written of a product or a sum the first argument of a call.
    fn call(&mut self, token: &Token<'_>, name: &str, is_product: bool) {
        self.end_product();
        let level = self.levels.len() - 1;
        if !is_product && self.levels[level].sum.open {
            // `a + b + c` is one call: long sums would nest deeper than a parser goes.
            self.plain(token.space, ",");
            self.levels[level].product.start = self.out.len();
            return;
        }
        let Level { sum, product, .. } = self.levels[level];
        let start = if is_product { product.start } else { sum.start };
        self.out
            .insert(start.min(self.out.len()), format!(" {name}("));
        self.plain(token.space, ",");
        let level = &mut self.levels[level];
        match is_product {
            true => level.product.open = true,
            false => {
                level.sum.open = true;
                level.product.start = self.out.len();
            }
        }
    }

    /// Pays for what a filter has made.
    fn end_filter(&mut self) {
        if let Some(level) = self.levels.last_mut().filter(|level| level.filtered) {
            level.filtered = false;
            self.out.push(format!("|{PAID}"));
        }
    }

    fn end_product(&mut self) {
        self.end_filter();
        self.close(|level| &mut level.product);
    }

    fn end_sum(&mut self) {
        self.end_product();
        self.close(|level| &mut level.sum);
    }

    /// Ends a call's second argument.
    fn close(&mut self, chain: impl Fn(&mut Level) -> &mut Chain) {
        let chain = self.levels.last_mut().map(chain);
        if let Some(chain) = chain.filter(|chain| chain.open) {
            chain.open = false;
            self.out.push(")".to_owned());
        }
    }

    /// Begins anew after a word between operands.
    fn begin(&mut self) {
        let start = self.out.len();
        if let Some(level) = self.levels.last_mut() {
            *level = Level {
                bracket: level.bracket,
                place: level.place,
                ..Level::at(start)
            };
        }
    }
}

/// Whether a sign after `token` stands between two operands.
fn ends_operand(token: Option<&Token<'_>>) -> bool {
    let Some(token) = token else { return false };
    match token.kind {
        Kind::Number | Kind::Str => true,
        Kind::Name => !matches!(
            token.text,
            "and" | "or" | "not" | "in" | "if" | "else" | "is"
        ),
        Kind::Sign => matches!(token.text, ")" | "]" | "}"),
    }
}

/// What a string means to Python (its `unicode-escape`).
fn meant(inner: &str) -> Result<String, String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = escape(&rest[at + 1..], &mut out)?;
    }
    Ok(out + rest)
}

/// Adds what the escape after a backslash means; the rest of the text.
fn escape<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return Ok(text);
    };
    let rest = chars.as_str();
    let simple = match first {
        '\n' => return Ok(rest),
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'v' => '\x0b',
        '\\' | '\'' | '"' => first,
        'x' => return code(rest, 2, 16, out),
        'u' => return code(rest, 4, 16, out),
        'U' => return code(rest, 8, 16, out),
        '0'..='7' => {
            let n = text
                .bytes()
                .take(3)
                .take_while(|b| matches!(b, b'0'..=b'7'))
                .count();
            return code(text, n, 8, out);
        }
        'N' => return Err("characters by name (\\N) are not supported".to_owned()),
        other => {
            out.push('\\');
            other
        }
    };
    out.push(simple);
    Ok(rest)
}

fn code<'a>(text: &'a str, n: usize, radix: u32, out: &mut String) -> Result<&'a str, String> {
    let digits = text
        .get(..n)
        .filter(|d| d.bytes().all(|b| b.is_ascii_alphanumeric()));
    let number = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok());
    let c = number
        .and_then(char::from_u32)
        .ok_or("an escape in a text is no character")?;
    out.push(c);
    Ok(&text[n..])
}

/// A text as minijinja reads it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_bind_as_operators_do() {
        let cases = [
            ("{{ a % b }}", "{{ __percent__( a , b) }}"),
            (
                "{{ 2 + a * b % c * d }}",
                "{{ __plus__( 2 , __times__( __percent__( __times__( a , b) , c) , d)) }}",
            ),
            (
                "{{ a + b - c ~ d % e + f }}",
                "{{ __plus__( __plus__( a , b) - c ~ __percent__( d , e) , f) }}",
            ),
            (
                "{{ a + b * c + d }}",
                "{{ __plus__( a , __times__( b , c) , d) }}",
            ),
            (
                "{{ -1 + (+2) if a + b else c }}",
                "{{ __plus__( -1 , (2)) if __plus__( a , b) else c }}",
            ),
            (
                "{{ a % b % c }}",
                "{{ __percent__( __percent__( a , b) , c) }}",
            ),
            (
                "{{ -a.b[0] % (c % d) == e }}",
                "{{ __percent__( -a.b[0] , ( __percent__(c , d))) == e }}",
            ),
            (
                "{% if a % b|x is not y and c %}",
                "{% if __percent__( a , b|x is not y|__paid__) and c %}",
            ),
            (
                "{{ f(a % b, c=d % e) }}",
                "{{ f( __percent__(a , b), c= __percent__(d , e)) }}",
            ),
        ];
        for (source, wanted) in cases {
            assert_eq!(rewritten(source).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let minus = format!("{{{{ {}1 }}}}", "-".repeat(50_000));
        assert!(rewritten(&minus).unwrap_err().contains("10000 words"));
        assert!(
            rewritten(&"{{a}}".repeat(30_000))
                .unwrap_err()
                .contains("tags")
        );
        assert!(
            rewritten(&"a".repeat(2_000_000))
                .unwrap_err()
                .contains("bytes")
        );
        assert!(
            rewritten(&"a".repeat(70_000))
                .unwrap_err()
                .contains("a line")
        );
        assert!(
            rewritten(&"{% raw %}".repeat(15_000))
                .unwrap_err()
                .contains("raw")
        );
    }
}

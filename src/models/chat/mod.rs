//! Chat templates: prompts as models that chat were taught to read them.
//!
//! They are Jinja as transformers runs it (`utils/chat_template_utils.py`, Jinja2 3.1.6), which is
//! Python. minijinja renders them; what Python has and it does not is here: [`source`] rewrites a
//! template where the two read it differently, [`operators`], [`methods`] and [`filters`] do what
//! Python's do, [`json`], [`date`], [`markup`] and [`wrap`] write as its libraries do.
//!
//! | a template | |
//! | --- | --- |
//! | sees | `messages`, `add_generation_prompt` (whether an answer is to begin), `tools` and `documents` (none), every special token of the tokenizer by its name, `strftime_now`, `raise_exception`, `namespace`, `dict`, `range` |
//! | ignores | `{% generation %}`, which marks text for training; `{% block %}` where it stands alone ([`blocks`]) |
//! | is refused for | filters (`attr`, `pprint`, `random`, `urlize`) and methods that are not here, `\N{...}` in texts, `{% include %}` and its like; methods that change a value, as transformers refuses them |
//!
//! A template comes from whoever made the model, so it is given fuel, which pays for every step
//! and for all that is made ([`paid`]), a stack of its own, and a time limit.

mod args;
mod blocks;
mod cut;
mod date;
mod filters;
mod json;
mod lexer;
mod markup;
mod methods;
mod operators;
mod paid;
mod prose;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod wrap;

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jiff::civil::DateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, State, Value, context};

use crate::caught::caught;

/// A turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Such as `system`, `user`, `assistant`; which there are is the template's to say.
    pub role: String,
    pub content: String,
}

impl Message {
    #[must_use]
    pub fn new(role: &str, content: &str) -> Self {
        Self {
            role: role.to_owned(),
            content: content.to_owned(),
        }
    }
}

/// What a template is rendered with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Talk {
    pub messages: Vec<Message>,
    /// Whether an answer is to begin where the template ends.
    pub is_open: bool,
    /// By name, such as `bos_token`.
    pub specials: Vec<(String, String)>,
    /// What `strftime_now` writes; the clock's where there is none.
    pub date: Option<DateTime>,
}

/// Steps, each worth 64 bytes as well: about 30 MB. The templates in use need a few thousand.
const FUEL: u64 = 500_000;
/// Bytes for the deepest nesting that the limits in [`source`] allow, twice over.
const STACK: usize = 256 << 20;
/// Some steps cost more than they are charged.
const TIME: Duration = Duration::from_secs(10);

const ENDLESS: &str = "it does not come to an end in time, or writes too much";

/// The text that a model is to see.
///
/// # Errors
/// Why the template cannot be run, in one line.
pub(crate) fn render(source: &str, talk: Talk) -> Result<String, String> {
    let source = source::rewritten(source)?;
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("template".to_owned())
        .stack_size(STACK);
    let run = move || {
        // Nobody waits any more where this fails.
        let rendered = caught(|| run(&source, &talk).map_err(|error| reason(&error)));
        let _ = sender.send(rendered);
    };
    thread
        .spawn(run)
        .map_err(|e| format!("no thread can be started for it: {e}"))?;
    // A thread that takes longer is left to itself until it has no fuel any more.
    match receiver.recv_timeout(TIME) {
        Ok(rendered) => rendered,
        Err(_) => Err(ENDLESS.to_owned()),
    }
}

fn reason(error: &Error) -> String {
    let told = match error.kind() {
        ErrorKind::OutOfFuel => ENDLESS.to_owned(),
        _ => error
            .detail()
            .map_or_else(|| error.to_string(), str::to_owned),
    };
    let told: Vec<_> = told.split_whitespace().collect();
    told.join(" ").chars().take(300).collect()
}

fn run(source: &str, talk: &Talk) -> Result<String, Error> {
    let turn = |message: &Message| {
        let Message { role, content } = message;
        context! { role, content }
    };
    let messages: Vec<Value> = talk.messages.iter().map(turn).collect();
    let given = [
        ("messages", Value::from(messages)),
        ("tools", Value::from(())),
        ("documents", Value::from(())),
        ("add_generation_prompt", Value::from(talk.is_open)),
    ];
    let specials = talk.specials.iter();
    let specials = specials.map(|(name, text)| (name.as_str(), Value::from(text.as_str())));
    let context: BTreeMap<&str, Value> = specials.chain(given).collect();
    environment(talk).render_named_str("chat", source, context)
}

fn environment<'a>(talk: &Talk) -> Environment<'a> {
    let mut env = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    // Delimiters are the defaults: nothing that building could refuse.
    if let Ok(syntax) = syntax.trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.set_debug(false);
    let said: usize = talk.messages.iter().map(|m| m.content.len()).sum();
    env.set_fuel(Some(FUEL + said as u64));
    env.set_unknown_method_callback(methods::call);
    filters::add(&mut env);
    operators::add(&mut env);
    let date = talk.date;
    env.add_function("strftime_now", move |state: &State, format: &str| {
        text::pay(state, format.len().saturating_mul(64))?;
        date::strftime(format, date).map_err(args::invalid)
    });
    env.add_function("raise_exception", |told: String| {
        Err::<(), _>(args::invalid(told))
    });
    env
}

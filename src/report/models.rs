//! `w2s models`: what can be named, fetched and used.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use super::error::ReportError;
use super::{Outcome, Session};
use crate::cli::{ModelsArgs, ModelsCommand};
use crate::library::{Checked, gib};
use crate::line::one_line;
use crate::models::{Doing, Hub, ModelSpec, PairSpec, Stage, Watch, about, bundled_names, presets};

/// # Errors
/// The first model that cannot be fetched; output that cannot be written.
pub(super) fn models(args: &ModelsArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    match &args.command {
        None | Some(ModelsCommand::List) => list(session.out),
        Some(ModelsCommand::Pull { specs }) => pull(specs, session),
        Some(ModelsCommand::Check { specs }) => check(specs, session),
    }
}

/// One SPEC a line, each with a word about it.
fn list(out: &mut dyn Write) -> Result<Outcome, ReportError> {
    let hub = Hub::from_env();
    writeln!(out, "bundled")?;
    for name in bundled_names() {
        line(out, &format!("bundled:{name}"), "", about(name))?;
    }
    writeln!(out, "\nweak pairs, for --pair")?;
    for preset in &presets().pair {
        let halves = [&preset.tuned[..], &preset.untuned];
        let note = format!("2 × {}B, {}", preset.billions, state(&hub, &halves));
        line(out, &preset.name, &note, &preset.about)?;
    }
    writeln!(out, "\nstrong models, for --strong")?;
    for preset in &presets().strong {
        let note = format!("{}B, {}", preset.billions, state(&hub, &[&preset.model]));
        line(out, &preset.name, &note, &preset.about)?;
    }
    let cached = hub.cached();
    let n = if cached.is_empty() { "no " } else { "" };
    let cache = hub.cache().display().to_string();
    writeln!(out, "\n{n}models in {}", one_line(&cache))?;
    for spec in cached {
        writeln!(out, "  {}", one_line(&spec))?;
    }
    Ok(Outcome::Done)
}

fn line(out: &mut dyn Write, name: &str, note: &str, about: &str) -> std::io::Result<()> {
    match note.is_empty() {
        true => writeln!(out, "  {name:<17} {about}"),
        false => writeln!(out, "  {name:<17} {note:<18} {about}"),
    }
}

/// Whether models are in the cache.
fn state(hub: &Hub, specs: &[&str]) -> &'static str {
    match hub.has_all(specs) {
        true => "cached",
        false => "to pull",
    }
}

/// Fetches all of `specs`; prints where each is.
fn pull(specs: &[String], session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let specs: Vec<ModelSpec> = specs.iter().flat_map(|text| models_of(text)).collect();
    for spec in specs {
        let place = session.models.fetch(&spec)?;
        writeln!(session.out, "{}", one_line(&place.to_string()))?;
    }
    Ok(Outcome::Done)
}

/// Reads all of `specs`, or of what the cache holds, and says of each what it is. One that
/// cannot be used does not keep the others from being read.
fn check(specs: &[String], session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let cached = || Hub::from_env().cached();
    let specs = if specs.is_empty() {
        cached()
    } else {
        specs.to_vec()
    };
    let mut n_bad = 0;
    for spec in specs.iter().flat_map(|text| models_of(text)) {
        match session.models.check(&spec) {
            Ok(checked) => {
                let line = format!("{spec}: {}", told(&checked));
                writeln!(session.out, "{}", one_line(&line))?;
            }
            Err(error) => {
                n_bad += 1;
                writeln!(session.out, "{}", one_line(&error.to_string()))?;
            }
        }
    }
    match n_bad {
        0 => Ok(Outcome::Done),
        n => Err(ReportError::Unusable(n)),
    }
}

fn told(checked: &Checked) -> String {
    let chat = if checked.has_chat_template { "a" } else { "no" };
    format!(
        "good; {}, {:.1} M parameters, {} in memory, context {}, {} tokens, {chat} chat template",
        checked.family,
        checked.n_params as f64 / 1e6,
        gib(checked.n_bytes),
        checked.context,
        checked.n_tokens,
    )
}

/// The models that a SPEC of a model or pair names.
fn models_of(text: &str) -> Vec<ModelSpec> {
    match PairSpec::parse(text) {
        Ok(pair) => vec![pair.tuned, pair.untuned],
        Err(_) => vec![ModelSpec::parse(text)],
    }
}

/// Bars on stderr, where somebody looks at them, for what takes its time.
#[must_use]
pub fn bars() -> Watch {
    if !std::io::stderr().is_terminal() {
        return Watch::default();
    }
    let bar = ProgressBar::no_length();
    Watch::new(move |stage| show(&bar, stage))
}

fn show(
    bar: &ProgressBar,
    Stage {
        doing,
        what,
        done,
        total,
    }: Stage<'_>,
) {
    if doing != Doing::Fetching {
        bar.finish_and_clear();
        return;
    }
    if done == 0 {
        bar.reset();
        bar.set_style(style());
        bar.set_length(total);
        bar.set_message(format!("{doing} {}", one_line(what)));
    }
    bar.set_position(done);
}

fn style() -> ProgressStyle {
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
    // The template is a constant; a bad one would only look plain.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

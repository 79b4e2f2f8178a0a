//! What a training says of itself: lines for people, or every event as JSON.

use std::io::{IsTerminal, Write};
use std::path::Path;

use serde_json::json;

use crate::cli::{TextOrJson, TuneArgs};
use crate::curve::{Event, Held, Rewards, Step, Watched, Why};
use crate::line::one_line;
use crate::report::error::ReportError;
use crate::report::session::Outcome;
use crate::tune::{Compared, Tuning};

/// Steps between lines for people.
const EVERY: usize = 5;

pub(super) struct Teller {
    format: TextOrJson,
}

impl Teller {
    pub fn new(format: TextOrJson) -> Self {
        Self { format }
    }

    fn is_text(&self) -> bool {
        self.format == TextOrJson::Text
    }

    /// How far the making of preferences is, for whoever waits.
    pub fn made(&self, done: usize, all: usize, out: &mut dyn Write) -> Result<(), ReportError> {
        if !self.is_text() {
            let line = json!({"event": "making", "done": done, "of": all});
            writeln!(out, "{line}")?;
            return Ok(out.flush()?);
        }
        if std::io::stderr().is_terminal() {
            eprintln!("{done} of {all} pairs of samples compared");
        }
        Ok(())
    }

    /// What was made, and some of it.
    pub fn preferences(
        &self,
        compared: &[Compared],
        out: &mut dyn Write,
    ) -> Result<(), ReportError> {
        let ties = compared.iter().filter(|pair| pair.chosen.is_none()).count();
        let n = compared.len() - ties;
        if !self.is_text() {
            let line = json!({"event": "made", "preferences": n, "ties": ties});
            return Ok(writeln!(out, "{line}")?);
        }
        writeln!(
            out,
            "{n} preferences; {ties} pairs are left out, which the judge finds alike"
        )?;
        let shown = compared
            .iter()
            .filter_map(|pair| Some((pair, pair.chosen?)));
        for (pair, chosen) in shown.take(3) {
            writeln!(out, "  {} …", one_line(&pair.prompt))?;
            for (mark, which) in [("✓", chosen), ("✗", 1 - chosen)] {
                let (score, text) = (pair.scores[which], one_line(&pair.texts[which]));
                writeln!(out, "    {mark} {score:>+7.2} {text}")?;
            }
        }
        Ok(())
    }

    pub fn begin(
        &self,
        tuning: &Tuning,
        args: &TuneArgs,
        out: &mut dyn Write,
    ) -> Result<(), ReportError> {
        let (n_train, n_held) = tuning.n_examples();
        let (n, step, n_steps) = (tuning.n_trained(), tuning.step(), tuning.n_steps());
        if !self.is_text() {
            let line = json!({"event": "begun", "trained": n, "examples": n_train,
                "held_out": n_held, "step": step, "n_steps": n_steps});
            return Ok(writeln!(out, "{line}")?);
        }
        let what = match args.model.lora {
            0 => "all weights".to_owned(),
            rank => format!("factors of rank {rank}"),
        };
        writeln!(
            out,
            "{}: {what}, {n} numbers; {n_train} examples, {n_held} held out; {n_steps} steps",
            one_line(&args.model.base)
        )?;
        if step > 0 {
            writeln!(out, "goes on after step {step}")?;
        }
        Ok(())
    }

    pub fn tell(&self, event: &Event, out: &mut dyn Write) -> Result<(), ReportError> {
        if !self.is_text() {
            serde_json::to_writer(&mut *out, event)?;
            writeln!(out)?;
            return Ok(out.flush()?);
        }
        match event {
            Event::Step(step) => tell_step(step, out)?,
            Event::Held(held) => tell_held(held, out)?,
            Event::Watched(seen) => tell_watched(seen, out)?,
            Event::Checkpoint { .. } => {}
            Event::Ended { step, why } => tell_end(*step, *why, out)?,
        }
        Ok(out.flush()?)
    }

    /// What to do with it.
    pub fn end(
        &self,
        folder: &Path,
        outcome: Outcome,
        out: &mut dyn Write,
    ) -> Result<(), ReportError> {
        if self.is_text() && outcome == Outcome::Done {
            let pair = folder.display().to_string();
            let pair = one_line(&pair);
            writeln!(out, "{pair} is a weak pair now: w2s --pair {pair}")?;
        }
        Ok(())
    }
}

fn tell_step(step: &Step, out: &mut dyn Write) -> std::io::Result<()> {
    let is_shown = step.step == 1 || step.step == step.n_steps || step.step.is_multiple_of(EVERY);
    if !is_shown {
        return Ok(());
    }
    let Step {
        step: at,
        n_steps,
        loss,
        grad_norm,
        rate,
        tokens_per_s,
        left_s,
        ..
    } = step;
    write!(out, "{at:>5}/{n_steps}  loss {loss:.4}")?;
    tell_rewards(step.rewards, out)?;
    writeln!(
        out,
        "  grad {grad_norm:.2}  rate {rate:.1e}  {tokens_per_s:.0} tokens/s  {} left",
        span(*left_s)
    )
}

fn tell_rewards(rewards: Option<Rewards>, out: &mut dyn Write) -> std::io::Result<()> {
    match rewards {
        None => Ok(()),
        Some(Rewards {
            margin, accuracy, ..
        }) => write!(out, "  margin {margin:+.3}  accuracy {accuracy:.2}"),
    }
}

fn tell_held(held: &Held, out: &mut dyn Write) -> std::io::Result<()> {
    write!(out, "{:>5} held out  loss {:.4}", held.step, held.loss)?;
    tell_rewards(held.rewards, out)?;
    let best = if held.is_best { "  best so far" } else { "" };
    writeln!(out, "{best}")
}

fn tell_watched(seen: &Watched, out: &mut dyn Write) -> std::io::Result<()> {
    let Watched {
        step,
        judge,
        guided,
        unguided,
        prompt,
        response,
    } = seen;
    writeln!(
        out,
        "{step:>5} guided by it: {} {guided:+.2}, unguided {unguided:+.2}",
        one_line(judge)
    )?;
    writeln!(out, "      {} ▸ {}", one_line(prompt), one_line(response))
}

fn tell_end(step: usize, why: Why, out: &mut dyn Write) -> std::io::Result<()> {
    match why {
        Why::Done => Ok(()),
        Why::NoBetter => writeln!(out, "{step:>5} what is held out got no better: ended"),
        Why::Stopped => writeln!(out, "{step:>5} stopped: the same command goes on from here"),
    }
}

/// Seconds as people say them.
fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

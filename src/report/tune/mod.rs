//! `w2s tune`: a value becomes the tuned half of a weak pair.

mod make;
mod plan;
mod recording;
mod tell;
mod watch;

use std::path::Path;

use super::error::ReportError;
use super::{Outcome, Session};
use crate::cli::TuneArgs;
use crate::curve::Event;
use crate::decoder::train::Example;
use crate::home;
use crate::line::say;
use crate::tune::{Base, Data, Encoded, Plan, Tuning, check_place};
use make::Maker;
use tell::Teller;
use watch::Watch;

/// # Errors
/// Settings, data or models that make no sense; a loss that is not finite; files that cannot be
/// read or written.
pub(super) fn tune(args: &TuneArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    match (&args.recording, &args.model.out) {
        (Some(path), _) => recording::repeat(args, path, session),
        // The command line insists on one of both.
        (None, out) => train(args, &out.clone().unwrap_or_default(), session),
    }
}

fn train(args: &TuneArgs, out: &Path, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let settings = plan::settings(args)?;
    if args.data.data.is_none() && args.data.judge.is_none() {
        return Err(ReportError::NoData);
    }
    check_place(out)?;
    let mut teller = Teller::new(args.format);
    let base = Base::find(session.models.library()?, &args.model.base)?;
    let Some(examples) = examples(args, &base, out, &mut teller, session)? else {
        return Ok(Outcome::Stopped);
    };
    let spec = base.spec.clone();
    let plan = Plan {
        base,
        settings,
        examples,
        halves: args.model.halves,
    };
    let mut tuning = open(plan, args, out, session)?;
    teller.begin(&tuning, args, session.out)?;
    let mut watch = Watch::new(args, &spec, session.models.library()?.model(&spec)?)?;
    session.stop.heed();
    home::remember_tuned(out);
    let outcome = run(&mut tuning, &mut watch, &mut teller, session)?;
    teller.end(out, outcome, session.out)?;
    Ok(outcome)
}

/// All that is to be learnt; nothing where it was given up.
fn examples(
    args: &TuneArgs,
    base: &Base,
    out: &Path,
    teller: &mut Teller,
    session: &mut Session<'_>,
) -> Result<Option<Vec<Example>>, ReportError> {
    let model = session.models.library()?.model(&base.spec)?;
    let encoding = plan::encoding(args, &model);
    let Some(path) = &args.data.data else {
        let maker = Maker::new(args, base, &model, encoding)?;
        return maker.examples(out, teller, session);
    };
    let data = Data::read(path, plan::wanted(args))?;
    for (line, why) in data.bad.iter().take(plan::MOST_NAMED) {
        say(&format!("{}, line {line} {why}: left out", path.display()));
    }
    if data.bad.len() > plan::MOST_NAMED {
        let n = data.bad.len() - plan::MOST_NAMED;
        say(&format!("and {n} more lines are left out"));
    }
    let Encoded { examples, n_cut } = encoding.encode(&model, &data.rows)?;
    if n_cut > 0 {
        let most = encoding.most;
        say(&format!(
            "{n_cut} texts are longer than {most} tokens and were cut"
        ));
    }
    Ok(Some(examples))
}

fn open(
    plan: Plan,
    args: &TuneArgs,
    out: &Path,
    session: &mut Session<'_>,
) -> Result<Tuning, ReportError> {
    let training = plan::training(args, &plan.settings);
    let library = session.models.library()?;
    let trainee = library.trainee(&plan.base.spec, &training)?;
    Ok(Tuning::open(trainee, plan, out)?)
}

/// Step after step, until it is over or a stop is wished for.
fn run(
    tuning: &mut Tuning,
    watch: &mut Watch,
    teller: &mut Teller,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    let mut events = tuning.begin()?;
    loop {
        for event in &events {
            teller.tell(event, session.out)?;
            if let Event::Checkpoint { step, path } = event
                && let Some(seen) = watch.search(*step, path, session)?
            {
                tuning.note(&seen)?;
                teller.tell(&seen, session.out)?;
            }
        }
        if tuning.is_over() {
            return Ok(Outcome::Done);
        }
        if session.stop.is_set() {
            for event in tuning.stop()? {
                teller.tell(&event, session.out)?;
            }
            return Ok(Outcome::Stopped);
        }
        events = tuning.advance()?;
    }
}

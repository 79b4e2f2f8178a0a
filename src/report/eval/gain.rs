//! `w2s eval --gain`: how much the strong model is predicted to gain on each pair's labels, by
//! their misfit (arXiv 2405.15116), beside what the judges say.
//!
//! Responses of the strong model to all prompts are scored by every pair, judged, and read by the
//! strong model once more: the mean of its last hidden states is what labels are fitted to.

use std::num::NonZeroUsize;

use serde_json::json;

use super::chart::{self, Point};
use super::ledger::Ledger;
use super::plan::{Contender, Plan, prompts_of};
use super::run::{Runner, Sample, Setup};
use super::text::aligned;
use super::{bar, judges, judging, write};
use crate::cli::{EvalArgs, TableFormat};
use crate::judge::{Judge, JudgeSpec, Text};
use crate::measure::{Choice, DIMENSIONS, Gains, JudgedGain, LEAST, Labelled, PairGain};
use crate::report::error::ReportError;
use crate::report::{Outcome, Session};
use crate::search::{MethodName, Panel};

/// Responses that are wanted: more than the fewest, since some may not be judged.
const WANTED: usize = 480;

/// # Errors
/// Bad settings, files or models; too few responses; output that cannot be written.
pub(super) fn gain(args: &EvalArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let specs = judges(args)?;
    let plan = plan(args)?;
    let executor = session.models.executor(&plan.strong, &plan.panel, None)?;
    session.stop.heed();
    let setup = Setup {
        executor,
        judges: Vec::new(),
        second: None,
        is_shuffled: false,
        in_flight: args.in_flight.map(NonZeroUsize::get),
    };
    let mut ledger = Ledger::open(None, &json!({}))?;
    let mut runner = Runner::new(&plan, setup, &ledger).collecting();
    let bar = bar(runner.n_left());
    let done = runner.run(&mut ledger, &session.stop, |_| bar.inc(1));
    bar.finish_and_clear();
    if !done? {
        return Ok(Outcome::Stopped);
    }
    let samples = runner.take_samples();
    let opened = specs.iter();
    let mut opened: Vec<Judge> = opened
        .map(|spec| Judge::open_or_fail(spec, &judging(&session.stop)))
        .collect();
    let report = reported(&plan, &specs, samples, &mut opened)?;
    let printed = match args.format {
        TableFormat::Json => serde_json::to_string_pretty(&report)? + "\n",
        TableFormat::Csv => csv(&report),
        TableFormat::Text => text(&report),
    };
    session.out.write_all(printed.as_bytes())?;
    if let Some(path) = &args.html {
        let points = points(&report);
        let names = ["misfit: the predicted gain", "gain by the judge"];
        let page = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>w2s eval --gain</title>\n";
        let pre = format!("<pre>{}</pre>\n", chart::escaped(&text(&report)));
        write(
            path,
            &(page.to_owned() + &pre + &chart::front_svg(&points, names)),
        )?;
    }
    Ok(Outcome::Done)
}

/// So many samples of the strong model a prompt, as best-of-N draws them.
fn plan(args: &EvalArgs) -> Result<Plan, ReportError> {
    let panel: Panel = args.models.weak.panel()?;
    let prompts = prompts_of(args)?;
    let n = WANTED.div_ceil(prompts.len().max(1)).clamp(2, 64);
    let params = args.search.of_method(MethodName::BestOf(n))?;
    Ok(Plan {
        contenders: vec![Contender {
            name: "samples".to_owned(),
            params,
            pair: panel.id(),
            refine: None,
        }],
        prompts,
        seeds: vec![params.seed()],
        strong: args.models.strong().to_owned(),
        panel,
        examples: Vec::new(),
    })
}

fn reported(
    plan: &Plan,
    specs: &[JudgeSpec],
    samples: Vec<Sample>,
    opened: &mut [Judge],
) -> Result<Gains, ReportError> {
    let texts = samples.iter().map(|own| Text {
        prompt: &plan.prompts[own.prompt],
        response: &own.text,
    });
    let texts: Vec<Text<'_>> = texts.collect();
    let mut verdicts = vec![Vec::new(); samples.len()];
    for judge in opened {
        let said = judge.score_all(&texts).into_iter();
        let both = verdicts.iter_mut().zip(said);
        both.for_each(|(own, said)| own.push(said.ok().map(|verdict| verdict.score)));
    }
    let labelled = samples.into_iter().zip(verdicts);
    let labelled = labelled.map(|(own, verdicts)| Labelled {
        group: own.prompt,
        scores: own.scores,
        state: own.state,
        verdicts,
    });
    let pairs = plan.panel.members().iter().map(|(name, _)| name.clone());
    let pairs: Vec<String> = pairs.collect();
    let judges = specs.iter().map(JudgeSpec::to_string).collect();
    let gains = Gains::of(&pairs, judges, plan.prompts.len(), labelled.collect());
    gains.map_err(|got| ReportError::FewResponses {
        got,
        dimensions: DIMENSIONS,
        least: LEAST,
    })
}

/// Gain against misfit by the first judge.
fn points(report: &Gains) -> Vec<Point> {
    let point = |row: &PairGain| {
        let judged = (*row.judged.first()?)?;
        Some(Point {
            name: row.pair.clone(),
            x: row.misfit,
            y: judged.gain,
            is_best: judged.gain >= row.misfit,
        })
    };
    report.rows.iter().filter_map(point).collect()
}

fn text(report: &Gains) -> String {
    let mut out = format!(
        "{} responses of the strong model to {} prompts; labels and verdicts with variance 1; \
         {DIMENSIONS} features, fitted to one half and read on the other\n",
        report.n_responses, report.n_prompts
    );
    let mut lines = vec![vec![
        "pair".to_owned(),
        "misfit = predicted gain".to_owned(),
    ]];
    for judge in &report.judges {
        lines[0].extend([
            format!("err(weak) by {judge}"),
            "predicted err ≤".to_owned(),
            "err of the fit".to_owned(),
            "gain".to_owned(),
        ]);
    }
    for row in &report.rows {
        let mut line = vec![row.pair.clone(), format!("{:.3}", row.misfit)];
        for judged in &row.judged {
            line.extend(match judged {
                Some(own) => [
                    format!("{:.3}", own.weak_error),
                    format!("{:.3}", own.predicted_error),
                    format!("{:.3}", own.strong_error),
                    format!("{:+.3}", own.gain),
                ],
                None => ["-", "-", "-", "-"].map(str::to_owned),
            });
        }
        lines.push(line);
    }
    out.push_str(&aligned(&lines));
    for (i, judge) in report.judges.iter().enumerate() {
        out.push_str(&chosen(report, i, judge));
        let why = report.cautions(i).join("; ");
        out.push_str(&format!("  what would make it fail: {why}\n"));
    }
    if report.rows.len() > 1 {
        let title = "gain (up) against misfit (right), by the first judge; on or above y = x: *";
        out.push('\n');
        out.push_str(&chart::diagonal(&points(report), title));
    }
    out
}

/// The pair that the prediction takes, and the one that the judge would.
fn chosen(report: &Gains, judge: usize, name: &str) -> String {
    match report.choice(judge) {
        None => format!("{name}: its verdicts do not differ, nothing can be chosen\n"),
        Some(Choice { predicted, judged }) if predicted == judged => {
            format!("{name}: the prediction chooses {judged}, and so does the judge\n")
        }
        Some(Choice { predicted, judged }) => {
            format!("{name}: the prediction chooses {predicted}, the judge {judged}\n")
        }
    }
}

fn csv(report: &Gains) -> String {
    let mut out = String::from("pair,judge,misfit,err_weak,predicted_err,err_fit,gain\n");
    for row in &report.rows {
        for (judge, own) in report.judges.iter().zip(&row.judged) {
            let numbers = own.map_or_else(
                || ",,,".to_owned(),
                |own| {
                    let JudgedGain {
                        weak_error,
                        predicted_error,
                        gain,
                        strong_error,
                    } = own;
                    format!("{weak_error},{predicted_error},{strong_error},{gain}")
                },
            );
            out.push_str(&format!(
                "\"{}\",\"{judge}\",{},{numbers}\n",
                row.pair, row.misfit
            ));
        }
    }
    out
}

//! `w2s eval --gain`: how much the strong model is predicted to gain on each pair's labels, by
//! their misfit (arXiv 2405.15116), beside what the judges say.
//!
//! Responses of the strong model to all prompts are scored by every pair, judged, and read by the
//! strong model once more: the mean of its last hidden states is what labels are fitted to.

use std::num::NonZeroUsize;

use serde::Serialize;
use serde_json::json;

use super::chart::{self, Point};
use super::ledger::Ledger;
use super::plan::{Contender, Plan, prompts_of};
use super::run::{Runner, Sample, Setup};
use super::text::aligned;
use super::{bar, judges, judging, write};
use crate::cli::{EvalArgs, TableFormat};
use crate::judge::{Judge, JudgeSpec, Text};
use crate::measure::{DIMENSIONS, Fit, LEAST, projected};
use crate::report::error::ReportError;
use crate::report::{Outcome, Session};
use crate::search::{MethodName, Panel};

/// Responses that are wanted: more than the fewest, since some may not be judged.
const WANTED: usize = 480;

/// The projection's.
const SEED: u64 = 0x57_32_53;

/// A pair.
#[derive(Debug, Clone, Serialize)]
struct Row {
    pair: String,
    /// Of the labels' variance, what is not in the strong model's features: the predicted gain.
    misfit: f64,
    /// By judge; none where its verdicts do not differ.
    judged: Vec<Option<Judged>>,
}

/// A pair against a judge, both with variance 1.
#[derive(Debug, Clone, Copy, Serialize)]
struct Judged {
    weak_error: f64,
    /// At most that of the fit, if the judge is linear in the features.
    predicted_error: f64,
    gain: f64,
    strong_error: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Report {
    n_prompts: usize,
    n_responses: usize,
    judges: Vec<String>,
    rows: Vec<Row>,
    /// By judge: what of its own verdicts is not in the features. The prediction is for targets
    /// that are.
    judge_misfit: Vec<Option<f64>>,
}

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
    mut samples: Vec<Sample>,
    opened: &mut [Judge],
) -> Result<Report, ReportError> {
    let texts: Vec<(String, String)> = samples
        .iter()
        .map(|own| (plan.prompts[own.prompt].clone(), own.text.clone()))
        .collect();
    let texts: Vec<Text<'_>> = texts
        .iter()
        .map(|(prompt, response)| Text { prompt, response })
        .collect();
    let said: Vec<Vec<Option<f64>>> = opened
        .iter_mut()
        .map(|judge| {
            let said = judge.score_all(&texts).into_iter();
            said.map(|verdict| verdict.ok().map(|v| v.score)).collect()
        })
        .collect();
    // What a judge could not judge is left out for all.
    let is_judged = |i: usize| said.iter().all(|said| said[i].is_some());
    let kept: Vec<usize> = (0..samples.len()).filter(|i| is_judged(*i)).collect();
    if kept.len() < LEAST {
        return Err(ReportError::FewResponses {
            got: kept.len(),
            dimensions: DIMENSIONS,
            least: LEAST,
        });
    }
    let gold: Vec<Vec<f64>> = said
        .iter()
        .map(|said| kept.iter().filter_map(|i| said[*i]).collect())
        .collect();
    let mut at = 0;
    samples.retain(|_| {
        at += 1;
        is_judged(at - 1)
    });
    let states: Vec<Vec<f32>> = samples.iter().map(|own| own.state.clone()).collect();
    let features = projected(&states, SEED);
    let groups: Vec<usize> = samples.iter().map(|own| own.prompt).collect();
    let fit = |labels: &[f64]| Fit::of(&features, labels, &groups);
    let row = |(m, (name, _)): (usize, &(String, f64))| {
        let labels: Vec<f64> = samples.iter().map(|own| own.scores[m]).collect();
        let fit = fit(&labels)?;
        let judged = |gold: &Vec<f64>| {
            let own = fit.against(gold)?;
            Some(Judged {
                weak_error: own.weak_error,
                predicted_error: own.weak_error - fit.misfit(),
                gain: own.gain,
                strong_error: own.weak_error - own.gain,
            })
        };
        Some(Row {
            pair: name.clone(),
            misfit: fit.misfit(),
            judged: gold.iter().map(judged).collect(),
        })
    };
    Ok(Report {
        n_prompts: plan.prompts.len(),
        n_responses: samples.len(),
        judges: specs.iter().map(JudgeSpec::to_string).collect(),
        rows: plan
            .panel
            .members()
            .iter()
            .enumerate()
            .filter_map(row)
            .collect(),
        judge_misfit: gold.iter().map(|gold| Some(fit(gold)?.misfit())).collect(),
    })
}

/// Gain against misfit by the first judge.
fn points(report: &Report) -> Vec<Point> {
    let point = |row: &Row| {
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

fn text(report: &Report) -> String {
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
        out.push_str(&caution(report, i, judge));
    }
    if report.rows.len() > 1 {
        let title = "gain (up) against misfit (right), by the first judge; on or above y = x: *";
        out.push('\n');
        out.push_str(&chart::diagonal(&points(report), title));
    }
    out
}

/// The pair that the prediction takes, and the one that the judge would.
fn chosen(report: &Report, judge: usize, name: &str) -> String {
    let least = |key: fn(&Judged) -> f64| {
        let rows = report.rows.iter();
        let keyed = rows.filter_map(|row| Some((key(row.judged[judge].as_ref()?), row)));
        keyed
            .min_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, row)| row)
    };
    let (Some(predicted), Some(best)) = (least(|j| j.predicted_error), least(|j| j.strong_error))
    else {
        return format!("{name}: its verdicts do not differ, nothing can be chosen\n");
    };
    match predicted.pair == best.pair {
        true => format!(
            "{name}: the prediction chooses {}, and so does the judge\n",
            best.pair
        ),
        false => format!(
            "{name}: the prediction chooses {}, the judge {}\n",
            predicted.pair, best.pair
        ),
    }
}

/// What would make the prediction fail, with the numbers that tell.
fn caution(report: &Report, judge: usize, name: &str) -> String {
    let mut why = Vec::new();
    if let Some(misfit) = report.judge_misfit[judge] {
        why.push(format!(
            "{:.0} % of what {name} says is not linear in the strong features, and the prediction \
             is for targets that are",
            100.0 * misfit
        ));
    }
    let missed = report.rows.iter().filter_map(|row| {
        let own = row.judged[judge]?;
        (own.strong_error > own.predicted_error).then_some(&row.pair[..])
    });
    let missed: Vec<&str> = missed.collect();
    if !missed.is_empty() {
        why.push(format!("the bound does not hold for {}", missed.join(", ")));
    }
    let per = report.n_responses as f64 / 2.0 / DIMENSIONS as f64;
    why.push(format!("each fit has {per:.1} responses a feature"));
    format!("  what would make it fail: {}\n", why.join("; "))
}

fn csv(report: &Report) -> String {
    let mut out = String::from("pair,judge,misfit,err_weak,predicted_err,err_fit,gain\n");
    for row in &report.rows {
        for (judge, own) in report.judges.iter().zip(&row.judged) {
            let numbers = own.map_or_else(
                || ",,,".to_owned(),
                |own| {
                    let Judged {
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

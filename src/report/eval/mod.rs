//! `w2s eval`: methods and settings over many prompts, judged, and compared pair by pair.

mod cell;
mod chart;
mod control;
mod gain;
mod html;
mod ledger;
mod plan;
mod refine;
mod run;
mod summary;
mod text;
mod weights;

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::error::ReportError;
use super::models::bars;
use super::{Outcome, Session, Stop};
use crate::cli::{Control, EvalArgs, TableFormat};
use crate::examples::Example;
use crate::judge::{self, Judge, JudgeSpec};
use crate::search::{Method, MethodName, PairId};
use cell::CellResult;
use control::controlled;
use ledger::Ledger;
use plan::{Contender, Plan};
use run::{Runner, Setup};
use summary::{Metric, Summary};

/// # Errors
/// Bad settings, files or models; output that cannot be written. What goes wrong within one
/// search, or one verdict, marks its cell.
pub(super) fn eval(args: &EvalArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    if let Some(space) = args.search_weights {
        return weights::search(args, space, session);
    }
    if args.gain {
        return gain::gain(args, session);
    }
    let mut plan = Plan::read(args)?;
    check(args, &plan)?;
    let against = plan.against(&args.against)?;
    let specs = judges(args)?;
    let judges: Vec<String> = specs.iter().map(JudgeSpec::to_string).collect();
    let header = header(args, &plan, &judges);
    let mut ledger = Ledger::open(args.out.as_deref(), &header)?;
    if plan
        .contenders
        .iter()
        .any(|c| c.refine.is_some_and(|n| n > 0))
    {
        plan.examples = guided(args, &plan, session)?;
    }
    let is_done = fill(args, &plan, &specs, &mut ledger, session)?;
    let summary = Summary::of(&plan, ledger.results(), &judges, &against);
    let head = head(args, &plan, &summary);
    let refined = refine::refined(&plan, ledger.results());
    let printed = match args.format {
        TableFormat::Text => {
            let told = refine::told(&refined, &Metric::Judge(0).name(&judges));
            let gap = if told.is_empty() { "" } else { "\n" };
            text::text(&summary, &head) + gap + &told
        }
        TableFormat::Csv => text::csv(&summary),
        TableFormat::Json => {
            let mut report = json!({ "evaluation": header, "summary": summary });
            if !refined.is_empty() {
                report["refinement"] = json!(refined);
            }
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    session.out.write_all(printed.as_bytes())?;
    if let Some(path) = &args.html {
        write(path, &html::html(&summary, &plan, ledger.results(), &head))?;
    }
    Ok(match is_done {
        true => Outcome::Done,
        false => Outcome::Stopped,
    })
}

/// Guided answers to all prompts, for examples: searches of their own.
fn guided(
    args: &EvalArgs,
    plan: &Plan,
    session: &mut Session<'_>,
) -> Result<Vec<Example>, ReportError> {
    let method = MethodName::Rule(Method::Cbs);
    let guided = Plan {
        contenders: vec![Contender {
            name: "guided".to_owned(),
            params: args.search.of_method(method)?,
            pair: plan.panel.id(),
            refine: None,
        }],
        seeds: plan.seeds[..1].to_vec(),
        ..plan.clone()
    };
    let mut ledger = Ledger::open(None, &json!({}))?;
    fill(args, &guided, &[], &mut ledger, session)?;
    Ok(refine::examples(ledger.results()))
}

/// What a control cannot be combined with.
fn check(args: &EvalArgs, plan: &Plan) -> Result<(), ReportError> {
    let replaces = args
        .control
        .is_some_and(|control| control != Control::Shuffled);
    match plan.contenders.iter().find(|c| c.params.tilt().is_any()) {
        Some(tilted) if replaces => Err(ReportError::NoControl(tilted.name.clone())),
        _ => Ok(()),
    }
}

/// All that decides the results: a file that was begun with anything else is another evaluation's.
fn header(args: &EvalArgs, plan: &Plan, judges: &[String]) -> Value {
    let contender = |c: &plan::Contender| json!({ "name": c.name, "settings": c.params });
    json!({
        "w2s": env!("CARGO_PKG_VERSION"),
        "methods": plan.contenders.iter().map(contender).collect::<Vec<_>>(),
        "seeds": plan.seeds,
        "strong": plan.strong,
        "exact": args.models.weak.exact,
        "pair": plan.panel.id(),
        "second_pair": args.second_pair,
        "control": args.control.map(|control| format!("{control:?}").to_lowercase()),
        "judges": judges,
        "templates": format!("{:?}", args.models.templates()),
        "prompts": plan.prompts,
    })
}

/// Does what is left; whether that is all.
fn fill(
    args: &EvalArgs,
    plan: &Plan,
    specs: &[JudgeSpec],
    ledger: &mut Ledger,
    session: &mut Session<'_>,
) -> Result<bool, ReportError> {
    let second = args.second_pair.as_deref();
    let executor = session.models.executor(&plan.strong, &plan.panel, second)?;
    session.stop.heed();
    let opened = specs
        .iter()
        .map(|spec| Judge::open_or_fail(spec, &judging(&session.stop)));
    let setup = Setup {
        executor: controlled(executor, args.control),
        judges: opened.collect(),
        second: second.map(PairId::from),
        is_shuffled: args.control == Some(Control::Shuffled),
        in_flight: args.in_flight.map(NonZeroUsize::get),
    };
    let mut runner = Runner::new(plan, setup, ledger);
    let bar = bar(runner.n_left());
    let told = |_: &CellResult| bar.inc(1);
    let done = runner.run(ledger, &session.stop, told);
    bar.finish_and_clear();
    done
}

/// Those named, or the bundled one.
fn judges(args: &EvalArgs) -> Result<Vec<JudgeSpec>, ReportError> {
    match &args.judges[..] {
        [] => Ok(vec!["bundled".parse()?]),
        named => Ok(named
            .iter()
            .map(|spec| spec.parse())
            .collect::<Result<_, _>>()?),
    }
}

/// Beside the models of the searches, on the CPU.
fn judging(stop: &Stop) -> judge::Setup {
    judge::Setup {
        watch: bars().until(stop.of_models()),
        ..judge::Setup::default()
    }
}

/// On stderr, when somebody looks at it.
fn bar(n: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} searches  {eta} left");
    // The template is a constant; a bad one would only look plain.
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(n as u64).with_style(style)
}

/// What was compared, in a line.
fn head(args: &EvalArgs, plan: &Plan, summary: &Summary) -> String {
    let many = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    };
    let params = &plan.contenders[0].params;
    let mut head = format!(
        "{} × {}, n = {}, strong {}, pair {}",
        many(summary.n_prompts, "prompt"),
        many(summary.n_seeds, "seed"),
        params.max_new_tokens(),
        plan.strong,
        plan.panel.id(),
    );
    if let Some(control) = args.control {
        head += &format!(", control: {control:?}").to_lowercase();
    }
    if summary.n_done < summary.n_cells {
        head += &format!(
            "; stopped after {} of {} searches",
            summary.n_done, summary.n_cells
        );
    }
    head
}

fn write(path: &Path, text: &str) -> Result<(), ReportError> {
    std::fs::write(path, text).map_err(|source| ReportError::Keep {
        path: path.to_owned(),
        source,
    })
}

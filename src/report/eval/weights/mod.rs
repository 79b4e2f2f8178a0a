//! `w2s eval --search-weights`: which combination of pairs serves the judges, or makes a reference
//! text most likely ([`likelihood`]). Weights are searched
//! for on every second prompt, and reported on the others alone.

mod arms;
mod likelihood;
mod told;

use std::num::NonZeroUsize;

use serde_json::json;

use super::cell::{CellResult, Outcome as Came};
use super::ledger::Ledger;
use super::plan::{Contender, Plan, prompts_of};
use super::run::{Runner, Setup};
use super::summary::{Comparison, Metric, Summary};
use super::{bar, html, judges, judging, text, write};
use crate::cli::{EvalArgs, TableFormat, WeightSpace};
use crate::judge::{Judge, JudgeSpec};
use crate::report::error::ReportError;
use crate::report::{Outcome, Session};
use crate::search::{Method, MethodName, PairId, Panel, ParamError, SearchParams};
use arms::{Stage, arms, cost, front, stages, survival};

/// How many searches there are where none is said.
const BUDGET: usize = 480;

/// Prompts to search on and to report on need at least so many together.
const LEAST_PROMPTS: usize = 4;

/// A weighting and what came of it.
#[derive(Debug, Clone)]
struct Arm {
    weights: Vec<f64>,
    /// By judge: what each said, by prompt.
    said: Vec<Vec<f64>>,
    n_prompts: usize,
}

impl Arm {
    /// By judge; below all others where there is no verdict.
    fn means(&self) -> Vec<f64> {
        let mean = |said: &Vec<f64>| match said.len() {
            0 => f64::NEG_INFINITY,
            n => said.iter().sum::<f64>() / n as f64,
        };
        self.said.iter().map(mean).collect()
    }

    fn name(&self) -> String {
        let weights = self.weights.iter().map(f64::to_string);
        weights.collect::<Vec<_>>().join(", ")
    }
}

/// All that is searched with.
struct Job<'a> {
    args: &'a EvalArgs,
    panel: Panel,
    params: SearchParams,
    /// What weights are chosen on.
    seen: Vec<String>,
    /// What they are reported on.
    held: Vec<String>,
    specs: Vec<JudgeSpec>,
    /// Opened once.
    judges: Vec<Judge>,
}

/// # Errors
/// Bad settings, files or models; a budget that pays for nothing; output that cannot be written.
pub(super) fn search(
    args: &EvalArgs,
    space: WeightSpace,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    if let Some(file) = &args.reference {
        return likelihood::search(args, space, file, session);
    }
    let mut job = Job::read(args)?;
    let budget = args.budget.map_or(BUDGET, NonZeroUsize::get);
    let plan = stages(job.seen.len(), budget)?;
    session.stop.heed();
    let opened = job.specs.iter();
    job.judges = opened
        .map(|spec| Judge::open_or_fail(spec, &judging(&session.stop)))
        .collect();
    let seed = job.params.seed();
    let weights = arms(job.panel.members().len(), space, plan[0].n_arms, seed);
    let all = job.halve(weights, &plan, session)?;
    if session.stop.is_set() {
        return Ok(Outcome::Stopped);
    }
    let best = best(&all)?;
    let report = job.report(&all[best].weights, session)?;
    job.print(&all, best, &plan, &report, session)?;
    Ok(match session.stop.is_set() {
        true => Outcome::Stopped,
        false => Outcome::Done,
    })
}

/// The one that survives longest of those that were tried longest.
fn best(all: &[Arm]) -> Result<usize, ReportError> {
    let most = all.iter().map(|arm| arm.n_prompts).max().unwrap_or(0);
    let last: Vec<usize> = (0..all.len())
        .filter(|i| all[*i].n_prompts == most)
        .collect();
    let points: Vec<Vec<f64>> = last.iter().map(|i| all[*i].means()).collect();
    let has_said = |i: &usize| all[*i].means().iter().all(|mean| mean.is_finite());
    let order = survival(&points).into_iter().map(|i| last[i]);
    let mut judged = order.filter(has_said);
    let nothing = || ReportError::NoVerdicts("see `w2s judge` with it".to_owned());
    judged.next().ok_or_else(nothing)
}

impl<'a> Job<'a> {
    fn read(args: &'a EvalArgs) -> Result<Self, ReportError> {
        let panel = args.models.weak.panel()?;
        if panel.members().len() < 2 {
            return Err(ReportError::OnePair);
        }
        panel.check(args.search.rule()?)?;
        let name = match args.search.method[..] {
            [] => MethodName::Rule(Method::Cbs),
            [name] => name,
            _ => return Err(ParamError::OneMethod.into()),
        };
        let prompts = prompts_of(args)?;
        if prompts.len() < LEAST_PROMPTS {
            return Err(ReportError::FewPrompts {
                got: prompts.len(),
                least: LEAST_PROMPTS,
            });
        }
        let every_second = |from: usize| prompts.iter().skip(from).step_by(2).cloned();
        Ok(Self {
            args,
            panel,
            params: args.search.of_method(name)?,
            seen: every_second(0).collect(),
            held: every_second(1).collect(),
            specs: judges(args)?,
            judges: Vec::new(),
        })
    }

    fn pair(&self, weights: &[f64]) -> Result<PairId, ReportError> {
        Ok(self.panel.weighted(weights)?.id())
    }

    /// Tries all on a few prompts, the better half on more, and so on.
    fn halve(
        &mut self,
        weights: Vec<Vec<f64>>,
        stages: &[Stage],
        session: &mut Session<'_>,
    ) -> Result<Vec<Arm>, ReportError> {
        let arm = |weights| Arm {
            weights,
            said: vec![Vec::new(); self.specs.len()],
            n_prompts: 0,
        };
        let mut all: Vec<Arm> = weights.into_iter().map(arm).collect();
        let mut alive: Vec<usize> = (0..all.len()).collect();
        let mut before = 0;
        for stage in stages {
            let points: Vec<Vec<f64>> = alive.iter().map(|i| all[*i].means()).collect();
            let order = survival(&points);
            if before > 0 {
                alive = order
                    .into_iter()
                    .map(|i| alive[i])
                    .take(stage.n_arms)
                    .collect();
            }
            let prompts = self.seen[before..stage.n_prompts].to_vec();
            before = stage.n_prompts;
            self.try_on(prompts, &mut all, &alive, session)?;
            if session.stop.is_set() {
                break;
            }
        }
        Ok(all)
    }

    /// What the judges say of these weightings on more prompts.
    fn try_on(
        &mut self,
        prompts: Vec<String>,
        all: &mut [Arm],
        alive: &[usize],
        session: &mut Session<'_>,
    ) -> Result<(), ReportError> {
        let contender = |i: &usize| {
            Ok(Contender {
                name: all[*i].name(),
                params: self.params,
                pair: self.pair(&all[*i].weights)?,
                refine: None,
            })
        };
        let contenders = alive.iter().map(contender);
        let n_prompts = prompts.len();
        let plan = self.plan(prompts, contenders.collect::<Result<_, ReportError>>()?, 1);
        let results = self.run(&plan, session)?;
        for i in alive {
            let name = all[*i].name();
            let own = results.iter().filter(|result| result.method == name);
            for result in own {
                if let Came::Done(measured) = &result.outcome {
                    for (said, verdict) in all[*i].said.iter_mut().zip(&measured.judges) {
                        said.extend(verdict.score());
                    }
                }
            }
            all[*i].n_prompts += n_prompts;
        }
        Ok(())
    }

    fn plan(&self, prompts: Vec<String>, contenders: Vec<Contender>, n_seeds: usize) -> Plan {
        let first = self.params.seed();
        Plan {
            prompts,
            contenders,
            seeds: (0..n_seeds as u64).map(|i| first.wrapping_add(i)).collect(),
            strong: self.args.models.strong().to_owned(),
            panel: self.panel.clone(),
            examples: Vec::new(),
        }
    }

    /// All searches of a plan, with the judges that are open.
    fn run(
        &mut self,
        plan: &Plan,
        session: &mut Session<'_>,
    ) -> Result<Vec<CellResult>, ReportError> {
        let setup = Setup {
            executor: session.models.executor(&plan.strong, &plan.panel, None)?,
            judges: std::mem::take(&mut self.judges),
            second: None,
            is_shuffled: false,
            in_flight: self.args.in_flight.map(NonZeroUsize::get),
        };
        let mut ledger = Ledger::open(None, &json!({}))?;
        let mut runner = Runner::new(plan, setup, &ledger);
        let bar = bar(runner.n_left());
        let done = runner.run(&mut ledger, &session.stop, |_| bar.inc(1));
        bar.finish_and_clear();
        self.judges = runner.into_judges();
        done?;
        Ok(ledger.results().to_vec())
    }

    /// The weights that were found beside uniform ones, each pair alone, and no guidance.
    fn report(
        &mut self,
        weights: &[f64],
        session: &mut Session<'_>,
    ) -> Result<Reported, ReportError> {
        let n = self.panel.members().len();
        let mut contenders = Vec::new();
        let mut add = |name: String, params, pair| {
            contenders.push(Contender {
                name,
                params,
                pair,
                refine: None,
            });
        };
        let uniform = self.pair(&vec![1.0 / n as f64; n])?;
        add("uniform".to_owned(), self.params, uniform.clone());
        add("searched".to_owned(), self.params, self.pair(weights)?);
        for (name, _) in self.panel.members() {
            let alone = Panel::one(name.clone()).id();
            add(format!("{name} alone"), self.params, alone);
        }
        add("unguided".to_owned(), self.params.unguided(), uniform);
        let n_seeds = self.args.seeds.map_or(1, NonZeroUsize::get);
        let plan = self.plan(self.held.clone(), contenders, n_seeds);
        let results = self.run(&plan, session)?;
        let names: Vec<String> = self.specs.iter().map(JudgeSpec::to_string).collect();
        let mut summary = Summary::of(&plan, &results, &names, &[0]);
        // Log-ratios under other weights are not of one scale.
        let is_judged = |own: &Comparison| own.metric != Metric::LogRatio;
        summary.comparisons.retain(is_judged);
        Ok(Reported {
            plan,
            results,
            summary,
        })
    }

    fn print(
        &self,
        all: &[Arm],
        best: usize,
        stages: &[Stage],
        report: &Reported,
        session: &mut Session<'_>,
    ) -> Result<(), ReportError> {
        let names: Vec<&str> = self
            .panel
            .members()
            .iter()
            .map(|(name, _)| &name[..])
            .collect();
        let told = told::Told {
            names: &names,
            judges: &report.summary.judges,
            method: MethodName::of(&self.params).to_string(),
            n_seen: self.seen.len(),
            n_held: self.held.len(),
            all,
            best,
            stages,
            summary: &report.summary,
        };
        let printed = match self.args.format {
            TableFormat::Text => told.text(),
            TableFormat::Csv => text::csv(&report.summary),
            TableFormat::Json => serde_json::to_string_pretty(&told.json())? + "\n",
        };
        session.out.write_all(printed.as_bytes())?;
        if let Some(path) = &self.args.html {
            let head = told.head();
            let page = html::html(&report.summary, &report.plan, &report.results, &head);
            write(path, &(page + &told.svg()))?;
        }
        Ok(())
    }
}

/// What was found out on the prompts that weights were not searched on.
struct Reported {
    plan: Plan,
    results: Vec<CellResult>,
    summary: Summary,
}

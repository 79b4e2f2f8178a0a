//! From cells to numbers: a row a method, and comparisons that are paired by prompt and seed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cell::{CellResult, Measured, Outcome};
use super::plan::Plan;
use crate::measure::{Interval, Mean};
use crate::search::{Draft, Method, MethodName, SearchParams};

/// What is measured of every response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Metric {
    Judge(usize),
    LogRatio,
    StrongLogProb,
    Tokens,
    Distinct2,
    StrongTokens,
    Seconds,
}

impl Metric {
    /// In the order of the table's columns.
    pub fn all(n_judges: usize) -> Vec<Self> {
        let judges = (0..n_judges).map(Self::Judge);
        let rest = [
            Self::LogRatio,
            Self::StrongLogProb,
            Self::Tokens,
            Self::Distinct2,
            Self::StrongTokens,
            Self::Seconds,
        ];
        judges.chain(rest).collect()
    }

    pub fn name(self, judges: &[String]) -> String {
        match self {
            Self::Judge(i) if judges.len() == 1 && judges[i] == "bundled" => "judge".to_owned(),
            Self::Judge(i) => judges[i].clone(),
            Self::LogRatio => "log-ratio".to_owned(),
            Self::StrongLogProb => "ln S/token".to_owned(),
            Self::Tokens => "tokens".to_owned(),
            Self::Distinct2 => "distinct-2".to_owned(),
            Self::StrongTokens => "sampled".to_owned(),
            Self::Seconds => "seconds".to_owned(),
        }
    }

    fn of(self, cell: &CellResult, measured: &Measured) -> Option<f64> {
        match self {
            Self::Judge(i) => measured.judges.get(i)?.score(),
            Self::LogRatio => Some(measured.log_ratio),
            Self::StrongLogProb => measured.strong_log_prob,
            Self::Tokens => Some(measured.n_tokens as f64),
            Self::Distinct2 => measured.distinct_2,
            Self::StrongTokens => Some(measured.strong_tokens as f64),
            Self::Seconds => Some(cell.seconds),
        }
    }
}

/// An evaluation in numbers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    pub n_prompts: usize,
    pub n_seeds: usize,
    pub n_done: usize,
    pub n_cells: usize,
    pub judges: Vec<String>,
    pub rows: Vec<Row>,
    pub comparisons: Vec<Comparison>,
    pub curves: Vec<Curve>,
}

/// One method.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub method: String,
    pub n: usize,
    pub n_failed: usize,
    /// Why the first of them did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// By metric: the mean over prompts, of the means over seeds, with its 95 % t-interval.
    pub values: Vec<Option<Mean>>,
    /// How many texts each judge could not judge.
    pub judge_failures: Vec<usize>,
    /// Why the first of these was not judged, by judge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub judge_faults: Vec<Option<String>>,
    /// An upper bound of the divergence from the strong model, in nats, where one is known.
    pub kl_bound: Option<f64>,
    /// Claimed and shown gain of a round by selection, where a second pair was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter: Option<(Interval, Interval)>,
}

/// One method against another, by one judge or the log-ratio.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Comparison {
    pub method: String,
    pub against: String,
    pub metric: Metric,
    /// How many pairs of the same prompt and seed.
    pub n: usize,
    /// method − against: bootstrap over prompts.
    pub delta: Interval,
    pub tied: bool,
    /// The share of pairs that it wins, an equal one counting half: Wilson.
    pub wins: Interval,
}

/// A method over its sizes: what is optimised beside what is wanted.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Curve {
    pub method: String,
    pub points: Vec<Point>,
    /// The first size from which on the judge is surely lower than at its best while the
    /// log-ratio still rises.
    pub over_optimised: Option<usize>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    /// N, or W·K.
    pub size: usize,
    pub proxy: f64,
    pub judge: f64,
}

/// By prompt and seed.
type Values = BTreeMap<(usize, u64), f64>;

/// What is done, by contender and metric.
pub(super) struct Cells<'a> {
    plan: &'a Plan,
    results: Vec<&'a CellResult>,
}

impl<'a> Cells<'a> {
    pub fn new(plan: &'a Plan, results: &'a [CellResult]) -> Self {
        let mut results: Vec<&CellResult> = results.iter().collect();
        // In the order of the plan, not of their ends.
        results.sort_by_key(|r| (r.prompt, r.seed));
        Self { plan, results }
    }

    fn of(&self, contender: usize) -> impl Iterator<Item = &'a CellResult> {
        let name = &self.plan.contenders[contender].name;
        self.results
            .iter()
            .copied()
            .filter(move |r| r.method == *name)
    }

    pub fn values(&self, contender: usize, metric: Metric) -> Values {
        let value = |r: &CellResult| match &r.outcome {
            Outcome::Done(measured) => Some(((r.prompt, r.seed), metric.of(r, measured)?)),
            Outcome::Failed { .. } => None,
        };
        self.of(contender).filter_map(value).collect()
    }

    fn row(&self, contender: usize, metrics: &[Metric], n_judges: usize) -> Row {
        let all: Vec<&CellResult> = self.of(contender).collect();
        let is_failed = |r: &&&CellResult| matches!(r.outcome, Outcome::Failed { .. });
        let measured = || {
            all.iter().filter_map(|r| match &r.outcome {
                Outcome::Done(measured) => Some(measured),
                Outcome::Failed { .. } => None,
            })
        };
        let unjudged = |i: usize| {
            let judged = measured().filter(|m| m.judges.get(i).is_none_or(|v| v.score().is_none()));
            judged.count()
        };
        let params = &self.plan.contenders[contender].params;
        Row {
            method: self.plan.contenders[contender].name.clone(),
            n: all.len(),
            n_failed: all.iter().filter(is_failed).count(),
            failure: all.iter().find_map(|r| failure(r)),
            values: metrics
                .iter()
                .map(|m| spread(&self.values(contender, *m)))
                .collect(),
            judge_failures: (0..n_judges).map(unjudged).collect(),
            judge_faults: match (0..n_judges).any(|i| unjudged(i) > 0) {
                true => (0..n_judges)
                    .map(|i| measured().find_map(|m| m.judges.get(i)?.error()))
                    .collect(),
                false => Vec::new(),
            },
            kl_bound: match self.plan.contenders[contender].refine {
                Some(n) if n > 0 => None,
                _ => kl_bound(params),
            },
            meter: self.meter(contender),
        }
    }

    /// The mean gain of a round, by prompt.
    fn meter(&self, contender: usize) -> Option<(Interval, Interval)> {
        let mut claimed: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let mut shown: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for cell in self.of(contender) {
            let Outcome::Done(measured) = &cell.outcome else {
                continue;
            };
            for gain in &measured.meter {
                claimed.entry(cell.prompt).or_default().push(gain.claimed);
                shown.entry(cell.prompt).or_default().push(gain.shown);
            }
        }
        let interval = |by_prompt: BTreeMap<usize, Vec<f64>>| {
            Interval::bootstrap(&by_prompt.into_values().collect::<Vec<_>>())
        };
        Some((interval(claimed)?, interval(shown)?))
    }

    fn comparison(&self, one: usize, other: usize, metric: Metric) -> Option<Comparison> {
        let (own, theirs) = (self.values(one, metric), self.values(other, metric));
        let both = own
            .iter()
            .filter_map(|(key, a)| Some((*key, a - theirs.get(key)?)));
        let deltas: Vec<((usize, u64), f64)> = both.collect();
        let mut groups: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for ((prompt, _), delta) in &deltas {
            groups.entry(*prompt).or_default().push(*delta);
        }
        let delta = Interval::bootstrap(&groups.into_values().collect::<Vec<_>>())?;
        let win = |(_, delta): &((usize, u64), f64)| match delta.total_cmp(&0.0) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
        let wins = deltas.iter().map(win).sum();
        let name = |i: usize| self.plan.contenders[i].name.clone();
        Some(Comparison {
            method: name(one),
            against: name(other),
            metric,
            n: deltas.len(),
            tied: delta.is_tied(),
            delta,
            wins: Interval::wilson(wins, deltas.len())?,
        })
    }
}

impl Summary {
    /// `against` are the contenders with whom all others are compared.
    pub fn of(plan: &Plan, results: &[CellResult], judges: &[String], against: &[usize]) -> Self {
        let cells = Cells::new(plan, results);
        let metrics = Metric::all(judges.len());
        let n = plan.contenders.len();
        let compared = (0..judges.len())
            .map(Metric::Judge)
            .chain([Metric::LogRatio]);
        let mut comparisons = Vec::new();
        for metric in compared {
            for &other in against {
                let others = (0..n).filter(|one| *one != other);
                comparisons.extend(others.filter_map(|one| cells.comparison(one, other, metric)));
            }
        }
        Self {
            n_prompts: plan.prompts.len(),
            n_seeds: plan.seeds.len(),
            n_done: results.len(),
            n_cells: plan.cells().len(),
            judges: judges.to_vec(),
            rows: (0..n)
                .map(|i| cells.row(i, &metrics, judges.len()))
                .collect(),
            comparisons,
            curves: curves(&cells, judges.len()),
        }
    }

    pub fn metrics(&self) -> Vec<Metric> {
        Metric::all(self.judges.len())
    }

    /// A row's value of a metric.
    pub fn value(&self, row: &Row, metric: Metric) -> Option<Mean> {
        let at = self.metrics().iter().position(|m| *m == metric)?;
        row.values.get(at).copied().flatten()
    }
}

fn failure(cell: &CellResult) -> Option<String> {
    match &cell.outcome {
        Outcome::Failed { error } => Some(error.clone()),
        Outcome::Done(_) => None,
    }
}

/// The mean over prompts of the means over their seeds, and the t-interval over prompts.
fn spread(values: &Values) -> Option<Mean> {
    let mut by_prompt: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for ((prompt, _), value) in values {
        by_prompt.entry(*prompt).or_default().push(*value);
    }
    let mean = |group: &Vec<f64>| group.iter().sum::<f64>() / group.len() as f64;
    let means: Vec<f64> = by_prompt.values().map(mean).collect();
    Mean::of(&means)
}

/// ln N − (N − 1)/N a choice among N (arXiv 2404.01730): exact for best-of-N; for a beam of one
/// the sum over its chunks. What is drawn by weights, from a tilted model or by several at once has
/// no such bound here.
fn kl_bound(params: &SearchParams) -> Option<f64> {
    let Draft {
        beam_width,
        successors,
        chunk_len,
        max_new_tokens,
        ..
    } = params.draft();
    let of = |n: usize| (n as f64).ln() - (n - 1) as f64 / n as f64;
    match MethodName::of(params) {
        MethodName::Base => Some(0.0),
        MethodName::BestOf(n) => Some(of(n)),
        MethodName::Rule(Method::Cbs) if beam_width == 1 => {
            let n_chunks = max_new_tokens.div_ceil(chunk_len.max(1));
            Some(n_chunks as f64 * of(successors))
        }
        _ => None,
    }
}

/// Methods of which three sizes or more are compared.
fn curves(cells: &Cells<'_>, n_judges: usize) -> Vec<Curve> {
    let mut sizes: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, contender) in cells.plan.contenders.iter().enumerate() {
        let (kind, size) = match MethodName::of(&contender.params) {
            MethodName::BestOf(n) => ("bon".to_owned(), n),
            name => (name.to_string(), contender.params.n_candidates()),
        };
        sizes.entry(kind).or_default().push((size, at));
    }
    let of = |(method, mut sizes): (String, Vec<(usize, usize)>)| {
        sizes.sort_unstable();
        sizes.dedup_by_key(|(size, _)| *size);
        (sizes.len() > 2 && n_judges > 0).then(|| curve(cells, method, &sizes))?
    };
    sizes.into_iter().filter_map(of).collect()
}

fn curve(cells: &Cells<'_>, method: String, sizes: &[(usize, usize)]) -> Option<Curve> {
    let mean = |at: usize, metric| Some(spread(&cells.values(at, metric))?.mean);
    let point = |(size, at): &(usize, usize)| {
        Some(Point {
            size: *size,
            proxy: mean(*at, Metric::LogRatio)?,
            judge: mean(*at, Metric::Judge(0))?,
        })
    };
    let points: Vec<Point> = sizes.iter().map(point).collect::<Option<_>>()?;
    let best = (0..points.len()).max_by(|a, b| points[*a].judge.total_cmp(&points[*b].judge))?;
    let is_worse = |later: &usize| {
        let own = cells.comparison(sizes[*later].1, sizes[best].1, Metric::Judge(0));
        let proxy = points[*later].proxy > points[best].proxy;
        proxy && own.is_some_and(|own| own.delta.high < 0.0)
    };
    let over = (best + 1..points.len()).find(is_worse);
    Some(Curve {
        method,
        over_optimised: over.map(|at| points[at].size),
        points,
    })
}

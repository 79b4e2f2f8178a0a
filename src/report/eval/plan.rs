//! What an evaluation compares: methods, their settings, prompts and seeds.

use std::num::NonZeroUsize;

use crate::cli::EvalArgs;
use crate::examples::{Example, asked};
use crate::report::error::ReportError;
use crate::report::input::prompts;
use crate::samples;
use crate::search::{Draft, Method, MethodName, PairId, Panel, SearchParams};

/// A method with its settings, under its name in tables.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Contender {
    pub name: String,
    pub params: SearchParams,
    /// A panel's weights may be the contender's own.
    pub pair: PairId,
    /// How many examples stand before a prompt, where the method is refinement.
    pub refine: Option<usize>,
}

/// One search: indices into the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell {
    pub prompt: usize,
    pub seed: usize,
    pub contender: usize,
}

/// All searches of an evaluation.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub prompts: Vec<String>,
    pub contenders: Vec<Contender>,
    pub seeds: Vec<u64>,
    pub strong: String,
    pub panel: Panel,
    /// Guided answers, the best first; none before they are there.
    pub examples: Vec<Example>,
}

impl Plan {
    /// # Errors
    /// Settings out of range; prompts that cannot be read; a grid that makes no sense.
    pub fn read(args: &EvalArgs) -> Result<Self, ReportError> {
        let first = args.search.draft().seed;
        let panel = args.models.weak.panel()?;
        panel.check(args.search.rule()?)?;
        let n_seeds = args.seeds.map_or(1, NonZeroUsize::get) as u64;
        Ok(Self {
            prompts: prompts_of(args)?,
            contenders: contenders(args, &panel.id())?,
            seeds: (0..n_seeds).map(|i| first.wrapping_add(i)).collect(),
            strong: args.models.strong().to_owned(),
            panel,
            examples: Vec::new(),
        })
    }

    /// All cells, those of a prompt together: they share its caches.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for prompt in 0..self.prompts.len() {
            for seed in 0..self.seeds.len() {
                cells.extend((0..self.contenders.len()).map(|contender| Cell {
                    prompt,
                    seed,
                    contender,
                }));
            }
        }
        cells
    }

    /// What the strong model is asked: the prompt, after examples where the method has some.
    pub fn asked(&self, cell: Cell) -> String {
        let n = self.contenders[cell.contender].refine.unwrap_or(0);
        asked(&self.prompts, cell.prompt, &self.examples, n)
    }

    pub fn params(&self, cell: Cell) -> SearchParams {
        let params = self.contenders[cell.contender].params;
        params.with_seed(self.seeds[cell.seed])
    }

    /// The rows named by the user, the first where none is.
    ///
    /// # Errors
    /// [`ReportError::NoContender`].
    pub fn against(&self, names: &[String]) -> Result<Vec<usize>, ReportError> {
        if names.is_empty() {
            return Ok(vec![0]);
        }
        let find = |name: &String| {
            let at = self.contenders.iter().position(|c| c.name == *name);
            at.ok_or_else(|| ReportError::NoContender(name.clone()))
        };
        names.iter().map(find).collect()
    }
}

/// Those named, or the samples; the first of them where fewer are asked for.
///
/// # Errors
/// They cannot be read.
pub(super) fn prompts_of(args: &EvalArgs) -> Result<Vec<String>, ReportError> {
    let mut all = match &args.prompts {
        Some(path) => prompts(path)?,
        None => samples::prompts(),
    };
    all.truncate(args.first.map_or(usize::MAX, NonZeroUsize::get));
    Ok(all)
}

/// Every method with every setting of the grid, each once.
fn contenders(args: &EvalArgs, pair: &PairId) -> Result<Vec<Contender>, ReportError> {
    let usual = args.search.draft();
    let mut names = match &args.search.method[..] {
        [] => vec![MethodName::Base, MethodName::Rule(Method::Cbs)],
        names => names.to_vec(),
    };
    let refines = names
        .iter()
        .any(|name| matches!(name, MethodName::Refine(_)));
    if refines && !names.contains(&MethodName::Base) {
        // What is refined is compared with.
        names.insert(0, MethodName::Base);
    }
    let grid = Grid::read(args.grid.as_deref().unwrap_or_default())?;
    let mut all: Vec<Contender> = Vec::new();
    for method in names {
        for (label, draft) in grid.settings(usual) {
            let params = args.search.adapted(method, draft)?;
            let is_free = matches!(method, MethodName::Rule(_) | MethodName::EftCbs(_));
            let label = if is_free { label } else { String::new() };
            let name = format!("{method} {label}").trim_end().to_owned();
            let is_refine = matches!(method, MethodName::Refine(_));
            let is_known = |known: &Contender| match is_refine || known.refine.is_some() {
                true => known.name == name,
                false => known.params == params,
            };
            if all.iter().any(is_known) {
                continue;
            }
            all.push(Contender {
                name,
                params,
                pair: pair.clone(),
                refine: match method {
                    MethodName::Refine(n) => Some(n),
                    _ => None,
                },
            });
        }
    }
    Ok(all)
}

/// Values of settings that are tried, in the order in which they are named.
#[derive(Debug, Clone, Default, PartialEq)]
struct Grid(Vec<(char, Vec<usize>)>);

impl Grid {
    fn read(text: &str) -> Result<Self, ReportError> {
        let bad = || ReportError::Grid(text.to_owned());
        let list = |part: &str| {
            let (name, values) = part.split_once('=').ok_or_else(bad)?;
            let name = match name {
                "W" | "K" | "L" | "n" => name.chars().next().ok_or_else(bad)?,
                _ => return Err(bad()),
            };
            let values = values
                .split(',')
                .map(|value| value.parse().map_err(|_| bad()));
            Ok((name, values.collect::<Result<Vec<usize>, _>>()?))
        };
        text.split_whitespace()
            .map(list)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Every combination with what it is called.
    fn settings(&self, usual: Draft) -> Vec<(String, Draft)> {
        let mut all = vec![(String::new(), usual)];
        for (name, values) in &self.0 {
            let with = |(label, draft): &(String, Draft)| {
                let one = |value: &usize| {
                    let label = format!("{label} {name}={value}");
                    (
                        label.trim_start().to_owned(),
                        changed(*draft, *name, *value),
                    )
                };
                values.iter().map(one).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(with).collect();
        }
        all
    }
}

fn changed(draft: Draft, name: char, value: usize) -> Draft {
    match name {
        'W' => Draft {
            beam_width: value,
            ..draft
        },
        'K' => Draft {
            successors: value,
            ..draft
        },
        'L' => Draft {
            chunk_len: value,
            ..draft
        },
        _ => Draft {
            max_new_tokens: value,
            ..draft
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_every_combination() {
        let grid = Grid::read("W=1,2 L=5,0").unwrap();
        let labels = grid.settings(SearchParams::default().draft());
        let labels: Vec<&str> = labels.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels, ["W=1 L=5", "W=1 L=0", "W=2 L=5", "W=2 L=0"]);
        for bad in ["W", "X=1", "W=", "W=a", "W=1;2"] {
            assert!(Grid::read(bad).is_err(), "{bad}");
        }
    }
}
